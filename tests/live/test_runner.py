"""The runner does with a Task what Tekton does: seen on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.runner import Reason, Sidecars, TaskRunner
from runlease.provision.tekton import read_task
from tests.live.deployment import NAMESPACE, Deployment, Sites


@pytest.fixture(scope="module")
def deployed(sites: Sites) -> Deployment:
    return sites.site(15, managed=False)


@pytest.fixture
def runner(deployed: Deployment, lab_folder: Path, tmp_path: Path) -> Iterator[TaskRunner]:
    rendered = lab_folder / f"deployment-{deployed.installation}" / "rendered"
    name = f"runlease-{deployed.installation}"
    data = yaml.safe_load((rendered / f"configmap-{NAMESPACE}-{name}.yaml").read_text())["data"]
    with TaskRunner(tmp_path, deployed.issuer, {name: data}) as running:
        yield running


@pytest.mark.parametrize("mode", Sidecars)
def test_a_migration_succeeds_and_leaves_no_login(
    deployed: Deployment, runner: TaskRunner, tmp_path: Path, mode: Sidecars
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / f"{mode}.sql").write_text(f"CREATE TABLE runner_{mode} (id int);\n")
    run = runner.start(
        read_task("postgres-migrate"),
        service_account="run-migrator",
        params={
            "lease": "migrator",
            "installation-config": f"runlease-{deployed.installation}",
            "audience": deployed.audience,
        },
        workspaces={"source": source},
        sidecars=mode,
    )
    outcome = run.settle(60)
    assert outcome.reason is Reason.SUCCEEDED
    assert outcome.results["applied"] == "1"
    assert not run.pod.sidecars_running
