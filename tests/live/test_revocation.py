"""A revoked lease leaves nothing behind; what cannot be dropped is quarantined and reported."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.live.deployment import PROFILES, Deployment, Lease, outcome, worded

NOTHING = {"role": 0, "sessions": 0, "dependencies": 0, "schemas": 0}


def oid_of(site: Deployment, lease: Lease) -> int:
    return int(site.rows("SELECT oid FROM pg_roles WHERE rolname = %s", lease.login)[0][0])


def left(site: Deployment, lease: Lease, oid: int) -> dict[str, int]:
    """What there still is of a login, by its oid because the name may be gone; in every database of the server."""
    found = site.rows(
        "SELECT (SELECT count(*) FROM pg_roles WHERE oid = %s), (SELECT count(*) FROM pg_stat_activity WHERE usesysid"
        " = %s), (SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = %s),"
        " (SELECT count(*) FROM pg_namespace WHERE nspname = %s)",
        oid,
        oid,
        oid,
        lease.login,
    )
    return dict(zip(NOTHING, found[0], strict=True))


def ended(session: psycopg.Connection) -> bool:
    """Whether the server has ended this session."""
    return outcome(session, "SELECT 1") in ("57P01", "OperationalError")


def drop(site: Deployment, lease: Lease) -> str:
    """What the broker says to the login that made the lease; Vault's retry of a revocation."""
    tier = "vault_migrator" if "_migrator_" in lease.login else "vault"
    with site.as_vault(tier, undone=False) as session:
        return str(session.execute("SELECT runlease.drop_login(%s)", [lease.login]).fetchall()[0][0])


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


# --- quarantine


@contextmanager
def undroppable(site: Deployment, profile: str = "reader") -> Iterator[tuple[Lease, int]]:
    """A lease whose login owns a large object where DROP OWNED does not reach: in another database."""
    lease = site.take(profile)
    oid = oid_of(site, lease)
    with site.connect(lease, site.neighbour) as session:
        made = session.execute("SELECT lo_create(0)").fetchall()[0][0]
    yield lease, oid
    with site.as_superuser(site.neighbour) as session:
        session.execute("SELECT lo_unlink(%s)", [made])
    assert drop(site, lease) == "dropped"
    assert left(site, lease, oid) == NOTHING


def assert_quarantined(site: Deployment, lease: Lease) -> None:
    kept = site.rows(
        "SELECT a.rolcanlogin, a.rolpassword, a.rolconnlimit, r.rolconfig IS NULL, split_part(shobj_description(a.oid,"
        " 'pg_authid'), ' ', 2), (SELECT count(*) FROM pg_auth_members m WHERE m.member = a.oid)"
        " FROM pg_authid a JOIN pg_roles r ON r.oid = a.oid WHERE a.rolname = %s",
        lease.login,
    )
    assert kept == [(False, None, 0, True, "quarantined", 0)]
    assert any("WARNING" in line and f"login {lease.login} is quarantined" in line for line in site.log_lines())
    assert [line["outcome"] for line in site.ledger(lease.login)] == ["live", "quarantined"]
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|not permitted to log in"):
        site.connect(lease)


def test_a_login_that_owns_something_in_another_database_is_quarantined_until_it_is_cleaned(site: Deployment) -> None:
    with undroppable(site) as (lease, _), site.connect(lease) as session:
        session.execute("ALTER ROLE CURRENT_USER SET work_mem = '1MB'")
        site.revoke(lease)
        assert ended(session)
        assert_quarantined(site, lease)


def test_a_login_that_an_owner_granted_something_is_quarantined_until_it_is_cleaned(site: Deployment) -> None:
    lease = site.take("migrator")
    oid = oid_of(site, lease)
    with site.connect(lease, role=site.owner) as session:
        session.execute(worded("GRANT SELECT ON items TO {login}", login=lease.login))
    site.revoke(lease)
    assert_quarantined(site, lease)
    site.migrate(f'REVOKE ALL ON items FROM "{lease.login}"')
    assert drop(site, lease) == "dropped"
    assert left(site, lease, oid) == NOTHING


def test_a_quarantined_sandbox_keeps_nothing_that_can_be_used(site: Deployment) -> None:
    with undroppable(site, "sandbox") as (lease, _):
        site.revoke(lease)
        assert_quarantined(site, lease)


# --- a login that arrives while its lease is being revoked


def test_a_session_that_begins_before_the_drop_commits_is_reaped(site: Deployment) -> None:
    lease = site.take("migrator")
    oid = oid_of(site, lease)
    with site.as_vault("vault_migrator", undone=False) as vault, site.connect(lease) as early:
        with vault.transaction():
            assert vault.execute("SELECT runlease.drop_login(%s)", [lease.login]).fetchone() == ("dropped",)
            assert ended(early)
            late = site.connect(lease, role=site.owner)
        assert left(site, lease, oid)["role"] == 0
        assert outcome(late, "SELECT * FROM items") == "00000"
        assert_reaped(site, vault, late, oid)
    site.revoke(lease)


def assert_reaped(site: Deployment, vault: psycopg.Connection, late: psycopg.Connection, oid: int) -> None:
    """By the next call of the broker, or reported where the broker may not signal a session without a role."""
    begun = len(site.log_lines())
    reaped = vault.execute("SELECT runlease.reap()").fetchall()[0][0]
    lines = [line for line in site.log_lines()[begun:] if str(late.info.backend_pid) in line]
    if site.managed:
        assert (reaped, ended(late)) == (0, False)
        assert any("WARNING" in line and "ending it needs pg_signal_backend" in line for line in lines)
        with site.as_superuser() as session:
            session.execute("SELECT pg_terminate_backend(%s, 5000)", [late.info.backend_pid])
    else:
        assert reaped == 1
        assert any(f"event=reap oid={oid}" in line and "outcome=ended" in line for line in lines)
    wait_until_ended(late)
    late.close()


def wait_until_ended(session: psycopg.Connection) -> None:
    deadline = time.monotonic() + 10
    while not ended(session):
        assert time.monotonic() < deadline, "the session was not ended"
        time.sleep(0.05)


@pytest.mark.parametrize("profile", ["reader", "migrator"])
def test_the_next_lease_reaps_what_outlived_its_login(site: Deployment, profile: str) -> None:
    lease = site.take("reader")
    with site.as_vault(undone=False) as vault, vault.transaction():
        vault.execute("SELECT runlease.drop_login(%s)", [lease.login])
        late = site.connect(lease)
    with site.leased(profile):
        if not site.managed:
            wait_until_ended(late)
    late.close()


def test_a_session_of_a_quarantined_login_is_reaped_everywhere(site: Deployment) -> None:
    with undroppable(site, "migrator") as (lease, _):
        with site.as_vault("vault_migrator", undone=False) as vault:
            with vault.transaction():
                assert vault.execute("SELECT runlease.drop_login(%s)", [lease.login]).fetchone() == ("quarantined",)
                late = site.connect(lease, role=site.owner)
            assert outcome(late, "SELECT * FROM items") == "00000"
            assert vault.execute("SELECT runlease.reap()").fetchone() == (1,)
        wait_until_ended(late)
        late.close()
        site.revoke(lease)


def test_a_session_that_begins_while_the_drop_waits_is_ended_by_it(site: Deployment) -> None:
    """The drop waits for a lock on the sandbox; who logs in then is seen by its last sweep."""
    lease = site.take("sandbox")
    oid = oid_of(site, lease)
    with site.connect(lease) as session:
        session.execute(worded("CREATE TABLE {schema}.mine ()", schema=lease.login))
    with site.as_superuser() as holder, holder.transaction():
        holder.execute(worded("LOCK TABLE {schema}.mine", schema=lease.login))
        revoking = threading.Thread(target=site.revoke, args=[lease])
        revoking.start()
        wait_until_waiting(site)
        late = site.connect(lease)
    revoking.join(30)
    assert left(site, lease, oid)["role"] == 0
    if site.managed:
        assert any(f"a session of {lease.login} outlives it" in line for line in site.log_lines())
        with site.as_superuser() as session:
            session.execute("SELECT pg_terminate_backend(%s, 5000)", [late.info.backend_pid])
    wait_until_ended(late)
    late.close()


def wait_until_waiting(site: Deployment) -> None:
    deadline = time.monotonic() + 10
    asked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = %s"
    while not site.rows(asked, site.own("vault")):
        assert time.monotonic() < deadline, "the drop does not wait for the lock"
        time.sleep(0.05)


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
