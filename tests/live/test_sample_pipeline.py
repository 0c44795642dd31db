"""The release of examples/shop and the Tasks' own tests, on the local stack, from nothing but the repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.issuer import LabIssuer, TokenIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.runner import PipelineOutcome, PipelineRunner, TaskRunner
from lab.stack import REPOSITORY, Servers, apply_without_pulumi, local_settings, on_servers
from runlease.provision.tekton import TASKS
from tests.unit.task_documents import folder

SHOP = REPOSITORY / "examples" / "shop"
Documents = Mapping[str, Any]


@dataclass(frozen=True)
class Deployed:
    """Who signs the tokens, and the folder of what was made for Kubernetes."""

    issuer: TokenIssuer
    rendered: Path


def documents(path: Path) -> dict[str, Any]:
    """The documents of a file by their kind."""
    return {document["kind"]: document for document in yaml.safe_load_all(path.read_text())}


@pytest.fixture(scope="module")
def deployed(postgres: PostgresServer, openbao: OpenBao, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The local stack under another name, because the server has other shops; and the folder of what it rendered."""
    settings = local_settings()
    settings["installation"] = f"sample-{postgres.version.partition('.')[0]}"
    database = settings["databases"].pop("shop")
    del database["close"]  # the databases of everybody
    settings["databases"]["sample"] = database | {"dbname": "sample", "owner": "sample_owner"}
    for lease in settings["leases"].values():
        lease["database"] = "sample"
    home = tmp_path_factory.mktemp("sample")
    servers = Servers(postgres, openbao, LabIssuer(), None)
    apply_without_pulumi(on_servers(settings, servers, home), servers, home)
    return Deployed(servers.issuer, home / "rendered")


@pytest.fixture
def runner(deployed: Deployed, tmp_path: Path) -> Iterator[TaskRunner]:
    maps = [documents(path)["ConfigMap"] for path in deployed.rendered.glob("configmap-ci-*.yaml")]
    data = {one["metadata"]["name"]: one["data"] for one in maps}
    with TaskRunner(tmp_path / "runs", deployed.issuer, data) as running:
        yield running


@pytest.fixture
def tasks(deployed: Deployed) -> dict[str, Documents]:
    """The Tasks as the deployment has installed them."""
    found = [documents(path)["Task"] for path in deployed.rendered.glob("task-ci-*.yaml")]
    return {task["metadata"]["name"]: task for task in found}


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """What the ConfigMaps of the sample hold."""
    expected = tmp_path / "expected"
    shutil.copytree(SHOP / "assertions", expected)
    shutil.copy(SHOP / "schema.txt", expected)
    migrations, seed = (Path(shutil.copytree(SHOP / name, tmp_path / name)) for name in ("migrations", "seed"))
    return {"migrations": migrations, "seed": seed, "expected": expected}


def release(runner: TaskRunner, tasks: Mapping[str, Documents], sources: Mapping[str, Path]) -> PipelineOutcome:
    pipeline = documents(SHOP / "pipeline" / "pipeline.yaml")["Pipeline"]
    run = documents(SHOP / "pipeline" / "pipelinerun.yaml")["PipelineRun"]
    return PipelineRunner(runner, tasks).run(pipeline, run, sources)


def test_a_release_passes_and_leaves_nothing(
    runner: TaskRunner, tasks: dict[str, Documents], sources: dict[str, Path]
) -> None:
    outcome = release(runner, tasks, sources)
    ran = {**outcome.tasks, **outcome.finals}
    assert outcome.succeeded, {name: one.output for name, one in ran.items()}
    assert list(ran) == ["migrate", "seed", "verify", "audit"]
    assert ran["migrate"].results == {"applied": "6", "pending": "0"}
    assert ran["audit"].results == {"left": "0"}


def test_a_release_that_fails_is_audited_all_the_same(
    runner: TaskRunner, tasks: dict[str, Documents], sources: dict[str, Path]
) -> None:
    (sources["migrations"] / "0007_wrong.sql").write_text("SELECT 1/0;\n")
    outcome = release(runner, tasks, sources)
    assert not outcome.succeeded
    assert list(outcome.tasks) == ["migrate"]
    assert outcome.finals["audit"].results == {"left": "0"}


@pytest.mark.parametrize("task", TASKS)
def test_the_tests_of_a_task_pass(task: str, runner: TaskRunner, tasks: dict[str, Documents], tmp_path: Path) -> None:
    found = documents(folder(task) / "tests" / "run.yaml")
    source = tmp_path / "source"
    source.mkdir()
    for name, text in found.get("ConfigMap", {"data": {}})["data"].items():
        (source / name).write_text(text)
    if "Pipeline" in found:
        assert PipelineRunner(runner, tasks).run(found["Pipeline"], found["PipelineRun"], {}).succeeded
        return
    spec = found["TaskRun"]["spec"]
    outcome = runner.start(
        tasks[spec["taskRef"]["name"]],
        service_account=spec["serviceAccountName"],
        params={param["name"]: param["value"] for param in spec["params"]},
        workspaces={space["name"]: source for space in spec.get("workspaces", [])},
    ).settle()
    assert outcome.succeeded, outcome.output
