"""What the servers have is what was declared, until somebody changes it by hand: then that is the difference."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.processes import free_port
from runlease.access import Access, Role
from runlease.access.diff import Change, diff
from runlease.config import Settings, load, to_access
from runlease.readers import catalog_sql
from runlease.readers.catalog import read_catalog
from runlease.readers.comparable import comparable
from runlease.readers.error import ReadError
from runlease.readers.live import read_live
from tests.live.deployment import SHELF, Deployment, Sites, settings_of

DOCUMENTED = re.search(r"```hcl\n(.*?)```", (Path(__file__).parents[2] / "docs/live.md").read_text(), re.DOTALL)


class Reader:
    """Reads one deployment, with the token that the documentation asks for."""

    def __init__(self, site: Deployment, settings: Settings, token: str) -> None:
        self.site, self.settings = site, settings
        self.environment = {
            f"RUNLEASE_ADMIN_PASSWORD_{site.key.upper()}": site.postgres.password,
            "VAULT_TOKEN": token,
        }

    def live(self) -> Access:
        return read_live(self.settings, Path("/"), self.environment)

    def changes(self) -> tuple[Change, ...]:
        return diff(to_access(self.settings), comparable(self.live(), self.settings))

    @contextmanager
    def after(self, done: str, undone: str) -> Iterator[tuple[Change, ...]]:
        """The difference while some SQL of a superuser holds; {key} stands for the key."""
        with self.site.as_superuser() as session:
            session.execute(done.replace("{key}", self.site.key).encode())
        try:
            yield self.changes()
        finally:
            with self.site.as_superuser() as session:
                session.execute(undone.replace("{key}", self.site.key).encode())

    def vault(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask Vault as its root."""
        path = path.replace("{installation}", self.site.installation)
        return self.site.openbao.request(method, path, body, self.site.openbao.root_token)


def reading_token(site: Deployment, policy: str) -> str:
    name = f"reads-{site.installation}"
    root = site.openbao.root_token
    site.openbao.request("PUT", f"/sys/policies/acl/{name}", {"policy": policy}, root)
    made = site.openbao.request("POST", "/auth/token/create", {"policies": [name]}, root)
    return str(made["auth"]["client_token"])


def documented(site: Deployment) -> str:
    assert DOCUMENTED
    return DOCUMENTED[1].replace("shop-prod", site.installation)


def reader_of(site: Deployment, folder: Path, **database: object) -> Reader:
    settings = load(settings_of(site, folder, **database))
    return Reader(site, settings, reading_token(site, documented(site)))


@pytest.fixture
def reader(site: Deployment, tmp_path: Path) -> Reader:
    return reader_of(site, tmp_path)


def only(changes: tuple[Change, ...]) -> tuple[Role, Role]:
    """Both sides of the one role that changed."""
    (change,) = changes
    assert isinstance(change.before, Role), change
    assert isinstance(change.after, Role), change
    return change.before, change.after


def told(changes: tuple[Change, ...], key: str) -> list[str]:
    return [str(change).split(" (")[0].replace(key, "{key}") for change in changes]


def test_what_was_deployed_is_what_was_declared(reader: Reader) -> None:
    assert list(map(str, reader.changes())) == []
    live = reader.live()
    assert live.unread == ()
    assert "pg_catalog" not in str(live), "what every server comes with is told"


def test_an_adopted_database_is_what_was_declared(shelf: Deployment, tmp_path: Path) -> None:
    assert reader_of(shelf, tmp_path, **SHELF).changes() == ()


def test_a_lease_that_is_held_is_no_difference(reader: Reader) -> None:
    with reader.site.leased("migrator"), reader.site.leased("sandbox") as lease:
        assert reader.changes() == ()
        assert lease.login not in str(reader.live())


def rights(role: Role) -> set[str]:
    return {f"{privilege} ON {grant.target}" for grant in role.grants for privilege in grant.privileges}


@pytest.mark.parametrize(
    ("done", "undone", "right"),
    [
        (
            "GRANT DELETE ON app.items TO {key}_reader",
            "REVOKE DELETE ON app.items FROM {key}_reader",
            "DELETE ON ALL TABLES IN SCHEMA app",
        ),
        (
            "CREATE TABLE hidden.more (); GRANT UPDATE ON hidden.secrets TO {key}_reader",
            "DROP TABLE hidden.more; REVOKE UPDATE ON hidden.secrets FROM {key}_reader",
            "UPDATE ON TABLE hidden.secrets",
        ),
        (
            "GRANT CREATE ON SCHEMA app TO {key}_reader",
            "REVOKE CREATE ON SCHEMA app FROM {key}_reader",
            "CREATE ON SCHEMA app",
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE {key}_owner IN SCHEMA app GRANT INSERT ON TABLES TO {key}_reader",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {key}_owner IN SCHEMA app REVOKE INSERT ON TABLES FROM {key}_reader",
            "INSERT ON FUTURE TABLES OF {key}_owner IN SCHEMA app",
        ),
        (
            "REVOKE SELECT ON app.items FROM {key}_reader",
            "GRANT SELECT ON app.items TO {key}_reader",
            "SELECT ON ALL TABLES IN SCHEMA app",
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {key}_reader",
            "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM {key}_reader",
            "EXECUTE ON FUNCTION pg_catalog.pg_read_file(text)",
        ),
    ],
)
def test_a_grant_to_a_profile_by_hand_is_the_difference(reader: Reader, done: str, undone: str, right: str) -> None:
    with reader.after(done, undone) as changes:
        before, after = only(changes)
        assert before.name == f"{reader.site.key}_reader"
        assert rights(before) ^ rights(after) == {right.replace("{key}", reader.site.key)}
        assert replace(after, grants=before.grants) == before


def test_a_grant_that_may_be_given_on_is_the_difference(reader: Reader) -> None:
    done, undone = "GRANT SELECT ON app.items TO {key}_reader WITH GRANT OPTION", "FROM {key}_reader"
    with reader.after(done, f"REVOKE GRANT OPTION FOR SELECT ON app.items {undone}") as changes:
        _, after = only(changes)
        assert [str(grant.target) for grant in after.grants if grant.grantable] == ["ALL TABLES IN SCHEMA app"]


@pytest.mark.parametrize(
    ("done", "undone", "members"),
    [
        ("GRANT {key}_reader TO stranger", "REVOKE {key}_reader FROM stranger", ("stranger",)),
        ("ALTER ROLE {key}_reader BYPASSRLS", "ALTER ROLE {key}_reader NOBYPASSRLS", ()),
        ("ALTER ROLE {key}_reader LOGIN", "ALTER ROLE {key}_reader NOLOGIN", ()),
    ],
)
def test_a_role_changed_by_hand_is_the_difference(
    reader: Reader, stranger: None, done: str, undone: str, members: tuple[str, ...]
) -> None:
    with reader.after(done, undone) as changes:
        before, after = only(changes)
        assert (before.name, after.members) == (f"{reader.site.key}_reader", members)


def test_a_migrator_that_cannot_become_the_owner_is_the_difference(reader: Reader) -> None:
    # From 16 on only who gave a membership takes it away.
    as_admin = f"SET SESSION AUTHORIZATION {reader.settings.databases[reader.site.key].admin}; "
    done, undone = "REVOKE {key}_owner FROM {key}_migrator", "GRANT {key}_owner TO {key}_migrator"
    with reader.after(as_admin + done, as_admin + undone) as changes:
        before, after = only(changes)
        assert (before.runs_as, after.runs_as) == (reader.site.owner, None)


@pytest.mark.parametrize(
    ("done", "undone", "expected"),
    [
        (
            "GRANT SELECT ON app.items TO stranger",
            "REVOKE SELECT ON app.items FROM stranger",
            ["+ roles {key} stranger"],
        ),
        ("GRANT {key}_owner TO stranger", "REVOKE {key}_owner FROM stranger", ["+ roles {key} {key}_owner"]),
        (
            "GRANT pg_read_all_data TO stranger",
            "REVOKE pg_read_all_data FROM stranger",
            ["+ roles {key} pg_read_all_data"],
        ),
        ("GRANT USAGE ON SCHEMA app TO PUBLIC", "REVOKE USAGE ON SCHEMA app FROM PUBLIC", ["+ roles {key} PUBLIC"]),
        (
            "GRANT CONNECT ON DATABASE {key} TO PUBLIC",
            "REVOKE CONNECT ON DATABASE {key} FROM PUBLIC",
            ["~ databases {key}", "+ roles {key} PUBLIC"],
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE {key}_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
            "ALTER DEFAULT PRIVILEGES FOR ROLE {key}_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
            ["+ roles {key} PUBLIC"],
        ),
        (
            "GRANT SELECT ON app.items TO runlease_{key}_vault",
            "REVOKE SELECT ON app.items FROM runlease_{key}_vault",
            ["+ roles {key} runlease_{key}_vault"],
        ),
        (
            "ALTER TABLE app.items OWNER TO stranger",
            "ALTER TABLE app.items OWNER TO {key}_owner",
            ["+ roles {key} stranger"],
        ),
        (
            "GRANT runlease_{key}_deployer TO stranger",
            "REVOKE runlease_{key}_deployer FROM stranger",
            ["+ roles {key} runlease_{key}_deployer"],
        ),
        ("GRANT {key}_reader TO pg_monitor", "REVOKE {key}_reader FROM pg_monitor", ["~ roles {key} {key}_reader"]),
        ("ALTER ROLE {key}_owner LOGIN", "ALTER ROLE {key}_owner NOLOGIN", ["+ roles {key} {key}_owner"]),
        (
            "GRANT SELECT (label) ON app.items TO stranger",
            "REVOKE SELECT (label) ON app.items FROM stranger",
            ["+ unread database {key}: column app.items.label"],
        ),
        ("GRANT SELECT ON hidden.secrets TO stranger", "REVOKE SELECT ON hidden.secrets FROM stranger", []),
    ],
)
def test_access_that_nobody_declared_is_the_difference(
    reader: Reader, stranger: None, done: str, undone: str, expected: list[str]
) -> None:
    with reader.after(done, undone) as changes:
        assert told(changes, reader.site.key) == expected


@pytest.fixture
def stranger(site: Deployment) -> Iterator[None]:
    """A login that nobody declared."""
    with site.as_superuser() as session:
        session.execute("CREATE ROLE stranger LOGIN")
    yield
    with site.as_superuser() as session:
        session.execute("DROP ROLE stranger")


@pytest.fixture
def vault_reader(sites: Sites, tmp_path: Path) -> Reader:
    """One site, for what no version of PostgreSQL changes."""
    return reader_of(sites.site(18, True), tmp_path)


@contextmanager
def rewritten(reader: Reader, path: str, **changed: Any) -> Iterator[tuple[Change, ...]]:
    """The difference while something in Vault is written otherwise."""
    path = path.replace("{installation}", reader.site.installation)
    was = reader.vault("GET", path)["data"]
    reader.vault("POST", path, {**was, **changed})
    try:
        yield reader.changes()
    finally:
        reader.vault("POST", path, was)
    assert list(map(str, reader.changes())) == []


def test_a_longer_lease_in_vault_is_the_difference(vault_reader: Reader) -> None:
    with rewritten(vault_reader, "/{installation}-db/roles/reader", max_ttl=3600) as changes:
        (change,) = changes
        assert str(change) == "~ leases reader (max_ttl: 10m → 1h)"


def test_a_lease_with_other_statements_in_vault_is_the_difference(vault_reader: Reader) -> None:
    statements = ['CREATE ROLE "{{name}}" LOGIN PASSWORD \'{{password}}\'; GRANT boss TO "{{name}}"']
    with rewritten(vault_reader, "/{installation}-db/roles/reader", creation_statements=statements) as changes:
        (change,) = changes
        assert change.after is not None
        assert change.after.role == "boss"


JWT_ROLE = "/auth/{installation}-jwt/role/{installation}.ci.run-reader"


def test_a_second_audience_is_the_difference(vault_reader: Reader) -> None:
    with rewritten(vault_reader, JWT_ROLE, bound_audiences=[vault_reader.site.audience, "everybody"]) as changes:
        (change,) = changes
        assert change.before is None
        assert change.after is not None
        assert (str(change.after.identity), change.after.identity.audience) == ("ci/run-reader", "everybody")


def test_another_audience_is_the_difference(vault_reader: Reader) -> None:
    with rewritten(vault_reader, JWT_ROLE, bound_audiences=["everybody"]) as changes:
        (change,) = changes
        assert str(change).startswith("~ bindings ci run-reader run reader reader (identity.audience: ")


UNCARRIED = "opens a lease, and no JWT role carries it: who does is not known"


def test_a_jwt_role_with_another_policy_is_the_difference(vault_reader: Reader) -> None:
    installation = vault_reader.site.installation
    with rewritten(vault_reader, JWT_ROLE, token_policies=[f"{installation}.migrator"]) as changes:
        assert [(change.section, str(change.before), str(change.after)) for change in changes] == [
            # No pipeline and task of the settings has this account and this lease.
            ("bindings", "None", "ci/run-reader may obtain migrator"),
            ("bindings", "ci/run-reader may obtain reader", "None"),
            ("unread", "None", f"Vault sys/policies/acl/{installation}.reader: {UNCARRIED}"),
        ]


SNAPSHOT = """
SELECT 'role', xmin::text, r::text FROM pg_authid r
UNION ALL SELECT 'member', xmin::text, m::text FROM pg_auth_members m
UNION ALL SELECT 'database', xmin::text, d.datacl::text FROM pg_database d
UNION ALL SELECT 'schema', xmin::text, n::text FROM pg_namespace n
UNION ALL SELECT 'table', xmin::text, concat(oid, relacl) FROM pg_class
UNION ALL SELECT 'function', xmin::text, concat(oid, proacl) FROM pg_proc
UNION ALL SELECT 'default', xmin::text, d::text FROM pg_default_acl d ORDER BY 1, 3
"""
"""Every role, membership, privilege list and default privilege, with the version of its row."""


def test_reading_changes_nothing(reader: Reader) -> None:
    before, mounts = reader.site.rows(SNAPSHOT), reader.vault("GET", "/sys/mounts")["data"]
    log = reader.site.openbao.audit_log
    size = log.stat().st_size
    reader.live()
    assert (reader.site.rows(SNAPSHOT), reader.vault("GET", "/sys/mounts")["data"]) == (before, mounts)
    told = [json.loads(line)["request"] for line in log.read_bytes()[size:].splitlines()]
    assert {one["operation"] for one in told} == {"read", "list"}


def test_every_login_reads_the_same(reader: Reader) -> None:
    site = reader.site
    with site.leased("verifier") as lease, site.connect(lease) as session, site.as_superuser() as superuser:
        seen, all_ = (read_catalog(one, site.key, site.owner) for one in (session, superuser))
    assert seen.roles == all_.roles
    assert seen.create_login == all_.create_login
    assert set(seen.privileges) == set(all_.privileges)
    for part in ("memberships", "objects", "defaults", "others"):
        assert set(getattr(seen, part)) == set(getattr(all_, part))


def test_reading_could_not_change_anything(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_sql, "OBJECTS", "CREATE TABLE app.x ()")
    with reader.site.as_superuser() as session, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        read_catalog(session, reader.site.key, reader.site.owner)


def test_what_the_token_may_not_read_is_named_with_the_line_that_gives_it(vault_reader: Reader) -> None:
    reader = vault_reader
    policy = 'path "sys/mounts" { capabilities = ["read"] }\n'
    for _ in range(6):
        reader.environment["VAULT_TOKEN"] = reading_token(reader.site, policy)
        missing = [one.why.partition("Fix: ")[2] for one in reader.live().unread]
        if not any(missing):
            break
        policy += "\n".join(filter(None, missing)) + "\n"
    else:
        pytest.fail(policy)
    assert list(map(str, reader.changes())) == []


Spoil = Callable[[Reader], None]


def _wrong_password(reader: Reader) -> None:
    reader.environment = dict.fromkeys(reader.environment, "wrong-secret")


def _wrong_token(reader: Reader) -> None:
    reader.environment["VAULT_TOKEN"] = "wrong-secret"


def _no_token(reader: Reader) -> None:
    del reader.environment["VAULT_TOKEN"]


def _nobody_there(reader: Reader) -> None:
    (key, database), *_ = reader.settings.databases.items()
    moved = database.model_copy(update={"port": free_port()})
    reader.settings = reader.settings.model_copy(update={"databases": {key: moved}})


def _no_vault(reader: Reader) -> None:
    vault = reader.settings.vault.model_copy(update={"address": f"https://localhost:{free_port()}"})
    reader.settings = reader.settings.model_copy(update={"vault": vault})


def _no_ca(reader: Reader) -> None:
    vault = reader.settings.vault.model_copy(update={"ca": "nowhere.pem"})
    reader.settings = reader.settings.model_copy(update={"vault": vault})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_wrong_password, r"admin: the admin's password is refused \(got .*\)\. Fix: export RUNLEASE_ADMIN_PASSWORD_"),
        (_wrong_token, r"VAULT_TOKEN: is refused.*\(got 403, expected .*\)\. Fix: log in again"),
        (_no_token, r"VAULT_TOKEN: is missing \(got nothing, expected .*\)\. Fix: log in"),
        (_nobody_there, r"host: nothing listens there \(got .*\)\. Fix: start the server"),
        (_no_ca, r"access\.vault\.ca: no such file \(got 'nowhere\.pem'.*\)\. Fix: put the certificate there"),
        (_no_vault, r"access\.vault\.address: nothing listens there \(got .*\)\. Fix: start the server"),
    ],
)
def test_a_server_that_cannot_be_asked_is_one_message(sites: Sites, tmp_path: Path, spoil: Spoil, said: str) -> None:
    reader = reader_of(sites.site(18, True), tmp_path)
    spoil(reader)
    with pytest.raises(ReadError) as wrong:
        reader.live()
    assert re.search(said, str(wrong.value))
    assert "wrong-secret" not in str(wrong.value)


def test_a_login_that_may_not_connect_is_told_the_grant(sites: Sites, tmp_path: Path) -> None:
    site = sites.site(18, False)
    with site.as_superuser() as session:
        session.execute("CREATE ROLE outsider LOGIN PASSWORD 'out'")
    try:
        reader = reader_of(site, tmp_path, admin="outsider")
        reader.environment[f"RUNLEASE_ADMIN_PASSWORD_{site.key.upper()}"] = "out"
        with pytest.raises(ReadError, match=f'Fix: GRANT CONNECT ON DATABASE "{site.dbname}" TO "outsider";'):
            reader.live()
    finally:
        with site.as_superuser() as session:
            session.execute("DROP ROLE outsider")
