"""How a TaskRun ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The reason of a TaskRun's condition, in Tekton's words."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "TaskRunCancelled"
    TIMEOUT = "TaskRunTimeout"
    DELETED = "Deleted"
    """The TaskRun itself is gone; Tekton has no word for it."""


@dataclass(frozen=True)
class StepOutcome:
    """How one step of the last pod ended."""

    name: str
    code: int | None
    """None: it never ran."""
    output: str
    seconds: float

    @property
    def skipped(self) -> bool:
        """Whether an earlier step's end kept it from running."""
        return self.code is None


@dataclass(frozen=True)
class Outcome:
    """What a TaskRun leaves."""

    name: str
    reason: Reason
    steps: tuple[StepOutcome, ...]
    results: Mapping[str, str]
    sidecars: Mapping[str, str]
    """What each sidecar has said, over all pods."""
    pods: int
    """How many there were: one, and one more for each retry or forced deletion."""

    @property
    def succeeded(self) -> bool:
        """Whether it did what it should."""
        return self.reason is Reason.SUCCEEDED

    @property
    def output(self) -> str:
        """What the steps have said, in order."""
        return "\n".join(step.output for step in self.steps if step.output)

    def step(self, name: str) -> StepOutcome:
        """One step of the last pod. Raises KeyError for a name that no step has."""
        found = {step.name: step for step in self.steps}
        return found[name]
