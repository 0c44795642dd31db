"""RL016: PostgreSQL is given a verifier, never a password."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_SCRAM = "scram-sha-256"


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for connection in access.connections:
        if connection.password_authentication != _SCRAM:
            got = connection.password_authentication or "nothing, which means password"
            yield Breach(
                f"connection {connection}",
                f"sends passwords in clear text (got password_authentication {got}, expected {_SCRAM})",
                connection.source,
            )


RULE = Rule(
    id="RL016",
    severity=Severity.MEDIUM,
    sentence="Vault hands PostgreSQL a SCRAM verifier.",
    why=(
        "With `password`, the default, the clear password stands in the statement, and so in PostgreSQL's log as soon "
        "as the statement fails, or with log_statement on."
    ),
    fix="Set password_authentication.",
    language="python",
    before='password_authentication="password"',
    after='password_authentication="scram-sha-256"',
    check=_check,
)
