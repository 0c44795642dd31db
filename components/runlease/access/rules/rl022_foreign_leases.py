"""RL022: a run ends its own leases."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.policies import may_change, own_leases, wild
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.wiring import PathRule

_BY_BODY = ("sys/leases/revoke", "sys/leases/renew", "sys/leases/lookup", "sys/revoke", "sys/renew")
"""Endpoints that are told the lease in the parameter `lease_id`."""

_BY_PREFIX = ("sys/leases/revoke-prefix/", "sys/leases/revoke-force/", "sys/revoke-prefix/", "sys/revoke-force/")
"""Endpoints that end every lease below a path, whoever holds it."""


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for policy in access.policies:
        own = {f"{lease}/*" for lease in own_leases(policy)}
        for rule in policy.rules:
            if may_change(rule) and _reaches_others(own, rule):
                what = "reaches leases of others (expected lease_id bound to `<creds path>/*` of a lease that it reads)"
                yield Breach(f"path {rule.path} of policy {policy}", what, policy.source)


def _reaches_others(own: set[str], rule: PathRule) -> bool:
    return rule.path.startswith(_BY_PREFIX) or (rule.path in _BY_BODY and not _bound_to(own, rule))


def _bound_to(own: set[str], rule: PathRule) -> bool:
    values = dict(rule.allowed_parameters).get("lease_id", ())
    return bool(values) and set(values) <= own and not any(wild(name) for name, _ in rule.allowed_parameters)


RULE = Rule(
    id="RL022",
    severity=Severity.MEDIUM,
    sentence="A policy revokes and renews leases of its own creds path only.",
    why=(
        "Whoever may send any lease_id to sys/leases/revoke can end the runs of others, and with renew keep alive what "
        "should end. A lease_id that is allowed as `*`, or an allowed parameter `*`, is no bound."
    ),
    fix="Bind lease_id by allowed_parameters to the path that the policy reads.",
    language="hcl",
    before='path "sys/leases/revoke" { capabilities = ["update"] }',
    after=(
        'path "sys/leases/revoke" {\n  capabilities = ["update"]\n  allowed_parameters = {\n'
        '    "lease_id" = ["shop-prod-db/creds/shop-migrator/*"]\n    "sync" = ["true"]\n  }\n}'
    ),
    check=_check,
)
