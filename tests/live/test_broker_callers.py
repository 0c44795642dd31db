"""Vault's login can call the broker and do nothing else; nobody else can call it."""

from __future__ import annotations

import pytest

from tests.live.broker_calls import LOGIN, VERIFIER, call, moment
from tests.live.deployment import Deployment
from tests.live.statements import DENIED, outcome, tried, worded

OUTSIDE = {
    "SELECT * FROM app.items": DENIED,
    "SELECT * FROM hidden.secrets": DENIED,
    "SELECT rolpassword FROM pg_authid": DENIED,
    "CREATE TABLE app.mine ()": DENIED,
    "CREATE TABLE runlease.mine ()": DENIED,
    "CREATE TABLE public.mine ()": DENIED,
    "CREATE TEMPORARY TABLE mine ()": DENIED,
    "CREATE SCHEMA mine": DENIED,
    "COPY (SELECT 1) TO PROGRAM 'true'": DENIED,
    "SELECT pg_read_file('PG_VERSION')": DENIED,
    "CREATE ROLE mine": DENIED,
    "DROP ROLE {reader}": DENIED,
    "ALTER ROLE {owner} LOGIN": DENIED,
    "ALTER ROLE CURRENT_USER CREATEROLE": DENIED,
    "ALTER ROLE CURRENT_USER CONNECTION LIMIT 100": DENIED,
    "ALTER ROLE {other} PASSWORD 'mine'": DENIED,
    "SET ROLE {owner}": DENIED,
    "SET ROLE {reader}": DENIED,
    "SET ROLE {broker}": DENIED,
    "SET ROLE {deployer}": DENIED,
    "SET ROLE {marker}": DENIED,
    "SET ROLE {other}": DENIED,
    "GRANT {reader} TO CURRENT_USER": DENIED,
    "GRANT {owner} TO CURRENT_USER": DENIED,
    "GRANT {broker} TO CURRENT_USER": DENIED,
    "GRANT pg_read_all_data TO CURRENT_USER": DENIED,
    "GRANT EXECUTE ON FUNCTION runlease.reap() TO PUBLIC": "01007",
    "CREATE OR REPLACE FUNCTION runlease.reap() RETURNS int LANGUAGE sql RETURN 1": DENIED,
    "ALTER FUNCTION runlease.reap() SECURITY INVOKER": DENIED,
    "ALTER FUNCTION runlease.reap() SET search_path = app": DENIED,
    "DROP FUNCTION runlease.reap()": DENIED,
    "ALTER SCHEMA runlease OWNER TO CURRENT_USER": DENIED,
    "COMMENT ON ROLE {reader} IS 'runlease live'": DENIED,
}


@pytest.mark.parametrize("tier", ["vault", "vault_migrator"])
def test_vaults_login_can_do_nothing_but_call_the_broker(site: Deployment, tier: str) -> None:
    names = {part: site.own(part) for part in ("broker", "deployer")} | {
        "owner": site.owner,
        "reader": f"{site.key}_reader",
        "marker": site.own("login"),
        "other": site.own("vault_migrator" if tier == "vault" else "vault"),
    }
    with site.as_vault(tier) as session:
        assert {one: tried(session, worded(one, **names)) for one in OUTSIDE} == OUTSIDE


def test_vaults_login_has_no_attribute_and_no_membership(site: Deployment) -> None:
    for tier in ("vault", "vault_migrator"):
        assert site.rows(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolinherit, "
            "(SELECT count(*) FROM pg_auth_members WHERE member = r.oid) FROM pg_roles r "
            "WHERE rolname = %s",
            site.own(tier),
        ) == [(False,) * 6 + (0,)]


def test_nobody_logs_in_as_the_broker_or_administers_it_but_the_deployer(site: Deployment) -> None:
    members = site.rows(
        "SELECT pg_get_userbyid(member)::text FROM pg_auth_members WHERE roleid = %s::regrole", site.own("broker")
    )
    admins = {"cloud_admin"} if site.managed and not site.before_16 else set()
    assert {name for (name,) in members} - admins == {site.own("deployer")}
    assert site.rows("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", site.own("broker")) == [(False,)]


def test_another_login_can_neither_call_the_broker_nor_look_into_it(site: Deployment) -> None:
    with site.as_superuser() as session, session.transaction(force_rollback=True):
        session.execute("CREATE ROLE stranger LOGIN")
        session.execute(worded("GRANT CONNECT ON DATABASE {dbname} TO stranger", dbname=site.dbname))
        session.execute("SET SESSION AUTHORIZATION stranger")
        for attempt in (
            call("create_login", LOGIN, VERIFIER, moment(300), "reader"),
            call("reap"),
            call("drop_login", LOGIN),
            call("renew_login", LOGIN, moment(300)),
        ):
            assert outcome(session, attempt) == DENIED
        seen = session.execute(
            "SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p "
            "JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'runlease'"
        )
        assert seen.fetchone() == (False,)
