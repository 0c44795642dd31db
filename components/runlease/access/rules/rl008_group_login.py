"""RL008: a group role is nobody."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.holders import of_role
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    leased = {(lease.database, lease.role) for lease in access.leases}
    for role in access.roles:
        if role.login and (role.members or (role.database, role.name) in leased):
            what = f"can log in and has members (got {', '.join(role.members) or 'leased logins'}, expected NOLOGIN)"
            yield Breach(of_role(role), what, role.source)


RULE = Rule(
    id="RL008",
    severity=Severity.MEDIUM,
    sentence="A role that has members cannot log in.",
    why=(
        "A group role with a password is a login that nobody owns: it does not expire, its sessions carry nobody's "
        "name, and its members can change its password where they administer it."
    ),
    fix="Make it NOLOGIN, and give whoever logs in as it a login of their own.",
    language="python",
    before='postgresql.Role("readers", name="readers", login=True)',
    after='postgresql.Role("readers", name="readers", login=False)',
    check=_check,
)
