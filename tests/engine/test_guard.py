"""A guard that holds a lease while `pulumi up` changes what stands behind it."""

from __future__ import annotations

from pathlib import Path

from lab.runner import TaskRunner
from lab.runner.pod import wait_until
from lab.stack import Servers
from runlease.tasks.catalogue import read_task
from tests.engine.deployment import deployed

WORK = ["sh", "-c", "until [ -e /runlease/lease/go ]; do sleep 0.1; done"]


def test_a_ttl_that_changes_while_a_guard_runs_does_not_keep_it_from_giving_back(
    lab_folder: Path, servers15: Servers
) -> None:
    key = "guarded"
    with deployed(lab_folder, servers15, key, profiles={"reader": {}}) as shop:
        config_map = shop.kubernetes.get("v1", "ConfigMap", f"runlease-{key}", key)
        assert config_map is not None
        about = {"lease": "reader", "installation-config": f"runlease-{key}", "audience": f"runlease/{key}"}
        maps = {f"runlease-{key}": config_map["data"]}
        with TaskRunner(lab_folder / "guarded-runs", shop.kubernetes, maps) as runner:
            run = runner.start(
                read_task("postgres-run"),
                namespace=key,
                service_account="release-reader",
                params={**about, "command": WORK},
            )
            assert run.step_runs("run"), run.settle().output
            shared = run.volume("runlease-lease")
            login = (shared / "pgpass").read_text().split(":")[3]
            assert shop.ask("SELECT FROM pg_roles WHERE rolname = %s", login)

            shop.settings["leases"]["reader"] |= {"ttl": "2m", "max_ttl": "3m"}
            assert shop.apply() > 0

            (shared / "go").touch()
            assert wait_until(lambda: run.done, 60)
            outcome = run.settle()
        assert outcome.succeeded, outcome.output
        assert not shop.ask("SELECT FROM pg_roles WHERE rolname = %s", login)
