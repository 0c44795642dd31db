"""RL001: what no grant could give."""

from collections.abc import Iterator

from runlease.access.model import Access, Attribute
from runlease.access.rules.holders import Holders, of_role
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_DANGEROUS = (Attribute.SUPERUSER, Attribute.CREATEROLE, Attribute.BYPASSRLS, Attribute.REPLICATION)


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    holders = Holders(access)
    for role in access.roles:
        if not holders.is_broker(role):
            for attribute in _DANGEROUS:
                if attribute in role.attributes:
                    what = f"is {attribute} (expected no such attribute)"
                    yield Breach(f"{attribute} of {of_role(role)}", what, role.source)


RULE = Rule(
    id="RL001",
    severity=Severity.CRITICAL,
    sentence="No role is SUPERUSER, CREATEROLE, BYPASSRLS or REPLICATION.",
    why=(
        "These hold on the whole server and pass by every grant. On PostgreSQL 15 a CREATEROLE user is nearly a "
        "superuser: it can give itself pg_execute_server_program and run commands as the server. REPLICATION reads "
        "every row of every database. runlease's broker needs CREATEROLE, and is a NOLOGIN role that only the deployer "
        "may become: that shape is let through, and no other."
    ),
    fix="Remove the attribute, and grant what the role needs; logins are made by the broker.",
    language="python",
    before='postgresql.Role("ci", name="ci", login=True, create_role=True)',
    after='postgresql.Role("ci", name="ci", login=True)',
    check=_check,
)
