"""What can be granted, and on what: privileges, targets, and the grant that joins them to a role."""

from dataclasses import dataclass, field
from enum import StrEnum

PUBLIC = "PUBLIC"
"""Name of the Role that stands for every role of the server."""


class Privilege(StrEnum):
    """A word PostgreSQL knows (https://www.postgresql.org/docs/current/ddl-priv.html).

    ALL is none: whoever reads it writes down what it gives (`every_privilege`). No profile grants TRIGGER, REFERENCES,
    TRUNCATE or MAINTAIN; TRIGGER lets its holder run code as whoever writes next.
    """

    SELECT = "SELECT"
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    USAGE = "USAGE"
    CREATE = "CREATE"
    CONNECT = "CONNECT"
    TEMPORARY = "TEMPORARY"
    EXECUTE = "EXECUTE"
    TRUNCATE = "TRUNCATE"
    REFERENCES = "REFERENCES"
    TRIGGER = "TRIGGER"
    MAINTAIN = "MAINTAIN"
    """From PostgreSQL 17 on."""


class ObjectKind(StrEnum):
    """The kinds of object that live in a schema and can be granted on together."""

    TABLE = "TABLE"
    SEQUENCE = "SEQUENCE"
    FUNCTION = "FUNCTION"


@dataclass(frozen=True, order=True)
class OnDatabase:
    """A database as a whole."""

    dbname: str

    def __str__(self) -> str:
        return f"DATABASE {self.dbname}"


@dataclass(frozen=True, order=True)
class OnSchema:
    """A schema as a container."""

    schema: str

    def __str__(self) -> str:
        return f"SCHEMA {self.schema}"


@dataclass(frozen=True, order=True)
class OnAll:
    """Every object of one kind that a schema holds now."""

    kind: ObjectKind
    schema: str

    def __str__(self) -> str:
        return f"ALL {self.kind}S IN SCHEMA {self.schema}"


@dataclass(frozen=True, order=True)
class OnNamed:
    """Objects of one kind, by name; at least one, so that an empty list can never mean all of them."""

    kind: ObjectKind
    schema: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError(
                f"grant on {self.kind} in schema {self.schema}: names no object. Fix: name one, or grant on all"
            )

    def __str__(self) -> str:
        return f"{self.kind} {', '.join(f'{self.schema}.{name}' for name in self.names)}"


@dataclass(frozen=True, order=True)
class OnColumns:
    """Columns of one table or view, by name; at least one. No profile grants on them."""

    schema: str
    table: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError(
                f"grant on columns of {self.schema}.{self.table}: names no column. Fix: name one, or grant on the table"
            )

    def __str__(self) -> str:
        return f"COLUMN {', '.join(f'{self.schema}.{self.table}({name})' for name in self.names)}"


@dataclass(frozen=True, order=True)
class OnFuture:
    """Every object of one kind that `owner` will make in a schema (default privileges)."""

    kind: ObjectKind
    schema: str
    """A schema, or EVERY for default privileges that hold in all of them."""
    owner: str
    """Empty where the statement names none: then it holds for whoever ran it, and nobody can say who that was."""

    def __str__(self) -> str:
        return f"FUTURE {self.kind}S OF {self.owner} IN SCHEMA {self.schema}"


Target = OnDatabase | OnSchema | OnAll | OnNamed | OnColumns | OnFuture


@dataclass(frozen=True)
class Grant:
    """Privileges on one target, to one role: `SELECT ON ALL TABLES IN SCHEMA app TO shop_reader`."""

    privileges: tuple[Privilege, ...]
    target: Target
    role: str
    grantable: bool = False
    """WITH GRANT OPTION."""
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        option = " WITH GRANT OPTION" if self.grantable else ""
        return f"{', '.join(self.privileges)} ON {self.target} TO {self.role}{option}"


_ALL = {
    OnDatabase: (Privilege.CREATE, Privilege.CONNECT, Privilege.TEMPORARY),
    OnSchema: (Privilege.CREATE, Privilege.USAGE),
    OnColumns: (Privilege.SELECT, Privilege.INSERT, Privilege.UPDATE, Privilege.REFERENCES),
    ObjectKind.TABLE: (
        Privilege.SELECT,
        Privilege.INSERT,
        Privilege.UPDATE,
        Privilege.DELETE,
        Privilege.TRUNCATE,
        Privilege.REFERENCES,
        Privilege.TRIGGER,
    ),
    ObjectKind.SEQUENCE: (Privilege.SELECT, Privilege.USAGE, Privilege.UPDATE),
    ObjectKind.FUNCTION: (Privilege.EXECUTE,),
}


def every_privilege(target: Target) -> tuple[Privilege, ...]:
    """What ALL gives on a target on every version of PostgreSQL; from 17 on it gives MAINTAIN on tables as well."""
    return _ALL[type(target) if isinstance(target, OnDatabase | OnSchema | OnColumns) else target.kind]
