"""RL011: writing names what it writes."""

from collections.abc import Iterator

from runlease.access.grants import ObjectKind, OnAll, OnFuture, Privilege
from runlease.access.model import Access
from runlease.access.rules.holders import is_leased_seeder, of_grant
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_CHANGES = (Privilege.UPDATE, Privilege.DELETE)


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for role in access.roles:
        if is_leased_seeder(role):
            continue
        for grant in role.grants:
            unnamed = isinstance(grant.target, OnAll | OnFuture) and grant.target.kind is ObjectKind.TABLE
            if unnamed and (given := [privilege for privilege in _CHANGES if privilege in grant.privileges]):
                what = f"gives {', '.join(given)} on tables without naming them"
                yield Breach(of_grant(role, grant), what, grant.source)


RULE = Rule(
    id="RL011",
    severity=Severity.MEDIUM,
    sentence="UPDATE and DELETE are granted on named tables, or to leases of the seeder profile.",
    why=(
        "All tables of a schema are also those that are made next year. A seeder on all tables is let through where "
        "leases alone lead to it, because each of its logins ends with its run; a member of it keeps it for good."
    ),
    fix="Name the tables (`tables:` of the profile), or take the members away and let them use leases.",
    language="yaml",
    before="seeder: {members: [importer]}",
    after="seeder: {members: [importer], tables: [app.import]}",
    check=_check,
)
