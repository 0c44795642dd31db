"""Resources of pulumi-vault → connections, leases, policies, JWT roles, and the bindings that follow from them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from runlease.access import (
    Connection,
    Duration,
    Lease,
    Policy,
    ProfileName,
    Trust,
    Unread,
)
from runlease.access.lifetimes import SYSTEM_MAXIMUM
from runlease.readers.dialled import dialled_by
from runlease.readers.error import UnreadError
from runlease.readers.policies import read_policy
from runlease.readers.properties import Properties, Resource
from runlease.readers.servers import Place, Servers
from runlease.readers.statements import read_creation

_HARMLESS = frozenset(
    {
        "vault:index/audit:Audit",
        "vault:index/authBackend:AuthBackend",
        "vault:index/namespace:Namespace",
        "vault:kubernetes/authBackendConfig:AuthBackendConfig",
        "vault:kv/secret:Secret",
        "vault:kv/secretV2:SecretV2",
        "vault:kv/secretBackendV2:SecretBackendV2",
    }
)
"""What gives nobody anything by itself, or nothing that leads to a database."""


@dataclass(frozen=True)
class _Mount:
    default: Duration | None = None
    maximum: Duration | None = None


@dataclass
class Vault:
    """Takes in one resource after the other; then `leases` with the help of what is known of the servers."""

    policies: list[Policy] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    _roles: list[tuple[Resource, str, str]] = field(default_factory=list)
    """Database roles, with mount and name."""
    _connections: dict[tuple[str, str], Connection] = field(default_factory=dict)
    _trusts: list[Trust] = field(default_factory=list)
    _mounts: dict[str, _Mount] = field(default_factory=dict)
    _issuers: dict[str, str] = field(default_factory=dict)

    def read(self, resource: Resource) -> None:
        """Take one resource in. Raises UnreadError."""
        if resource.type in _HARMLESS:
            return
        readers: Mapping[str, Callable[[Resource], None]] = {
            "vault:index/mount:Mount": self._mount,
            "vault:database/secretsMount:SecretsMount": self._secrets_mount,
            "vault:database/secretBackendConnection:SecretBackendConnection": self._connection,
            "vault:database/secretBackendRole:SecretBackendRole": self._lease,
            "vault:index/policy:Policy": self._policy,
            "vault:jwt/authBackend:AuthBackend": self._jwt_mount,
            "vault:jwt/authBackendRole:AuthBackendRole": self._trust,
            "vault:generic/endpoint:Endpoint": _endpoint,
        }
        read = readers.get(resource.type)
        if read is None:
            raise UnreadError(f"resources of type {resource.type} are not understood")
        if resource.properties.has("namespace"):
            raise UnreadError("a namespace beside the provider's own is not followed")
        read(resource)

    def _mount(self, resource: Resource) -> None:
        if resource.properties.text("type") == "database":
            self._add_mount(resource.properties)

    def _add_mount(self, said: Properties) -> None:
        default = _duration(said, "defaultLeaseTtlSeconds")
        self._mounts[_path(said.text("path"))] = _Mount(default, _duration(said, "maxLeaseTtlSeconds"))

    def _secrets_mount(self, resource: Resource) -> None:
        said = resource.properties
        self._add_mount(said)
        for inner in said.each("postgresqls"):
            self._add_connection(_path(said.text("path")), inner.text("name"), inner, inner, resource.urn)

    def _connection(self, resource: Resource) -> None:
        said = resource.properties
        if not said.has("postgresql"):
            raise UnreadError("a connection to another engine than PostgreSQL is not understood")
        mount = _path(said.text("backend"))
        self._add_connection(mount, said.text("name"), said, said.below("postgresql"), resource.urn)

    def _add_connection(self, mount: str, name: str, said: Properties, inner: Properties, urn: str) -> None:
        dialled = dialled_by(inner.text("connectionUrl"))
        self._connections[mount, name] = Connection(
            mount,
            name,
            dialled.get("dbname", ""),
            inner.text("username", dialled.get("user", "")),
            host=dialled.get("host", ""),
            allowed_roles=tuple(sorted(said.texts("allowedRoles"))),
            sslmode=dialled.get("sslmode", ""),
            username_template=inner.text("usernameTemplate", ""),
            password_authentication=inner.text("passwordAuthentication", ""),
            source=urn,
        )

    def _lease(self, resource: Resource) -> None:
        said = resource.properties
        self._roles.append((resource, _path(said.text("backend")), said.text("name")))

    def _policy(self, resource: Resource) -> None:
        said = resource.properties
        self.policies.append(Policy(said.text("name"), read_policy(said.text("policy")), source=resource.urn))

    def _jwt_mount(self, resource: Resource) -> None:
        said = resource.properties
        self._issuers[_path(said.text("path", said.text("type", "jwt")))] = said.text("boundIssuer", "")

    def _trust(self, resource: Resource) -> None:
        said = resource.properties
        if said.text("roleType", "oidc") != "jwt":
            raise UnreadError("an OIDC role is for people, and who they are is not known here")
        self._trusts.append(
            Trust(
                _path(said.text("backend", "jwt")),
                said.text("roleName"),
                bound_subject=said.text("boundSubject", ""),
                audiences=tuple(sorted(said.texts("boundAudiences"))),
                bound_claims=_claims(said),
                claims_type=said.text("boundClaimsType", "string"),
                policies=tuple(sorted(said.texts("tokenPolicies"))),
                no_default_policy=said.flag("tokenNoDefaultPolicy"),
                expiration_leeway=said.number("expirationLeeway"),
                not_before_leeway=said.number("notBeforeLeeway"),
                clock_skew_leeway=said.number("clockSkewLeeway"),
                token_ttl=_duration(said, "tokenTtl"),
                token_max_ttl=_duration(said, "tokenMaxTtl"),
                token_explicit_max_ttl=_duration(said, "tokenExplicitMaxTtl"),
                source=resource.urn,
            )
        )

    def connections(self) -> tuple[Connection, ...]:
        """Every connection, with the maximum of its mount."""
        return tuple(
            replace(connection, mount_maximum=self._mounts.get(connection.mount, _Mount()).maximum)
            for connection in self._connections.values()
        )

    def trusts(self) -> tuple[Trust, ...]:
        """Every JWT role, with the issuer of its mount."""
        return tuple(replace(trust, issuer=self._issuers.get(trust.mount, "")) for trust in self._trusts)

    def leases(self, servers: Servers) -> Iterator[tuple[Place, Lease]]:
        """Every lease with its database. One that cannot be followed to a role has none, and is Unread as well."""
        seen: set[str] = set()
        for resource, mount, name in self._roles:
            try:
                if name in seen:
                    raise UnreadError(f"a second lease is called {name}, in the mount {mount}")
                seen.add(name)
                yield self._followed(resource, mount, name, servers)
            except UnreadError as error:
                self.unread.append(Unread(resource.urn, str(error), source=resource.urn))

    def _followed(self, resource: Resource, mount: str, name: str, servers: Servers) -> tuple[Place, Lease]:
        said = resource.properties
        connection = self._connection_of(mount, said.text("dbName"))
        place = servers.find(connection.host, connection.dbname, connection.username)
        creation = said.texts("creationStatements")
        role, profile = self._role(resource, creation, servers, place, connection.username)
        limits = self._mounts.get(mount, _Mount())
        most = limits.maximum or SYSTEM_MAXIMUM
        longest = _duration(said, "maxTtl") or most
        return place, Lease(
            name,
            servers.key(place),
            profile,
            role,
            _duration(said, "defaultTtl") or min(limits.default or SYSTEM_MAXIMUM, longest),
            longest,
            mount=mount,
            connection=connection.name,
            creation=creation,
            revocation=said.texts("revocationStatements"),
            source=resource.urn,
        )

    def _connection_of(self, mount: str, name: str) -> Connection:
        found = self._connections.get((mount, name))
        if found is None:
            raise UnreadError(f"its connection {mount}/{name} is not read, so its database is not known")
        return found

    def _role(
        self, resource: Resource, creation: tuple[str, ...], servers: Servers, place: Place, login: str
    ) -> tuple[str, ProfileName | None]:
        try:
            found = read_creation(creation)
            if not found.profile:
                return found.role, None
            role = servers.group_role(place, login, found.profile)
            return role, ProfileName(found.profile) if found.profile in list(ProfileName) else None
        except UnreadError as error:
            self.unread.append(Unread(resource.urn, str(error), source=resource.urn))
            return "", None


def _endpoint(resource: Resource) -> None:
    """`rotate-root` of a database mount, once, is all that is understood of the endpoint that can write anything."""
    path = resource.properties.text("path").split("/")
    if len(path) < 3 or path[-2] != "rotate-root":
        raise UnreadError("a generic endpoint can write anything, and what it writes is not understood")


def _path(given: str) -> str:
    return given.strip("/").removeprefix("auth/")


def _duration(said: Properties, key: str) -> Duration | None:
    seconds = said.number(key)
    return Duration(seconds) if seconds > 0 else None


def _claims(said: Properties) -> tuple[tuple[str, tuple[str, ...]], ...]:
    given = said.below("boundClaims")
    whole = said.flag("disableBoundClaimsParsing")
    found = ((claim, given.text(claim)) for claim in given.names())
    return tuple(
        sorted((claim, (text,) if whole else tuple(one.strip() for one in text.split(","))) for claim, text in found)
    )
