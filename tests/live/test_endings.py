"""Every ending of a run, in both sidecar modes: who gives the lease back, and what the TaskRun says.

The truth is what real Tekton did: v1.15, Kubernetes 1.34. Tokens are the API server's; programs, signals and order are
the runner's. Where two signals come at the same time either may be first: `|` stands between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.runner import Sidecars, TaskRun, TaskRunner
from lab.runner.pipelinerun import Stop
from tests.live.deployment import Deployment, deploy
from tests.live.endings import (
    RECONCILE,
    PipelineSeen,
    Row,
    Seen,
    Stage,
    deleted_by_force,
    ended,
    guard_killed,
    not_given_back,
    pipeline_ended,
    retried,
    stopped,
    with_step,
    without_controller,
)
from tests.live.task_runs import config_map

BEGUN, ALL, NONE = ("check", "migrate"), ("check", "migrate", "release"), ("check",)
TOLD, FAILED = ("stop signal",), ("line: a step failed",)
HUNG_UP, ANNOTATED = ("line: hung up without a word",), ("cancel annotation",)
EITHER = ("line: a step failed|stop signal",)
"""A step that gets SIGTERM says farewell while the guard gets its own, in native mode a little later."""

ROWS = {
    "success": Row(ended("true"), "Succeeded", ALL, ("release step",), ("release step",)),
    "a nop image with a shell": Row(
        ended("true", nop_has_shell=True), "Succeeded", ALL, ("release step",), ("release step",)
    ),
    "a step fails": Row(ended("false"), "StepFailed", BEGUN, FAILED, EITHER),
    "a step runs out of time": Row(
        ended("sleep", "60", task=with_step("migrate", timeout="1s")), "StepFailed", BEGUN, TOLD
    ),
    "no lease": Row(ended("true", service_account="run-reader"), "StepFailed", NONE, (), ()),
    "cancelled": Row(stopped(TaskRun.cancel), "TaskRunCancelled", BEGUN, EITHER, EITHER),
    "out of time": Row(stopped(lambda run: None, timeout=8), "TaskRunTimeout", BEGUN, EITHER, EITHER),
    "deleted": Row(stopped(TaskRun.delete), "Deleted", BEGUN, EITHER, EITHER),
    "the pod is deleted": Row(stopped(TaskRun.delete_pod), "StepFailed", BEGUN, EITHER, EITHER),
    "the pod is deleted by force": Row(
        deleted_by_force, "TaskRunCancelled", BEGUN, EITHER * 2, EITHER * 2, pods=2, told=(True, True)
    ),
    "cancelled, and the pod is kept": Row(
        stopped(TaskRun.cancel, keep_pod_on_cancel=True),
        "TaskRunCancelled",
        BEGUN,
        ANNOTATED,
        ("cancel annotation|stop signal",),
        told=(False,),
    ),
    "out of time, and the pod is kept": Row(
        stopped(lambda run: None, keep_pod_on_cancel=True, timeout=8),
        "TaskRunTimeout",
        BEGUN,
        ANNOTATED,
        ("cancel annotation|stop signal",),
        told=(False,),
    ),
    "a retry": Row(
        retried,
        "Succeeded",
        ALL,
        (*HUNG_UP, "release step"),
        ("stop signal", "release step"),
        pods=2,
        told=(False, True),
    ),
    "no controller": Row(without_controller, "StepFailed", BEGUN, HUNG_UP),
    "the guard is killed": Row(
        guard_killed, "TaskRunCancelled", BEGUN, (), EITHER, told=(False,), left=(Sidecars.CLASSIC,)
    ),
    "the guard cannot give back": Row(not_given_back, "StepFailed", ALL, (), (), left=tuple(Sidecars), code=1),
}
ON_15 = ("success", "cancelled", "the pod is deleted by force", "no controller")
"""What the oldest PostgreSQL is asked too: a lease that goes at rest, at work, with its pod, and by itself."""
CASES = [
    *(pytest.param(name, mode, 18, id=f"{name}-{mode}") for name in ROWS for mode in Sidecars),
    *(pytest.param(name, Sidecars.CLASSIC, 15, id=f"{name}-{Sidecars.CLASSIC}-15") for name in ON_15),
]
Case = tuple[str, Sidecars, int]


@pytest.fixture(scope="module")
def stages(
    postgres15: PostgresServer,
    postgres18: PostgresServer,
    openbao: OpenBao,
    kubernetes: Kubernetes,
    lab_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[int, Stage]]:
    """One for each version of PostgreSQL; they share the runner."""
    servers = {15: postgres15, 18: postgres18}
    sites = [
        deploy(Deployment(f"ends{major}", f"ends{major}", major, False, server, openbao, kubernetes), lab_folder)
        for major, server in servers.items()
    ]
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("runs")
    maps = {f"runlease-{site.installation}": config_map(site, lab_folder) for site in sites}
    with TaskRunner(folder, kubernetes, maps, reconcile=RECONCILE) as runner:
        yield {site.major: Stage(site, runner, source) for site in sites}


def cases(request: pytest.FixtureRequest, named: str) -> list[Case]:
    """What of this module was asked for."""
    specs = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    asked = [one.params for one in specs if one and named in one.params]
    return [(one[named], one["mode"], one["major"]) for one in asked]


@pytest.fixture(scope="module")
def ends(request: pytest.FixtureRequest, stages: dict[int, Stage]) -> Iterator[dict[Case, Future[Seen]]]:
    """The rows that were asked for, at work side by side: nearly all of their time is waiting."""
    with ThreadPoolExecutor(6) as threads:
        yield {
            (name, mode, major): threads.submit(ROWS[name].end, stages[major], mode)
            for name, mode, major in cases(request, "name")
        }


@pytest.mark.parametrize(("name", "mode", "major"), CASES)
def test_an_ending_costs_the_lease(name: str, mode: Sidecars, major: int, ends: dict[Case, Future[Seen]]) -> None:
    row, found, classic = ROWS[name], ends[name, mode, major].result(), mode is Sidecars.CLASSIC
    outcome, asked_by = found.outcome, row.classic if classic else row.native
    said = f"{outcome.message}\n{outcome.output}\n{outcome.sidecars}"
    assert (outcome.reason, outcome.pods) == (row.reason, row.pods), said
    assert tuple(outcome.ran) == row.ran, said
    assert len(found.asked_by) == len(asked_by), said
    for one, allowed in zip(found.asked_by, asked_by, strict=True):
        assert one in allowed.split("|"), said
    assert tuple(found.told) == (row.told if classic else (True,) * row.pods)
    assert {code for code, told in zip(found.codes, found.told, strict=True) if told} <= {row.code}, said
    assert bool(found.left) is (mode in row.left), said
    assert len(found.logins) == (0 if name == "no lease" else row.pods)


PIPELINES = {
    "Cancelled": (Stop.CANCELLED, {}, "TaskRunCancelled", False),
    "CancelledRunFinally": (Stop.CANCELLED_RUN_FINALLY, {}, "TaskRunCancelled", True),
    "StoppedRunFinally": (Stop.STOPPED_RUN_FINALLY, {}, "Succeeded", True),
    "timeouts.tasks": (None, {"tasks": "5s", "finally": "1m"}, "TaskRunCancelled", True),
    "timeouts.pipeline": (None, {"pipeline": "5s"}, "TaskRunCancelled", False),
}


@pytest.fixture(scope="module")
def pipeline_ends(
    request: pytest.FixtureRequest, stages: dict[int, Stage]
) -> Iterator[dict[Case, Future[PipelineSeen]]]:
    with ThreadPoolExecutor(6) as threads:
        work = {}
        for name, mode, major in cases(request, "how"):
            stop, timeouts, *_ = PIPELINES[name]
            query = f"SELECT pg_sleep({3 if stop is Stop.STOPPED_RUN_FINALLY else 60})"
            work[name, mode, major] = threads.submit(pipeline_ended, stages[major], mode, stop, timeouts, query)
        yield work


@pytest.mark.parametrize(
    ("how", "mode", "major"),
    [pytest.param(name, mode, 18, id=f"{name}-{mode}") for name in PIPELINES for mode in Sidecars],
)
def test_a_pipelines_ending_costs_the_lease_and_finally_runs_where_tekton_runs_it(
    how: str, mode: Sidecars, major: int, pipeline_ends: dict[Case, Future[PipelineSeen]]
) -> None:
    _, _, reason, finally_runs = PIPELINES[how]
    found = pipeline_ends[how, mode, major].result()
    assert found.work.outcome.reason == reason, found.work.outcome
    assert set(found.outcome.tasks) == {"work"}
    assert set(found.outcome.finals) == ({"last"} if finally_runs else set())
    assert not found.outcome.succeeded
    assert found.work.left == set()
    assert len(found.work.asked_by) == len(found.work.logins)
