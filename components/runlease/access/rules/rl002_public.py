"""RL002: PUBLIC is everybody."""

from collections.abc import Iterator

from runlease.access.grants import PUBLIC
from runlease.access.model import Access
from runlease.access.rules.holders import grants, of_grant
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for role, grant in grants(access):
        if role.name == PUBLIC:
            yield Breach(of_grant(role, grant), "gives every login of the server what it says", grant.source)


RULE = Rule(
    id="RL002",
    severity=Severity.HIGH,
    sentence="Nothing is granted to PUBLIC.",
    why=(
        "PUBLIC is every role of the server, those of other teams and those that are made tomorrow. What it holds "
        "cannot be taken from one of them."
    ),
    fix="Grant it to the roles that need it, and revoke it from PUBLIC (`public: revoke` does that for the database).",
    language="python",
    before=(
        'postgresql.Grant("read", database="shop", role="public", object_type="table", schema="app",\n'
        '                 privileges=["SELECT"])'
    ),
    after=(
        'postgresql.Grant("read", database="shop", role="shop_reader", object_type="table", schema="app",\n'
        '                 privileges=["SELECT"])'
    ),
    check=_check,
)
