"""What no login may do whatever its profile, PostgreSQL refuses: asked by trying."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.sql import Composed

from tests.live.deployment import PROFILES, Deployment, Leased
from tests.live.sites import Sites
from tests.live.statements import DENIED, tried, worded

GRANTED_NOTHING = "01007"
"""GRANT by who holds a privilege and may not pass it on: a warning, and nothing changes."""


REFUSED = {
    # DDL, in the declared schema and elsewhere
    "CREATE TABLE app.mine ()": DENIED,
    "CREATE TABLE public.mine ()": DENIED,
    "CREATE TABLE hidden.mine ()": DENIED,
    "CREATE TABLE runlease.mine ()": DENIED,
    "CREATE SCHEMA mine": DENIED,
    "CREATE TEMPORARY TABLE mine ()": DENIED,
    "CREATE VIEW app.seen AS SELECT 1": DENIED,
    "CREATE FUNCTION app.mine() RETURNS int LANGUAGE sql RETURN 1": DENIED,
    "ALTER TABLE app.items ADD COLUMN more int": DENIED,
    "ALTER TABLE app.items OWNER TO CURRENT_USER": DENIED,
    "ALTER TABLE app.items DISABLE TRIGGER ALL": DENIED,
    "ALTER SCHEMA app OWNER TO CURRENT_USER": DENIED,
    "DROP TABLE app.items": DENIED,
    "CREATE INDEX ON app.items (label)": DENIED,
    "CREATE TRIGGER planted BEFORE INSERT ON app.items EXECUTE FUNCTION suppress_redundant_updates_trigger()": DENIED,
    "CREATE PUBLICATION everything FOR ALL TABLES": DENIED,
    "CREATE EVENT TRIGGER planted ON ddl_command_end EXECUTE FUNCTION suppress_redundant_updates_trigger()": DENIED,
    # data that is not declared
    "SELECT * FROM hidden.secrets": DENIED,
    "SELECT * FROM public.notes": DENIED,
    "SELECT rolpassword FROM pg_authid": DENIED,
    "SELECT passwd FROM pg_shadow": DENIED,
    "SELECT * FROM pg_hba_file_rules": DENIED,
    # the server's files and programs
    "COPY (SELECT 1) TO PROGRAM 'true'": DENIED,
    "COPY (SELECT 1) TO '/tmp/runlease-was-here'": DENIED,
    "SELECT pg_read_file('PG_VERSION')": DENIED,
    "SELECT pg_ls_dir('.')": DENIED,
    "SELECT lo_import('/etc/hostname')": DENIED,
    # other roles
    "SET ROLE {owner}": DENIED,
    "SET ROLE {broker}": DENIED,
    "SET ROLE {deployer}": DENIED,
    "SET ROLE {vault}": DENIED,
    "SET ROLE postgres": DENIED,
    "SET SESSION AUTHORIZATION {owner}": DENIED,
    "CREATE ROLE mine": DENIED,
    "DROP ROLE {vault}": DENIED,
    "ALTER ROLE {owner} LOGIN": DENIED,
    "ALTER ROLE {vault} PASSWORD 'mine'": DENIED,
    "GRANT {owner} TO CURRENT_USER": DENIED,
    "GRANT {group} TO {vault}": DENIED,
    "GRANT pg_read_all_data TO CURRENT_USER": DENIED,
    "GRANT {login} TO {vault}": DENIED,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'": DENIED,
    # its own limits
    "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'": DENIED,
    "ALTER ROLE CURRENT_USER CONNECTION LIMIT 100": DENIED,
    "ALTER ROLE CURRENT_USER CREATEROLE": DENIED,
    "COMMENT ON ROLE {login} IS NULL": DENIED,
    # settings of the server and of the log
    "ALTER DATABASE {dbname} SET work_mem = '1GB'": DENIED,
    "SET session_replication_role = 'replica'": DENIED,
    "SET log_statement = 'none'": DENIED,
    "SET log_min_messages = 'panic'": DENIED,
    "SELECT pg_reload_conf()": DENIED,
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO PUBLIC": DENIED,
    # the broker
    "SELECT runlease.reap()": DENIED,
    "SELECT runlease.drop_login('run_reader_00000000000000000000')": DENIED,
}

OF_THE_OWNER = {
    "CREATE TABLE app.mine ()",
    "CREATE VIEW app.seen AS SELECT 1",
    "CREATE FUNCTION app.mine() RETURNS int LANGUAGE sql RETURN 1",
    "ALTER TABLE app.items ADD COLUMN more int",
    "ALTER TABLE app.items OWNER TO CURRENT_USER",
    "ALTER SCHEMA app OWNER TO CURRENT_USER",
    "DROP TABLE app.items",
    "CREATE INDEX ON app.items (label)",
    "SET ROLE {owner}",
    "ALTER TABLE app.items DISABLE TRIGGER ALL",
    "CREATE TRIGGER planted BEFORE INSERT ON app.items EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO PUBLIC",
}
"""What an owner may do with what it owns."""

LARGE_OBJECTS = ("SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, 'mine')")


OF_A_MIGRATOR = {"SET ROLE {owner}", "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO PUBLIC"}
"""What may be done by who may become the owner."""


def at(site: Deployment, profile: str, login: str, attempt: str) -> Composed:
    """The attempt with the names of this site."""
    own = {part: site.own(part) for part in ("broker", "deployer", "vault")}
    return worded(attempt, owner=site.owner, dbname=site.dbname, group=f"{site.key}_{profile}", login=login, **own)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_login_is_refused_everything_else(site: Deployment, leased: Leased, profile: str) -> None:
    lease, session = leased(profile)
    expected = {one: state for one, state in REFUSED.items() if profile != "migrator" or one not in OF_A_MIGRATOR}
    assert {one: tried(session, at(site, profile, lease.login, one)) for one in expected} == expected


def test_a_migration_is_refused_what_is_not_the_owners(site: Deployment, as_owner: psycopg.Connection) -> None:
    login = as_owner.info.user
    expected = {one: state for one, state in REFUSED.items() if one not in OF_THE_OWNER}
    assert {one: tried(as_owner, at(site, "migrator", login, one)) for one in expected} == expected


@pytest.mark.parametrize("profile", PROFILES)
def test_large_objects_are_refused_where_a_superuser_deploys(site: Deployment, leased: Leased, profile: str) -> None:
    session = leased(profile)[1]
    assert {tried(session, one) for one in LARGE_OBJECTS} == {"00000" if site.managed else DENIED}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_login_never_becomes_another_group(site: Deployment, leased: Leased, profile: str) -> None:
    groups = {f"{site.key}_{name}" for name in PROFILES} | {site.own("login")}
    # Up to 15 every membership allows SET ROLE; the marker holds nothing. A migrator's group leads to the owner.
    open_to = {site.own("login"), f"{site.key}_{profile}"} if site.before_16 else set()
    open_to |= {f"{site.key}_{profile}"} if profile == "migrator" else set()
    session = leased(profile)[1]
    assert {role for role in groups if tried(session, worded("SET ROLE {role}", role=role)) != DENIED} == open_to


def test_databases_named_in_close_are_closed_where_a_superuser_deploys(site: Deployment, leased: Leased) -> None:
    for profile in PROFILES:
        if site.managed:
            site.connect(leased(profile)[0], f"{site.key}_closed").close()
        else:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                site.connect(leased(profile)[0], f"{site.key}_closed")


def test_the_database_of_another_site_is_closed(site: Deployment, sites: Sites, leased: Leased) -> None:
    other = sites.beside(site)
    with pytest.raises(psycopg.OperationalError, match=f'permission denied for database "{other.dbname}"'):
        site.connect(leased("reader")[0], other.dbname)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_privilege_cannot_be_passed_on(site: Deployment, leased: Leased, profile: str) -> None:
    session = leased(profile)[1]
    assert tried(session, at(site, profile, "", "GRANT CONNECT ON DATABASE {dbname} TO PUBLIC")) == GRANTED_NOTHING
    if profile in ("reader", "seeder"):
        assert tried(session, at(site, profile, "", "GRANT SELECT ON app.items TO {vault}")) == GRANTED_NOTHING
