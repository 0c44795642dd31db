"""Password, service-account token and Vault token of a run are in nothing that it leaves, and nothing shows them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.runner import Sidecars, TaskRun, TaskRunner
from lab.runner.pod import wait_until
from runlease.tasks.catalogue import read_task
from tests.live.deployment import NAMESPACE, Deployment, deploy
from tests.live.endings import QUERY, Stage
from tests.live.leaks import Processes, in_files, in_logs, in_memory, in_objects, leaks, secrets_of
from tests.live.task_runs import config_map


@pytest.fixture(scope="module")
def site(postgres18: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, lab_folder: Path) -> Deployment:
    return deploy(Deployment("leaks", "leaks", 18, False, postgres18, openbao, kubernetes), lab_folder)


@pytest.fixture
def stage(site: Deployment, lab_folder: Path, tmp_path: Path) -> Iterator[Stage]:
    maps = {f"runlease-{site.installation}": config_map(site, lab_folder)}
    source = tmp_path / "source"
    source.mkdir()
    with TaskRunner(tmp_path / "runs", site.issuer, maps) as runner:
        yield Stage(site, runner, source)


def holds_its_lease(run: TaskRun) -> dict[str, str]:
    ready = run.volume("runlease-lease") / "ready"
    assert wait_until(lambda: ready.exists() or run.done, 60), run.pod.sidecar_output()
    return secrets_of(run)


def left(stage: Stage, kubernetes: Kubernetes, lab_folder: Path, secrets: dict[str, str], runs: Path) -> list[str]:
    """Where a secret stands in what there is now."""
    bao = stage.site.openbao
    places = (in_files(runs), in_logs(lab_folder, bao.audit_log), in_objects(kubernetes.kubeconfig, NAMESPACE))
    return [leak for place in places for leak in leaks(secrets, place)]


WORK = {
    "succeeds": ("psql", "-X", "-q", "-c", "SELECT pg_sleep(0.5)"),
    "fails": ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "SELECT pg_sleep(0.5); SELECT 1/0"),
    "is cancelled": QUERY,
}


@pytest.mark.parametrize("ending", WORK)
def test_no_secret_is_in_what_a_run_shows_and_leaves(
    ending: str, stage: Stage, kubernetes: Kubernetes, lab_folder: Path, tmp_path: Path
) -> None:
    with Processes() as processes:
        run = stage.start(Sidecars.CLASSIC, *WORK[ending])
        secrets = holds_its_lease(run)
        cancelled = ending == "is cancelled"
        if cancelled:
            stage.login(run)
        else:
            # While the controller is away the pod stays, however long the looking takes, and its memory too.
            run.controller_leaves()
        during = left(stage, kubernetes, lab_folder, secrets, tmp_path / "runs")
        if cancelled:
            run.cancel()
        else:
            assert wait_until(lambda: run.pod.steps_ended, 60)
            assert wait_until(lambda: (run.volume("runlease-lease") / "revoked").exists(), 10)
            during += leaks(secrets, in_memory(run))
            run.controller_returns()
        outcome = run.settle(60)
    assert outcome.succeeded is (ending == "succeeds"), outcome.output
    assert during == []
    assert left(stage, kubernetes, lab_folder, secrets, tmp_path / "runs") == []
    assert leaks(secrets, processes.places()) == []
    assert leaks(secrets, iter([("outcome", repr(outcome).encode())])) == []
    assert not run.pod.volumes.seen("runlease-token").exists()


# --- the scanner sees what it is for

PASSWORD = "password=$(cut -d: -f5 /runlease/lease/pgpass)"
PLANTED = {
    "a log": ('echo "$password"', "leak.log"),
    "a log, in base64": ('printf "x%s" "$password" | base64', "leak.log"),
    "a result": ('printf %s "$password" >/tekton/results/applied', "tekton-internal-results"),
    "a termination message": ('printf %s "$password" >/tekton/results/applied', "step-leak.termination"),
    "a file of Tekton's": ('printf %s "$password" >/tekton/home/file', "tekton-internal-home"),
    "an argument": ('sh -c "sleep 0.6" "$password"', "arguments of a process"),
    "an environment": ('PGPASSWORD=$password sh -c "sleep 0.6"', "environment of a process"),
    "a server's log": (
        'psql -X -c "SELECT 1/0 /* $password */" service=runlease || :',
        "log postgres",
    ),
    "the shared memory": ('printf %s "$password" >/runlease/lease/left', "/runlease-lease/left"),
}


@pytest.mark.parametrize("place", PLANTED)
def test_the_scanner_finds_a_leak(
    place: str, stage: Stage, kubernetes: Kubernetes, lab_folder: Path, tmp_path: Path
) -> None:
    script, wanted = PLANTED[place]
    task: dict[str, Any] = deepcopy(dict(read_task("postgres-migrate")))
    settings = "export PGSERVICEFILE=/runlease/lease/pg_service.conf PGPASSFILE=/runlease/lease/pgpass"
    leak = {"name": "leak", "image": "x", "script": f"#!/bin/sh\n{settings}\n{PASSWORD}\n{script}\nsleep 0.3"}
    task["spec"]["steps"].insert(1, leak)
    with Processes() as processes:
        run = stage.start(Sidecars.CLASSIC, "true", task=task)
        secrets = holds_its_lease(run)
        run.controller_leaves()
        assert wait_until(lambda: run.pod.steps[1].code is not None, 60)
        found = leaks(secrets, in_memory(run)) + leaks(secrets, processes.places())
        found += left(stage, kubernetes, lab_folder, secrets, tmp_path / "runs")
        run.cancel()
    assert [leak for leak in found if leak.startswith("password in ") and wanted in leak], found


def test_the_scanner_finds_a_leak_in_an_object(kubernetes: Kubernetes) -> None:
    planted = {"name": "planted", "namespace": NAMESPACE}
    data = {"text": "a-secret-of-this-test"}
    kubernetes.create_namespace(NAMESPACE)
    kubernetes.apply({"apiVersion": "v1", "kind": "Secret", "metadata": planted, "stringData": data})
    secrets = {"planted": data["text"]}
    try:
        assert leaks(secrets, in_objects(kubernetes.kubeconfig, NAMESPACE)) == ["planted in objects secrets"]
    finally:
        kubernetes.delete("v1", "Secret", "planted", NAMESPACE)
    assert leaks(secrets, in_objects(kubernetes.kubeconfig, NAMESPACE)) == []
