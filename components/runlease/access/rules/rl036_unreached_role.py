"""RL036: what nobody has need not be."""

from collections.abc import Iterator

from runlease.access.grants import PUBLIC
from runlease.access.model import Access
from runlease.access.rules.holders import Holders, of_role
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    holders = Holders(access)
    for role in access.roles:
        if role.grants and role.name != PUBLIC and not role.name.startswith("pg_") and not holders.reached(role):
            yield Breach(of_role(role), "holds grants and is reached by no login and no lease", role.source)


RULE = Rule(
    id="RL036",
    severity=Severity.LOW,
    sentence="Every role that holds grants is reached by a login or a lease.",
    why=(
        "A role that nobody reaches is forgotten, and still there when somebody becomes its member by mistake. Often "
        "it says that a lease or a member is missing."
    ),
    fix="Give it a lease or a member, or take the profile out of the settings.",
    language="yaml",
    before="profiles: {reader: {}}       # no lease of the profile reader",
    after="profiles: {reader: {members: [bi_tool]}}",
    check=_check,
)
