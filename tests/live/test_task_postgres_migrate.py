"""postgres-migrate: files once each, a plan of them, and every bad input ends with one line and nothing held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lab.runner import Outcome
from tests.live.deployment import Deployment
from tests.live.task_runs import ONE_SERVER, Begin, codes, last_line, left_of, sql_files

TASK, LEASE = "postgres-migrate", "migrator"
NOT_APPLIED = "not applied (see psql's message above), nor what follows it. Fix: correct the file, and run again"


@pytest.fixture(autouse=True)
def clean(shop: Deployment) -> Iterator[None]:
    """Nothing of a test's migrations is left for the next."""
    yield
    shop.migrate("DROP TABLE IF EXISTS runlease_migration, customer, orders CASCADE")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three migrations, the last of them without a transaction."""
    return sql_files(
        tmp_path,
        _0001_customer="CREATE TABLE customer (id int);",
        _0002_orders="CREATE TABLE orders (customer int);\nINSERT INTO orders VALUES (1);",
        _0003_index="-- runlease: no-transaction\nCREATE INDEX CONCURRENTLY by_customer ON orders (customer);",
    )


def applied(shop: Deployment) -> list[str]:
    if shop.rows("SELECT to_regclass('app.runlease_migration')") == [(None,)]:
        return []
    return [
        row[0] for row in shop.rows("SELECT file FROM app.runlease_migration WHERE applied_at IS NOT NULL ORDER BY 1")
    ]


def assert_refused(ended: Outcome, line: str, shop: Deployment) -> None:
    """One clear line, nothing after the step, no login, no session, no lock."""
    assert codes(ended) == {"check": 0, "migrate": 1}, ended.output
    assert last_line(ended) == f"migrate: {line}", ended.output
    assert ended.output.count("migrate: ") == 1
    assert left_of(ended, shop) == []
    assert shop.rows("SELECT relation FROM pg_locks WHERE mode = 'ShareRowExclusiveLock'") == []


def test_files_are_applied_once(runs: Begin, shop: Deployment, source: Path) -> None:
    ended = runs(TASK, LEASE, source).settle()
    assert ended.succeeded, ended.output
    assert ended.results == {"applied": "3", "pending": "0"}
    assert applied(shop) == ["0001_customer.sql", "0002_orders.sql", "0003_index.sql"]
    again = runs(TASK, LEASE, source).settle()
    assert again.results == {"applied": "0", "pending": "0"}
    assert shop.rows("SELECT * FROM app.orders") == [(1,)]


def test_a_plan_says_what_would_be_applied_and_changes_nothing(runs: Begin, shop: Deployment, source: Path) -> None:
    ended = runs(TASK, LEASE, source, mode="plan").settle()
    assert ended.succeeded, ended.output
    assert ended.results == {"applied": "0", "pending": "3"}
    assert ended.output.count("would apply") == 3
    assert shop.rows("SELECT to_regclass('app.runlease_migration'), to_regclass('app.customer')") == [(None, None)]
    runs(TASK, LEASE, source).settle()
    sql_files(source, _0004_more="SELECT 1;")
    ended = runs(TASK, LEASE, source, mode="plan").settle()
    assert (ended.results["pending"], applied(shop)[-1]) == ("1", "0003_index.sql")
    assert "would apply 0004_more.sql" in ended.output


@ONE_SERVER
@pytest.mark.parametrize("mode", ["apply", "plan"])
def test_a_file_that_changed_after_it_was_applied_is_refused(
    mode: str, runs: Begin, shop: Deployment, source: Path
) -> None:
    runs(TASK, LEASE, source).settle()
    sql_files(source, _0002_orders="CREATE TABLE orders (customer bigint);", _0004_more="CREATE TABLE more (id int);")
    ended = runs(TASK, LEASE, source, mode=mode).settle()
    assert not ended.succeeded
    assert "migrate: 0002_orders.sql: changed after it was applied (got sha256 " in last_line(ended)
    assert_refused(ended, last_line(ended).removeprefix("migrate: "), shop)
    assert applied(shop)[-1] == "0003_index.sql"


@ONE_SERVER
@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (
            "0002_other",
            "SELECT 1",
            "two files with one number (got 0002_orders.sql as well). Fix: rename the later one",
        ),
        (
            "001_late",
            "SELECT 1",
            "its number and its name disagree (got it after 0003_index.sql, expected before). "
            "Fix: as many digits for all",
        ),
        (
            "0004_latin1",
            "SELECT 1;\n-- ä".encode("latin-1"),
            "not UTF-8 (got another byte in line 2, expected UTF-8). Fix: iconv -f LATIN1 -t UTF-8",
        ),
        (
            "0004_hint",
            "-- runlease: fast",
            "unknown first line (got '-- runlease: fast', expected '-- runlease: no-transaction'). Fix: correct it",
        ),
    ],
)
def test_a_bad_file_is_refused_before_any_is_applied(
    name: str, text: str | bytes, line: str, runs: Begin, shop: Deployment, source: Path
) -> None:
    sql_files(source, **{f"_{name}": text})
    assert_refused(runs(TASK, LEASE, source).settle(), f"{name}.sql: {line}", shop)
    assert shop.rows("SELECT to_regclass('app.runlease_migration'), to_regclass('app.customer')") == [(None, None)]


@ONE_SERVER
def test_an_empty_or_missing_workspace_is_refused(runs: Begin, shop: Deployment, tmp_path: Path) -> None:
    empty = sql_files(tmp_path / "empty")
    ended = runs(TASK, LEASE, empty).settle()
    line = "no *.sql in . (got none, expected one at least). Fix: correct the parameter directory"
    assert_refused(ended, line, shop)
    ended = runs(TASK, LEASE).settle()
    assert_refused(ended, "no workspace (got none, expected source with SQL files, or a command). Fix: bind it", shop)
    ended = runs(TASK, LEASE, empty, directory="sql").settle()
    assert_refused(ended, "no directory sql in the workspace. Fix: correct the parameter directory", shop)


@ONE_SERVER
def test_wrong_parameters_are_refused(runs: Begin, shop: Deployment, source: Path) -> None:
    ended = runs(TASK, LEASE, source, mode="dry").settle()
    assert_refused(ended, "unknown mode (got 'dry', expected apply or plan). Fix: correct the parameter", shop)
    ended = runs(TASK, LEASE, source, mode="plan", command=["true"]).settle()
    line = "a command cannot be planned (got plan, expected apply). Fix: let the command itself plan"
    assert_refused(ended, line, shop)
    ended = runs(TASK, "reader", source).settle()
    line = "no owner role, or no schema in its search_path. Fix: use a lease of the profile migrator"
    assert_refused(ended, line, shop)


def test_an_error_undoes_its_file_and_keeps_what_was_before(runs: Begin, shop: Deployment, source: Path) -> None:
    sql_files(source, _0002_orders="CREATE TABLE orders (id int); SELECT 1/0;")
    ended = runs(TASK, LEASE, source).settle()
    assert_refused(ended, f"0002_orders.sql: {NOT_APPLIED}", shop)
    assert "division by zero" in ended.output
    assert applied(shop) == ["0001_customer.sql"]
    assert shop.rows("SELECT to_regclass('app.orders')") == [(None,)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "INSERT INTO orders VALUES (2);\nCOMMIT;",
            "it ends its own transaction (got COMMIT or ROLLBACK, expected neither). "
            "Fix: put right what it left, without them",
        ),
        (
            "-- runlease: no-transaction\nBEGIN;\nCREATE TABLE customer2 (id int);",
            "it leaves a transaction open (got BEGIN, expected its end). Fix: end it in the file",
        ),
        (
            "CREATE TABLE customer2 (line text);\n\\copy customer2 FROM pstdin",
            NOT_APPLIED,
        ),
    ],
)
def test_a_file_that_meddles_with_its_transaction_is_not_applied(
    text: str, line: str, runs: Begin, shop: Deployment, source: Path
) -> None:
    sql_files(source, _0004_meddling=text)
    assert_refused(runs(TASK, LEASE, source).settle(), f"0004_meddling.sql: {line}", shop)
    assert applied(shop)[-1] == "0003_index.sql"
    assert shop.rows("SELECT to_regclass('app.customer2')") == [(None,)]


def test_a_migration_that_outlives_its_lease_is_undone(runs: Begin, shop: Deployment, source: Path) -> None:
    sql_files(source, _0004_slow="INSERT INTO orders VALUES (2); SELECT pg_sleep(60);")
    ended = runs(TASK, LEASE, source, max_ttl=3).settle()
    assert "the work outlives it (got 3 s, " in last_line(ended)
    assert_refused(ended, last_line(ended).removeprefix("migrate: "), shop)
    assert shop.rows("SELECT * FROM app.orders") == [(1,)]


def test_two_runs_at_once_take_turns(runs: Begin, shop: Deployment, source: Path) -> None:
    (source / "0003_index.sql").unlink()
    slow = "CREATE TABLE orders (id int); SELECT pg_sleep(1); INSERT INTO orders VALUES (1);"
    sql_files(source, _0002_orders=slow)
    one, other = (runs(TASK, LEASE, source) for _ in range(2))
    ended = [run.settle() for run in (one, other)]
    assert [end.succeeded for end in ended] == [True, True], ended
    assert sum(int(end.results["applied"]) for end in ended) == 2
    assert shop.rows("SELECT * FROM app.orders") == [(1,)]


def test_a_file_without_a_transaction_is_begun_by_one_run_at_a_time(
    runs: Begin, shop: Deployment, source: Path
) -> None:
    runs(TASK, LEASE, source).settle()
    sql_files(source, _0004_slow="-- runlease: no-transaction\nSELECT pg_sleep(60);")
    one = runs(TASK, LEASE, source)
    assert one.step_runs("migrate")
    while not shop.rows("SELECT FROM app.runlease_migration WHERE applied_at IS NULL"):
        assert one.pod.step_running == "migrate"
    ended = runs(TASK, LEASE, source).settle()
    assert "0004_slow.sql: another run is applying it (got login run_migrator_" in last_line(ended)
    one.cancel()
    one.settle()
    sql_files(source, _0004_slow="-- runlease: no-transaction\nSELECT 1;")
    assert runs(TASK, LEASE, source).settle().results == {"applied": "1", "pending": "0"}


def test_nobody_who_can_only_read_the_record_can_hold_up_a_migration(
    runs: Begin, shop: Deployment, source: Path
) -> None:
    runs(TASK, LEASE, source).settle()
    sql_files(source, _0004_more="SELECT 1;")
    with shop.leased("reader") as lease, shop.connect(lease) as session, session.transaction():
        session.execute("SELECT * FROM app.runlease_migration")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
            session.execute("LOCK TABLE app.runlease_migration IN SHARE MODE")
        assert runs(TASK, LEASE, source).settle().results == {"applied": "1", "pending": "0"}


@ONE_SERVER
def test_a_command_runs_in_the_directory_as_the_owner(runs: Begin, shop: Deployment, source: Path) -> None:
    command = ["psql", "-X", "-A", "-t", "-f", "0001_customer.sql", "-c", "SELECT current_user, current_schema()"]
    ended = runs(TASK, LEASE, source, command=command).settle()
    assert ended.succeeded, ended.output
    assert f"{shop.owner}|app" in ended.output
    assert applied(shop) == []
