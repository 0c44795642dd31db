"""How a TaskRun ended, as its status says it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lab.runner.container import Container, messages
from lab.runner.pod import Pod


class Reason(StrEnum):
    """The reason of a TaskRun's condition, in Tekton's words."""

    SUCCEEDED = "Succeeded"
    STEP_FAILED = "StepFailed"
    SIDECAR_FAILED = "SidecarFailed"
    """A sidecar of classic mode has ended with an exit code before the steps had; whether a step failed, too."""
    RESULTS_INVALID = "TaskRunValidationFailed"
    """A result is not of the type that the Task declares."""
    CANCELLED = "TaskRunCancelled"
    TIMEOUT = "TaskRunTimeout"
    DELETED = "Deleted"
    """The TaskRun itself is gone; Tekton has no word for it."""


@dataclass(frozen=True)
class StepOutcome:
    """How one step of the last pod ended."""

    name: str
    code: int | None
    """The container's exit code; under `onError: continue` the command's. None: it never ran."""
    output: str
    seconds: float
    reason: str = ""
    """`TimeoutExceeded` or `Cancelled` where the entrypoint has killed the command."""

    @property
    def skipped(self) -> bool:
        """Whether an earlier step's end, or the run's, kept it from running."""
        return self.code is None


@dataclass(frozen=True)
class Outcome:
    """What a TaskRun leaves."""

    name: str
    reason: Reason
    steps: tuple[StepOutcome, ...]
    results: Mapping[str, str]
    """As the steps wrote them; an array or object is JSON."""
    sidecars: Mapping[str, str]
    """What each sidecar has said, over all pods."""
    pods: int
    """How many there were: one, and one more for each retry or forced deletion."""
    message: str = ""
    """Of the condition."""
    seconds: float = 0
    """From the start to the status."""

    @property
    def succeeded(self) -> bool:
        """Whether it did what it should."""
        return self.reason is Reason.SUCCEEDED

    @property
    def output(self) -> str:
        """What the steps have said, in order."""
        return "\n".join(step.output for step in self.steps if step.output)

    @property
    def ran(self) -> list[str]:
        """The steps that ran."""
        return [step.name for step in self.steps if not step.skipped]

    def step(self, name: str) -> StepOutcome:
        """One step of the last pod. Raises KeyError for a name that no step has."""
        found = {step.name: step for step in self.steps}
        return found[name]


def steps_of(pod: Pod) -> tuple[StepOutcome, ...]:
    """The steps of a pod, as they are now."""
    return tuple(map(_step, pod.steps))


def results_of(pod: Pod) -> dict[str, str]:
    """What the steps' termination messages hold."""
    return {one["key"]: one["value"] for step in pod.steps for one in messages(step) if one["type"] == 1}


def mistyped(results: Mapping[str, str], spec: Mapping[str, Any]) -> str:
    """Which results are not what the Task declares, in Tekton's words; empty when all are."""
    types = {one["name"]: one.get("type", "string") for one in spec.get("results", [])}
    wrong = [
        f' "{name}": task result is expected to be "{types[name]}" type but was initialized to a different type '
        '"string"'
        for name, text in results.items()
        if types[name] != "string" and not _is_json(text, list if types[name] == "array" else dict)
    ]
    said = "Provided results don't match declared results; may be invalid JSON or missing result declaration:"
    return said + ",".join(wrong) if wrong else ""


def failure(pod: Pod) -> tuple[Reason, str] | None:
    """Why ended steps make a failure, if they do."""
    failed = next((one for one in pod.sidecars if one.code), None)
    if failed and not pod.native:
        return Reason.SIDECAR_FAILED, f'"{failed.name}" exited with code {failed.code}'
    for one in pod.steps:
        if any(note["key"] == "Reason" and note["value"] == "TimeoutExceeded" for note in messages(one)):
            return Reason.STEP_FAILED, f'"{one.name}" exited because the step exceeded the specified timeout limit'
        if one.code:
            return Reason.STEP_FAILED, f'"{one.name}" exited with code {one.code}'
    return None


def sidecars_of(pods: Sequence[Pod]) -> dict[str, str]:
    """What each sidecar has said, over all pods."""
    said: dict[str, str] = {}
    for pod in pods:
        for name, text in pod.sidecar_output().items():
            said[name] = "\n".join(filter(None, (said.get(name, ""), text)))
    return said


def _step(container: Container) -> StepOutcome:
    notes = {one["key"]: one["value"] for one in messages(container) if one["type"] == 3}
    name, began = container.name.removeprefix("step-"), float(notes.get("StartedAt", 0))
    if not began or container.code is None:
        return StepOutcome(name, None, container.output if began else "", 0.0)
    code, seconds = int(notes.get("ExitCode", container.code)), max(0.0, container.ended_at - began)
    return StepOutcome(name, code, container.output, seconds, notes.get("Reason", ""))


def _is_json(text: str, kind: type) -> bool:
    try:
        return isinstance(json.loads(text), kind)
    except ValueError:
        return False
