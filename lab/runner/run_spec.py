"""What a TaskRun asks for, whether its Task can be run here, and what the Task's variables stand for. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.runner.task import Object, Param, TaskError, parameters, refuse_unknown, variables

SUBSTITUTED = {"image", "command", "args", "script", "env", "workingDir", "volumeMounts", "onError"}
"""Where Tekton substitutes variables in a step or a sidecar."""
_SPEC = {
    "description",
    "displayName",
    "params",
    "workspaces",
    "results",
    "volumes",
    "stepTemplate",
    "steps",
    "sidecars",
}
_CONTAINER = {*SUBSTITUTED, "name", "displayName", "securityContext", "computeResources", "imagePullPolicy"}


class Sidecars(StrEnum):
    """How Tekton runs sidecars: its flag `enable-kubernetes-sidecar`, for a whole cluster."""

    CLASSIC = "classic"
    """Beside the steps; stopped by the controller, which puts the nop image into their place."""
    NATIVE = "native"
    """Init containers that stay: started before the steps, restarted when they end, stopped by kubelet after them."""


@dataclass(frozen=True)
class RunSpec:
    """A TaskRun: which Task, with what."""

    task: Mapping[str, Any]
    name: str
    namespace: str
    service_account: str
    params: Mapping[str, Param] = field(default_factory=dict)
    workspaces: Mapping[str, Path] = field(default_factory=dict)
    """The folder that stands for each workspace's volume."""
    sidecars: Sidecars = Sidecars.CLASSIC
    timeout: float = 3600
    """Seconds; an hour is Tekton's default."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """`podTemplate.env`: wins over a step's own, and reaches no sidecar."""
    pipeline_run: str = ""
    uid: str = ""

    @property
    def task_name(self) -> str:
        """The Task's name."""
        return str(self.task["metadata"]["name"])

    def pod_name(self, retry: int) -> str:
        """What Tekton calls the pod of an attempt; the end of a long name becomes a hash, though not Tekton's."""
        name = f"{self.name}-pod" + (f"-retry{retry}" if retry else "")
        return name if len(name) <= 63 else f"{name[:31]}{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def checked(task: Mapping[str, Any]) -> Object:
    """A Task's spec. Raises TaskError for what is missing, and for fields that this runner does not know."""
    where = f"Task {task['metadata']['name']}"
    spec: Object = task["spec"]
    refuse_unknown(spec, _SPEC, where)
    if not spec.get("steps"):
        raise TaskError(f"{where}: no steps. Fix: write one")
    for one in spec["steps"]:
        refuse_unknown(one, {*_CONTAINER, "timeout"}, f"{where}, step {one.get('name')}")
    for one in spec.get("sidecars", []):
        refuse_unknown(one, _CONTAINER - {"onError"}, f"{where}, sidecar {one.get('name')}")
    refuse_unknown(spec.get("stepTemplate", {}), _CONTAINER - {"name", "script"}, f"{where}, stepTemplate")
    for one in spec.get("results", []):
        refuse_unknown(one, {"name", "type", "description", "properties"}, f"{where}, result {one.get('name')}")
    return spec


def variables_of(run: RunSpec, spec: Object, retry: int) -> dict[str, Param]:
    """What the Task's variables stand for. Raises TaskError for parameters and workspaces that do not fit."""
    declared = spec.get("workspaces", [])
    _check_workspaces(run, declared)
    params = parameters(spec.get("params", []), run.params, run.task_name)
    paths = {one["name"]: workspace_path(one) if one["name"] in run.workspaces else "" for one in declared}
    context = {
        "taskRun.name": run.name,
        "taskRun.namespace": run.namespace,
        "taskRun.uid": run.uid,
        "task.name": run.task_name,
        "task.retry-count": str(retry),
    }
    found = variables(params, paths, [one["name"] for one in spec.get("results", [])], context)
    steps = [step_name(step, number) for number, step in enumerate(spec["steps"])]
    return found | {f"steps.{name}.exitCode.path": f"/tekton/steps/{name}/exitCode" for name in steps}


def _check_workspaces(run: RunSpec, declared: list[Object]) -> None:
    missing = [one["name"] for one in declared if not one.get("optional") and one["name"] not in run.workspaces]
    extra = sorted(set(run.workspaces) - {one["name"] for one in declared})
    if missing or extra:
        raise TaskError(
            f"{run.task_name}.workspaces: do not fit (missing {missing}, not declared {extra}). Fix: bind each once"
        )


def step_name(step: Object, number: int) -> str:
    """A step's container."""
    return f"step-{step.get('name') or f'unnamed-{number}'}"


def workspace_path(declared: Object) -> str:
    """Where a workspace is mounted."""
    return str(declared.get("mountPath") or f"/workspace/{declared['name']}")
