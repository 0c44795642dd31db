"""What a PostgreSQL server says about itself: the facts that decisions are made from. Pure values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LiveRole:
    """A role, and what the admin can do with it."""

    name: str
    can_login: bool = False
    superuser: bool = False
    create_role: bool = False
    create_db: bool = False
    replication: bool = False
    bypass_rls: bool = False
    admin_inherits: bool = False
    """The admin has its privileges without SET ROLE."""
    admin_becomes: bool = False
    """The admin may SET ROLE to it."""
    admin_grants: bool = False
    """The admin holds it WITH ADMIN OPTION."""


@dataclass(frozen=True)
class LiveDatabase:
    """A database, as every session of the server sees it."""

    name: str
    owner: str
    only_through_public: Sequence[str] = ()
    """Logins that may connect, and could not if PUBLIC lost CONNECT."""
    direct: Mapping[str, Sequence[str]] | None = None
    """Role → the privileges that are granted to it by name, the owner's own among them."""


@dataclass(frozen=True)
class LiveTable:
    """A table, view, sequence or the like: what ALL TABLES and ALL SEQUENCES would reach."""

    schema: str
    name: str
    owner: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class LiveContent:
    """What stands inside the database."""

    schemas: Mapping[str, str]
    """Schema → owner, of the declared schemas and the broker's."""
    tables: tuple[LiveTable, ...] = ()
    """Of the declared schemas; without what belongs to an extension or to another table."""


@dataclass(frozen=True)
class LiveServer:
    """One server, through the eyes of the admin."""

    version: int
    """`server_version_num`: 150018 for 15.18."""
    admin: str
    roles: Mapping[str, LiveRole]
    databases: Mapping[str, LiveDatabase]
    """The declared database and those to close, as far as they exist."""
    extensions: frozenset[str] = frozenset()
    """What could be created here."""
    standby: bool = False
    tls: bool = True
    password_encryption: str = "scram-sha-256"  # noqa: S105 - a method, no password
    content: LiveContent | None = None
    """None when the database does not exist."""
