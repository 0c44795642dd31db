"""A login that cannot be dropped is quarantined and reported until it is cleaned."""

from __future__ import annotations

import psycopg
import pytest

from tests.live.deployment import Deployment, Lease
from tests.live.remains import NOTHING, drop, ended, left, oid_of, undroppable
from tests.live.statements import worded


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


def test_a_quarantined_login_bears_the_name_of_its_run_and_no_other_setting(site: Deployment) -> None:
    with undroppable(site) as (lease, _):
        with site.connect(lease) as session:
            session.execute("ALTER ROLE CURRENT_USER SET application_name = 'release-''7'")
            session.execute("ALTER ROLE CURRENT_USER SET work_mem = '1MB'")
        site.revoke(lease)
        kept = site.rows("SELECT rolconfig FROM pg_roles WHERE rolname = %s", lease.login)
        assert kept == [(["application_name=release-'7"],)]


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


REFUSING = """
CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE 'nothing is dropped here'; END $$;
CREATE EVENT TRIGGER refuse ON sql_drop EXECUTE FUNCTION public.refuse()
"""


def test_whatever_error_keeps_a_login_from_being_dropped_it_is_quarantined(site: Deployment) -> None:
    lease = site.take("sandbox")
    oid = oid_of(site, lease)
    with site.as_superuser() as session:
        session.execute(REFUSING)
        try:
            site.revoke(lease)
            assert_quarantined(site, lease)
        finally:
            session.execute("DROP EVENT TRIGGER refuse; DROP FUNCTION public.refuse()")
    assert any("nothing is dropped here" in line for line in site.log_lines())
    assert drop(site, lease) == "dropped"
    assert left(site, lease, oid) == NOTHING
