"""A deployment on real servers as its users know it: take a lease as an identity, connect with it, give it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from lab.folders import private_folder
from lab.https import RefusedError
from lab.issuer import TokenIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import Servers, Settings, apply_without_pulumi, on_servers
from tests.live.catalogs import dump
from tests.live.statements import worded

PROFILES = ("reader", "seeder", "migrator", "verifier", "sandbox")
CLOUD_ADMIN = "cloud_admin"
NAMESPACE = "ci"

MIGRATION = (
    "CREATE TABLE items (id serial PRIMARY KEY, label text)",
    "INSERT INTO items (label) VALUES ('first')",
    "CREATE FUNCTION hello() RETURNS text LANGUAGE sql RETURN 'hello'",
)
"""What the first migration of each site makes in schema app, after everything was deployed."""


@dataclass(frozen=True)
class Lease:
    """What a run holds: its login, and the Vault token that took it."""

    login: str
    password: str
    id: str
    token: str


Leased = Callable[[str], tuple[Lease, psycopg.Connection]]
"""The lease of a profile, and a session with it."""


@dataclass(frozen=True)
class Deployment:
    """One installation with one database: a lease `<profile>` and an account `run-<profile>` for each profile."""

    key: str
    installation: str
    major: int
    managed: bool
    postgres: PostgresServer
    openbao: OpenBao
    issuer: TokenIssuer

    @property
    def dbname(self) -> str:
        """The database, named after its key."""
        return self.key

    @property
    def owner(self) -> str:
        """Who owns its schemas."""
        return f"{self.key}_owner"

    @property
    def neighbour(self) -> str:
        """Another database of the server, in which PUBLIC may connect; `<key>_closed` is closed where that can be."""
        return f"{self.key}_open"

    @property
    def audience(self) -> str:
        """The one audience of its run tokens."""
        return f"runlease/{self.installation}"

    @property
    def before_16(self) -> bool:
        """Whether a membership cannot be kept from SET ROLE yet."""
        return self.major < 16

    def own(self, part: str) -> str:
        """A role of runlease's own: broker, deployer, login, vault or vault_migrator."""
        return f"runlease_{self.key}_{part}"

    # --- Vault

    def token_of_pod(self, profile: str, audience: str | None = None) -> str:
        """The service-account token of a pod of that profile's task."""
        account, pod = f"run-{profile}", f"{self.installation}-{profile}"
        self.issuer.create_service_account(NAMESPACE, account)
        self.issuer.create_pod(NAMESPACE, pod, account)
        return self.issuer.token(NAMESPACE, account, audience or self.audience, pod)

    def log_in(self, profile: str, token: str | None = None) -> str:
        """Vault's token for that profile's task. Raises RefusedError when Vault does not trust the pod's token."""
        role = f"{self.installation}.{NAMESPACE}.run-{profile}"
        body = {"role": role, "jwt": token or self.token_of_pod(profile)}
        made = self.openbao.request("POST", f"/auth/{self.installation}-jwt/login", body)
        return str(made["auth"]["client_token"])

    def take(self, profile: str, token: str | None = None) -> Lease:
        """A new lease, taken as that profile's task or with the Vault token given. RefusedError when Vault refuses."""
        token = token or self.log_in(profile)
        made = self.openbao.request("GET", f"/{self.installation}-db/creds/{profile}", token=token)
        return Lease(made["data"]["username"], made["data"]["password"], made["lease_id"], token)

    def revoke(self, lease: Lease) -> None:
        """Give a lease back with the token that took it; on return it is revoked."""
        self.openbao.request("PUT", "/sys/leases/revoke", {"lease_id": lease.id, "sync": "true"}, lease.token)

    def leases(self, profile: str) -> int:
        """How many of the profile Vault knows."""
        try:
            path = f"/sys/leases/lookup/{self.installation}-db/creds/{profile}/"
            return len(self.openbao.request("LIST", path, token=self.openbao.root_token)["data"]["keys"])
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return 0
            raise

    @contextmanager
    def leased(self, profile: str) -> Iterator[Lease]:
        """A lease for the block."""
        lease = self.take(profile)
        try:
            yield lease
        finally:
            self.revoke(lease)

    # --- PostgreSQL

    def connect(self, lease: Lease, dbname: str | None = None, *, role: str | None = None) -> psycopg.Connection:
        """A session in autocommit as the leased login; `role` is what the service file of a migrator asks for."""
        options = f"-c role={role} -c search_path=app" if role else ""
        conninfo = self.postgres.conninfo(dbname or self.dbname, lease.login, lease.password)
        return psycopg.connect(conninfo, autocommit=True, options=options)

    def as_superuser(self, dbname: str | None = None) -> psycopg.Connection:
        """A session that may see and do everything."""
        return self.postgres.connect(dbname or self.dbname)

    @contextmanager
    def as_vault(self, tier: str = "vault", *, undone: bool = True) -> Iterator[psycopg.Connection]:
        """A session with the rights of Vault's login, whose password nobody but Vault knows; undone at its end."""
        with self.as_superuser() as session, session.transaction(force_rollback=True) if undone else nullcontext():
            session.execute(worded("SET SESSION AUTHORIZATION {login}", login=self.own(tier)))
            yield session

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the superuser reads in the database."""
        with self.as_superuser() as session:
            return session.execute(query.encode(), values).fetchall()

    def dump(self, *tables: str) -> list[tuple[str, str, str]]:
        """All that a command could have changed here, and in these tables."""
        with self.as_superuser() as session:
            return dump(session, self.key, *tables)

    def leased_logins(self) -> list[str]:
        """The logins of leases on this database that can log in; those of other databases stand on the same server."""
        query = (
            "SELECT r.rolname::text FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid"
            "  JOIN pg_roles g ON g.oid = m.roleid WHERE g.rolname = %s AND r.rolname ~ '^run_' AND r.rolcanlogin"
        )
        return [name for (name,) in self.rows(query, self.own("login"))]

    def migrate(self, *statements: str) -> None:
        """Run statements as a migration does: with a lease of its own, as the owner."""
        with self.leased("migrator") as lease, self.connect(lease, role=self.owner) as session:
            for statement in statements:
                session.execute(statement.encode())

    def ledger(self, *logins: str) -> list[dict[str, str]]:
        """The lines of the ledger about these logins, as the server's log has them."""
        lines = [line.split("runlease ledger: ")[1] for line in self.log_lines() if "runlease ledger: " in line]
        events = [dict(word.split("=", 1) for word in line.split()) for line in lines]
        return [event for event in events if event.get("login") in logins]

    def log_lines(self) -> list[str]:
        """The server's log."""
        return self.postgres.log.read_text().splitlines()


def deploy(made: Deployment, folder: Path, **database: object) -> Deployment:
    """Make the databases next to it, then apply the program; `database` overrides settings of the database."""
    _make_neighbours(made)
    home = private_folder(folder / f"deployment-{made.installation}")
    apply_without_pulumi(settings_of(made, home, **database), servers_of(made), home)
    return made


def servers_of(made: Deployment) -> Servers:
    """The servers that it stands on."""
    return Servers(made.postgres, made.openbao, made.issuer, None, {CLOUD_ADMIN: made.postgres.password})


def settings_of(made: Deployment, folder: Path, **database: object) -> Settings:
    """Its settings; the keys of the issuer are put into `folder`."""
    return on_servers(_settings(made, database), servers_of(made), folder)


def _settings(made: Deployment, database: dict[str, object]) -> Settings:
    offered = database.get("profiles", {profile: {} for profile in PROFILES})
    assert isinstance(offered, dict)
    return {
        "installation": made.installation,
        "tasks": "existing",
        "vault": {},
        "cluster": {},
        "databases": {
            made.key: {
                **(
                    {"server": "managed", "admin": CLOUD_ADMIN}
                    if made.managed
                    else {"server": "self_managed", "close": [f"{made.key}_closed"]}
                ),
                "dbname": made.dbname,
                "create": ["database", "owner", "schemas"],
                "owner": made.owner,
                "schemas": ["app"],
                "profiles": offered,
                **database,
            }
        },
        "leases": {name: {"database": made.key, "profile": name, "ttl": "5m", "max_ttl": "10m"} for name in offered},
        "pipelines": {"run": {"namespace": NAMESPACE, "tasks": {name: name for name in offered if name != "sweeper"}}},
    }


def make_cloud_admin(server: PostgresServer) -> None:
    """What a provider of databases gives its customer in the superuser's place."""
    with server.connect() as session:
        if session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [CLOUD_ADMIN]).fetchone():
            return
        # A verifier, because the server logs DDL and a password must stand in no log.
        verifier = session.pgconn.encrypt_password(server.password.encode(), CLOUD_ADMIN.encode(), b"scram-sha-256")
        session.execute(
            SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                Identifier(CLOUD_ADMIN), Literal(verifier.decode())
            )
        )


def _make_neighbours(made: Deployment) -> None:
    make_cloud_admin(made.postgres)
    with made.postgres.connect() as session:
        for name in (made.neighbour, f"{made.key}_closed"):
            session.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
