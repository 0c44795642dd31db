"""`runlease check` on servers that are ready finds nothing, and never changes anything."""

from __future__ import annotations

import psycopg
import pytest

from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from lab.stack import Servers, apply_without_pulumi, on_servers
from runlease.cli import main
from runlease.config import load
from runlease.readers.session import connect
from tests.live.catalogs import dump
from tests.live.checked_stack import Stack, managed


def test_a_database_that_is_ready_has_no_error_before_and_after_an_up(
    stack: Stack, openbao: OpenBao, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.check() == []
    assert stack.code == 0
    stack.database["public"] = "revoke"
    issuer = LabIssuer()
    servers = Servers(stack.postgres, openbao, issuer, None)
    apply_without_pulumi(on_servers(stack.settings, servers, stack.folder), servers, stack.folder)
    found = stack.check()
    assert stack.code == 0
    assert [(one["severity"], one["where"]) for one in found] == [
        ("note", f"access.databases.{stack.key}"),
        ("note", "access.installation"),
        ("note", "access.installation"),
    ]
    assert main(["check", str(stack.folder / "Pulumi.test.yaml")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 errors, 0 warnings, 3 notes"


def test_a_managed_database_that_is_ready_has_no_finding(stack: Stack) -> None:
    managed(stack)
    assert stack.check() == []


def test_what_is_yet_to_be_created_is_no_finding(stack: Stack) -> None:
    stack.database |= {
        "dbname": f"{stack.key}_new",
        "owner": f"{stack.key}_new_owner",
        "create": ["database", "owner", "schemas"],
        "public": None,
    }
    assert stack.check() == []


def test_a_check_changes_nothing_on_the_server(stack: Stack) -> None:
    stack.sql(
        "ALTER ROLE {key}_owner LOGIN CREATEROLE; ALTER SCHEMA app OWNER TO postgres; CREATE TABLE app.t ();"
        "CREATE ROLE {key}_reader LOGIN"
    )
    stack.database |= {"public": "revoke", "close": ["template1"]}

    with stack.postgres.connect(stack.key) as session:
        before = dump(session, stack.key)
        assert len(stack.check()) > 5
        assert dump(session, stack.key) == before


def test_a_check_could_not_change_anything(stack: Stack) -> None:
    database = load(stack.settings, "access").databases[stack.key]
    with connect(database, stack.key, stack.folder, stack.postgres.password) as session:
        assert session.info.parameter_status("is_superuser") == "on"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("CREATE TABLE app.x ()")


def test_a_check_runs_nothing_that_was_planted_in_the_database(stack: Stack) -> None:
    stack.sql(
        "CREATE SCHEMA evil; ALTER DATABASE {key} SET search_path = evil, pg_catalog;"
        "CREATE FUNCTION evil.pg_is_in_recovery() RETURNS bool LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'planted code ran'; END $$"
    )
    with stack.postgres.connect(stack.key) as session, pytest.raises(psycopg.Error, match="planted code ran"):
        session.execute("SELECT pg_is_in_recovery()")
    assert stack.check() == []
