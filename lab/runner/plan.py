"""A Task and a run of it → what its pod's containers are. Pure but for the directories that volumes stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.runner.container import PATH, ContainerPlan, Image, Mount
from lab.runner.pod import StepPlan
from lab.runner.task import Param, TaskError, merged, parameters, substituted, variables

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?")


@dataclass(frozen=True)
class RunSpec:
    """A TaskRun: which Task, with what."""

    task: Mapping[str, Any]
    name: str
    namespace: str
    service_account: str
    params: Mapping[str, Param] = field(default_factory=dict)
    workspaces: Mapping[str, Path] = field(default_factory=dict)
    pipeline_run: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """`podTemplate.env`: wins over a step's own, and reaches no sidecar."""


def filled(run: RunSpec) -> dict[str, Any]:
    """The Task's spec with every variable filled in. Raises TaskError for what Tekton would refuse."""
    spec = run.task["spec"]
    where = str(run.task["metadata"]["name"])
    declared = spec.get("workspaces", [])
    names = {one["name"] for one in declared}
    missing = sorted({one["name"] for one in declared if not one.get("optional")} - run.workspaces.keys())
    extra = sorted(run.workspaces.keys() - names)
    if missing or extra:
        raise TaskError(
            f"{where}.workspaces: do not fit (missing {missing}, not declared {extra}). Fix: bind each once"
        )
    params = parameters(spec.get("params", []), run.params, where)
    context = {
        "taskRun.name": run.name,
        "taskRun.namespace": run.namespace,
        "taskRun.uid": f"uid-{run.name}",
        "task.name": where,
        "task.retry-count": "0",
    }
    bound = {name: name in run.workspaces for name in names}
    known = variables(params, bound, [one["name"] for one in spec.get("results", [])], context)
    document: dict[str, Any] = substituted({k: v for k, v in spec.items() if k != "params"}, known, where)
    return document


def step_plans(
    spec: Mapping[str, Any], run: RunSpec, folder: Path, volumes: Mapping[str, Path], images: Mapping[str, Image]
) -> list[StepPlan]:
    """The steps in their order."""
    template = spec.get("stepTemplate", {})
    return [
        StepPlan(
            _container(merged(template, step), run, folder, volumes, images, _workspaces(spec, run), place),
            seconds(step["timeout"]) if "timeout" in step else None,
            step.get("onError") == "continue",
        )
        for place, step in enumerate(spec["steps"])
    ]


def sidecar_plans(
    spec: Mapping[str, Any], run: RunSpec, folder: Path, volumes: Mapping[str, Path], images: Mapping[str, Image]
) -> list[ContainerPlan]:
    """The sidecars: neither stepTemplate nor podTemplate.env reaches them, nor Tekton's own directories."""
    return [_container(one, run, folder, volumes, images, None, 0) for one in spec.get("sidecars", [])]


def seconds(text: str) -> float:
    """A duration as Tekton spells it: `1h30m`, `90s`."""
    found = _DURATION.fullmatch(text)
    if not found or not text:
        raise TaskError(f"timeout: no duration (got {text!r}, expected such as 5m)")
    hours, minutes, rest = found.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def _container(
    container: Mapping[str, Any],
    run: RunSpec,
    folder: Path,
    volumes: Mapping[str, Path],
    images: Mapping[str, Image],
    workspaces: Sequence[Mount] | None,
    place: int,
) -> ContainerPlan:
    name, image = container.get("name", f"unnamed-{place}"), images.get(container.get("image", ""), Image())
    command = (*container.get("command", ()), *container.get("args", ()))
    if not container.get("script") and not container.get("command"):
        raise TaskError(f"{name}: neither script nor command (this runner knows no image's entrypoint). Fix: name one")
    own = {one["name"]: str(one.get("value", "")) for one in container.get("env", [])}
    environment = {"PATH": ":".join((*image.path, PATH)), **(image.environment or {})}
    if workspaces is not None:
        environment |= {"HOME": "/tekton/home"} | own | dict(run.environment)
    else:
        environment |= own
    mounts = [_mount(one, volumes, name) for one in container.get("volumeMounts", [])]
    return ContainerPlan(
        name,
        command,
        container.get("script", ""),
        environment,
        (*image.mounts, *_tekton(folder, workspaces), *mounts),
        container.get("workingDir", "/"),
    )


def _mount(one: Mapping[str, Any], volumes: Mapping[str, Path], where: str) -> Mount:
    if one["name"] not in volumes:
        raise TaskError(f"{where}: no volume {one['name']} (expected one of {sorted(volumes)}). Fix: declare it")
    return Mount(volumes[one["name"]], one["mountPath"], not one.get("readOnly", False))


def _tekton(folder: Path, workspaces: Sequence[Mount] | None) -> list[Mount]:
    found = [Mount(folder / "scripts", "/tekton/scripts", writable=False)]
    if workspaces is None:
        return found
    found += [Mount(folder / part, f"/tekton/{part}") for part in ("results", "steps", "home")]
    return [*found, *workspaces]


def _workspaces(spec: Mapping[str, Any], run: RunSpec) -> list[Mount]:
    read_only = {one["name"] for one in spec.get("workspaces", []) if one.get("readOnly")}
    return [Mount(path, f"/workspace/{name}", name not in read_only) for name, path in run.workspaces.items()]
