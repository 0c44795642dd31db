"""RL009: whoever can hand a right on decides who has it."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.holders import Holders, grants, of_grant, of_role
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    holders = Holders(access)
    for role in access.roles:
        for admin in role.admins:
            if _is_reached(holders, role.database, admin):
                what = "may give the role to anybody and to itself (expected no ADMIN OPTION)"
                yield Breach(f"admin {admin} of {of_role(role)}", what, role.source)
    for role, grant in grants(access):
        if grant.grantable and holders.reached(role):
            yield Breach(of_grant(role, grant), "may be handed on (expected no GRANT OPTION)", grant.source)


def _is_reached(holders: Holders, database: str, admin: str) -> bool:
    role = holders.role(database, admin)
    if role is None:
        return True
    # A CREATEROLE user administers what it makes from PostgreSQL 16 on, and everything before: that is RL001's finding.
    return holders.reached(role) and not holders.is_broker(role) and not holders.makes_roles(database, admin)


RULE = Rule(
    id="RL009",
    severity=Severity.HIGH,
    sentence="Nobody who can log in hands a role or a privilege on.",
    why=(
        "WITH ADMIN OPTION lets its holder give the role to anybody, and to itself when it was given without the rest. "
        "WITH GRANT OPTION does the same for one privilege. What is declared is then no longer what is. runlease's "
        "broker administers the group roles, and only the deployer may become it: that shape is let through."
    ),
    fix="Grant it without the option.",
    language="python",
    before='postgresql.GrantRole("lead", role="lead", grant_role="shop_reader", with_admin_option=True)',
    after='postgresql.GrantRole("lead", role="lead", grant_role="shop_reader")',
    check=_check,
)
