"""RL003: ALL is more than anybody means."""

from collections.abc import Iterator

from runlease.access.grants import every_privilege
from runlease.access.model import Access
from runlease.access.rules.holders import grants, is_sandbox, of_grant
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for role, grant in grants(access):
        every = every_privilege(grant.target)
        if len(every) > 1 and set(every) <= set(grant.privileges) and not is_sandbox(role, grant):
            yield Breach(of_grant(role, grant), "gives all that there is (expected what is needed)", grant.source)


RULE = Rule(
    id="RL003",
    severity=Severity.HIGH,
    sentence="No grant gives every privilege of its target.",
    why=(
        "ALL on a table holds TRIGGER, with which its holder runs code as whoever writes next, and TRUNCATE, which no "
        "row-level policy stops. ALL on a schema or a database holds CREATE. It is found however it was written, as "
        "ALL or word by word. A login's hold on a schema of its own name, a sandbox, is let through."
    ),
    fix="Name the privileges that are needed, or offer a profile.",
    language="python",
    before='postgresql.Grant("seed", role="shop_seeder", object_type="table", schema="app", privileges=["ALL"])',
    after=(
        'postgresql.Grant("seed", role="shop_seeder", object_type="table", schema="app",\n'
        '                 privileges=["SELECT", "INSERT", "UPDATE", "DELETE"])'
    ),
    check=_check,
)
