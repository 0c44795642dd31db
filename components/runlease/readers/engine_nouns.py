"""What Vault says → the installation's connections and leases, and every policy and JWT role that opens one of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runlease.access import Connection, Duration, Lease, Policy, ProfileName, Trust, Unread
from runlease.access.lifetimes import SYSTEM_MAXIMUM
from runlease.config import Settings
from runlease.config.made import database_mount
from runlease.readers.bindings import Leases
from runlease.readers.dialled import dialled_by
from runlease.readers.engine import Engine
from runlease.readers.error import UnreadError
from runlease.readers.policies import read_policy
from runlease.readers.statements import read_creation

AllowLists = Mapping[str, Mapping[tuple[str, str], str] | None]
"""Key of a database → the broker's allow-list there."""


@dataclass
class Issued:
    """The installation's leases and the connections that they go through.

    Other database mounts are not asked: each needs a login of PostgreSQL, and those are roles that the catalogs have.
    """

    engine: Engine
    settings: Settings
    allow_lists: AllowLists
    connections: list[Connection] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)

    def read(self) -> None:
        """Ask Vault for all of it."""
        mount = database_mount(self.settings.installation)
        config = self.engine.mounts().get(mount, {}).get("config") or {}
        maximum, default = _seconds(config, "max_lease_ttl"), _seconds(config, "default_lease_ttl")
        self.connections += [
            _connection(mount, name, said, maximum) for name, said in self.engine.below(f"{mount}/config")
        ]
        known = {connection.name: connection for connection in self.connections}
        for name, said in self.engine.below(f"{mount}/roles"):
            if said.get("db_name") in known:
                self.leases.append(self._lease(known[said["db_name"]], name, said, default))
            else:
                self._unread(f"{mount}/roles/{name}", "its connection is not read, so its database is not known")
        for name in self.engine.listed(f"{mount}/static-roles"):
            self._unread(f"{mount}/static-roles/{name}", "a static role hands out a login that stays")

    def _key(self, connection: Connection) -> str | None:
        for key, one in self.settings.databases.items():
            hosts = {f"{host}:{one.port}" for host in (one.host, one.vault_host or one.host)}
            if connection.dbname == one.dbname and connection.host in hosts:
                return key
        return None

    def _lease(self, connection: Connection, name: str, said: Mapping[str, Any], default: Duration | None) -> Lease:
        creation = _texts(said.get("creation_statements"))
        key = self._key(connection)
        role, profile = self._role(connection, name, creation, key)
        most = connection.mount_maximum or SYSTEM_MAXIMUM
        longest = _seconds(said, "max_ttl") or most
        return Lease(
            name,
            key or f"{connection.dbname}@{connection.host}",
            profile,
            role,
            _seconds(said, "default_ttl") or min(default or SYSTEM_MAXIMUM, longest),
            longest,
            mount=connection.mount,
            connection=connection.name,
            creation=creation,
            revocation=_texts(said.get("revocation_statements")),
            source=f"{connection.mount}/roles/{name}",
        )

    def _role(
        self, connection: Connection, name: str, creation: tuple[str, ...], key: str | None
    ) -> tuple[str, ProfileName | None]:
        """The role of a lease and its profile; neither where its statements cannot be followed, which is Unread."""
        try:
            given = read_creation(creation)
            if not given.profile:
                return given.role, None
            allowed = (self.allow_lists.get(key or "") or {}).get((connection.username, given.profile))
            if allowed is None:
                raise UnreadError("its statement calls the broker, and the broker's allow-list has no line for it")
            return allowed, ProfileName(given.profile) if given.profile in list(ProfileName) else None
        except UnreadError as error:
            self._unread(f"{connection.mount}/roles/{name}", str(error))
            return "", None

    def _unread(self, path: str, why: str) -> None:
        self.engine.unread.append(Unread(f"Vault {path}", why, source=path))


@dataclass
class Trusted:
    """JWT roles and policies, of which those are kept that are the installation's or open one of its leases."""

    engine: Engine
    settings: Settings
    leases: Leases
    policies: list[Policy] = field(default_factory=list)
    trusts: list[Trust] = field(default_factory=list)

    def read(self) -> None:
        """Ask Vault for all of it, in every mount: a policy may be carried from anywhere."""
        every = [policy for name in self.engine.listed("sys/policies/acl") for policy in self._policy(name)]
        opening = {policy.name for policy in every if any(True for _ in self.leases.opened_by(policy.rules))}
        for mount, said in self.engine.auths().items():
            if said["type"] in ("jwt", "oidc"):
                self._mount(mount, opening)
        carried = {name for trust in self.trusts for name in trust.policies}
        self.policies += [policy for policy in every if policy.name in opening | carried]
        for name in sorted(opening - carried):
            self._unread(f"sys/policies/acl/{name}", "opens a lease, and no JWT role carries it: who does is not known")

    def _policy(self, name: str) -> Iterator[Policy]:
        path = f"sys/policies/acl/{name}"
        said = self.engine.read(path) if name != "root" else None
        try:
            if said is not None:
                yield Policy(name, read_policy(str(said.get("policy", ""))), source=path)
        except UnreadError as error:
            self._unread(path, str(error))

    def _mount(self, mount: str, opening: set[str]) -> None:
        ours = mount == self.settings.jwt_mount
        found = list(self.engine.below(f"auth/{mount}/role"))
        kept = [(name, said) for name, said in found if ours or opening & set(_texts(said.get("token_policies")))]
        if not kept:
            return
        issuer = str((self.engine.read(f"auth/{mount}/config") or {}).get("bound_issuer", ""))
        for name, said in kept:
            if said.get("role_type", "jwt") == "jwt":
                self.trusts.append(_trust(mount, name, said, issuer))
            else:
                self._unread(
                    f"auth/{mount}/role/{name}", "an OIDC role is for people, and who they are is not known here"
                )

    def _unread(self, path: str, why: str) -> None:
        self.engine.unread.append(Unread(f"Vault {path}", why, source=path))


def _connection(mount: str, name: str, said: Mapping[str, Any], maximum: Duration | None) -> Connection:
    inner = said.get("connection_details") or {}
    dialled = dialled_by(str(inner.get("connection_url", "")))
    return Connection(
        mount,
        name,
        dialled.get("dbname", ""),
        str(inner.get("username") or dialled.get("user", "")),
        host=dialled.get("host", ""),
        allowed_roles=tuple(sorted(_texts(said.get("allowed_roles")))),
        sslmode=dialled.get("sslmode", ""),
        username_template=str(inner.get("username_template", "")),
        password_authentication=str(inner.get("password_authentication", "")),
        mount_maximum=maximum,
        source=f"{mount}/config/{name}",
    )


def _trust(mount: str, name: str, said: Mapping[str, Any], issuer: str) -> Trust:
    claims = said.get("bound_claims") or {}
    return Trust(
        mount,
        name,
        bound_subject=str(said.get("bound_subject") or ""),
        audiences=tuple(sorted(_texts(said.get("bound_audiences")))),
        bound_claims=tuple(sorted((str(claim), _texts(values)) for claim, values in claims.items())),
        claims_type=str(said.get("bound_claims_type") or "string"),
        issuer=issuer,
        policies=tuple(sorted(_texts(said.get("token_policies")))),
        no_default_policy=bool(said.get("token_no_default_policy")),
        expiration_leeway=int(said.get("expiration_leeway") or 0),
        not_before_leeway=int(said.get("not_before_leeway") or 0),
        clock_skew_leeway=int(said.get("clock_skew_leeway") or 0),
        token_ttl=_seconds(said, "token_ttl"),
        token_max_ttl=_seconds(said, "token_max_ttl"),
        token_explicit_max_ttl=_seconds(said, "token_explicit_max_ttl"),
        source=f"auth/{mount}/role/{name}",
    )


def _texts(given: Any) -> tuple[str, ...]:
    return tuple(map(str, given)) if isinstance(given, list) else () if given is None else (str(given),)


def _seconds(said: Mapping[str, Any], key: str) -> Duration | None:
    found = int(said.get(key) or 0)
    return Duration(found) if found > 0 else None
