"""What no lease explains, and what contradicts the audit log."""

from __future__ import annotations

import pytest

from runlease.evidence.trace import Question
from tests.unit.trace_logs import (
    LOGIN,
    OTHER,
    OWNED,
    VAULT,
    Line,
    Logs,
    created,
    csvlog,
    dropped,
    kinds,
    statement,
    taken,
    texts,
    two_runs,
)

UNATTRIBUTED = Question(unattributed=True)


def test_all_explained_is_no_finding(logs: Logs) -> None:
    two_runs(logs)
    assert logs.ask(question=UNATTRIBUTED).findings == []


def test_a_login_without_a_lease_is_found(logs: Logs) -> None:
    logs.vault(taken())
    logs.server(csvlog([created(OTHER), statement(1, "SELECT b", OTHER), statement(2, "SELECT c", OTHER)]))
    (one,) = logs.ask(question=UNATTRIBUTED).findings
    assert (one.kind, one.login) == ("no lease", OTHER)
    assert "1 sessions with 2 statements" in one.what


def test_an_audit_log_that_begins_too_late_makes_the_answer_partial(logs: Logs) -> None:
    logs.vault(taken(at=500))
    logs.server(csvlog([created(OTHER), statement(1, "SELECT b", OTHER)]))
    assert "first lease of the audit log is of 2026-11-24T12:08:20Z" in logs.ask(question=UNATTRIBUTED).partial[0]


def test_a_login_made_for_no_lease_is_found_unused(logs: Logs) -> None:
    logs.vault(taken())
    logs.server(csvlog([created(OTHER), dropped(OTHER)]))
    assert kinds(logs.ask(question=UNATTRIBUTED)) == [("no lease", OTHER)]


def test_a_session_that_outlives_its_lease_is_found(logs: Logs) -> None:
    two_runs(logs, statement(90, "SELECT late"))
    answer = logs.ask(question=UNATTRIBUTED)
    assert kinds(answer) == [("after its lease", LOGIN)]
    assert "12:01:30" in answer.findings[0].what


def test_the_end_of_a_session_within_the_drop_is_no_finding(logs: Logs) -> None:
    end = Line(63, "terminating connection due to administrator command", severity="FATAL")
    two_runs(logs, statement(61.5, "SELECT a"), end, Line(63, "disconnection: session time: 0:00:01 user=x"))
    assert logs.ask(question=UNATTRIBUTED).findings == []


def test_a_login_used_before_it_was_made_is_found(logs: Logs) -> None:
    two_runs(logs, statement(-30, "SELECT early"))
    assert kinds(logs.ask(question=UNATTRIBUTED)) == [("before its lease", LOGIN)]


@pytest.mark.parametrize("said", ["other-pod", "release-9-migrate-pod", "someone-pod-retry1"])
def test_an_application_name_that_is_another_pods_is_found(logs: Logs, said: str) -> None:
    two_runs(logs, statement(3, "SELECT x", application=said))
    assert kinds(logs.ask(question=UNATTRIBUTED)) == [("contradiction", LOGIN)]


def test_an_application_name_that_is_another_runs_is_found(logs: Logs) -> None:
    two_runs(logs, statement(3, "SELECT x", OTHER, application="release-1"))
    assert kinds(logs.ask(question=UNATTRIBUTED)) == [("contradiction", OTHER)]
    assert kinds(logs.ask(OWNED, UNATTRIBUTED)) == [("contradiction", OTHER)]


@pytest.mark.parametrize("said", ["release-1-migrate-pod", "release-1-migrate", "release-1", "psql", "", "Flyway by X"])
def test_its_own_name_or_a_tools_is_no_contradiction(logs: Logs, said: str) -> None:
    two_runs(logs, statement(3, "SELECT x", application=said))
    assert logs.ask(question=UNATTRIBUTED).findings == []


def test_a_spoofed_name_does_not_move_a_statement(logs: Logs) -> None:
    two_runs(logs, statement(3, "DROP TABLE t", OTHER, application="release-1-migrate-pod"))
    assert texts(logs.ask(OWNED, Question(run="release-1"))) == ["SELECT a"]
    assert texts(logs.ask(OWNED, Question(run="release-2"))) == ["SELECT b", "DROP TABLE t"]


SWEEPER = "run_sweeper_cccccccccccccccccccc"


@pytest.mark.parametrize("question", [UNATTRIBUTED, Question(run="other-pod")])
def test_a_sweeper_ends_the_logins_of_others(logs: Logs, question: Question) -> None:
    logs.vault(taken(OTHER, "other-pod"), taken(SWEEPER, "sweeper-pod"))
    made = created(SWEEPER, at=20, profile="sweeper")
    swept = dropped(OTHER, at=30, user=SWEEPER, caller=SWEEPER)
    # Logs come in any order: the sweeper may be known only after what it did.
    logs.server(csvlog([created(OTHER), statement(1, "SELECT b", OTHER), swept, made]))
    answer = logs.ask(question=question)
    assert kinds(answer) == []
    life = answer.lives[OTHER]
    assert (life.outcome, life.caller) == ("dropped", VAULT)


def test_who_is_no_sweeper_ends_nobody(logs: Logs) -> None:
    logs.vault(taken(), taken(OTHER, "other-pod"))
    swept = dropped(LOGIN, at=30, user=OTHER, caller=OTHER)
    logs.server(csvlog([created(), created(OTHER), statement(1, "SELECT a"), swept]))
    answer = logs.ask(question=UNATTRIBUTED)
    assert kinds(answer) == [("forged ledger", OTHER)]
    assert answer.lives[LOGIN].dropped is None
