"""How Vault is wired, held against what a deployment makes: policies, and the rules. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from runlease.access import Access
from runlease.access.rules import RULES, Severity, findings
from runlease.config import Settings, to_acceptances, to_bounds
from runlease.config.made import policy_name, sweeper_policy_name
from runlease.evidence.verify.check import Found
from runlease.readers.comparable import comparable
from runlease.readers.policies import read_policy

UNUSED = "RL038"
"""An acceptance may be of what is only planned, and not read here: Kubernetes."""
_PLACE = "Vault"
_UP = "pulumi up: it is a resource of the stack, and is written again"


def verify_wiring(settings: Settings, live: Access, today: date) -> Iterator[Found]:
    """What is wired otherwise than a deployment does it, and the rules that are broken by what is there."""
    yield from _policies(settings, live)
    fixes = {rule.id: rule.fix for rule in RULES}
    wired = replace(
        comparable(live, settings), connections=live.connections, policies=live.policies, trusts=live.trusts
    )
    for one in findings(wired, to_bounds(settings), to_acceptances(settings), today):
        if one.rule != UNUSED:
            yield Found(one.rule, "rule", one.severity, "rules", one.where, one.what, fixes[one.rule], one.accepted)


def _policies(settings: Settings, live: Access) -> Iterator[Found]:
    # Here, because `runlease.provision` brings Pulumi, and whoever only reads a stack file needs none.
    from runlease.provision.vault.names import policy_of, sweeper_policy

    installation, there = settings.installation, {one.name: one for one in live.policies}
    leases = settings.leases
    made = {policy_name(installation, lease): policy_of(installation, lease, leases) for lease in leases}
    if settings.sweeper is not None:
        made[sweeper_policy_name(installation)] = sweeper_policy(installation, settings.jwt_mount, leases)
    for name, text in made.items():
        expected = set(read_policy(text))
        if name in there and set(there[name].rules) != expected:
            more = "; ".join(sorted(map(str, set(there[name].rules) - expected))) or "nothing more"
            what = f"is another than the settings make: it gives {more}"
            yield Found("LV705", "policy-changed", Severity.HIGH, _PLACE, f"policy {name}", what, _UP)
