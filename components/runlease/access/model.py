"""The nouns as frozen values. `str()` of each is the domain's own spelling, used in logs, tests and reports."""

from dataclasses import dataclass, field
from enum import StrEnum

from runlease.access.grants import Grant
from runlease.access.lifetimes import Duration
from runlease.access.wiring import Account, Connection, Permission, Policy, TaskText, Trust, Unread


class Attribute(StrEnum):
    """What a role may do whatever it was granted; it holds on the whole server and is never inherited."""

    SUPERUSER = "SUPERUSER"
    CREATEROLE = "CREATEROLE"
    CREATEDB = "CREATEDB"
    BYPASSRLS = "BYPASSRLS"
    REPLICATION = "REPLICATION"


class ProfileName(StrEnum):
    """The profiles that a database can offer."""

    READER = "reader"
    SEEDER = "seeder"
    MIGRATOR = "migrator"
    VERIFIER = "verifier"
    SANDBOX = "sandbox"
    SWEEPER = "sweeper"
    AUDITOR = "auditor"


class Server(StrEnum):
    """Who runs PostgreSQL: us, with a superuser; or a provider, without one."""

    SELF_MANAGED = "self_managed"
    MANAGED = "managed"


class Public(StrEnum):
    """What PUBLIC, that is every role of the server, keeps on a database."""

    KEEP = "keep"
    REVOKE = "revoke"


@dataclass(frozen=True)
class Database:
    """A database that leases are for, as pods and Vault see it."""

    key: str
    dbname: str
    owner: str
    schemas: tuple[str, ...]
    server: Server
    public: Public
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.key}: {self.dbname}, owned by {self.owner}"


@dataclass(frozen=True)
class Role:
    """A role as one database sees it: what it holds there, and who holds it. Its key is `(database, name)`.

    Ours are NOLOGIN group roles that hold grants, and logins get rights by membership only. Planned and live access
    have every other role as well: a plain role with grants in two databases is two Roles, PUBLIC and predefined roles
    (`pg_read_all_data`) are Roles, and members may be roles themselves, so reach is transitive.
    """

    name: str
    database: str
    """Key of the Database; of the one that its provider connects to, for a role without grants."""
    profile: ProfileName | None
    """None for a role that is no profile's."""
    grants: tuple[Grant, ...]
    members: tuple[str, ...] = ()
    """Names of the roles that hold it: a Role of the same database, or a login that nothing else is known of."""
    runs_as: str | None = None
    """The owner role that a session of this profile becomes, or None when it stays itself."""
    login: bool = False
    inherit: bool = True
    """Whether it holds what its own roles hold without SET ROLE."""
    attributes: frozenset[Attribute] = frozenset()
    admins: tuple[str, ...] = ()
    """Names of the roles that may give it to others and to themselves (WITH ADMIN), whether members or not."""
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Lease:
    """What Vault issues: a short-lived login in one role. `shop-migrator: shop_migrator for 15m, at most 30m`."""

    name: str
    """Unique in an Access: a reader that meets a second lease of a name in another mount calls it Unread."""
    database: str
    """Key of the Database."""
    profile: ProfileName | None
    """None for a lease that is no profile's."""
    role: str
    """Name of the Role that its logins are members of; empty where its statements give them none."""
    ttl: Duration
    max_ttl: Duration
    mount: str = ""
    """Path of Vault's database mount; empty in declared access, like all that follows."""
    connection: str = ""
    """Name of the Connection in the same mount."""
    creation: tuple[str, ...] = field(default=(), repr=False)
    """Statements that make a login, as Vault has them; not told, because a password could stand in them."""
    revocation: tuple[str, ...] = field(default=(), repr=False)
    """Statements that end one. None means Vault's default, which fails for a login that owns something."""
    source: str = field(default="", compare=False, kw_only=True)

    @property
    def creds_path(self) -> str:
        """Where it is read in Vault."""
        return f"{self.mount}/creds/{self.name}"

    def __str__(self) -> str:
        return f"{self.name}: {self.role} for {self.ttl}, at most {self.max_ttl}"


@dataclass(frozen=True, order=True)
class Identity:
    """A Kubernetes service account, its cluster's issuer and the audience of its token: `ci/shop-release-migrate`."""

    namespace: str
    service_account: str
    issuer: str
    audience: str
    source: str = field(default="", compare=False, kw_only=True)

    @property
    def subject(self) -> str:
        """The `sub` claim that Kubernetes puts into this account's tokens."""
        return f"system:serviceaccount:{self.namespace}:{self.service_account}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service_account}"


@dataclass(frozen=True)
class Binding:
    """This identity may obtain this lease: `ci/shop-release-migrate may obtain shop-migrator`."""

    identity: Identity
    lease: str
    pipeline: str
    """Empty, like `task`, where the account alone is known."""
    task: str
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.identity} may obtain {self.lease}"


@dataclass(frozen=True)
class Access:
    """Who can do what, for how long: the report itself. Every way of reading access ends in one of these.

    Declared access ends with the bindings; the rest is what only planned and live access know.
    """

    installation: str
    databases: tuple[Database, ...] = ()
    roles: tuple[Role, ...] = ()
    leases: tuple[Lease, ...] = ()
    bindings: tuple[Binding, ...] = ()
    connections: tuple[Connection, ...] = ()
    policies: tuple[Policy, ...] = ()
    trusts: tuple[Trust, ...] = ()
    accounts: tuple[Account, ...] = ()
    permissions: tuple[Permission, ...] = ()
    tasks: tuple[TaskText, ...] = ()
    unread: tuple[Unread, ...] = ()

    def __str__(self) -> str:
        lines = [f"installation {self.installation}"]
        lines += [str(grant) for role in self.roles for grant in role.grants]
        lines += [f"{member} is a member of {role}" for role in self.roles for member in role.members]
        lines += [str(noun) for nouns in (self.leases, self.bindings) for noun in nouns]
        return "\n".join(lines)
