"""PipelineRuns: which TaskRun comes after which, what they hand on, `finally`, and the three timeouts."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.runner.durations import seconds_of
from lab.runner.outcome import Outcome
from lab.runner.pod import TICK
from lab.runner.task import Object, Param, TaskError, parameters, refuse_unknown, substituted
from lab.runner.taskrun import TaskRun
from lab.runner.taskrunner import HOUR, TaskRunner

_RESULT = re.compile(r"\$\(tasks\.([a-z0-9-]+)\.results\.[^)]+\)")
_PIPELINE = {"description", "displayName", "params", "workspaces", "tasks", "finally"}
_TASK = {"name", "displayName", "description", "taskRef", "params", "workspaces", "runAfter", "retries", "timeout"}
_RUN = {"pipelineRef", "params", "workspaces", "taskRunSpecs", "taskRunTemplate", "timeouts"}


class Stop(StrEnum):
    """`spec.status` of a PipelineRun, in Tekton's words."""

    CANCELLED = "Cancelled"
    """Its tasks are cancelled; `finally` does not run."""
    CANCELLED_RUN_FINALLY = "CancelledRunFinally"
    STOPPED_RUN_FINALLY = "StoppedRunFinally"
    """What runs may end; nothing more is started but `finally`."""


@dataclass(frozen=True)
class PipelineOutcome:
    """What a PipelineRun leaves, by the names of its tasks; a task without an outcome never ran."""

    name: str
    tasks: Mapping[str, Outcome]
    finals: Mapping[str, Outcome]
    stopped: bool
    """Whether somebody, or a timeout, ended it."""
    expected: int
    """Number of tasks that had to run."""

    @property
    def succeeded(self) -> bool:
        """Whether every task ran and succeeded, those of `finally` too."""
        ran = (*self.tasks.values(), *self.finals.values())
        return not self.stopped and len(ran) == self.expected and all(one.succeeded for one in ran)


class PipelineRunner:
    """Runs a Pipeline's document as a PipelineRun's document asks for it; one run each."""

    def __init__(self, runner: TaskRunner, tasks: Mapping[str, Mapping[str, Any]], **starting: Any) -> None:
        """tasks: those of the namespace by name. starting: what every TaskRun is started with, such as `sidecars`."""
        self._runner, self._tasks, self._starting = runner, tasks, starting
        self.running: dict[str, TaskRun] = {}
        """The TaskRuns so far, by the names of the Pipeline's tasks."""
        self._stop: Stop | None = None

    def stop(self, how: Stop) -> None:
        """Set `spec.status`, from any thread."""
        self._stop = how

    def run(
        self, pipeline: Mapping[str, Any], run: Mapping[str, Any], workspaces: Mapping[str, Path]
    ) -> PipelineOutcome:
        """Run it to its end. `workspaces` stand for those that the PipelineRun binds."""
        each = _Each(pipeline, run, workspaces)
        finals = each.spec.get("finally", [])
        timeouts = _Timeouts.read(run["spec"].get("timeouts", {}), time.monotonic())
        done, timed_out = self._stage(each.spec["tasks"], each, {}, timeouts.tasks)
        last: dict[str, Outcome] = {}
        stopped = self._stop is not None or timed_out
        if self._stop is not Stop.CANCELLED and time.monotonic() < timeouts.pipeline:
            self._stop = None
            each.tell_finally(done)
            last, late = self._stage(finals, each, done, timeouts.of_finally(time.monotonic()), ordered=False)
            stopped |= late or self._stop is not None
        return PipelineOutcome(each.name, done, last, stopped, len(each.spec["tasks"]) + len(finals))

    def _stage(
        self,
        tasks: Sequence[Object],
        each: _Each,
        before: Mapping[str, Outcome],
        deadline: float,
        *,
        ordered: bool = True,
    ) -> tuple[dict[str, Outcome], bool]:
        """Run these tasks; their outcomes, and whether time was over first."""
        waiting, skipped = list(tasks), set[str]()
        here: dict[str, TaskRun] = {}
        done: dict[str, Outcome] = {}
        while True:
            timed_out = time.monotonic() >= deadline
            failed = ordered and any(not one.succeeded for one in done.values())
            if self._stop or timed_out or failed:
                waiting.clear()
            if timed_out or self._stop in (Stop.CANCELLED, Stop.CANCELLED_RUN_FINALLY):
                for run in here.values():
                    run.cancel()
            for task in [one for one in waiting if not ordered or _after(one) <= done.keys() | skipped]:
                waiting.remove(task)
                started = self._start(task, each, {**before, **done})
                if started:
                    here[task["name"]] = started
                else:
                    skipped.add(task["name"])
            if not here:
                if waiting:
                    names = [one["name"] for one in waiting]
                    raise TaskError(f"tasks: {names} wait for one another. Fix: change runAfter")
                return done, timed_out
            for name in [name for name, run in here.items() if run.done]:
                done[name] = here.pop(name).wait()
            time.sleep(TICK)

    def _start(self, task: Object, each: _Each, before: Mapping[str, Outcome]) -> TaskRun | None:
        """Start one task, or skip it because a result that it wants was never written."""
        reference = task["taskRef"]["name"]
        if reference not in self._tasks:
            known = sorted(self._tasks)
            raise TaskError(f"tasks.{task['name']}: no Task {reference} in the namespace (expected one of {known})")
        asked = each.asked(task, before)
        if asked is None:
            return None
        self.running[task["name"]] = self._runner.start(self._tasks[reference], **asked, **self._starting)
        return self.running[task["name"]]


class _Each:
    """A Pipeline's tasks → what is asked of each TaskRun."""

    def __init__(self, pipeline: Mapping[str, Any], run: Mapping[str, Any], workspaces: Mapping[str, Path]) -> None:
        self.spec, self._asked, self._workspaces = pipeline["spec"], run["spec"], workspaces
        where = str(pipeline["metadata"]["name"])
        refuse_unknown(self.spec, _PIPELINE, where)
        refuse_unknown(self._asked, _RUN, "PipelineRun")
        for task in [*self.spec["tasks"], *self.spec.get("finally", [])]:
            refuse_unknown(task, _TASK, f"{where}.{task['name']}")
        self.name = str(run["metadata"].get("name") or f"{run['metadata']['generateName']}x")
        self._namespace = str(run["metadata"].get("namespace", "ci"))
        given = {one["name"]: one["value"] for one in self._asked.get("params", [])}
        params = parameters(self.spec.get("params", []), given, where)
        self._known: dict[str, Param] = {f"params.{key}": value for key, value in params.items()}
        self._known |= {"context.pipelineRun.name": self.name, "context.pipeline.name": where}
        self._specs = {one["pipelineTaskName"]: one for one in self._asked.get("taskRunSpecs", [])}

    def tell_finally(self, done: Mapping[str, Outcome]) -> None:
        """Let `finally` see how each task ended."""
        names = [one["name"] for one in self.spec["tasks"]]
        said = {name: "Succeeded" if done[name].succeeded else "Failed" for name in names if name in done}
        self._known |= {f"tasks.{name}.status": said.get(name, "None") for name in names}
        ended = "Failed" if "Failed" in said.values() else "Succeeded" if len(said) == len(names) else "Completed"
        self._known["tasks.status"] = ended

    def asked(self, task: Object, before: Mapping[str, Outcome]) -> dict[str, Any] | None:
        """What its TaskRun is started with; None when a result that it wants was never written."""
        known = self._known | {
            f"tasks.{name}.results.{result}": value
            for name, one in before.items()
            for result, value in one.results.items()
        }
        wanted = {found[0][2:-1] for found in _RESULT.finditer(str(task.get("params", [])))}
        if not wanted <= known.keys():
            return None
        params = substituted(task.get("params", []), known, f"tasks.{task['name']}")
        template = self._asked.get("taskRunTemplate", {})
        own = self._specs.get(task["name"], {})
        pod = own.get("podTemplate") or template.get("podTemplate", {})
        return {
            "name": f"{self.name}-{task['name']}",
            "namespace": self._namespace,
            "service_account": own.get("serviceAccountName") or template.get("serviceAccountName", "default"),
            "params": {one["name"]: one["value"] for one in params},
            "workspaces": {one["name"]: self._workspace(one) for one in task.get("workspaces", [])},
            "environment": {one["name"]: one["value"] for one in pod.get("env", [])},
            "pipeline_run": self.name,
            "retries": task.get("retries", 0),
            "timeout": seconds_of(task["timeout"]) if "timeout" in task else None,
        }

    def _workspace(self, one: Mapping[str, Any]) -> Path:
        return self._workspaces[str(one.get("workspace", one["name"]))] / str(one.get("subPath", ""))


@dataclass(frozen=True)
class _Timeouts:
    """When a PipelineRun's time is over, on the clock of `time.monotonic`."""

    pipeline: float
    tasks: float
    finals: float | None
    """Seconds for `finally`, counted from its start."""

    @classmethod
    def read(cls, spec: Mapping[str, Any], now: float) -> _Timeouts:
        """Tekton's `timeouts`: an hour for all; tasks have what `finally` leaves them, if it says so."""
        limits = {name: seconds_of(str(value)) for name, value in spec.items()}
        whole = limits.get("pipeline", HOUR)
        tasks = limits.get("tasks", whole - limits.get("finally", 0.0))
        return cls(now + whole, now + tasks, limits.get("finally"))

    def of_finally(self, now: float) -> float:
        """When the time of `finally` is over."""
        return self.pipeline if self.finals is None else min(self.pipeline, now + self.finals)


def _after(task: Mapping[str, Any]) -> set[str]:
    """The tasks that must be done before it: named, or by a result that it uses."""
    return set(task.get("runAfter", [])) | set(_RESULT.findall(str(task.get("params", []))))
