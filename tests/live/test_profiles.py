"""Every privilege that a profile declares works, for it and for no other profile: asked by trying."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.live.deployment import PROFILES, Deployment, Leased
from tests.live.statements import DENIED, outcome, tried, worded

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
