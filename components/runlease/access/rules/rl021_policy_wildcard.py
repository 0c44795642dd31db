"""RL021: a policy names what it opens."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.holders import is_auditor
from runlease.access.rules.policies import looks_on, own_leases, wild
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_REVOKE = "sys/leases/revoke/"
_LOOKS = {"read", "list"}


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    auditors = {(role.database, role.name) for role in access.roles if is_auditor(role)}
    auditing = {lease.name for lease in access.leases if (lease.database, lease.role) in auditors}
    for policy in access.policies:
        looked_on = looks_on(policy, auditing)
        let_through = {f"{_REVOKE}{lease}/*" for lease in own_leases(policy)}
        for rule in policy.rules:
            looks = rule.path in looked_on and set(rule.capabilities) <= _LOOKS
            if wild(rule.path) and not looks and rule.path not in let_through and rule.capabilities != ("deny",):
                what = f"opens more than it names (got {rule}, expected a path without * and +)"
                yield Breach(f"path {rule.path} of policy {policy}", what, policy.source)


RULE = Rule(
    id="RL021",
    severity=Severity.HIGH,
    sentence="No path of a policy holds `*` or `+`.",
    why=(
        "`database/*` reads the connections and writes the roles, and so the SQL that Vault runs. `creds/a*` takes "
        "every lease whose name begins with a, those that do not exist yet included. A `*` below "
        "`sys/leases/revoke/<creds path>/` is let through where the same policy reads that creds path by name: it ends "
        "nobody's leases but its own kind. An auditor, whose leases read no table, is let through to read how Vault is "
        "configured: what is there and was not declared has a name that nobody knows beforehand."
    ),
    fix="Write each path out.",
    language="hcl",
    before='path "shop-prod-db/creds/*" { capabilities = ["read"] }',
    after='path "shop-prod-db/creds/shop-migrator" { capabilities = ["read"] }',
    check=_check,
)
