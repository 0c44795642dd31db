"""`runlease check` on real servers: every seeded problem is named, its fix mends it, and nothing is ever changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.sql import SQL, Identifier

from lab.certificates import CertificateAuthority
from lab.issuer import LabIssuer
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import Servers, apply_without_pulumi, on_servers
from runlease.cli import main
from runlease.config import load
from runlease.readiness.postgres import _connect

Found = dict[str, str]
NUMBERS = count()
RBAC = "rbac.authorization.k8s.io/v1"

SNAPSHOT = """
SELECT array_agg(t::text ORDER BY t::text) FROM (
  SELECT 'role', to_jsonb(r) FROM pg_authid r UNION ALL SELECT 'member', to_jsonb(m) FROM pg_auth_members m
  UNION ALL SELECT 'database', to_jsonb(d) - 'datfrozenxid' - 'datminmxid' FROM pg_database d
  UNION ALL SELECT 'schema', to_jsonb(n) FROM pg_namespace n WHERE nspname !~ '^pg_'
  UNION ALL SELECT 'setting', to_jsonb(s) FROM pg_db_role_setting s
  UNION ALL SELECT 'default', to_jsonb(a) FROM pg_default_acl a
  UNION ALL SELECT 'table', jsonb_build_array(oid, relname, relowner, relacl) FROM pg_class
             WHERE relnamespace >= 16384) AS t
"""
"""What a check could have changed: roles with their passwords, memberships, databases, schemas, tables, settings."""


@dataclass
class Stack:
    """A stack file and what is checked with it; every name begins with its key."""

    key: str
    postgres: PostgresServer
    folder: Path
    settings: dict[str, Any]
    environment: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]
    code: int | None = None
    told: str = ""
    database: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.database = self.settings["databases"][self.key]
        self.password(self.postgres.password)

    def password(self, password: str) -> None:
        self.environment.setenv(f"RUNLEASE_ADMIN_PASSWORD_{self.key.upper()}", password)

    def sql(self, statement: str, dbname: str = "") -> None:
        """Run SQL as the superuser; {key} stands for the key."""
        with self.postgres.connect(dbname or self.key) as session:
            session.execute(statement.replace("{key}", self.key).encode())

    def check(self) -> list[Found]:
        path = self.folder / "Pulumi.test.yaml"
        path.write_text(yaml.safe_dump({"config": {"runlease:access": self.settings}}))
        self.code = main(["check", str(path), "--format", "json"])
        self.told, wrong = self.output.readouterr()
        assert self.code != 2, wrong
        return [found for system in json.loads(self.told)["systems"] for found in system["findings"]]

    def at(self, where: str, severity: str = "error") -> list[Found]:
        """What is found at a path below `access.`, for example `databases.<key>.owner`."""
        path = f"access.{where.replace('<key>', self.key)}"
        return [found for found in self.check() if (found["where"], found["severity"]) == (path, severity)]

    def mends(self, where: str, severity: str = "error", dbname: str = "") -> Found:
        """The one finding at a path; afterwards its own fix was run, and it is gone."""
        (found,) = self.at(where, severity)
        fix = re.match(r"[A-Z].*;", found["fix"])
        assert fix, found
        self.sql(fix[0], dbname)
        assert self.at(where, severity) == []
        return found


@pytest.fixture
def stack(
    postgres: PostgresServer,
    openbao: OpenBao,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Stack]:
    """A database that exists with its owner and schema, as it should be; Vault with a token, and a static key."""
    key = f"ready{next(NUMBERS)}"
    settings = {
        "installation": key,
        "vault": {},
        "cluster": {},
        "tasks": "existing",
        "databases": {
            key: {
                "server": "self_managed",
                "dbname": key,
                "public": "keep",
                "owner": f"{key}_owner",
                "schemas": ["app"],
                "profiles": {"reader": {}, "migrator": {}},
            }
        },
        "leases": {"reader": {"database": key, "profile": "reader", "ttl": "5m", "max_ttl": "10m"}},
        "pipelines": {"release": {"namespace": "ci", "tasks": {"read": "reader"}}},
    }
    settings = on_servers(settings, Servers(postgres, openbao, LabIssuer(), None), tmp_path)
    monkeypatch.setenv("VAULT_TOKEN", openbao.root_token)
    made = Stack(key, postgres, tmp_path, settings, monkeypatch, capsys)
    made.sql("CREATE DATABASE {key}", "postgres")
    made.sql(
        "CREATE ROLE {key}_owner; CREATE SCHEMA app AUTHORIZATION {key}_owner;"
        "CREATE TABLE app.orders (id serial); ALTER TABLE app.orders OWNER TO {key}_owner"
    )
    yield made
    _clean(postgres, key)


def _clean(postgres: PostgresServer, key: str) -> None:
    with postgres.connect() as session:
        names = session.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [key]).fetchall()
        for (name,) in names:
            session.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        roles = session.execute(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s) OR rolname LIKE %s", [key, f"runlease_{key}_%"]
        ).fetchall()
        for (name,) in roles:
            session.execute(SQL("DROP OWNED BY {}").format(Identifier(name)))
            session.execute(SQL("DROP ROLE {}").format(Identifier(name)))


def managed(stack: Stack) -> None:
    """Make it a managed server's database: its admin is no superuser and has all that it needs."""
    admin = f"{stack.key}_cloud"
    stack.sql(
        "CREATE ROLE {key}_cloud LOGIN CREATEROLE PASSWORD 'cloud-password';"
        "ALTER DATABASE {key} OWNER TO {key}_cloud; GRANT {key}_owner TO {key}_cloud WITH ADMIN OPTION"
    )
    stack.database |= {"server": "managed", "admin": admin}
    stack.password("cloud-password")


# --- nothing wrong, nothing changed


def test_a_database_that_is_ready_has_no_error_before_and_after_an_up(
    stack: Stack, openbao: OpenBao, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.check() == []
    assert stack.code == 0
    stack.database["public"] = "revoke"
    issuer = LabIssuer()
    servers = Servers(stack.postgres, openbao, issuer, None)
    apply_without_pulumi(on_servers(stack.settings, servers, stack.folder), servers, stack.folder)
    found = stack.check()
    assert stack.code == 0
    assert [(one["severity"], one["where"]) for one in found] == [
        ("note", f"access.databases.{stack.key}"),
        ("note", "access.installation"),
        ("note", "access.installation"),
    ]
    assert main(["check", str(stack.folder / "Pulumi.test.yaml")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 errors, 0 warnings, 3 notes"


def test_a_managed_database_that_is_ready_has_no_finding(stack: Stack) -> None:
    managed(stack)
    assert stack.check() == []


def test_what_is_yet_to_be_created_is_no_finding(stack: Stack) -> None:
    stack.database |= {
        "dbname": f"{stack.key}_new",
        "owner": f"{stack.key}_new_owner",
        "create": ["database", "owner", "schemas"],
        "public": None,
    }
    assert stack.check() == []


def test_a_check_changes_nothing_on_the_server(stack: Stack) -> None:
    stack.sql(
        "ALTER ROLE {key}_owner LOGIN CREATEROLE; ALTER SCHEMA app OWNER TO postgres; CREATE TABLE app.t ();"
        "CREATE ROLE {key}_reader LOGIN"
    )
    stack.database |= {"public": "revoke", "close": ["template1"]}

    def snapshot() -> object:
        with stack.postgres.connect(stack.key) as session:
            return session.execute(SNAPSHOT).fetchone()

    before = snapshot()
    assert len(stack.check()) > 5
    assert snapshot() == before


def test_a_check_could_not_change_anything(stack: Stack) -> None:
    database = load(stack.settings, "access").databases[stack.key]
    with _connect(database, stack.key, stack.folder, stack.postgres.password) as session:
        assert session.info.parameter_status("is_superuser") == "on"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("CREATE TABLE app.x ()")


def test_a_check_runs_nothing_that_was_planted_in_the_database(stack: Stack) -> None:
    stack.sql(
        "CREATE SCHEMA evil; ALTER DATABASE {key} SET search_path = evil, pg_catalog;"
        "CREATE FUNCTION evil.pg_is_in_recovery() RETURNS bool LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'planted code ran'; END $$"
    )
    with stack.postgres.connect(stack.key) as session, pytest.raises(psycopg.Error, match="planted code ran"):
        session.execute("SELECT pg_is_in_recovery()")
    assert stack.check() == []


# --- fixes that mend


def test_an_owner_that_can_log_in_is_mended_by_its_fix(stack: Stack) -> None:
    stack.sql("ALTER ROLE {key}_owner LOGIN")
    assert "can log in" in stack.mends("databases.<key>.owner")["problem"]
    assert stack.code == 0


def test_an_owner_with_attributes_is_mended_by_its_fix(stack: Stack) -> None:
    stack.sql("ALTER ROLE {key}_owner SUPERUSER CREATEROLE REPLICATION BYPASSRLS")
    assert "SUPERUSER, CREATEROLE, REPLICATION, BYPASSRLS" in stack.mends("databases.<key>.owner")["problem"]


def test_a_schema_of_another_owner_is_mended_by_its_fix(stack: Stack) -> None:
    stack.sql("ALTER SCHEMA app OWNER TO postgres")
    stack.mends("databases.<key>.schemas")


def test_tables_of_another_owner_are_mended_by_their_fix(stack: Stack) -> None:
    stack.sql(
        'CREATE ROLE {key}_dev; CREATE TABLE app."Odd ""name" (id serial); CREATE VIEW app.v AS SELECT 1 AS one;'
        "ALTER VIEW app.v OWNER TO {key}_dev; CREATE SEQUENCE app.s; CREATE TABLE public.elsewhere ()"
    )
    found = stack.mends("databases.<key>.schemas", "warning")
    assert f'app.Odd "name of postgres, app.s of postgres, app.v of {stack.key}_dev)' in found["problem"]


def test_more_than_five_tables_of_another_owner_are_counted(stack: Stack) -> None:
    stack.sql("DO $$ BEGIN FOR n IN 1..8 LOOP EXECUTE format('CREATE TABLE app.t%s ()', n); END LOOP; END $$")
    (found,) = stack.at("databases.<key>.schemas", "warning")
    assert "and 3 more" in found["problem"]
    assert found["fix"].count("ALTER TABLE") == 5


def test_admin_that_is_missing_on_the_owner_is_mended_by_its_fix(stack: Stack) -> None:
    managed(stack)
    stack.sql("REVOKE {key}_owner FROM {key}_cloud; GRANT {key}_owner TO {key}_cloud")
    if stack.postgres.version.startswith("15."):
        assert stack.check() == []  # before 16 CREATEROLE is enough
        return
    stack.mends("databases.<key>.admin")


@pytest.mark.parametrize(
    ("seed", "problem"),
    [
        ("ALTER ROLE {key}_cloud NOCREATEROLE", "may make no roles"),
        ("ALTER DATABASE {key} OWNER TO postgres", "may not grant on the database"),
        ("CREATE ROLE {key}_dba; ALTER DATABASE {key} OWNER TO {key}_dba", "may not grant on the database"),
    ],
)
def test_a_managed_admin_without_its_rights_is_mended_by_its_fix(stack: Stack, seed: str, problem: str) -> None:
    managed(stack)
    stack.sql(seed)
    assert problem in stack.mends("databases.<key>.admin")["problem"]
    stack.sql("ALTER DATABASE {key} OWNER TO postgres")


def test_a_managed_admin_that_cannot_create_the_database_is_mended_by_its_fix(stack: Stack) -> None:
    managed(stack)
    stack.database |= {"dbname": f"{stack.key}_new", "create": ["database", "schemas"]}
    assert "may make no database" in stack.mends("databases.<key>.admin")["problem"]


def test_a_managed_admin_cannot_grant_on_a_superusers_tables(stack: Stack) -> None:
    managed(stack)
    stack.sql("CREATE TABLE app.t ()")
    assert "the admin cannot grant" in stack.mends("databases.<key>.schemas")["problem"]


def test_self_managed_without_a_superuser_is_mended_by_its_fix(stack: Stack) -> None:
    managed(stack)
    stack.database["server"] = "self_managed"
    stack.mends("databases.<key>.admin")
    stack.database["server"] = "managed"
    assert "although server says managed" in stack.at("databases.<key>.admin", "note")[0]["problem"]


def test_what_is_named_and_missing_is_mended_by_its_fix(stack: Stack) -> None:
    stack.database |= {
        "owner": f"{stack.key}_boss",
        "schemas": ["app", "audit"],
        "connect": [f"{stack.key}_app"],
        "profiles": {"reader": {"members": [f"{stack.key}_bi"]}},
    }
    stack.sql("DROP SCHEMA app CASCADE")
    stack.mends("databases.<key>.owner")
    assert [one["problem"] for one in stack.at("databases.<key>.schemas")] == [
        "no such schema (got app)",
        "no such schema (got audit)",
    ]
    stack.sql("CREATE SCHEMA app AUTHORIZATION {key}_boss")
    stack.mends("databases.<key>.schemas")
    stack.mends("databases.<key>.connect")
    stack.mends("databases.<key>.profiles.reader.members")
    assert stack.check() == []


def test_a_database_an_extension_and_tables_that_do_not_exist_are_named(stack: Stack) -> None:
    stack.database |= {
        "extensions": ["citext", "no_such"],
        "close": [f"{stack.key}_none"],
        "schemas": ["app"],
        "profiles": {"reader": {}, "seeder": {"tables": ["app.orders", "app.none"]}},
    }
    assert "got no_such" in stack.at("databases.<key>.extensions")[0]["problem"]
    assert len(stack.at("databases.<key>.close")) == 1
    assert "got app.none" in stack.at("databases.<key>.profiles.seeder.tables")[0]["problem"]
    stack.database["dbname"] = f"{stack.key}_gone"
    assert f"no such database (got {stack.key}_gone)" in stack.at("databases.<key>.dbname")[0]["problem"]


def test_what_exists_is_not_created_again(stack: Stack) -> None:
    stack.database["create"] = ["database", "owner", "schemas"]
    assert len(stack.at("databases.<key>.create")) == 3


def test_roles_and_a_schema_of_our_names_are_named(stack: Stack) -> None:
    stack.sql("CREATE ROLE {key}_reader; CREATE ROLE runlease_{key}_vault; CREATE SCHEMA runlease")
    assert f"{stack.key}_reader, runlease_{stack.key}_vault" in stack.at("databases.<key>")[0]["problem"]
    assert "got postgres as its owner" in stack.at("databases.<key>.dbname")[0]["problem"]


# --- PUBLIC


def test_logins_that_only_public_lets_in_are_named_until_they_are_kept(stack: Stack) -> None:
    stack.sql(
        "CREATE ROLE {key}_team; CREATE ROLE {key}_a LOGIN; CREATE ROLE {key}_b LOGIN;"
        "CREATE ROLE {key}_c LOGIN IN ROLE {key}_team; CREATE ROLE {key}_d LOGIN; CREATE ROLE {key}_e NOLOGIN;"
        "CREATE ROLE {key}_f LOGIN NOINHERIT IN ROLE {key}_team; CREATE ROLE {key}_g LOGIN SUPERUSER;"
        "GRANT CONNECT ON DATABASE {key} TO {key}_team, {key}_d"
    )

    def lost() -> set[str]:
        found = stack.at("databases.<key>.public", "warning")
        kept = re.search(r"connect: \[(.*)\]", found[0]["fix"]) if found else None
        return {name for name in kept[1].split(", ") if name.startswith(stack.key)} if kept else set()

    stack.database["public"] = "revoke"
    assert lost() == {f"{stack.key}_{one}" for one in "abf"}
    stack.database |= {"connect": [f"{stack.key}_a"], "profiles": {"reader": {"members": [f"{stack.key}_b"]}}}
    assert lost() == {f"{stack.key}_f"}
    stack.sql("REVOKE CONNECT ON DATABASE {key} FROM PUBLIC")
    assert lost() == set()
    assert stack.code == 0


def test_logins_that_lose_a_closed_database_are_mended_by_the_fix(stack: Stack) -> None:
    stack.sql("CREATE DATABASE {key}_closed", "postgres")
    stack.sql(
        "CREATE ROLE {key}_a LOGIN; CREATE ROLE {key}_root LOGIN SUPERUSER;"
        "REVOKE CONNECT ON DATABASE {key}_closed FROM postgres"
    )
    stack.database |= {"public": "revoke", "close": [f"{stack.key}_closed"]}
    problem = stack.mends("databases.<key>.close", "warning")["problem"]
    assert f"{stack.key}_a" in problem
    assert f"{stack.key}_root" not in problem  # nothing keeps a superuser out


def test_a_connect_role_that_would_lose_more_is_named(stack: Stack) -> None:
    stack.sql("CREATE ROLE {key}_app LOGIN; GRANT CREATE, TEMPORARY ON DATABASE {key} TO {key}_app")
    stack.database |= {"public": "revoke", "connect": [f"{stack.key}_app"]}
    (found,) = stack.at("databases.<key>.connect", "warning")
    assert f"got {stack.key}_app with CREATE, TEMPORARY" in found["problem"]
    stack.sql(found["fix"].split(";")[0])
    stack.database["connect"] = []
    assert not any(f"{stack.key}_app" in found["problem"] for found in stack.check())


# --- servers that do not answer


def test_a_wrong_password_is_refused_and_never_told(stack: Stack) -> None:
    stack.password("not-the-password")
    assert "the admin's password is refused" in stack.at("databases.<key>.admin")[0]["problem"]
    assert stack.code == 3
    assert "not-the-password" not in stack.told


def test_a_password_file_takes_the_place_of_the_variable(stack: Stack) -> None:
    stack.environment.delenv(f"RUNLEASE_ADMIN_PASSWORD_{stack.key.upper()}")
    assert "no password for postgres" in stack.at("databases.<key>.admin")[0]["problem"]
    passfile = stack.folder / "passfile"
    passfile.write_text(f"localhost:{stack.postgres.port}:*:postgres:{stack.postgres.password}\n")
    passfile.chmod(0o600)
    stack.environment.setenv("PGPASSFILE", str(passfile))
    assert stack.check() == []


def test_a_server_of_another_authority_is_not_asked(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stack.database["ca"] = str(CertificateAuthority(tmp_path / "other").certificate)
    assert "this CA did not sign" in stack.at("databases.<key>.ca")[0]["problem"]


def test_a_server_that_is_down_hides_nothing_of_the_others(stack: Stack, openbao: OpenBao) -> None:
    stack.database["port"] = 1
    openbao.request("PUT", f"/sys/policies/acl/{stack.key}.reader", {"policy": "# theirs"}, openbao.root_token)
    stack.settings["cluster"]["public_keys"] = [str(openbao.ca)]
    wheres = {found["where"] for found in stack.check()}
    assert wheres == {f"access.databases.{stack.key}.host", "access.installation", "access.cluster.public_keys.0"}


# --- Vault


def test_names_that_somebody_else_holds_in_vault_are_named(stack: Stack, openbao: OpenBao) -> None:
    def enable(path: str, kind: str) -> None:
        openbao.request("POST", path, {"type": kind, "description": "ours since 2019"}, openbao.root_token)

    enable(f"/sys/mounts/{stack.key}-db", "kv")
    enable(f"/sys/auth/{stack.key}-jwt", "userpass")
    assert [one["problem"].split(" (")[0] for one in stack.at("installation")] == [
        f"the auth mount {stack.key}-jwt/ is somebody else's",
        f"the secrets engine {stack.key}-db/ is somebody else's",
    ]
    stack.settings["vault"]["jwt_mount"] = f"{stack.key}-jwt"
    assert "of type userpass" in stack.at("vault.jwt_mount")[0]["problem"]


def test_vault_is_told_apart_by_its_token(stack: Stack, openbao: OpenBao) -> None:
    stack.environment.setenv("VAULT_TOKEN", "wrong-token")
    assert [one["problem"] for one in stack.at("vault.address")] == ["VAULT_TOKEN is refused"]
    assert "wrong-token" not in stack.told
    small = openbao.request("POST", "/auth/token/create", {"policies": ["default"]}, openbao.root_token)
    stack.environment.setenv("VAULT_TOKEN", small["auth"]["client_token"])
    assert "not all checked" in stack.at("vault.address", "note")[0]["problem"]
    stack.environment.delenv("VAULT_TOKEN")
    assert "got no VAULT_TOKEN" in stack.at("vault.address", "note")[0]["problem"]


def test_a_namespace_is_missing_until_it_is_made(stack: Stack, openbao: OpenBao) -> None:
    stack.settings["vault"]["namespace"] = f"{stack.key}/inner"
    openbao.request("PUT", f"/sys/namespaces/{stack.key}", {}, openbao.root_token)
    assert f"got {stack.key}/inner" in stack.at("vault.namespace")[0]["problem"]
    openbao.request("PUT", f"/{stack.key}/sys/namespaces/inner", {}, openbao.root_token)
    assert stack.check() == []


def test_a_vault_of_another_authority_gets_no_token(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stack.settings["vault"]["ca"] = str(CertificateAuthority(tmp_path / "other").certificate)
    assert "the certificate is not trusted" in stack.at("vault.address")[0]["problem"]


def test_a_sealed_vault_is_named_until_it_is_unsealed(stack: Stack, openbao: OpenBao) -> None:
    openbao.stop()
    openbao.start_again()
    try:
        assert [one["problem"].split(" (")[0] for one in stack.at("vault.address")] == ["is sealed"]
    finally:
        openbao.unseal()
    assert stack.check() == []


# --- the cluster


def test_an_issuer_that_strangers_may_not_read_is_named_until_they_may(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.settings["cluster"] = {"issuer": kubernetes.issuer, "jwks_ca": stack.settings["vault"]["ca"]}
    assert "Vault asks as nobody (got status 403" in stack.at("cluster.issuer")[0]["problem"]
    kubernetes.apply(
        {
            "apiVersion": RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": stack.key},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:service-account-issuer-discovery",
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}],
        }
    )
    try:
        assert [one["severity"] for one in stack.check()] == ["note"]
        _judge_other_ways_to_the_keys(stack, kubernetes)
    finally:
        kubernetes.delete(RBAC, "ClusterRoleBinding", stack.key)


def _judge_other_ways_to_the_keys(stack: Stack, kubernetes: Kubernetes) -> None:
    stack.settings["cluster"] |= {"jwks": f"{kubernetes.issuer}/openid/v1/jwks"}
    assert [one["severity"] for one in stack.check()] == ["note"]
    stack.settings["cluster"] |= {"jwks": f"{kubernetes.issuer}/.well-known/openid-configuration"}
    assert "no keys there" in stack.at("cluster.jwks")[0]["problem"]
    stack.settings["cluster"] |= {"jwks": "discovery", "issuer": kubernetes.issuer.replace("localhost", "127.0.0.1")}
    assert "is another issuer's" in stack.at("cluster.issuer")[0]["problem"]


def test_an_issuer_that_is_not_reached_from_here_is_a_warning(stack: Stack) -> None:
    stack.settings["cluster"] = {"issuer": "https://localhost:1"}
    assert "Vault must reach it" in stack.at("cluster.issuer", "warning")[0]["problem"]
    assert stack.code == 0
