"""Which run a statement is given to, and what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from runlease.evidence.trace import Question
from runlease.evidence.trace.audit import Audit
from runlease.evidence.trace.model import Lease, Read
from runlease.evidence.trace.owners import Owners
from runlease.readers.error import ReadError
from tests.unit.trace_logs import (
    LOGIN,
    NOON,
    OTHER,
    OWNED,
    VAULT,
    Logs,
    audit_log,
    created,
    csvlog,
    dropped,
    items,
    kinds,
    pod,
    statement,
    taken,
    task_run,
    texts,
    two_runs,
)


def test_a_run_is_found_by_owner_references(logs: Logs) -> None:
    two_runs(logs)
    answer = logs.ask(OWNED, Question(run="release-1"))
    assert texts(answer) == ["SELECT a"]
    assert answer.partial == []
    owner = answer.owner(LOGIN)
    assert (owner.task_run, owner.pipeline_run, owner.doubt) == ("release-1-migrate", "release-1", "")
    assert texts(logs.ask(OWNED, Question(run="release-2"))) == ["SELECT b"]


def test_labels_say_nothing(logs: Logs) -> None:
    two_runs(logs)
    labelled = pod("other-pod", "other")
    labelled["metadata"]["labels"] = {"tekton.dev/pipelineRun": "release-1"}
    answer = logs.ask(items(labelled, task_run("other", "release-2", "other-pod")), Question(run="release-1"))
    assert texts(answer) == []


def test_a_pod_that_names_a_task_run_which_does_not_name_it_is_not_its(logs: Logs) -> None:
    two_runs(logs)
    forged = items(
        pod("other-pod", "release-1-migrate"), task_run("release-1-migrate", "release-1", "release-1-migrate-pod")
    )
    answer = logs.ask(forged, Question(run="release-1"))
    assert OTHER not in answer.leases


def test_a_task_run_that_its_pipeline_run_does_not_name_is_not_its() -> None:
    above = {
        "kind": "PipelineRun",
        "metadata": {"name": "release-2", "uid": "uid-release-2"},
        "status": {"childReferences": [{"name": "x"}]},
    }
    owners = Owners([("k", items(pod("other-pod", "other"), task_run("other", "release-2", "other-pod"), above))])
    lease = _lease("other-pod")
    assert owners.of(lease).pipeline_run == ""
    assert "does not name the TaskRun" in owners.of(lease).doubt


def test_a_pod_that_is_gone_is_named_by_its_task_runs_status() -> None:
    owners = Owners([("k", items(task_run("other", "release-2", "other-pod")))])
    owner = owners.of(_lease("other-pod"))
    assert (owner.pipeline_run, owner.doubt) == ("release-2", "the pod is gone; its TaskRun names it in its status")
    assert owners.of(_lease("a-pod")).doubt == "the pod is gone, and no TaskRun names it"


def test_another_pod_of_the_same_name_is_not_its() -> None:
    owners = Owners([("k", items(pod("other-pod", "other", uid="another"), task_run("other", "", "x-pod")))])
    assert owners.of(_lease("other-pod")).task_run == ""


def test_without_kubernetes_the_pods_name_stands_alone_and_the_answer_is_partial(logs: Logs) -> None:
    two_runs(logs)
    for name in ("release-1", "release-1-migrate", "release-1-migrate-pod", "uid-of-release-1-migrate-pod"):
        answer = logs.ask(question=Question(run=name))
        assert texts(answer) == ["SELECT a"]
        assert "Kubernetes was not asked" in answer.partial[0]
    assert texts(logs.ask(question=Question(run="release"))) == ["SELECT a"]
    assert texts(logs.ask(question=Question(run="elease-1"))) == []


def test_a_lease_has_its_life_from_login_to_drop(logs: Logs) -> None:
    two_runs(logs)
    answer = logs.ask(question=Question(run="release-1"))
    life = answer.lives[LOGIN]
    assert (life.made, life.dropped) == (NOON, NOON + timedelta(seconds=60))
    assert (life.caller, life.profile, life.oid, life.outcome) == (VAULT, "reader", "16452", "dropped")
    assert answer.asked_by(answer.leases[LOGIN]) == NOON + timedelta(seconds=59)
    other = logs.ask(question=Question(run="other"))
    assert other.asked_by(other.leases[OTHER]) is None


def test_clocks_that_differ_are_spoken_of(logs: Logs) -> None:
    logs.vault(taken(at=-33), taken(OTHER, at=-33.2))
    logs.server(csvlog([created(), created(OTHER), statement(1, "SELECT a"), dropped()]))
    (note,) = logs.ask().notes
    assert "33.1 s behind" in note


def test_a_period_ends_before_its_end(logs: Logs) -> None:
    two_runs(logs)
    one, two = (NOON + timedelta(seconds=number) for number in (1, 2))
    assert texts(logs.ask(question=Question(since=one, until=two))) == ["SELECT a"]
    empty = logs.ask(question=Question(since=NOON + timedelta(hours=1)))
    assert (texts(empty), empty.span) == ([], (one, two))


def test_statements_are_asked_for_by_text_and_table(logs: Logs) -> None:
    more = [
        statement(3, "UPDATE  app.orders\nSET state = 'shipped'"),
        statement(4, 'DELETE FROM "orders"', OTHER),
        statement(5, "SELECT 'orders' /* orders */ FROM other.orders_old, x.orders"),
    ]
    two_runs(logs, *more)
    assert len(texts(logs.ask(question=Question(table="orders")))) == 3
    assert texts(logs.ask(question=Question(table="app.orders"))) == [
        "UPDATE  app.orders\nSET state = ?",
        'DELETE FROM "orders"',
    ]
    assert texts(logs.ask(question=Question(statement="update app.orders set"))) == [
        "UPDATE  app.orders\nSET state = ?"
    ]
    assert texts(logs.ask(question=Question(statement="'shipped'")))
    assert texts(logs.ask(question=Question(table="order"))) == []


def test_who_asks_for_statements_or_a_run_is_told_of_their_logins_alone(logs: Logs) -> None:
    two_runs(logs, statement(90, "SELECT late", OTHER), dropped(OTHER, at=5, user=OTHER))
    assert logs.ask(question=Question(statement="select a")).findings == []
    assert logs.ask(question=Question(run="release-1")).findings == []
    assert kinds(logs.ask(question=Question(statement="late"))) == [
        ("forged ledger", OTHER),
        ("after its lease", OTHER),
    ]


def test_without_an_audit_log_the_answer_is_partial(logs: Logs) -> None:
    logs.server(csvlog([created(), statement(1, "SELECT a")]))
    answer = logs.ask()
    assert "no audit log was given" in answer.partial[0]
    assert answer.findings == []


def test_an_audit_log_without_usernames_is_refused_with_the_fix(logs: Logs) -> None:
    logs.vault(taken("hmac-sha256:aa"))
    logs.server(csvlog([created()]))
    with pytest.raises(ReadError, match=r"no usernames .* Fix: .*-audit-non-hmac-response-keys=username .*audit-hash"):
        logs.ask()


def test_hashed_usernames_are_resolved(logs: Logs) -> None:
    logs.vault(taken("hmac-sha256:1"), taken("hmac-sha256:gone", "release-1-gone-pod"))
    logs.server(csvlog([created(), statement(1, "SELECT a")]))
    asked: list[str] = []

    def resolve(logins: Sequence[str]) -> dict[str, str]:
        asked.extend(logins)
        return {"hmac-sha256:1": LOGIN}

    answer = logs.ask(question=Question(run="release-1"), resolve=resolve)
    assert asked == [LOGIN]
    assert texts(answer) == ["SELECT a"]
    assert "1 leases of this run have no username" in answer.partial[1]


@pytest.mark.parametrize("nameless", ["hmac-sha256:gone", ""])
def test_a_lease_without_a_username_makes_the_answer_of_its_own_run_partial(logs: Logs, nameless: str) -> None:
    logs.vault(taken(), taken(nameless, "other-pod"))
    logs.server(csvlog([created(), statement(1, "SELECT a")]))

    def partial(question: Question | None) -> list[str]:
        return logs.ask(OWNED, question).partial

    assert partial(Question(run="release-1")) == []
    what = "have no username, or the hash of none in these logs"
    assert partial(Question(run="release-2")) == [f"1 leases of this run {what}"]
    assert partial(None) == [f"1 leases of the audit log {what}"]


def test_a_file_that_is_no_audit_log_is_refused(logs: Logs, tmp_path: Path) -> None:
    logs.vault(taken())
    logs.audit.append(tmp_path / "x.log")
    logs.audit[-1].write_text("hello\n")
    logs.server(csvlog([created()]))
    with pytest.raises(ReadError, match=r"x\.log: is no audit log .* Fix: "):
        logs.ask()


def test_broken_and_failed_entries_of_the_audit_log_are_no_leases(logs: Logs) -> None:
    path = logs.vault(taken(), taken(OTHER) | {"error": "permission denied"}, taken(OTHER) | {"type": "request"})
    path.write_bytes(path.read_bytes() + b'{"time":"x","request":{"path":"shop-db/creds/reader"\n')
    logs.server(csvlog([created(), statement(1, "SELECT a"), statement(1, "SELECT b", OTHER)]))
    answer = logs.ask()
    assert kinds(answer) == [("no lease", OTHER)]
    assert "1 broken entries" in answer.partial[0]


def _lease(name: str) -> Lease:
    audit = Audit()
    audit.read([audit_log(taken(OTHER, name))], Read("x", "x"))
    return audit.leases[OTHER]
