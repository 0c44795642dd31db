"""What a leased login sees of its server: the names that attempts are made of. Values alone."""

from dataclasses import dataclass

from runlease.access import PROFILES, Access, Database, Lease, OnNamed, Privilege, Role
from runlease.config.made import own_role


@dataclass(frozen=True, order=True)
class Relation:
    """A table, view or sequence outside the system's schemas and of no extension."""

    oid: int
    schema: str
    name: str
    kind: str
    """As in pg_class.relkind."""
    column: str | None = None
    """A column to name: one that may be updated, if there is one."""
    holds: frozenset[str] = frozenset()
    """The privileges that has_…_privilege says the login has on it, or on any column, whatever its schema lets."""

    @property
    def is_sequence(self) -> bool:
        """Whether it is no table of any kind."""
        return self.kind == "S"

    @property
    def stores(self) -> bool:
        """Whether it is a table with rows of its own or in partitions."""
        return self.kind in "rp"

    def __str__(self) -> str:
        return f"{'SEQUENCE' if self.is_sequence else 'TABLE'} {self.schema}.{self.name}"


@dataclass(frozen=True, order=True)
class Routine:
    """A function or procedure outside the system's schemas and of no extension."""

    oid: int
    schema: str
    signature: str
    """Name and types of arguments."""
    public: bool = False
    """Whether PUBLIC may execute it."""


@dataclass(frozen=True, order=True)
class Rest:
    """A privilege that is not one on a table, schema, function or database."""

    kind: str
    """As in has_<kind>_privilege: server, tablespace, parameter, …"""
    name: str
    privilege: str

    def __str__(self) -> str:
        return f"{self.privilege} ON {self.kind.replace('_', ' ').upper()} {self.name}"


@dataclass(frozen=True, order=True)
class SeenRole:
    """A role of the server."""

    oid: int
    name: str


@dataclass(frozen=True, order=True)
class SeenDatabase:
    """A database that takes connections."""

    name: str


@dataclass(frozen=True)
class Sight:
    """One database, as a leased login sees it."""

    version: int
    """As server_version_num: 150018."""
    roles: tuple[SeenRole, ...] = ()
    databases: tuple[SeenDatabase, ...] = ()
    schemas: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    routines: tuple[Routine, ...] = ()
    rest: tuple[Rest, ...] = ()

    @property
    def before_16(self) -> bool:
        """Whether every membership lets its member become the role."""
        return self.version < 160000

    @property
    def table_privileges(self) -> tuple[Privilege, ...]:
        """What can be granted on a table of this server."""
        known = (
            Privilege.SELECT,
            Privilege.INSERT,
            Privilege.UPDATE,
            Privilege.DELETE,
            Privilege.TRUNCATE,
            Privilege.REFERENCES,
            Privilege.TRIGGER,
        )
        return (*known, Privilege.MAINTAIN) if self.version >= 170000 else known

    def has_role(self, name: str) -> bool:
        """Whether the server has that role."""
        return any(role.name == name for role in self.roles)


@dataclass(frozen=True)
class Holder:
    """A login with a lease, and what is declared of it."""

    access: Access
    lease: Lease
    database: Database
    role: Role
    login: str
    closed: frozenset[str] = frozenset()
    """Other databases of the server in which PUBLIC has nothing, by what is declared."""
    writes: bool = False
    """Whether a privilege to write is used: triggers may fire, sequences advance."""

    @property
    def marker(self) -> str:
        """The role without rights that every leased login is a member of."""
        return own_role(self.database.key, "login")

    @property
    def own_schema(self) -> str | None:
        """The schema that the broker made for this login."""
        profile = self.lease.profile
        return self.login if profile is not None and PROFILES[profile].own_schema else None

    @property
    def audits(self) -> bool:
        """Whether it is declared to look at the server's settings and at Vault's."""
        return self.lease.profile is not None and PROFILES[self.lease.profile].audits

    @property
    def predefined(self) -> tuple[str, ...]:
        """Roles of PostgreSQL's own whose rights the login is declared to hold."""
        return PROFILES[self.lease.profile].predefined if self.lease.profile else ()

    @property
    def called(self) -> frozenset[str]:
        """Functions of the server's that the login is declared to call, and PUBLIC may not."""
        targets = [grant.target for grant in self.role.grants]
        ours = [one for one in targets if isinstance(one, OnNamed) and one.schema == "pg_catalog"]
        return frozenset(name for one in ours for name in one.names)

    def own(self, part: str) -> str:
        """A role of runlease's own."""
        return own_role(self.database.key, part)
