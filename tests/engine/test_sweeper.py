"""The sweeper under the real engine: it converges, its lease sweeps, and its CronJob goes with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.stack import Servers
from tests.engine.deployment import Deployment


@pytest.mark.parametrize("major", [15, 18])
def test_a_sweeper_converges_ends_another_runs_login_and_is_destroyed(
    major: int, request: pytest.FixtureRequest, lab_folder: Path
) -> None:
    servers: Servers = request.getfixturevalue(f"servers{major}")
    shop = Deployment(lab_folder, servers, key := f"swept{major}")
    home = f"{key}-home"
    shop.kubernetes.create_namespace(home)
    shop.database["profiles"]["sweeper"] = {}
    shop.settings["leases"]["sweeper"] = {"database": key, "profile": "sweeper", "ttl": "5m", "max_ttl": "10m"}
    shop.settings["sweeper"] = {"namespace": home, "image": "registry.internal/runlease:1", "leases": ["sweeper"]}
    shop.apply()
    shop.stack.expect_unchanged()
    assert shop.kubernetes.get("batch/v1", "CronJob", f"{key}-sweeper", home)

    run, sweeper = shop.take("reader"), shop.take_scheduled("sweeper", home)
    with shop.session(sweeper) as session:
        assert session.execute("SELECT runlease.drop_login(%s)", [run.login]).fetchall() == [("dropped",)]
    assert not shop.has_login(run)
    shop.give_back(sweeper)

    del shop.settings["sweeper"], shop.settings["leases"]["sweeper"], shop.database["profiles"]["sweeper"]
    shop.apply()
    shop.stack.expect_unchanged()
    assert shop.kubernetes.get("batch/v1", "CronJob", f"{key}-sweeper", home) is None
    assert not {role for role in shop.roles() if role.endswith("_sweeper")}
    shop.stack.stack.destroy(color="never")
