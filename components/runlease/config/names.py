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
RoleName = Annotated[
    str,
    _matching(
        r"(?!pg_|(?:public|none)$)[a-z_][a-z0-9_-]*",
        POSTGRES_BYTES,
        "lower-case letters, digits, '_' and '-'; not public, none or pg_…, which are no role of yours",
    ),
]
SchemaName = Annotated[
    str,
    _matching(
        r"(?!pg_|(?:information_schema|runlease)$)[a-z_][a-z0-9_-]*",
        POSTGRES_BYTES,
        "lower-case letters, digits, '_' and '-'; not PostgreSQL's own or the broker's schema runlease",
    ),
]
Host = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?",
        DNS_SUBDOMAIN,
        "a host name or an IPv4 address; it becomes part of a URL",
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
ServiceAccount = Annotated[
    str,
    _matching(
        r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        DNS_SUBDOMAIN,
        "a DNS name: lower-case letters, digits, '-' and '.'; no wildcard",
    ),
]
Audience = Annotated[
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9._:/-]*", 253, "letters, digits and any of '._:/-'; no wildcard")
]


def table_name(name: str) -> str:
    """Check a `schema.table` name. Raises ValueError when it has another shape."""
    spelled = re.fullmatch(r"[a-z_][a-z0-9_-]*\.[a-z_][a-z0-9_-]*", name)
    if not spelled or max(map(len, name.split("."))) > POSTGRES_BYTES:
        raise ValueError(
            f"not a table (got {name!r}, expected schema.table in lower case, at most {POSTGRES_BYTES} bytes each). "
            "Fix: write its schema first"
        )
    return name


def _once(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    twice = sorted({name for name in names or () if (names or ()).count(name) > 1})
    if twice:
        raise ValueError(f"named twice (got {', '.join(twice)}, expected each once). Fix: remove one")
    return names


Once = AfterValidator(_once)
"""No name twice in a list."""


TableName = Annotated[str, AfterValidator(table_name)]
