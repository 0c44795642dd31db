"""What only planned and live access know: how Vault and Kubernetes are wired. Declared access has none of it.

`source` of each noun, and of those in `model`, is what makes it: a path of the settings, a URN, a catalog. It is for
the reader of a report, and two nouns that differ in it alone are the same.
"""

from dataclasses import dataclass, field

from runlease.access.lifetimes import Duration

EVERY = "*"
"""Stands in the place of a name for all of them: Vault's and Kubernetes' own spelling."""

API_AUDIENCES = (
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "kubernetes",
    "api",
)
"""What API servers are called as an audience, beside their issuer. A token for one of them is none for Vault."""


@dataclass(frozen=True)
class Connection:
    """Vault's way into one database: `shop-prod-db/shop-data`."""

    mount: str
    """Path of the database mount."""
    name: str
    dbname: str
    username: str
    """PostgreSQL login that Vault uses."""
    host: str = ""
    """`host:port` that Vault dials; empty where it is not known."""
    allowed_roles: tuple[str, ...] = ()
    """Leases that may use it; EVERY for all."""
    sslmode: str = ""
    """As in the connection URL; empty where it says nothing, which libpq takes for `prefer`."""
    username_template: str = ""
    """How leased logins are named; empty for Vault's default, which holds `.DisplayName`."""
    password_authentication: str = ""
    """`scram-sha-256`, or `password`, which is also what nothing means: PostgreSQL then sees clear passwords."""
    mount_maximum: Duration | None = None
    """`max_lease_ttl` of the mount; None for the server's own maximum."""
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.mount}/{self.name}"


@dataclass(frozen=True)
class PathRule:
    """One path of a policy and what may be done there."""

    path: str
    capabilities: tuple[str, ...]
    allowed_parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Parameter → values it may have, none for any; empty when nothing is said, which allows all parameters."""

    def __str__(self) -> str:
        return f"{', '.join(self.capabilities)} on {self.path}"


@dataclass(frozen=True)
class Policy:
    """A policy of Vault."""

    name: str
    rules: tuple[PathRule, ...]
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Trust:
    """A JWT role: whose tokens Vault takes, and what it gives for them. `shop-prod-jwt/shop-prod.ci.migrate`."""

    mount: str
    """Path of the JWT mount, without `auth/`."""
    name: str
    bound_subject: str = ""
    """The `sub` that is accepted, compared exactly; empty for any."""
    audiences: tuple[str, ...] = ()
    bound_claims: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Claim, as a JSON pointer or a plain name → values that are accepted."""
    claims_type: str = "string"
    """`string`, compared exactly, or `glob`."""
    issuer: str = ""
    """`bound_issuer` of the mount; empty where it is not bound or not known."""
    policies: tuple[str, ...] = ()
    """Names of the policies that its tokens carry."""
    no_default_policy: bool = False
    expiration_leeway: int = 0
    """Seconds; 0 is Vault's default of 150, and -1 is none. So are the other two."""
    not_before_leeway: int = 0
    clock_skew_leeway: int = 0
    """As above, with a default of 60."""
    token_ttl: Duration | None = None
    """None where the mount or the server decides."""
    token_max_ttl: Duration | None = None
    token_explicit_max_ttl: Duration | None = None
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.mount}/{self.name}"


@dataclass(frozen=True)
class Account:
    """A Kubernetes service account as an object: `ci/shop-release-migrate`."""

    namespace: str
    name: str
    automount: bool = True
    """Whether pods get a token of it unasked. Kubernetes' default is that they do."""
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Permission:
    """What RBAC lets one subject do in one namespace, one rule of one binding."""

    subject: str
    """As Kubernetes names it to its authorizer: a user, `system:serviceaccount:<namespace>:<name>`, or a group."""
    namespace: str
    """A namespace, or EVERY."""
    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    """`pods`, `pods/exec`, or EVERY; without the API group."""
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        where = "every namespace" if self.namespace == EVERY else f"namespace {self.namespace}"
        return f"{self.subject} may {', '.join(self.verbs)} {', '.join(self.resources)} in {where}"


@dataclass(frozen=True)
class TaskText:
    """The texts of a Tekton Task in which a secret or a foreign command could stand. Never printed."""

    namespace: str
    name: str
    images: tuple[tuple[str, str], ...] = ()
    """Place (`steps.migrate`, `sidecars.guard`) → image, as written; `$(params.x)` is a value of `params.x`."""
    scripts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Place (`steps.migrate`) → script."""
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Place (`params.image`, `steps.migrate.env.PGHOST`) → default or value as plain text."""
    secrets: tuple[tuple[str, str], ...] = ()
    """Place (`steps.migrate.env.PGPASSWORD`, `steps.migrate.envFrom`) → the Secret that fills it."""
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Unread:
    """What was not understood, or is not known before an `up`. Never silence, and never "no change"."""

    where: str
    """URN, path or name of the thing."""
    why: str
    narrows: bool = field(default=False, kw_only=True)
    """Whether it can only take away: then it is told, and no finding."""
    source: str = field(default="", compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"
