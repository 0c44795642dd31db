"""postgres-sandbox: a schema of the run's own, and nothing of it afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.runner import Outcome
from tests.live.deployment import Deployment
from tests.live.task_runs import ONE_SERVER, Begin, codes, last_line, sql_files

TASK, LEASE = "postgres-sandbox", "sandbox"
COUNT = ["psql", "-X", "-A", "-t", "-c", "SELECT count(*) FROM customer"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A schema, and rows in it."""
    return sql_files(
        tmp_path / "source", schema="CREATE TABLE customer (id int);", rows="INSERT INTO customer VALUES (1), (2);"
    )


def schemas(shop: Deployment) -> list[tuple[str]]:
    return shop.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'run\\_%%'")


def assert_nothing_left(ended: Outcome, shop: Deployment) -> None:
    assert schemas(shop) == []
    assert shop.rows("SELECT rolname FROM pg_roles WHERE rolname = %s", ended.results.get("schema")) == []


def test_files_fill_a_schema_of_its_own_and_the_test_finds_it(runs: Begin, shop: Deployment, source: Path) -> None:
    ended = runs(TASK, LEASE, source, files=["schema.sql", "rows.sql"], command=COUNT).settle()
    assert ended.succeeded, ended.output
    assert codes(ended) == {"check": 0, "prepare": 0, "test": 0, "release": 0}
    assert "\n2\n" in ended.output
    assert ended.results["schema"].startswith("run_sandbox_")
    assert_nothing_left(ended, shop)


@ONE_SERVER
def test_it_says_what_limits_it(runs: Begin, source: Path) -> None:
    said = runs(TASK, LEASE, source, files=["schema.sql"]).settle().output
    for limit in (
        "dropped with its login by ",
        "at most ",
        "statement_timeout 5min",
        "transaction_session_timeout 1min",
    ):
        assert limit in said


@pytest.mark.parametrize("ending", ["false", "kill -9 $$"])
def test_the_schema_is_gone_however_the_test_ends(ending: str, runs: Begin, shop: Deployment, source: Path) -> None:
    ended = runs(TASK, LEASE, source, files=["schema.sql"], command=["sh", "-c", ending]).settle()
    assert list(codes(ended)) == ["check", "prepare", "test"]
    assert not ended.succeeded
    assert_nothing_left(ended, shop)


def test_an_unqualified_name_is_made_in_the_schema_whatever_the_environment_says(runs: Begin, source: Path) -> None:
    command = ["env", "PGOPTIONS=-c search_path=public", "psql", "-X", "-A", "-t", "-c", "SELECT current_schema()"]
    ended = runs(TASK, LEASE, source, command=command).settle()
    assert f"\n{ended.results['schema']}\n" in ended.output


def test_a_lease_without_a_schema_is_refused(runs: Begin, shop: Deployment, source: Path) -> None:
    for lease in ("reader", "migrator"):
        ended = runs(TASK, lease, source, command=COUNT).settle()
        assert codes(ended) == {"check": 0, "prepare": 1}
        assert last_line(ended).startswith("prepare: no schema of its own (got a lease without one")
        assert_nothing_left(ended, shop)


@ONE_SERVER
def test_a_bad_file_ends_with_one_line(runs: Begin, shop: Deployment, source: Path) -> None:
    sql_files(source, latin1="-- ä".encode("latin-1"), open="BEGIN; INSERT INTO customer VALUES (3);")
    for file, line in {
        "latin1.sql": "prepare: latin1.sql: not UTF-8 (got another byte in line 1, expected UTF-8).",
        "open.sql": "prepare: a transaction is left open (got BEGIN, expected its end).",
        "none.sql": "prepare: none.sql: no such file",
    }.items():
        ended = runs(TASK, LEASE, source, files=["schema.sql", file], command=COUNT).settle()
        assert codes(ended) == {"check": 0, "prepare": 1}
        assert last_line(ended).startswith(line)
        assert_nothing_left(ended, shop)
