"""One stack on real servers, and what its users do with it: take a lease, connect, give it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from lab.kubernetes import Kubernetes
from lab.stack import PulumiStack, Servers, Settings, on_servers, prepare

NEW = ["database", "owner", "schemas"]
"""`create:` of a database that is not there yet."""


@dataclass(frozen=True)
class Taken:
    """A lease in the hands of a run."""

    login: str
    password: str
    lease_id: str
    token: str
    """The run's Vault token."""


class Deployment:
    """An installation named `key`, with one database of that name and a lease and a task for each of its profiles.

    Everything carries the key (database, roles, namespace, mounts), so that deployments share servers. `database` is
    what its settings say beside that; by default it is new and offers migrator and reader.
    """

    def __init__(self, folder: Path, servers: Servers, key: str, **database: Any) -> None:
        self.key, self.servers, self._pods = key, servers, 0
        self.settings = on_servers(_settings(key, database), servers, folder)
        self.stack = PulumiStack(folder, servers, key)
        prepare(self.settings, servers)
        self.stack.configure(self.settings)

    @property
    def database(self) -> Settings:
        """The settings of its database, to be edited before `apply`."""
        found: Settings = self.settings["databases"][self.key]
        return found

    @property
    def kubernetes(self) -> Kubernetes:
        assert self.servers.kubernetes
        return self.servers.kubernetes

    def apply(self) -> int:
        """`pulumi up` with the settings as they are now; the number of resources that changed."""
        self.stack.change(deepcopy(self.settings))
        return self.stack.up()

    def take(self, lease: str, pipeline: str = "release") -> Taken:
        """What the guard does in a pod of the lease's task: a token of the cluster, a token of Vault, a login."""
        return self._take(lease, self.key, f"{pipeline}-{lease}")

    def take_scheduled(self, section: str, namespace: str) -> Taken:
        """What a CronJob's pod does: its lease is named as its section of the settings."""
        return self._take(section, namespace, f"{self.key}-{section}")

    def _take(self, lease: str, namespace: str, account: str) -> Taken:
        self._pods += 1
        pod, audience = f"run-{self._pods}", f"runlease/{self.key}"
        self.kubernetes.create_pod(namespace, pod, account)
        jwt = self.kubernetes.token(namespace, account, audience, pod)
        role = f"{self.key}.{namespace}.{account}"
        login = self.vault("POST", f"/auth/{self.key}-jwt/login", {"role": role, "jwt": jwt}, token="")
        token = login["auth"]["client_token"]
        made = self.vault("GET", f"/{self.key}-db/creds/{lease}", token=token)
        return Taken(made["data"]["username"], made["data"]["password"], made["lease_id"], token)

    def give_back(self, taken: Taken) -> None:
        """Revoke the lease with the run's own token, and wait until that is done."""
        self.vault("PUT", "/sys/leases/revoke", {"lease_id": taken.lease_id, "sync": "true"}, taken.token)

    def rotate(self, tier: str) -> None:
        """Let Vault change the password of one of its logins, behind Pulumi's back."""
        self.vault("POST", f"/{self.key}-db/rotate-root/{self.key}-{tier}", {})

    def vault(self, method: str, path: str, body: object = None, token: str | None = None) -> dict[str, Any]:
        """What OpenBao answers, to its operator unless another token is given ("" for none)."""
        bao = self.servers.openbao
        return bao.request(method, path, body, bao.root_token if token is None else token)

    def session(self, taken: Taken) -> psycopg.Connection:
        """A connection with the lease's login."""
        return self.servers.postgres.connect(self.key, taken.login, taken.password)

    def ask(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """What PostgreSQL answers to its superuser, in this database."""
        with self.servers.postgres.connect(self.key) as connection:
            return connection.execute(query, values or None).fetchall()

    def state(self) -> list[dict[str, Any]]:
        """Every resource of the state, with its secrets revealed."""
        found: list[dict[str, Any]] = (self.stack.stack.export_stack().deployment or {})["resources"]
        return found

    def roles(self) -> set[str]:
        """Every role with the key in its name: of ours all but the logins of leases."""
        with self.servers.postgres.connect() as connection:
            found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", [f"%{self.key}%"])
            return {name for (name,) in found}

    def has_login(self, taken: Taken) -> bool:
        """Whether the login of the lease exists."""
        return bool(self.ask("SELECT FROM pg_roles WHERE rolname = %s", taken.login))


@contextmanager
def deployed(folder: Path, servers: Servers, key: str, **database: Any) -> Iterator[Deployment]:
    """A deployment that is up, and destroyed at the end."""
    deployment = Deployment(folder, servers, key, **database)
    try:
        deployment.apply()
        yield deployment
    finally:
        deployment.stack.stack.destroy(color="never")


def database_in_use(servers: Servers, key: str, admin: str) -> None:
    """A database of `admin` with an owner, schemas, tables and logins, as it was before anybody heard of runlease."""
    names = {
        "db": sql.Identifier(key),
        "owner": sql.Identifier(f"{key}_owner"),
        "team": sql.Identifier(f"{key}_team"),
        "bi": sql.Identifier(f"{key}_bi"),
        "app": sql.Identifier(f"{key}_app"),
        "stranger": sql.Identifier(f"{key}_stranger"),
        "admin": sql.Identifier(admin),
    }
    as_admin = servers.postgres.connect("postgres", admin, servers.admins.get(admin))
    with as_admin, servers.postgres.connect() as superuser:
        as_admin.execute(
            sql.SQL(
                "CREATE ROLE {owner} NOLOGIN; CREATE ROLE {team} NOLOGIN; CREATE ROLE {bi} LOGIN PASSWORD 'bi';"
                "CREATE ROLE {app} LOGIN PASSWORD 'app'; CREATE ROLE {stranger} LOGIN PASSWORD 'stranger'"
            ).format(**names)
        )
        superuser.execute(sql.SQL("CREATE DATABASE {db} OWNER {admin}").format(**names))
    with servers.postgres.connect(key) as superuser:
        superuser.execute(
            sql.SQL(
                "CREATE SCHEMA app AUTHORIZATION {owner}; CREATE SCHEMA other; GRANT {team} TO {bi};"
                "CREATE TABLE app.orders AS SELECT 1 AS id; ALTER TABLE app.orders OWNER TO {owner};"
                "CREATE TABLE other.notes AS SELECT 2 AS id; GRANT USAGE ON SCHEMA other TO {team};"
                "GRANT SELECT ON other.notes TO {team};"
                "GRANT USAGE ON SCHEMA app TO {app}; GRANT INSERT ON app.orders TO {app}"
            ).format(**names)
        )


def _settings(key: str, database: Settings) -> Settings:
    default = {
        "server": "self_managed",
        "dbname": key,
        "create": NEW,
        "owner": f"{key}_owner",
        "schemas": ["app"],
        "profiles": {"migrator": {}, "reader": {}},
    }
    placed = default | database
    leases = {
        profile: {"database": key, "profile": profile, "ttl": "5m", "max_ttl": "10m"} for profile in placed["profiles"]
    }
    tasks = {lease: lease for lease in leases}
    return {
        "installation": key,
        "vault": {},
        "cluster": {},
        "databases": {key: placed},
        "leases": leases,
        "pipelines": {"release": {"namespace": key, "tasks": tasks}},
    }
