"""What the catalogs of one database say, read by a login that needs no right but CONNECT."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from runlease.config.made import BROKER_SCHEMA, own_role
from runlease.readers import catalog_sql as sql

_SESSION = "SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = '30s'"


@dataclass(frozen=True)
class CatalogRole:
    """One role of the server."""

    name: str
    login: bool
    inherit: bool
    superuser: bool
    createrole: bool
    createdb: bool
    bypassrls: bool
    replication: bool
    leased: bool
    """Whether the broker made it for a lease."""


@dataclass(frozen=True)
class Membership:
    """One role in another."""

    role: str
    member: str
    admin: bool
    inherits: bool
    becomes: bool

    @property
    def holds(self) -> bool:
        """Whether it gives anything but the right to give it away: a bare mark does not."""
        return self.inherits or self.becomes


@dataclass(frozen=True)
class CatalogObject:
    """A database, schema, table, sequence or function, by its own name."""

    kind: str
    schema: str
    name: str
    owner: str


@dataclass(frozen=True)
class CatalogPrivilege:
    """One privilege on one object, to one role that is not its owner."""

    kind: str
    schema: str
    name: str
    grantee: str
    privilege: str
    grantable: bool
    usual: bool
    """Whether nobody granted it: it is what PostgreSQL means by no list."""
    column: str = ""
    """Of the table, where the privilege is on that alone."""


@dataclass(frozen=True)
class CatalogDefault:
    """One default privilege. `kind` is a letter of `pg_default_acl.defaclobjtype`."""

    owner: str
    schema: str
    kind: str
    grantee: str
    privilege: str
    grantable: bool
    usual: bool


@dataclass(frozen=True)
class Other:
    """Something granted that this reader does not follow."""

    thing: str
    kind: str


@dataclass(frozen=True)
class Catalog:
    """All of it."""

    dbname: str
    roles: Mapping[str, CatalogRole]
    memberships: tuple[Membership, ...]
    objects: tuple[CatalogObject, ...]
    """Without what the server or an extension came with."""
    privileges: tuple[CatalogPrivilege, ...]
    defaults: tuple[CatalogDefault, ...]
    others: tuple[Other, ...]
    create_login: str
    """Body of the broker's function, where the broker owns one; empty otherwise."""


def read_catalog(session: psycopg.Connection[Any], key: str, owner: str) -> Catalog:
    """Read one database in one READ ONLY transaction.

    `key` and `owner` are the database's key and its schemas' owner, as the settings call them. Raises psycopg.Error.
    """
    own = [BROKER_SCHEMA, own_role(key, "broker")]
    with session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        session.execute(_SESSION)
        memberships = sql.MEMBERSHIPS if session.info.server_version >= 160_000 else sql.MEMBERSHIPS_15
        body = session.execute(sql.BROKER, own).fetchone()
        roles = session.cursor(row_factory=class_row(CatalogRole)).execute(sql.ROLES).fetchall()
        return Catalog(
            session.info.dbname,
            {role.name: role for role in roles},
            tuple(session.cursor(row_factory=class_row(Membership)).execute(memberships)),
            tuple(session.cursor(row_factory=class_row(CatalogObject)).execute(sql.OBJECTS)),
            tuple(session.cursor(row_factory=class_row(CatalogPrivilege)).execute(sql.PRIVILEGES + sql.OF_COLUMNS)),
            tuple(session.cursor(row_factory=class_row(CatalogDefault)).execute(sql.DEFAULTS, [owner])),
            tuple(session.cursor(row_factory=class_row(Other)).execute(sql.OTHERS, own)),
            create_login=body[0] if body else "",
        )
