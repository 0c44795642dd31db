"""Small Tasks for the runner's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.runner.run_spec import RunSpec

Object = dict[str, Any]


def step(name: str, script: str = "true", **fields: Any) -> Object:
    return {"name": name, "image": "image", "script": script, **fields}


def task(*steps: Object, **spec: Any) -> Object:
    return {"metadata": {"name": "t"}, "spec": {"steps": list(steps) or [step("one")], **spec}}


def run(document: Object, **fields: Any) -> RunSpec:
    return RunSpec(task=document, name="r", namespace="ci", service_account="a", uid="u-1", **fields)


SOURCE = {"source": Path("/somewhere")}
