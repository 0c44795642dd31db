"""SQL as a test tries it: worded with names, and judged by how it ends."""

from __future__ import annotations

from contextlib import nullcontext

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.sql import SQL, Composed, Identifier

DENIED = "42501"
"""insufficient_privilege: what PostgreSQL and the broker say to who may not."""


def worded(statement: str, **names: str) -> Composed:
    """A statement with these names as identifiers."""
    return SQL(statement).format(**{key: Identifier(name) for key, name in names.items()})


def outcome(session: psycopg.Connection, statement: str | Composed) -> str:
    """How a statement ends: the SQLSTATE of its error, else of its last warning, else 00000.

    An error undoes the statement alone, also inside a transaction.
    """
    inside = session.info.transaction_status == TransactionStatus.INTRANS
    warnings: list[str] = []

    def heard(said: psycopg.errors.Diagnostic) -> None:
        if said.severity_nonlocalized == "WARNING":
            warnings.append(said.sqlstate or "")

    session.add_notice_handler(heard)
    try:
        with session.transaction() if inside else nullcontext():
            session.execute(statement.encode() if isinstance(statement, str) else statement)
    except psycopg.Error as error:
        return error.sqlstate or type(error).__name__
    finally:
        session.remove_notice_handler(heard)
    return warnings[-1] if warnings else "00000"


def tried(session: psycopg.Connection, statement: str | Composed) -> str:
    """How it ended; nothing of it stays."""
    with session.transaction(force_rollback=True):
        return outcome(session, statement)
