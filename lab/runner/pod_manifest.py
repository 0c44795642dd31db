"""The pod that Tekton makes of a Task for one TaskRun: a manifest that an API server takes. Pure."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from lab.runner.durations import seconds_of
from lab.runner.run_spec import SUBSTITUTED, RunSpec, Sidecars, checked, step_name, variables_of, workspace_path
from lab.runner.task import Object, Param, TaskError, merged, substituted

ENTRYPOINT = "/tekton/bin/entrypoint"
READY, CANCEL = "tekton.dev/ready", "tekton.dev/cancel"
"""Pod annotations: steps may begin (READY); the run was cancelled, and the pod is kept (CANCEL)."""

_HARDENED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What Tekton's own containers get with its flag `set-security-context`."""


def make_pod(run: RunSpec, retry: int = 0) -> Object:
    """The manifest. Raises TaskError for what Tekton refuses, and for what this runner does not know."""
    spec = checked(run.task)
    known = variables_of(run, spec, retry)
    steps = [_step(spec, number, known) for number in range(len(spec["steps"]))]
    sidecars = [_sidecar(one, number, known) for number, one in enumerate(spec.get("sidecars", []))]
    scripts = {one["command"][0]: one.pop("script") for one in [*steps, *sidecars] if "script" in one}
    results = [one["name"] for one in spec.get("results", [])]
    workspaces = [_workspace_mount(one) for one in spec.get("workspaces", []) if one["name"] in run.workspaces]
    containers = [_ordered(step, number, len(steps), results, workspaces, run) for number, step in enumerate(steps)]
    for sidecar in sidecars:
        sidecar["volumeMounts"] = [
            *sidecar.get("volumeMounts", []),
            *workspaces,
            _mount("scripts", "/tekton/scripts", True),
        ]
    native = run.sidecars is Sidecars.NATIVE
    started_before = [{**one, "restartPolicy": "Always"} for one in sidecars] if native else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(run, retry, bool(sidecars)),
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": run.service_account,
            "activeDeadlineSeconds": math.ceil(run.timeout * 1.5),
            "initContainers": [*_tools([step["name"] for step in containers], scripts), *started_before],
            "containers": [*containers, *([] if native else sidecars)],
            "volumes": [*_internal_volumes(len(steps)), *_volumes(spec, run, known)],
        },
    }


# --- containers


def _step(spec: Object, number: int, known: Mapping[str, Param]) -> Object:
    step = merged(spec.get("stepTemplate", {}), spec["steps"][number])
    step["name"] = step_name(step, number)
    return _scripted(_filled(step, known), f"script-{number}")


def _sidecar(sidecar: Object, number: int, known: Mapping[str, Param]) -> Object:
    filled = _filled({**sidecar, "name": f"sidecar-{sidecar['name']}"}, known)
    return _renamed(_scripted(filled, f"sidecar-script-{number}"))


def _filled(container: Object, known: Mapping[str, Param]) -> Object:
    where = container["name"]
    return {
        field: substituted(value, known, f"{where}.{field}") if field in SUBSTITUTED else value
        for field, value in container.items()
    }


def _scripted(container: Object, file: str) -> Object:
    """A container that runs its script from a file; one without a first line `#!` is for sh."""
    script = container.get("script", "")
    if not script:
        container.pop("script", None)
        return container
    preamble = "" if script.strip().startswith("#!") else "#!/bin/sh\nset -e\n"
    return {**container, "command": [f"/tekton/scripts/{file}"], "script": preamble + script}


def _renamed(container: Object) -> Object:
    """Tekton's name of a field in Kubernetes' word."""
    container.pop("displayName", None)
    if "computeResources" in container:
        container["resources"] = container.pop("computeResources")
    return container


def _ordered(
    step: Object, number: int, steps: int, results: list[str], workspaces: list[Object], run: RunSpec
) -> Object:
    """A step behind Tekton's entrypoint, which waits for the one before it."""
    if not step.get("command"):
        raise TaskError(f"{step['name']}: neither script nor command (no image is looked into). Fix: name one")
    program, *first = step["command"]
    waits = ["/tekton/downward/ready", "-wait_file_content"] if number == 0 else [f"/tekton/run/{number - 1}/out"]
    arguments = ["-wait_file", *waits, "-post_file", f"/tekton/run/{number}/out"]
    arguments += ["-termination_path", "/tekton/termination", "-step_metadata_dir", f"/tekton/run/{number}/status"]
    if "timeout" in step:
        arguments += ["-timeout", f"{seconds_of(str(step.pop('timeout')))}s"]
    if "onError" in step:
        arguments += ["-on_error", step.pop("onError")]
    arguments += ["-results", ",".join(results)] if results else []
    arguments += ["-entrypoint", program, "--", *first, *step.get("args", [])]
    mounts = [*step.get("volumeMounts", []), *workspaces, _mount("scripts", "/tekton/scripts", True)]
    mounts += [_mount(f"run-{one}", f"/tekton/run/{one}", one != number) for one in range(steps)]
    mounts += [_mount("downward", "/tekton/downward", True), _mount("bin", "/tekton/bin", True)]
    mounts += [_mount("workspace", "/workspace"), _mount("home", "/tekton/home")]
    mounts += [_mount("results", "/tekton/results"), _mount("steps", "/tekton/steps", True)]
    forced = [{"name": name, "value": value} for name, value in run.environment.items()]
    return _renamed(
        {
            **step,
            "command": [ENTRYPOINT],
            "args": arguments,
            "env": [*step.get("env", []), *forced],
            "terminationMessagePath": "/tekton/termination",
            "volumeMounts": mounts,
        }
    )


def _tools(steps: list[str], scripts: Mapping[str, str]) -> list[Object]:
    """Tekton's own init containers; a script travels as base64, so that Kubernetes fills nothing into it."""
    placed = "".join(
        f"scriptfile=\"{path}\"\ntouch ${{scriptfile}} && chmod +x ${{scriptfile}}\ncat > ${{scriptfile}} << '_EOF_'\n"
        f'{base64.b64encode(text.encode()).decode()}\n_EOF_\n{ENTRYPOINT} decode-script "${{scriptfile}}"\n'
        for path, text in scripts.items()
    )
    bin_mount, steps_mount = _mount("bin", "/tekton/bin"), _mount("steps", "/tekton/steps")
    prepare: Object = {
        "name": "prepare",
        "image": "lab.invalid/tekton-entrypoint:v1.15.0",
        "workingDir": "/",
        "command": ["/ko-app/entrypoint", "init", "/ko-app/entrypoint", ENTRYPOINT, *steps],
        "volumeMounts": [bin_mount, steps_mount],
        "securityContext": _HARDENED,
    }
    place: Object = {
        "name": "place-scripts",
        "image": "lab.invalid/tekton-shell:v1.15.0",
        "command": ["sh"],
        "args": ["-c", placed],
        "volumeMounts": [_mount("scripts", "/tekton/scripts"), bin_mount],
        "securityContext": _HARDENED,
    }
    return [prepare, place] if scripts else [prepare]


# --- volumes and metadata


def _mount(volume: str, path: str, read_only: bool = False) -> Object:
    return {"name": f"tekton-internal-{volume}", "mountPath": path, **({"readOnly": True} if read_only else {})}


def _workspace_mount(declared: Object) -> Object:
    read_only = {"readOnly": True} if declared.get("readOnly") else {}
    return {"name": f"ws-{declared['name']}", "mountPath": workspace_path(declared), **read_only}


def _internal_volumes(steps: int) -> list[Object]:
    names = ["workspace", "home", "results", "steps", "scripts", "bin", *(f"run-{one}" for one in range(steps))]
    items = [
        {"path": path, "fieldRef": {"fieldPath": f"metadata.annotations['{annotation}']"}}
        for path, annotation in (("ready", READY), ("cancel", CANCEL))
    ]
    empty: list[Object] = [{"name": f"tekton-internal-{name}", "emptyDir": {}} for name in names]
    return [*empty, {"name": "tekton-internal-downward", "downwardAPI": {"items": items}}]


def _volumes(spec: Object, run: RunSpec, known: Mapping[str, Param]) -> list[Any]:
    volumes: list[Any] = substituted(spec.get("volumes", []), known, f"{run.task_name}.volumes")
    claims = [{"name": f"ws-{name}", "persistentVolumeClaim": {"claimName": name}} for name in run.workspaces]
    names = [one["name"] for one in [*volumes, *claims]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TaskError(f"{run.task_name}.volumes: two of one name (got {twice[0]}). Fix: rename one")
    return [*volumes, *claims]


def _metadata(run: RunSpec, retry: int, sidecars: bool) -> Object:
    labels = {
        "app.kubernetes.io/managed-by": "tekton-pipelines",
        "tekton.dev/task": run.task_name,
        "tekton.dev/taskRun": run.name,
        "tekton.dev/taskRunUID": run.uid,
    }
    labels |= {"tekton.dev/pipelineRun": run.pipeline_run} if run.pipeline_run else {}
    return {
        "name": run.pod_name(retry),
        "namespace": run.namespace,
        "labels": labels,
        "annotations": {} if sidecars else {READY: "READY"},
    }
