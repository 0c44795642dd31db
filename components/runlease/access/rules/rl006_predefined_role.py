"""RL006: PostgreSQL's own roles reach over every schema, and some over the server itself."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.holders import Holders, of_role
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_WATCHING = {
    "pg_checkpoint",
    "pg_database_owner",
    "pg_monitor",
    "pg_read_all_settings",
    "pg_read_all_stats",
    "pg_stat_scan_tables",
    "pg_use_reserved_connections",
}
"""Predefined roles that read no row and change nothing of anybody's. One that PostgreSQL adds later is not among them.

https://www.postgresql.org/docs/current/predefined-roles.html
"""

_SIGNALS = "pg_signal_backend"


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    holders = Holders(access)
    for role in access.roles:
        if not role.name.startswith("pg_") or role.name in _WATCHING:
            continue
        for member in dict.fromkeys((*role.members, *role.admins)):
            held = holders.role(role.database, member)
            broker = held is not None and role.name == _SIGNALS and holders.is_broker(held)
            if not broker and not member.startswith("pg_"):
                yield Breach(f"member {member} of {of_role(role)}", "holds a predefined role", role.source)


RULE = Rule(
    id="RL006",
    severity=Severity.CRITICAL,
    sentence="No role is a member of a predefined role that reads, writes, runs or signals.",
    why=(
        "pg_read_all_data and pg_write_all_data pass by every grant of every database. pg_execute_server_program and "
        "pg_read_server_files, pg_write_server_files are the server's own account: a shell. pg_signal_backend ends "
        "sessions of others; runlease's broker, that only the deployer may become, is let through for it."
    ),
    fix="Take the membership away, and grant what is needed on the schemas that it is needed for: a reader profile.",
    language="python",
    before='postgresql.GrantRole("bi", role="bi_tool", grant_role="pg_read_all_data")',
    after='"profiles": {"reader": {"members": ["bi_tool"]}}',
    check=_check,
)
