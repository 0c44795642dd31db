"""Every privilege that a profile declares works, and what it does not declare PostgreSQL refuses: asked by trying."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.sql import Composed

from tests.live.deployment import DENIED, PROFILES, Deployment, Lease, Sites, outcome, tried, worded

GRANTED_NOTHING = "01007"
"""GRANT by who holds a privilege and may not pass it on: a warning, and nothing changes."""

Leased = Callable[[str], tuple[Lease, psycopg.Connection]]


@pytest.fixture(scope="module")
def leased(site: Deployment) -> Iterator[Leased]:
    """One lease and session of each profile, for all tests of a site that leave no trace."""
    held: dict[str, tuple[Lease, psycopg.Connection]] = {}

    def one(profile: str) -> tuple[Lease, psycopg.Connection]:
        if profile not in held:
            lease = site.take(profile)
            held[profile] = lease, site.connect(lease)
        return held[profile]

    yield one
    for lease, session in held.values():
        session.close()
        site.revoke(lease)


@pytest.fixture(scope="module")
def as_owner(site: Deployment) -> Iterator[psycopg.Connection]:
    """A session of a migration: a leased login that runs as the owner."""
    with site.leased("migrator") as lease, site.connect(lease, role=site.owner) as session:
        yield session


# --- what is declared, on objects that a migration made after the deployment

ATTEMPTS_ON_DATA = {
    "SELECT label FROM app.items": {"reader", "seeder"},
    "INSERT INTO app.items (id, label) VALUES (1000, 'made')": {"seeder"},
    "UPDATE app.items SET label = 'changed'": {"seeder"},
    "DELETE FROM app.items": {"seeder"},
    "SELECT nextval('app.items_id_seq')": {"seeder"},
    "SELECT setval('app.items_id_seq', 1000)": set[str](),
    "TRUNCATE app.items": set[str](),
    "SELECT app.hello()": set[str](),
    "SELECT 'app.items'::regclass": {"reader", "seeder", "verifier"},
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("attempt", ATTEMPTS_ON_DATA)
def test_data_is_open_to_the_declared_profiles_alone(leased: Leased, attempt: str, profile: str) -> None:
    session = leased(profile)[1]
    with session.transaction(force_rollback=True):
        ended = outcome(session, attempt)
    assert ended == ("00000" if profile in ATTEMPTS_ON_DATA[attempt] else DENIED)


def test_a_verifier_compares_tables_without_reading_them(leased: Leased) -> None:
    columns = leased("verifier")[1].execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'app.items'::regclass AND attnum > 0"
    )
    assert columns.fetchall() == [("id",), ("label",)]


def test_a_migration_works_as_the_owner(site: Deployment, as_owner: psycopg.Connection) -> None:
    with as_owner.transaction(force_rollback=True):
        runs_as = as_owner.execute("SELECT session_user ~ '^run_migrator_', current_user::text, current_schema()::text")
        assert runs_as.fetchone() == (True, site.owner, "app")
        for statement in (
            "ALTER TABLE items ADD COLUMN more int",
            "CREATE TABLE extra ()",
            "DROP FUNCTION hello()",
            "TRUNCATE items",
            "CREATE INDEX ON items (label)",
        ):
            assert outcome(as_owner, statement) == "00000"


def test_what_a_migration_made_belongs_to_the_owner(site: Deployment) -> None:
    made = site.rows(
        "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class WHERE relnamespace = 'app'::regnamespace"
    )
    assert made == [(site.owner,)]


@pytest.mark.parametrize("statement", ["CREATE DATABASE mine", "ALTER SYSTEM SET work_mem = '1GB'"])
def test_the_server_is_refused(as_owner: psycopg.Connection, leased: Leased, statement: str) -> None:
    assert {outcome(leased(profile)[1], statement) for profile in PROFILES} == {DENIED}
    assert outcome(as_owner, statement) == DENIED


def test_a_migrator_that_became_nobody_holds_nothing(leased: Leased) -> None:
    assert outcome(leased("migrator")[1], "CREATE TABLE app.mine ()") == DENIED


def test_a_sandbox_is_a_schema_of_its_own(site: Deployment, leased: Leased) -> None:
    lease, session = leased("sandbox")
    with session.transaction(force_rollback=True):
        session.execute(worded("CREATE TABLE {login}.mine AS SELECT 1 AS one", login=lease.login))
        assert session.execute(worded("SELECT one FROM {login}.mine", login=lease.login)).fetchall() == [(1,)]
        for statement in (
            "DROP SCHEMA {login}",
            "ALTER SCHEMA {login} OWNER TO CURRENT_USER",
            "ALTER SCHEMA {login} RENAME TO kept",
        ):
            assert tried(session, worded(statement, login=lease.login)) == DENIED


def test_a_sandbox_is_closed_to_other_sandboxes(site: Deployment, leased: Leased) -> None:
    lease = leased("sandbox")[0]
    with site.leased("sandbox") as other, site.connect(other) as session:
        assert outcome(session, worded("CREATE TABLE {login}.planted ()", login=lease.login)) == DENIED


def test_a_login_opens_no_more_sessions_than_declared(site: Deployment) -> None:
    with site.leased("verifier") as lease:
        held = [site.connect(lease) for _ in range(4)]
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            site.connect(lease)
        for session in held:
            session.close()


# --- what no login may do, whatever its profile

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


# --- a seeder that is narrowed to named tables, in a database that existed before


@pytest.fixture(scope="module")
def narrowed(shelf: Deployment) -> Iterator[psycopg.Connection]:
    with shelf.leased("seeder") as lease, shelf.connect(lease) as session:
        yield session


NARROWED = {
    "SELECT * FROM app.orders": "00000",
    "INSERT INTO app.orders (label) VALUES ('made')": "00000",
    "UPDATE app.orders SET label = 'changed'": "00000",
    "DELETE FROM app.orders": "00000",
    "TRUNCATE app.orders": DENIED,
    "SELECT * FROM app.customers": DENIED,
    "INSERT INTO app.customers (label) VALUES ('made')": DENIED,
    "UPDATE app.customers SET label = 'changed'": DENIED,
    "DELETE FROM app.customers": DENIED,
    "SELECT * FROM app.later": DENIED,
    "INSERT INTO app.later VALUES (1)": DENIED,
}


@pytest.mark.parametrize("attempt", NARROWED)
def test_a_narrowed_seeder_writes_named_tables_alone(narrowed: psycopg.Connection, attempt: str) -> None:
    assert tried(narrowed, attempt) == NARROWED[attempt]


def test_a_reader_reads_what_stood_there_before(shelf: Deployment) -> None:
    with shelf.leased("reader") as lease, shelf.connect(lease) as session:
        for table in ("orders", "customers", "later"):
            assert outcome(session, worded("SELECT * FROM app.{table}", table=table)) == "00000"
            assert outcome(session, worded("DELETE FROM app.{table}", table=table)) == DENIED
