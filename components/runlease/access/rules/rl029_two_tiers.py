"""RL029: an account that may become the owner does nothing else."""

from collections import defaultdict
from collections.abc import Iterator

from runlease.access.model import Access, Identity, Lease
from runlease.access.profiles import PROFILES
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    leases = {lease.name: lease for lease in access.leases}
    owners = {(role.database, role.name) for role in access.roles if role.runs_as is not None}
    bound = defaultdict[tuple[str, str], list[tuple[Identity, Lease]]](list)
    for binding in access.bindings:
        if lease := leases.get(binding.lease):
            bound[binding.identity.issuer, binding.identity.subject].append((binding.identity, lease))
    for chains in bound.values():
        tiers: dict[bool, str] = {}
        for _, lease in chains:
            tiers.setdefault(_becomes_owner(lease, owners), lease.name)
        if len(tiers) > 1:
            what = f"may become an owner by {tiers[True]} and holds {tiers[False]} as well (expected one tier)"
            identity = chains[0][0]
            yield Breach(f"service account {identity}", what, identity.source)


def _becomes_owner(lease: Lease, owners: set[tuple[str, str]]) -> bool:
    profile = lease.profile is not None and PROFILES[lease.profile].runs_as_owner
    return profile or (lease.database, lease.role) in owners


RULE = Rule(
    id="RL029",
    severity=Severity.HIGH,
    sentence="No service account has leases of two tiers of trust.",
    why=(
        "A step that reads data runs code that a migration does not need: a report, a test. With one account for both, "
        "that code can take the migrator's lease and be the owner."
    ),
    fix="Give each task an account of its own: one lease each.",
    language="python",
    before='token_policies=["shop-prod.shop-reader", "shop-prod.shop-migrator"]',
    after='token_policies=["shop-prod.shop-migrator"]',
    check=_check,
)
