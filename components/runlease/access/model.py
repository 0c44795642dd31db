"""The nouns as frozen values. `str()` of each is the domain's own spelling, used in logs, tests and reports."""

from dataclasses import dataclass
from enum import StrEnum

from runlease.access.lifetimes import Duration


class Privilege(StrEnum):
    """A word PostgreSQL knows (https://www.postgresql.org/docs/current/ddl-priv.html).

    TRIGGER, REFERENCES, TRUNCATE and MAINTAIN are absent on purpose: no profile may grant them. TRIGGER lets its
    holder run code as whoever writes next.
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


class ObjectKind(StrEnum):
    """The kinds of object that live in a schema and can be granted on together."""

    TABLE = "TABLE"
    SEQUENCE = "SEQUENCE"
    FUNCTION = "FUNCTION"


class ProfileName(StrEnum):
    """The profiles that a database can offer."""

    READER = "reader"
    SEEDER = "seeder"
    MIGRATOR = "migrator"
    VERIFIER = "verifier"
    SANDBOX = "sandbox"


class Server(StrEnum):
    """Who runs PostgreSQL: us, with a superuser; or a provider, without one."""

    SELF_MANAGED = "self_managed"
    MANAGED = "managed"


class Public(StrEnum):
    """What PUBLIC, that is every role of the server, keeps on a database."""

    KEEP = "keep"
    REVOKE = "revoke"


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
class OnFuture:
    """Every object of one kind that `owner` will make in a schema (default privileges)."""

    kind: ObjectKind
    schema: str
    owner: str

    def __str__(self) -> str:
        return f"FUTURE {self.kind}S OF {self.owner} IN SCHEMA {self.schema}"


Target = OnDatabase | OnSchema | OnAll | OnNamed | OnFuture


@dataclass(frozen=True)
class Grant:
    """Privileges on one target, to one role: `SELECT ON ALL TABLES IN SCHEMA app TO shop_reader`."""

    privileges: tuple[Privilege, ...]
    target: Target
    role: str

    def __str__(self) -> str:
        return f"{', '.join(self.privileges)} ON {self.target} TO {self.role}"


@dataclass(frozen=True)
class Database:
    """A database that leases are for, as pods and Vault see it."""

    key: str
    dbname: str
    owner: str
    schemas: tuple[str, ...]
    server: Server
    public: Public

    def __str__(self) -> str:
        return f"{self.key}: {self.dbname}, owned by {self.owner}"


@dataclass(frozen=True)
class Role:
    """A NOLOGIN group role that holds grants; logins get rights by membership only."""

    name: str
    database: str
    profile: ProfileName
    grants: tuple[Grant, ...]
    members: tuple[str, ...] = ()
    runs_as: str | None = None
    """The owner role that a session of this profile becomes, or None when it stays itself."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Lease:
    """What Vault issues: a short-lived login in one role. `shop-migrator: shop_migrator for 15m, at most 30m`."""

    name: str
    database: str
    profile: ProfileName
    role: str
    ttl: Duration
    max_ttl: Duration

    def __str__(self) -> str:
        return f"{self.name}: {self.role} for {self.ttl}, at most {self.max_ttl}"


@dataclass(frozen=True, order=True)
class Identity:
    """A Kubernetes service account, its cluster's issuer and the audience of its token: `ci/shop-release-migrate`."""

    namespace: str
    service_account: str
    issuer: str
    audience: str

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
    task: str

    def __str__(self) -> str:
        return f"{self.identity} may obtain {self.lease}"


@dataclass(frozen=True)
class Access:
    """Who can do what, for how long: the report itself. Every way of reading access ends in one of these."""

    installation: str
    databases: tuple[Database, ...] = ()
    roles: tuple[Role, ...] = ()
    leases: tuple[Lease, ...] = ()
    bindings: tuple[Binding, ...] = ()

    def __str__(self) -> str:
        lines = [f"installation {self.installation}"]
        lines += [str(grant) for role in self.roles for grant in role.grants]
        lines += [f"{member} is a member of {role}" for role in self.roles for member in role.members]
        lines += [str(noun) for nouns in (self.leases, self.bindings) for noun in nouns]
        return "\n".join(lines)
