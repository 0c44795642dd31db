"""What a name may look like, by the system that it ends up in. Nothing is ever shortened or folded silently."""

import re
from typing import Annotated

from pydantic import AfterValidator

POSTGRES_BYTES = 63
"""NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS."""

LEASE_BYTES = 38
"""So that `run_<lease>_<20 random characters>` is at most 63 bytes and two leases never meet once shortened."""

DNS_LABEL = 63
"""Kubernetes namespaces and label values (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/)."""

DNS_SUBDOMAIN = 253
"""Kubernetes service accounts."""

LONGEST_KEY = POSTGRES_BYTES - len("runlease__vault_migrator")
"""A database's key stands in `runlease_<key>_vault_migrator`, the longest role that is made for it."""


def _matching(pattern: str, limit: int, expected: str) -> AfterValidator:
    spelled = re.compile(pattern)

    def check(name: str) -> str:
        if not spelled.fullmatch(name) or len(name.encode()) > limit:
            raise ValueError(
                f"not a usable name (got {name!r}, expected {expected}, at most {limit} bytes). Fix: rename it"
            )
        return name

    return AfterValidator(check)


PostgresName = Annotated[
    str,
    _matching(
        r"[a-z_][a-z0-9_-]*",
        POSTGRES_BYTES,
        "lower-case letters, digits, '_' and '-', beginning with a letter or '_'",
    ),
]
DatabaseKey = Annotated[
    str,
    _matching(r"[a-z][a-z0-9_]*", LONGEST_KEY, "lower-case letters, digits and '_', beginning with a letter"),
]
VaultName = Annotated[
    str,
    _matching(r"[a-z]([a-z0-9-]*[a-z0-9])?", 63, "lower-case letters, digits and '-', beginning with a letter"),
]
LeaseName = Annotated[
    str,
    _matching(
        r"[a-z]([a-z0-9-]*[a-z0-9])?",
        LEASE_BYTES,
        "lower-case letters, digits and '-', beginning with a letter",
    ),
]
Label = Annotated[
    str,
    _matching(
        r"[a-z0-9]([a-z0-9-]*[a-z0-9])?",
        DNS_LABEL,
        "a DNS label: lower-case letters, digits and '-'; no wildcard",
    ),
]
Audience = Annotated[
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9._:/-]*", 253, "letters, digits and any of '._:/-'; no wildcard")
]


def table_name(name: str) -> str:
    """Check a `schema.table` name. Raises ValueError when it has another shape."""
    if not re.fullmatch(r"[a-z_][a-z0-9_-]*\.[a-z_][a-z0-9_-]*", name):
        raise ValueError(
            f"not a table (got {name!r}, expected schema.table in lower case). Fix: write its schema first"
        )
    return name


TableName = Annotated[str, AfterValidator(table_name)]
