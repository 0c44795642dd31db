"""What the servers have is what was declared, until somebody changes it by hand: then that is the difference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from runlease.access import Role
from runlease.access.diff import Change
from runlease.readers import catalog_sql
from runlease.readers.catalog import read_catalog
from tests.live.deployment import Deployment
from tests.live.live_reader import Reader, reader_of
from tests.live.sites import SHELF

TWO_SITES = pytest.mark.parametrize(
    "site",
    [pytest.param((15, True), id="pg15-managed"), pytest.param((18, False), id="pg18-self_managed")],
    indirect=True,
)
"""Each version and each kind of server once: enough for what is changed by hand."""


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


@TWO_SITES
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


@TWO_SITES
def test_a_grant_that_may_be_given_on_is_the_difference(reader: Reader) -> None:
    done, undone = "GRANT SELECT ON app.items TO {key}_reader WITH GRANT OPTION", "FROM {key}_reader"
    with reader.after(done, f"REVOKE GRANT OPTION FOR SELECT ON app.items {undone}") as changes:
        _, after = only(changes)
        assert [str(grant.target) for grant in after.grants if grant.grantable] == ["ALL TABLES IN SCHEMA app"]


@TWO_SITES
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


@TWO_SITES
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
            ["+ roles {key} stranger"],
        ),
        (
            "GRANT UPDATE (label) ON app.items TO {key}_reader",
            "REVOKE UPDATE (label) ON app.items FROM {key}_reader",
            ["~ roles {key} {key}_reader"],
        ),
        (
            "ALTER TABLE app.items ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE app.items DISABLE ROW LEVEL SECURITY",
            ["+ unread database {key}: row security of app.items"],
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


def test_reading_changes_nothing(reader: Reader) -> None:
    before, mounts = reader.site.dump(), reader.vault("GET", "/sys/mounts")["data"]
    log = reader.site.openbao.audit_log
    size = log.stat().st_size
    reader.live()
    assert (reader.site.dump(), reader.vault("GET", "/sys/mounts")["data"]) == (before, mounts)
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
