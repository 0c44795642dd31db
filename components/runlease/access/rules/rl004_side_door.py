"""RL004: privileges that are a way to other privileges."""

from collections.abc import Iterator

from runlease.access.grants import Privilege
from runlease.access.model import Access
from runlease.access.rules.holders import grants, of_grant
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_SIDE_DOORS = (Privilege.TRIGGER, Privilege.REFERENCES, Privilege.MAINTAIN)


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for role, grant in grants(access):
        if given := [privilege for privilege in _SIDE_DOORS if privilege in grant.privileges]:
            yield Breach(of_grant(role, grant), f"gives {', '.join(given)} (expected none of them)", grant.source)


RULE = Rule(
    id="RL004",
    severity=Severity.HIGH,
    sentence="TRIGGER, REFERENCES and MAINTAIN are granted to nobody.",
    why=(
        "TRIGGER lets its holder put a function on a table that runs as whoever writes next, a migration's owner "
        "included. REFERENCES finds out which keys exist, and stops their deletion. MAINTAIN takes locks that stop a "
        "table, and runs expressions of indexes."
    ),
    fix="Take it out of the grant. Who makes triggers and foreign keys is the owner, in a migration.",
    language="python",
    before='privileges=["SELECT", "TRIGGER"]',
    after='privileges=["SELECT"]',
    check=_check,
)
