"""pydantic models of what a user writes. Each checks itself; `coherence` checks them against one another."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from runlease.access import Duration, ProfileName, Public, Server
from runlease.access.lifetimes import SYSTEM_MAXIMUM, TOKEN_EXPIRY
from runlease.config.admission import AdmissionSettings
from runlease.config.made import Scheduled, jwt_mount
from runlease.config.names import (
    Audience,
    DatabaseKey,
    Host,
    Label,
    LeaseName,
    Once,
    PostgresName,
    RoleName,
    SchemaName,
    ServiceAccount,
    TableName,
    VaultName,
)
from runlease.config.rules import RulesSettings
from runlease.config.scheduled import AuditorSettings, SweeperSettings
from runlease.config.section import Section
from runlease.config.values import Https, Span, https


class SslMode(StrEnum):
    """How PostgreSQL's certificate is checked (https://www.postgresql.org/docs/current/libpq-ssl.html)."""

    VERIFY_FULL = "verify-full"
    VERIFY_PINNED_CA = "verify-pinned-ca"
    """libpq's verify-ca: for a certificate that cannot name the host, from a CA that signs nothing else."""


def _key_source(value: str) -> str:
    return value if value in ("discovery", "static") else https(value)


Roles = Annotated[tuple[RoleName, ...], Once]


class VaultSettings(Section):
    """Vault or OpenBao, as pods and this program reach it."""

    address: Https
    """`https://host:port`."""
    ca: str | None = None
    """Path of its CA certificate, from the stack file's folder; none means the system's store."""
    namespace: str | None = None
    """A Vault namespace for everything that is made; none is the root namespace."""
    jwt_mount: VaultName | None = None
    """An existing JWT mount to use. Default: one is made for this cluster and installation."""
    max_lease_ttl: Span | None = None
    """The database mount's maximum. Default: the longest max_ttl of the declared leases."""


class ClusterSettings(Section):
    """The Kubernetes cluster whose service accounts are trusted."""

    issuer: Https
    """The `iss` of its tokens, compared exactly."""
    jwks: Annotated[str, AfterValidator(_key_source)] = "discovery"
    """Where Vault finds the cluster's keys: the issuer's discovery document, a JWKS URL, or `public_keys` below."""
    public_keys: tuple[str, ...] = ()
    """Paths of the issuer's public keys (PEM), for `jwks: static`."""
    jwks_ca: str | None = None
    """Path of the CA certificate that Vault checks the issuer or JWKS URL with."""
    audience: Audience | None = None
    """The one audience of run tokens. Default: `runlease/<installation>`, private to this installation."""
    api_audiences: tuple[str, ...] = ()
    """The API server's own audiences, when they are not the issuer: tokens for these are never accepted."""
    context: str | None = None
    """Context of the kubeconfig that the program deploys with. Default: the kubeconfig's current one."""
    token_expiry: Span = TOKEN_EXPIRY
    """Life of the projected token. Default 10m, the shortest Kubernetes issues."""
    admission: AdmissionSettings | None = None
    """Policies on who may use a leased service account. Default: none; the namespace is then the trust boundary."""

    @model_validator(mode="after")
    def _keys_fit(self) -> "ClusterSettings":
        if (self.jwks == "static") != bool(self.public_keys):
            raise ValueError(
                f"jwks and public_keys disagree (got jwks {self.jwks!r} and {len(self.public_keys)} keys, expected "
                "keys with jwks static only). Fix: set jwks: static and list the keys, or remove public_keys"
            )
        return self


class ProfileSettings(Section):
    """One profile that a database offers."""

    members: Roles = ()
    """Logins of people and programs that hold the profile as well; they must exist."""
    tables: Annotated[tuple[TableName, ...] | None, Field(min_length=1), Once] = None
    """Seeder only: named tables instead of all. They must exist already."""
    connections: Annotated[int, Field(ge=1, le=100)] = 4
    """CONNECTION LIMIT of each login. Default 4: a migration tool opens two or three."""


class DatabaseSettings(Section):
    """One PostgreSQL database and what is offered on it."""

    server: Server
    """`self_managed` deploys as a superuser; `managed` (RDS, Cloud SQL, …) as a CREATEROLE user."""
    host: Host
    """What pods dial; the certificate must name it."""
    vault_host: Host | None = None
    """What Vault dials, where that is another name. Default: host."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    dbname: PostgresName
    ca: str
    """Path of the CA certificate that PostgreSQL's certificate is checked with."""
    vault_ca: str | None = None
    """Path of that CA certificate on Vault's own server (`sslrootcert`). Default: Vault's system store."""
    sslmode: SslMode = SslMode.VERIFY_FULL
    unsafe_sslmode: Literal["require"] | None = None
    """Encrypts to whoever answers. Only for a server without a CA, while it gets one."""
    admin: RoleName = "postgres"
    """Login that the program deploys with; its password is the secret `admin-password-<key>`."""
    create: tuple[Literal["database", "owner", "schemas"], ...] = ()
    """What does not exist yet and is made here. Default: nothing; all of it is adopted as it is."""
    public: Public | None = None
    """What PUBLIC keeps. Must be said for a database that exists; a created one is revoked."""
    connect: Roles = ()
    """Logins that keep CONNECT when PUBLIC loses it."""
    close: Annotated[tuple[PostgresName, ...], Once] = ()
    """Other databases of the server that PUBLIC loses CONNECT on."""
    owner: RoleName
    """NOLOGIN role that owns the schemas; migrations run as it."""
    schemas: Annotated[tuple[SchemaName, ...], Field(min_length=1), Once]
    extensions: Annotated[tuple[PostgresName, ...], Once] = ()
    """Extensions that migrations need: made by the program, because a migration may not."""
    profiles: Annotated[dict[ProfileName, ProfileSettings], Field(min_length=1)]
    vault_login_generation: Annotated[int, Field(ge=1)] = 1
    """Raise it by one to give Vault's logins new passwords, for a Vault restored from a snapshot."""

    @property
    def libpq_sslmode(self) -> str:
        """The word libpq and both providers know."""
        if self.unsafe_sslmode is not None:
            return self.unsafe_sslmode
        return "verify-ca" if self.sslmode is SslMode.VERIFY_PINNED_CA else "verify-full"

    @property
    def adopted(self) -> bool:
        """Whether the database existed before runlease."""
        return "database" not in self.create


class LeaseSettings(Section):
    """One lease that Vault issues."""

    database: DatabaseKey
    profile: ProfileName
    ttl: Span
    """Life of the login until it is renewed."""
    max_ttl: Span
    """Life of the login however often it is renewed."""


class PipelineSettings(Section):
    """One Tekton pipeline: a service account for each of its tasks."""

    namespace: Label
    tasks: Annotated[dict[Label, LeaseName], Field(min_length=1)]
    """Task of the pipeline → the one lease that it may obtain."""
    timeout: Span | None = None
    """The Tasks' timeout, so that it is checked against their leases. Default: not checked."""
    finally_timeout: Span | None = None
    """`timeouts.finally` of its runs. Default: not checked."""


class IdentitySettings(Section):
    """One identity and the one lease it may obtain. No part may hold a wildcard."""

    installation: VaultName
    namespace: Label
    service_account: ServiceAccount
    issuer: Https
    audience: Audience
    """The one audience of its token; never the API server's own."""
    lease: LeaseName
    max_ttl: Span

    @model_validator(mode="after")
    def _private_audience(self) -> "IdentitySettings":
        if self.audience == self.issuer:
            raise ValueError(
                f"the API server's own audience (got {self.audience!r}, expected one that only Vault accepts). "
                f"Fix: use runlease/{self.installation}"
            )
        return self


class Settings(Section):
    """The whole of `runlease:access`."""

    installation: VaultName
    vault: VaultSettings
    cluster: ClusterSettings
    databases: dict[DatabaseKey, DatabaseSettings]
    leases: dict[LeaseName, LeaseSettings]
    pipelines: dict[VaultName, PipelineSettings]
    tasks: Literal["create", "existing"] = "create"
    """Whether the Tekton Tasks are made in the pipelines' namespaces or exist there already."""
    rules: RulesSettings = RulesSettings()
    sweeper: SweeperSettings | None = None
    """What sweeps on a schedule. Default: nothing does; `runlease sweep` can be run by hand."""
    auditor: AuditorSettings | None = None
    """What verifies on a schedule. Default: nothing does; `runlease verify` can be run by hand."""

    @property
    def scheduled(self) -> dict[Scheduled, SweeperSettings | AuditorSettings]:
        """What runs on a schedule, by its section."""
        sections: dict[Scheduled, SweeperSettings | AuditorSettings | None]
        sections = {"sweeper": self.sweeper, "auditor": self.auditor}
        return {section: found for section, found in sections.items() if found is not None}

    @property
    def jwt_mount(self) -> str:
        """Path of the JWT auth mount in Vault: an existing one that the settings name, or the installation's own."""
        return self.vault.jwt_mount or jwt_mount(self.installation)

    @property
    def audience(self) -> str:
        """The one audience of this installation's run tokens."""
        return self.cluster.audience or f"runlease/{self.installation}"

    @property
    def mount_maximum(self) -> Duration:
        """The database mount's maximum lease."""
        longest = max((lease.max_ttl for lease in self.leases.values()), default=SYSTEM_MAXIMUM)
        return self.vault.max_lease_ttl or longest
