"""A wrapped Task as data: what it carries, what it keeps, and that wrapping it again changes nothing."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from runlease.tasks import Connection, Wrapping, read_task, step_script, wrap
from runlease.tasks.wrapping import unwrapped
from tests.unit.wrapped_tasks import TASK, WRAPPING, edited, named, wrapped

OURS = read_task("postgres-run")["spec"]


def test_it_waits_first_and_gives_back_last() -> None:
    spec = wrapped()
    assert [step["name"] for step in spec["steps"]] == ["check", "say", "migrate", "release"]
    for place in (0, -1):
        for key in ("image", "args", "script"):
            assert spec["steps"][place][key] == OURS["steps"][place][key]


def test_it_has_the_catalogues_guard_volumes_and_parameters() -> None:
    spec = wrapped()
    assert named(spec["sidecars"])["guard"] == OURS["sidecars"][0]
    volumes, params = named(spec["volumes"]), named(spec["params"])
    assert {name: one for name, one in volumes.items() if name.startswith("runlease-")} == {
        name: one for name, one in named(OURS["volumes"]).items() if name.startswith("runlease-")
    }
    assert params["lease"]["default"] == "shop-migrator"
    for name in ("installation-config", "audience", "guard-image", "psql-image"):
        assert params[name] == named(OURS["params"])[name]


def test_what_is_the_users_stays() -> None:
    before, spec = TASK["spec"], wrapped()
    assert wrap(TASK, WRAPPING)["metadata"] == TASK["metadata"]
    for key in ("description", "results", "workspaces"):
        assert spec[key] == before[key]
    for key in ("params", "volumes", "sidecars"):
        assert spec[key][: len(before[key])] == before[key]
    assert spec["stepTemplate"]["env"] == before["stepTemplate"]["env"]
    for old, new in zip(before["steps"], spec["steps"][1:-1], strict=True):
        kept = old.keys() - {"command", "args", "script"}
        assert {key: new[key] for key in kept} == {key: old[key] for key in kept}


def test_the_document_that_was_given_is_not_changed() -> None:
    task = deepcopy(TASK)
    wrap(task, WRAPPING)
    assert task == TASK


def test_a_commands_words_are_the_arguments_of_the_lines_that_hold_the_lease() -> None:
    step = wrapped()["steps"][2]
    assert "command" not in step
    assert step["args"] == ["/runlease/lease", "migrate", "service", "flyway", "migrate", "$(params.target)"]
    assert step["script"] == step_script("wrapped")


def test_a_script_stands_below_the_mark_as_tekton_would_run_it() -> None:
    step = wrapped()["steps"][1]
    assert step["args"] == ["/runlease/lease", "say", "service"]
    below = step["script"].removeprefix(step_script("wrapped"))
    assert below == ("# runlease wrap: the script of the step\n#!/bin/sh\nset -e\necho $(results.version.path)\n")


@pytest.mark.parametrize(
    "shebang", ["#!/bin/sh -e", "#!/usr/bin/env python3", "#!/usr/bin/env -S node --trace-warnings"]
)
def test_a_script_with_an_interpreter_is_not_touched(shebang: str) -> None:
    script = f"{shebang}\nprint(1)"
    step = wrapped(task=edited(lambda spec: spec["steps"][0].update(script=script)))["steps"][1]
    assert step["script"].endswith(f"# runlease wrap: the script of the step\n{script}")


def test_a_step_without_a_name_is_called_as_tekton_calls_it() -> None:
    step = wrapped(task=edited(lambda spec: spec["steps"][1].pop("name")))["steps"][2]
    assert "name" not in step
    assert step["args"][1] == "unnamed-1"


def test_guard_and_steps_are_one_user() -> None:
    wrapping = Wrapping("shop-migrator", run_as_user=1000)
    task = edited(lambda spec: spec["steps"][0].update(securityContext={"runAsUser": 1000}))
    spec = wrap(task, wrapping)["spec"]
    containers = [named(spec["sidecars"])["guard"], spec["stepTemplate"], spec["steps"][0], spec["steps"][-1]]
    assert {one["securityContext"]["runAsUser"] for one in containers} == {1000}


def test_the_user_can_be_left_to_the_platform() -> None:
    spec = wrap(TASK, Wrapping("shop-migrator", run_as_user=None))["spec"]
    assert "runAsUser" not in str(spec)


def test_our_own_steps_are_hardened_and_the_users_say_what_else_they_want() -> None:
    own = {"readOnlyRootFilesystem": False, "seccompProfile": {"type": "Localhost", "localhostProfile": "own.json"}}
    template = {"securityContext": own}
    spec = wrapped(task=edited(lambda spec: spec.update(stepTemplate=template)))
    hardened = OURS["stepTemplate"]["securityContext"]
    assert spec["steps"][0]["securityContext"] == spec["steps"][-1]["securityContext"] == hardened
    assert spec["stepTemplate"]["securityContext"] == hardened | own
    assert "readOnlyRootFilesystem" not in wrapped()["stepTemplate"]["securityContext"]


def test_only_the_guard_sees_token_and_state() -> None:
    spec = wrapped()
    for one in [spec["stepTemplate"], named(spec["sidecars"])["proxy"], *spec["steps"]]:
        assert {mount["name"] for mount in one.get("volumeMounts", [])} <= {"runlease-lease", "cache"}


# --- again


@pytest.mark.parametrize("connections", [("service",), ("jdbc-url=LIQUIBASE_COMMAND_URL", "variables")])
def test_wrapping_a_wrapped_task_changes_nothing(connections: tuple[str, ...]) -> None:
    wrapping = Wrapping("shop-migrator", tuple(map(Connection.parse, connections)), 1000, installation="shop-prod")
    once = wrap(TASK, wrapping)
    assert wrap(once, wrapping) == once


def test_unwrapping_gives_what_was_wrapped() -> None:
    task = unwrapped(wrap(TASK, WRAPPING))
    task["spec"]["stepTemplate"].pop("securityContext")
    first, second = task["spec"]["steps"]
    assert first.pop("script") == "#!/bin/sh\nset -e\n" + TASK["spec"]["steps"][0]["script"]
    assert second.pop("command") == ["flyway", "migrate", "$(params.target)"]
    plain = deepcopy(TASK)
    for step in plain["spec"]["steps"]:
        for key in ("command", "args", "script"):
            step.pop(key, None)
    assert task == plain


def test_pieces_of_an_older_version_are_replaced() -> None:
    old = deepcopy(wrap(TASK, WRAPPING))
    old["spec"]["sidecars"][-1]["script"] = "#!/usr/bin/env python3\nan older guard\n"
    old["spec"]["volumes"].append({"name": "runlease-gone", "emptyDir": {}})
    old["spec"]["steps"][0]["script"] = "#!/bin/sh\nan older check\n"
    head = old["spec"]["steps"][1]["script"]
    old["spec"]["steps"][1]["script"] = head.replace("exec 9>", "exec 8>").replace("9>&-", "8>&-")
    old["spec"]["stepTemplate"]["volumeMounts"].append({"name": "runlease-gone", "mountPath": "/runlease/gone"})
    assert wrap(old, WRAPPING) == wrap(TASK, WRAPPING)


def test_another_lease_and_another_form_replace_the_first() -> None:
    wrapping = Wrapping("shop-seeder", (Connection.parse("jdbc-url"),))
    assert wrap(wrap(TASK, WRAPPING), wrapping) == wrap(TASK, wrapping)


# --- options


def test_an_installation_is_where_the_task_looks_by_default() -> None:
    task = edited(lambda spec: spec["volumes"].append({"name": "p", "projected": {"sources": [{"secret": {}}]}}))
    wrapping = Wrapping("shop-migrator", installation="shop-prod", token_expiry=1200)
    spec = wrap(task, wrapping)["spec"]
    params, volumes = named(spec["params"]), named(spec["volumes"])
    assert params["installation-config"]["default"] == "runlease-shop-prod"
    assert params["audience"]["default"] == "runlease/shop-prod"
    (source,) = volumes["runlease-token"]["projected"]["sources"]
    assert source["serviceAccountToken"]["expirationSeconds"] == 1200
    assert volumes["p"]["projected"] == {"sources": [{"secret": {}}]}


def test_images_can_be_pinned() -> None:
    images = {"guard-image": "python@sha256:1", "psql-image": ""}
    params = named(wrap(TASK, Wrapping("shop-migrator", images=images))["spec"]["params"])
    assert params["guard-image"]["default"] == "python@sha256:1"
    assert params["psql-image"] == named(OURS["params"])["psql-image"]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("service", "service"),
        ("variables", "variables"),
        ("libpq-url", "libpq-url=DATABASE_URL"),
        ("jdbc-url", "jdbc-url=JDBC_URL"),
        ("jdbc-url=FLYWAY_URL", "jdbc-url=FLYWAY_URL"),
    ],
)
def test_a_form_of_a_connection_is_read(text: str, reads: str) -> None:
    assert str(Connection.parse(text)) == reads


@pytest.mark.parametrize("text", ["", "url", "service=X", "jdbc-url=A B", "jdbc-url=$(x)", "libpq-url=1A"])
def test_an_unknown_form_of_a_connection_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no form of a connection"):
        Connection.parse(text)


def test_nothing_that_tekton_substitutes_stands_in_our_lines() -> None:
    ours: dict[str, Any] = wrapped()["steps"][2]
    for word in ("params", "workspaces", "results", "context", "steps", "tasks"):
        assert f"$({word}" not in ours["script"]
    assert "/runlease" not in ours["script"]
