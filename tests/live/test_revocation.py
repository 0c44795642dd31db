"""A revoked lease leaves nothing behind, and the ledger says what became of it."""

from __future__ import annotations

import psycopg
import pytest

from tests.live.deployment import PROFILES, Deployment
from tests.live.remains import NOTHING, drop, ended, left, oid_of
from tests.live.statements import worded

# --- what a lease may leave behind


@pytest.mark.parametrize("profile", PROFILES)
def test_an_open_session_is_ended_and_nothing_is_left(site: Deployment, profile: str) -> None:
    lease = site.take(profile)
    oid = oid_of(site, lease)
    with site.connect(lease) as session:
        site.revoke(lease)
        assert ended(session)
    assert left(site, lease, oid) == NOTHING
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        site.connect(lease)


def test_a_session_that_became_the_owner_is_ended(site: Deployment) -> None:
    lease = site.take("migrator")
    with site.connect(lease, role=site.owner) as session:
        site.revoke(lease)
        assert ended(session)


def test_a_lock_that_a_transaction_holds_is_released(site: Deployment) -> None:
    lease = site.take("seeder")
    with site.connect(lease) as session:
        session.execute("BEGIN; UPDATE app.items SET label = 'never'")
        site.revoke(lease)
        assert ended(session)
    assert site.rows("UPDATE app.items SET label = 'first' RETURNING label") == [("first",)]


def test_temporary_tables_in_another_database_go_with_the_session(site: Deployment) -> None:
    lease = site.take("reader")
    oid = oid_of(site, lease)
    with site.connect(lease, site.neighbour) as session:
        session.execute("CREATE TEMPORARY TABLE mine AS SELECT 1 AS one")
        site.revoke(lease)
        assert ended(session)
    assert left(site, lease, oid) == NOTHING


def test_large_objects_and_default_privileges_are_dropped(site: Deployment) -> None:
    lease = site.take("reader")
    oid = oid_of(site, lease)
    before = left(site, lease, oid)["dependencies"]
    with site.connect(lease) as session:
        session.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
        if site.managed:  # Only a superuser can take large objects from PUBLIC.
            session.execute("SELECT lo_create(0)")
    assert left(site, lease, oid)["dependencies"] == before + (2 if site.managed else 1)
    site.revoke(lease)
    assert left(site, lease, oid) == NOTHING


def test_a_sandbox_is_dropped_with_all_that_is_in_it(site: Deployment) -> None:
    lease = site.take("sandbox")
    oid = oid_of(site, lease)
    with site.connect(lease) as session:
        session.execute(worded("SET search_path = {schema}", schema=lease.login))
        session.execute(
            "CREATE TABLE mine (id serial PRIMARY KEY); CREATE VIEW seen AS SELECT * FROM mine;"
            "CREATE TYPE mood AS ENUM ('calm'); CREATE FUNCTION said() RETURNS int LANGUAGE sql RETURN 1"
        )
    assert left(site, lease, oid)["schemas"] == 1
    site.revoke(lease)
    assert left(site, lease, oid) == NOTHING


def test_what_a_migration_made_stays(site: Deployment) -> None:
    lease = site.take("migrator")
    with site.connect(lease, role=site.owner) as session:
        session.execute("CREATE TABLE kept ()")
    site.revoke(lease)
    assert site.rows("SELECT tableowner::text FROM pg_tables WHERE tablename = 'kept'") == [(site.owner,)]
    site.migrate("DROP TABLE kept")


def test_a_lease_is_revoked_twice_without_an_error(site: Deployment) -> None:
    lease = site.take("reader")
    site.revoke(lease)
    assert drop(site, lease) == "absent"
    site.revoke(lease)


def test_a_login_is_dead_after_its_expiry_though_nobody_revoked_it(site: Deployment) -> None:
    with site.leased("reader") as lease:
        with site.as_superuser() as session:
            session.execute(worded("ALTER ROLE {login} VALID UNTIL '2001-01-01'", login=lease.login))
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            site.connect(lease)


# --- the ledger


@pytest.mark.parametrize("profile", PROFILES)
def test_the_ledger_says_who_made_and_dropped_a_login(site: Deployment, profile: str) -> None:
    lease = site.take(profile)
    oid = oid_of(site, lease)
    expires = site.rows(
        "SELECT to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        " FROM pg_roles WHERE oid = %s",
        oid,
    )[0][0]
    site.revoke(lease)
    line = {
        "login": lease.login,
        "oid": str(oid),
        "database": site.dbname,
        "profile": profile,
        "expires": expires,
        "caller": site.own("vault_migrator" if profile == "migrator" else "vault"),
    }
    assert site.ledger(lease.login) == [
        {"event": "create", **line, "outcome": "live"},
        {"event": "drop", **line, "outcome": "dropped"},
    ]


def test_no_password_stands_in_the_servers_log(site: Deployment) -> None:
    with site.leased("reader") as lease, site.connect(lease):
        log = site.postgres.log.read_text()
    assert lease.login in log
    assert lease.password not in log
