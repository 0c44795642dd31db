"""A session that begins while its lease is being revoked does not outlive it unseen."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from tests.live.deployment import Deployment
from tests.live.remains import ended, left, oid_of, undroppable
from tests.live.statements import outcome, worded


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
