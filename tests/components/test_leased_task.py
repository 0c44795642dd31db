"""LeasedTask: what it registers, and that it refuses before it registers anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import runlease
from runlease.provision import LeasedTaskArgs
from runlease.tasks import Connection, WrapError, Wrapping, wrap
from tests.components.monitor import Program, run
from tests.unit.wrapped_tasks import TASK, edited

ARGS: LeasedTaskArgs = {"task": TASK, "lease": "shop-migrator", "installation": "shop-prod", "namespace": "ci"}


def registered(args: LeasedTaskArgs) -> Program:
    return run(lambda: runlease.LeasedTask("flyway", args), {}, {}, preview=False)


def spec_of(program: Program) -> Any:
    (task,) = program.of("Task")
    return task.inputs["spec"]


def test_it_is_one_task_of_the_namespace() -> None:
    program = registered(ARGS)
    (task,) = program.of("Task")
    assert [one.kind for one in program.custom] == ["Task"]
    assert task.urn.endswith("runlease:index:LeasedTask$kubernetes:tekton.dev/v1:Task::flyway-task")
    assert task.inputs["apiVersion"] == "tekton.dev/v1"
    metadata = task.inputs["metadata"]
    assert (metadata["name"], metadata["namespace"], metadata["labels"]) == ("flyway", "ci", {"team": "shop"})
    assert metadata["annotations"] == {"pulumi.com/deletionPropagationPolicy": "background"}


def test_it_is_wrapped_for_its_installation() -> None:
    assert spec_of(registered(ARGS)) == wrap(TASK, Wrapping("shop-migrator", installation="shop-prod"))["spec"]


def test_every_setting_reaches_the_task() -> None:
    args: LeasedTaskArgs = {
        **ARGS,
        "audience": "vault/shop",
        "token_expiry": 1200,
        "connections": ["jdbc-url=FLYWAY_URL"],
        "run_as_user": None,
        "images": {"guard-image": "g@sha256:1"},
    }
    forms = (Connection("jdbc-url", "FLYWAY_URL"),)
    images = {"guard-image": "g@sha256:1"}
    wrapping = Wrapping("shop-migrator", forms, None, images, "shop-prod", "vault/shop", 1200)
    assert spec_of(registered(args)) == wrap(TASK, wrapping)["spec"]


def test_a_task_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(yaml.safe_dump(TASK))
    assert spec_of(registered({**ARGS, "task": str(path)})) == spec_of(registered(ARGS))
    path.write_text(yaml.safe_dump_all([TASK, TASK]))
    with pytest.raises(WrapError, match="2 documents"):
        registered({**ARGS, "task": str(path)})


def test_nothing_is_registered_when_the_task_is_refused() -> None:
    made: list[pulumi.Resource] = []

    def program() -> None:
        task = edited(lambda spec: spec["steps"][0].update(timeout="1m", onError="continue"))
        with pytest.raises(WrapError) as refused:
            made.append(runlease.LeasedTask("flyway", {**ARGS, "task": task}))
        assert len(refused.value.refusals) == 2

    assert not run(program, {}, {}, preview=False).resources
    assert not made


def test_an_unknown_form_of_a_connection_is_refused() -> None:
    with pytest.raises(ValueError, match="no form of a connection"):
        registered({**ARGS, "connections": ["url"]})
