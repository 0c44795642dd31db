"""RL007: rights by membership only."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.holders import Holders, is_sandbox, of_grant, only_connects
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    holders = Holders(access)
    for role in access.roles:
        if not role.login or holders.is_vault_login(role):
            continue
        for grant in role.grants:
            if not only_connects(grant) and not is_sandbox(role, grant):
                what = "is to a login (expected a group role, or CONNECT)"
                yield Breach(of_grant(role, grant), what, grant.source)


RULE = Rule(
    id="RL007",
    severity=Severity.MEDIUM,
    sentence="A login holds nothing of its own but CONNECT.",
    why=(
        "A grant to a login is an entry in the access list of every object, is forgotten when the login is replaced, "
        "and keeps the login from being dropped. Two shapes are let through: a login "
        "of Vault, which may EXECUTE functions of one schema by name, and a sandbox, a schema of the login's own name."
    ),
    fix="Grant it to a NOLOGIN role, and make the login its member.",
    language="python",
    before='postgresql.Grant("bi", role="bi_tool", object_type="table", schema="app", privileges=["SELECT"])',
    after='postgresql.GrantRole("bi", role="bi_tool", grant_role="shop_reader")',
    check=_check,
)
