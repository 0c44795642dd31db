"""A guard that holds a lease while `pulumi up` changes what stands behind it."""

from __future__ import annotations

from pathlib import Path

from lab.pod import TaskPod
from lab.processes import Processes
from lab.stack import Servers
from tests.engine.deployment import deployed


def test_a_ttl_that_changes_while_a_guard_runs_does_not_keep_it_from_giving_back(
    lab_folder: Path, processes: Processes, servers15: Servers
) -> None:
    key, account = "guarded", "release-reader"
    with deployed(lab_folder, servers15, key, profiles={"reader": {}}) as shop:
        config_map = shop.kubernetes.get("v1", "ConfigMap", f"runlease-{key}", key)
        assert config_map is not None
        shop.kubernetes.create_pod(key, "run", account)
        token = shop.kubernetes.token(key, account, f"runlease/{key}", "run")
        pod = TaskPod(lab_folder / "guarded-pod", processes, config_map["data"], token, "reader")
        pod.start_guard()
        checked = pod.step("check")
        assert checked.code == 0, checked.output
        login = (pod.shared / "pgpass").read_text().split(":")[3]
        assert shop.ask("SELECT FROM pg_roles WHERE rolname = %s", login)

        shop.settings["leases"]["reader"] |= {"ttl": "2m", "max_ttl": "3m"}
        assert shop.apply() > 0

        released = pod.step("release")
        assert released.code == 0, released.output + pod.guard_log
        assert not shop.ask("SELECT FROM pg_roles WHERE rolname = %s", login)
        pod.stop_guard()
