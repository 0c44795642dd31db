"""RL010: default privileges hold for one owner's objects."""

from collections.abc import Iterator

from runlease.access.grants import OnFuture
from runlease.access.model import Access
from runlease.access.rules.holders import grants, of_grant
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.rules.statements import defaults_of_whoever_runs_it


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for role, grant in grants(access):
        if isinstance(grant.target, OnFuture) and not grant.target.owner:
            yield Breach(of_grant(role, grant), "names no owner (expected FOR ROLE …)", grant.source)
    for lease in access.leases:
        if any(map(defaults_of_whoever_runs_it, lease.creation)):
            yield Breach(f"lease {lease.name}", "alters default privileges without FOR ROLE", lease.source)


RULE = Rule(
    id="RL010",
    severity=Severity.MEDIUM,
    sentence="Default privileges name the owner whose objects they are for.",
    why=(
        "ALTER DEFAULT PRIVILEGES without FOR ROLE holds for what the role that runs it will make, and not for what "
        "migrations make. So the next table of a migration is one that nobody can read, and a table that an admin "
        "makes by hand is open."
    ),
    fix="Say FOR ROLE and the role that migrations run as.",
    language="sql",
    before="ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO shop_reader;",
    after="ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA app GRANT SELECT ON TABLES TO shop_reader;",
    check=_check,
)
