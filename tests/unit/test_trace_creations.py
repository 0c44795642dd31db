"""Whose pod it was, by what the API server's audit log says of who made it; and what is not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runlease.cli import main
from runlease.evidence.trace import Question
from runlease.evidence.trace.creations import CONTROLLER, Creations
from runlease.evidence.trace.model import Lease, Owner, Read
from runlease.readers.error import ReadError
from tests.unit.trace_logs import LOGIN, NOON, OTHER, Logs, audit_log, items, kinds, pod, task_run, texts, two_runs

POD, RUN = "release-1-migrate-pod", "release-1-migrate"
UNASKED = Owner(doubt="Kubernetes was not asked")
ALICE = "alice@example.test"


def event(made: dict[str, Any], by: str = CONTROLLER, level: str = "RequestResponse", **more: Any) -> dict[str, Any]:
    """As kube-apiserver 1.34 writes it when somebody has made an object."""
    metadata = made["metadata"]
    plural = {"Pod": "pods", "TaskRun": "taskruns"}[made["kind"]]
    asked = {**made, "metadata": {key: value for key, value in metadata.items() if key != "uid"}}
    bodies = {"RequestResponse": {"requestObject": asked, "responseObject": made}, "Request": {"requestObject": asked}}
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": level,
        "stage": "ResponseComplete",
        "requestURI": f"/api/v1/namespaces/ci/{plural}",
        "verb": "create",
        "user": {"username": by, "groups": ["system:authenticated"]},
        "objectRef": {"resource": plural, "namespace": "ci", "name": metadata["name"], "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        **bodies.get(level, {}),
        **more,
    }


def owner(*events: dict[str, Any], told: Owner = UNASKED, controller: str = CONTROLLER) -> Owner:
    lease = Lease(LOGIN, "reader", "x", "ci", "migrate", POD, f"uid-of-{POD}", NOON, "")
    creations = Creations([lease], controller)
    assert creations.read(audit_log(*events).splitlines(keepends=True), Read("x", "x"))
    return creations.of(lease, told)


BOTH = (event(task_run(RUN, "release-1")), event(pod(POD, RUN)))


def test_a_pod_and_a_task_run_of_tektons_controller_lead_to_the_pipeline_run() -> None:
    assert owner(*BOTH) == Owner(RUN, "release-1")
    assert owner(*reversed(BOTH)) == Owner(RUN, "release-1")


def test_a_pod_that_somebody_else_made_is_not_believed_whatever_it_says() -> None:
    forged = pod(POD, RUN)
    forged["metadata"]["labels"] = {"tekton.dev/taskRun": RUN, "tekton.dev/pipelineRun": "release-1"}
    said = owner(BOTH[0], event(forged, ALICE), told=Owner(RUN, "release-1"))
    assert said == Owner(doubt=f"the pod names {RUN} and was made by {ALICE}, not by Tekton's controller", forged=True)
    del forged["metadata"]["ownerReferences"]
    assert owner(BOTH[0], event(forged, ALICE)) == said
    del forged["metadata"]["labels"]
    assert owner(BOTH[0], event(forged, ALICE)) == Owner(
        doubt=f"the pod was made by {ALICE}, not by Tekton's controller"
    )


def test_who_acts_as_tektons_controller_is_not_tektons_controller() -> None:
    acting = event(pod(POD, RUN), ALICE, impersonatedUser={"username": CONTROLLER})
    assert f"was made by {ALICE} as {CONTROLLER}" in owner(BOTH[0], acting).doubt
    acting = event(pod(POD, RUN), CONTROLLER, impersonatedUser={"username": ALICE})
    assert owner(BOTH[0], acting).task_run == ""


def test_a_task_run_that_somebody_else_made_belongs_to_no_pipeline_run() -> None:
    said = owner(event(task_run(RUN, "release-1"), ALICE), BOTH[1])
    assert (said.task_run, said.pipeline_run, said.forged) == (RUN, "", True)
    assert f"its TaskRun names release-1 and was made by {ALICE}" in said.doubt
    assert owner(event(task_run(RUN, ""), ALICE), BOTH[1]) == Owner(RUN)


def test_a_label_that_the_controller_copied_to_the_pod_says_nothing() -> None:
    labelled, alone = pod(POD, RUN), task_run(RUN, "")
    for one in (labelled, alone):
        one["metadata"]["labels"] = {"tekton.dev/pipelineRun": "release-1"}
    assert owner(event(alone, ALICE), event(labelled)) == Owner(RUN)


def test_a_patch_that_creates_is_a_creation_and_one_that_changes_is_none() -> None:
    applied = event(pod(POD, RUN), ALICE, verb="patch")
    assert f"made by {ALICE}" in owner(BOTH[0], applied).doubt
    changed = event(pod(POD, RUN), ALICE, verb="patch", responseStatus={"metadata": {}, "code": 200})
    assert owner(*BOTH, changed) == Owner(RUN, "release-1")
    refused = event(pod(POD, RUN) | {"x": {"code": 201}}, ALICE, responseStatus={"metadata": {}, "code": 409})
    assert owner(*BOTH, refused) == Owner(RUN, "release-1")


@pytest.mark.parametrize(
    "more",
    [
        {"stage": "RequestReceived"},
        {"objectRef": {"resource": "pods", "subresource": "binding", "namespace": "ci", "name": POD}},
        {"objectRef": {"resource": "secrets", "namespace": "ci", "name": POD, "x": "pods"}},
    ],
)
def test_what_is_no_pod_that_was_made_is_passed_over(more: dict[str, Any]) -> None:
    assert owner(*BOTH, event(pod(POD, "x"), ALICE, **more)) == Owner(RUN, "release-1")


def test_names_alone_lead_no_further_and_it_is_said() -> None:
    names = tuple(event(one, level="Metadata") for one in (task_run(RUN, "release-1"), pod(POD, RUN)))
    said = owner(*names)
    assert (said.task_run, said.pipeline_run) == ("", "")
    assert "Tekton's controller made a pod of this name; " in said.doubt
    assert "does not have the pod's uid (level Metadata)" in said.doubt
    assert owner(BOTH[1], names[0]) == Owner(
        RUN, doubt="the API server's audit log does not have its TaskRun as it was made"
    )


def test_without_answers_of_the_server_a_pod_is_known_by_its_name() -> None:
    asked = tuple(event(one, level="Request") for one in (task_run(RUN, "release-1"), pod(POD, RUN)))
    said = owner(*asked)
    assert (said.task_run, said.pipeline_run) == (RUN, "release-1")
    assert "by the pod's name: the API server's audit log does not have the pod's uid (level Request)" in said.doubt
    another = event(pod(POD, "another"), level="Request")
    assert owner(*asked, another).task_run == ""


@pytest.mark.parametrize("level", ["Metadata", "Request"])
def test_where_a_pod_of_the_name_was_made_by_another_the_name_is_not_believed(level: str) -> None:
    said = owner(event(pod(POD, RUN), level=level), event(pod(POD, RUN), ALICE, level=level), told=Owner(RUN, "x"))
    assert said.task_run == ""
    assert f"was made by {ALICE}" in said.doubt


def test_what_kubernetes_says_counts_where_the_log_says_nothing() -> None:
    told = Owner(RUN, "release-1")
    assert owner(BOTH[1], told=told) == told
    assert owner(BOTH[1]).doubt == "the API server's audit log does not have its TaskRun as it was made"
    elsewhere = owner(event(pod("another-pod", "x", uid="y")), told=told)
    assert (elsewhere.task_run, elsewhere.pipeline_run) == (RUN, "release-1")
    assert elsewhere.doubt == "the API server's audit log does not have the pod's creation"


def test_another_installations_controller_is_named() -> None:
    pipelines = "system:serviceaccount:openshift-pipelines:tekton-pipelines-controller"
    events = [{**one, "user": {"username": pipelines}} for one in BOTH]
    assert owner(*events, controller=pipelines) == Owner(RUN, "release-1")
    assert owner(*events).task_run == ""


def api(logs: Logs, *events: dict[str, Any]) -> list[Path]:
    path = logs.folder / "api.log"
    path.write_bytes(audit_log(*events))
    return [path]


def test_a_run_is_found_by_the_api_servers_log_alone(logs: Logs) -> None:
    two_runs(logs)
    answer = logs.ask(question=Question(run="release-1"), api_audit=api(logs, *BOTH))
    assert texts(answer) == ["SELECT a"]
    assert answer.partial == []
    assert "of 1 other leases the run is not known" in answer.notes[0]


def test_a_forged_owner_is_a_finding_and_not_of_the_run(logs: Logs) -> None:
    two_runs(logs)
    forged = event(pod("other-pod", RUN), ALICE)
    known = items(pod("other-pod", RUN), task_run(RUN, "release-1", "other-pod"))
    answer = logs.ask(known, Question(run="release-1"), api_audit=api(logs, *BOTH, forged))
    assert texts(answer) == ["SELECT a"]
    assert kinds(answer) == []
    assert kinds(logs.ask(known, Question(unattributed=True), api_audit=api(logs, *BOTH, forged))) == [
        ("forged owner", OTHER)
    ]


def test_broken_and_cut_entries_are_counted(logs: Logs) -> None:
    two_runs(logs)
    (path,) = files = api(logs, *BOTH)
    path.write_bytes(path.read_bytes() + b'{"pods" "code":201\n' + audit_log(BOTH[0])[:-9])
    answer = logs.ask(question=Question(run="release-1"), api_audit=files)
    assert texts(answer) == ["SELECT a"]
    assert "1 broken entries" in answer.partial[0]
    assert any("ends in the middle" in note for note in answer.notes)


def test_a_file_that_is_no_log_of_the_api_server_is_refused(logs: Logs) -> None:
    two_runs(logs)
    with pytest.raises(ReadError, match=r"no audit log of the API server .* Fix: .*--audit-log-path"):
        logs.ask(question=Question(run="release-1"), api_audit=logs.audit)


def test_the_command_reads_it(logs: Logs, capsys: pytest.CaptureFixture[str]) -> None:
    two_runs(logs)
    (path,) = api(logs, *BOTH)
    arguments = ["--postgres-log", str(logs.postgres[0]), "--audit-log", str(logs.audit[0])]
    assert main(["trace", *arguments, "--run", "release-1", "--api-audit-log", str(path), "--format", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["task_run"], one["pipeline_run"], one["doubt"]) for one in lines if one["is"] == "lease"] == [
        (RUN, "release-1", "")
    ]
