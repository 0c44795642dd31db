"""RL005: emptying a table is the owner's business."""

from collections.abc import Iterator

from runlease.access.grants import Privilege
from runlease.access.model import Access
from runlease.access.rules.holders import grants, of_grant
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for role, grant in grants(access):
        if Privilege.TRUNCATE in grant.privileges and role.runs_as is None:
            yield Breach(of_grant(role, grant), "gives TRUNCATE to a role that does not run as an owner", grant.source)


RULE = Rule(
    id="RL005",
    severity=Severity.MEDIUM,
    sentence="TRUNCATE is granted to no role but a migrator's.",
    why=(
        "TRUNCATE empties a whole table at once, asks no row-level policy and fires no DELETE trigger, so an audit by "
        "triggers sees nothing. A migrator can do it as the owner and needs no grant."
    ),
    fix="Take it out of the grant; empty tables in a migration.",
    language="python",
    before='privileges=["SELECT", "INSERT", "TRUNCATE"]',
    after='privileges=["SELECT", "INSERT", "DELETE"]',
    check=_check,
)
