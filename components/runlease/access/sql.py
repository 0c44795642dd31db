"""Quoting for SQL that is written before any connection exists (function bodies, statements for Vault).

Where a connection exists, `psycopg.sql` does this. Nothing else in the package builds SQL from text.
"""


def identifier(name: str) -> str:
    """A quoted identifier. Raises ValueError for a zero byte or more than 63 bytes, which PostgreSQL would cut.

    Source: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
    """
    if not name or "\0" in name or len(name.encode()) > 63:
        raise ValueError(
            f"SQL identifier: got {name!r}, expected 1 to 63 bytes without a zero byte. Fix: use a shorter name"
        )
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted string, right whatever `standard_conforming_strings` says. Raises ValueError for a zero byte."""
    if "\0" in text:
        raise ValueError("SQL literal: got a zero byte, expected text without one. Fix: remove it")
    quoted = "'" + text.replace("'", "''").replace("\\", "\\\\") + "'"
    return f" E{quoted}" if "\\" in text else quoted
