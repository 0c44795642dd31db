"""postgres-run: SQL as text or files, or a command, under a lease of any profile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.runner import Outcome
from tests.live.deployment import Deployment
from tests.live.task_runs import ONE_SERVER, Begin, codes, last_line, left_of, sql_files


@pytest.fixture
def ledger(shop: Deployment) -> Iterator[None]:
    """A table of the owner's, which is gone after the test."""
    shop.migrate("CREATE TABLE ledger (entry int)")
    yield
    shop.migrate("DROP TABLE ledger")


def entries(shop: Deployment) -> list[int]:
    return [row[0] for row in shop.rows("SELECT entry FROM app.ledger ORDER BY entry")]


def assert_refused(ended: Outcome, line: str, shop: Deployment) -> None:
    """The step says one line as its last, nothing after it runs, and the lease is gone."""
    assert codes(ended) == {"check": 0, "run": 1}, ended.output
    assert last_line(ended) == f"run: {line}"
    assert ended.output.count("run: ") == 1
    assert left_of(ended, shop) == []


def test_sql_is_run_and_its_answer_is_in_the_log(runs: Begin, shop: Deployment) -> None:
    ended = runs("postgres-run", "reader", sql="SELECT label FROM app.items").settle()
    assert ended.succeeded, ended.output
    assert codes(ended) == {"check": 0, "run": 0, "release": 0}
    assert "first" in ended.output
    assert [line["outcome"] for line in shop.ledger(ended.results["login"])] == ["live", "dropped"]


@ONE_SERVER
def test_files_run_in_the_order_given_and_in_one_session(runs: Begin, tmp_path: Path) -> None:
    source = sql_files(tmp_path / "source", b="SELECT set_config('my.word', 'kept', false);", a="SHOW my.word;")
    ended = runs("postgres-run", "reader", source, files=["b.sql", "a.sql"]).settle()
    assert ended.succeeded, ended.output
    assert ended.output.count("kept") == 2


@ONE_SERVER
def test_a_command_finds_its_connection_and_its_exit_code_counts(runs: Begin) -> None:
    query = "SELECT session_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    ended = runs("postgres-run", "reader", command=["psql", "-X", "-A", "-t", "-c", query]).settle()
    assert ended.succeeded, ended.output
    assert f"{ended.results['login']}|t" in ended.output
    failed = runs("postgres-run", "reader", command=["sh", "-c", "exit 7"]).settle()
    assert codes(failed) == {"check": 0, "run": 7}


@pytest.mark.usefixtures("ledger")
def test_an_error_undoes_everything_of_one_transaction(runs: Begin, shop: Deployment) -> None:
    ended = runs("postgres-run", "migrator", sql="INSERT INTO ledger VALUES (1); SELECT 1/0;").settle()
    assert_refused(
        ended, "the SQL ended with an error (see psql's message above), and what was not committed is undone", shop
    )
    assert "division by zero" in ended.output
    assert entries(shop) == []


@pytest.mark.usefixtures("ledger")
def test_sql_that_commits_is_found(runs: Begin, shop: Deployment) -> None:
    sql = "INSERT INTO ledger VALUES (1); COMMIT; INSERT INTO ledger VALUES (2); BEGIN; INSERT INTO ledger VALUES (3);"
    ended = runs("postgres-run", "migrator", sql=sql).settle()
    assert "the SQL ends its own transaction" in last_line(ended)
    assert not ended.succeeded
    assert entries(shop) == [1, 2]


@pytest.mark.usefixtures("ledger")
def test_a_transaction_left_open_is_found_and_undone(runs: Begin, shop: Deployment) -> None:
    sql = "INSERT INTO ledger VALUES (1); BEGIN; INSERT INTO ledger VALUES (2);"
    ended = runs("postgres-run", "migrator", sql=sql, transaction="off").settle()
    assert_refused(ended, "a transaction is left open (got BEGIN, expected its end). Fix: end it in the SQL", shop)
    assert entries(shop) == [1]


@pytest.mark.usefixtures("ledger")
def test_sql_that_swallows_the_end_of_its_session_is_not_taken_for_done(runs: Begin, shop: Deployment) -> None:
    sql = "CREATE TABLE swallow (line text);\n\\copy swallow FROM pstdin\n"
    ended = runs("postgres-run", "migrator", sql=sql).settle()
    assert not ended.succeeded
    assert "the SQL ended psql" in last_line(ended)
    assert shop.rows("SELECT to_regclass('app.swallow')") == [(None,)]


@ONE_SERVER
def test_a_file_that_is_not_utf8_stops_everything_before_it_runs(runs: Begin, shop: Deployment, tmp_path: Path) -> None:
    source = sql_files(tmp_path / "source", a="SELECT 'begun';", b="SELECT\n'ä';".encode("latin-1"))
    ended = runs("postgres-run", "reader", source, files=["a.sql", "b.sql"]).settle()
    line = "b.sql: not UTF-8 (got another byte in line 2, expected UTF-8). Fix: iconv -f LATIN1 -t UTF-8"
    assert_refused(ended, line, shop)
    assert "begun" not in ended.output


@ONE_SERVER
@pytest.mark.parametrize(
    ("params", "line"),
    [
        ({}, "nothing to run (got no sql, no files and no command, expected one). Fix: set one of these parameters"),
        (
            {"sql": "SELECT 1", "command": ["true"]},
            "too much to run (got sql and command, expected one). Fix: set one of these parameters",
        ),
        (
            {"sql": "SELECT 1", "transaction": "yes"},
            "unknown transaction (got 'yes', expected on or off). Fix: correct the parameter",
        ),
        ({"files": ["a.sql"]}, "files without a workspace (got none, expected source). Fix: bind it"),
    ],
)
def test_wrong_parameters_end_with_one_line(params: dict[str, str], line: str, runs: Begin, shop: Deployment) -> None:
    assert_refused(runs("postgres-run", "reader", **params).settle(), line, shop)


@ONE_SERVER
def test_a_directory_or_file_that_is_not_there_is_named(runs: Begin, shop: Deployment, tmp_path: Path) -> None:
    ended = runs("postgres-run", "reader", tmp_path, directory="sql", files=["a.sql"]).settle()
    assert_refused(ended, "no directory sql in the workspace. Fix: correct the parameter directory", shop)
    ended = runs("postgres-run", "reader", tmp_path, files=["a.sql"]).settle()
    assert "a.sql: no such file" in last_line(ended)


@ONE_SERVER
def test_a_lease_that_is_not_there_ends_the_first_step_with_the_guards_reason(runs: Begin) -> None:
    ended = runs("postgres-run", "nosuch", sql="SELECT 1").settle()
    assert codes(ended) == {"check": 1}
    assert ended.output.count("check: ") == 1
    assert "lease.nosuch.json" in last_line(ended)
