"""PipelineRuns: which TaskRun comes after which, what they hand on, `finally`, and the three timeouts."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.runner.outcome import Outcome
from lab.runner.plan import seconds
from lab.runner.task import Param, TaskError, parameters, substituted
from lab.runner.taskrun import TaskRun, TaskRunner

_RESULT = re.compile(r"\$\(tasks\.([a-z0-9-]+)\.results\.[^)]+\)")
_HOUR = 3600.0


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
    expected: int
    """Number of tasks that had to run."""

    @property
    def succeeded(self) -> bool:
        """Whether every task ran and succeeded, those of `finally` too."""
        ran = (*self.tasks.values(), *self.finals.values())
        return not self.stopped and len(ran) == self.expected and all(one.succeeded for one in ran)


class PipelineRunner:
    """Runs a Pipeline's document as a PipelineRun's document asks for it."""

    def __init__(self, runner: TaskRunner, tasks: Mapping[str, Mapping[str, Any]], **starting: Any) -> None:
        """tasks: those of the namespace by name. starting: what every TaskRun is started with, such as `sidecars`."""
        self._runner, self._tasks, self._starting = runner, tasks, starting
        self._running: dict[str, TaskRun] = {}
        self._stop: Stop | None = None
        self._timed_out = False
        self._lock = threading.Lock()

    def stop(self, how: Stop) -> None:
        """Set `spec.status`."""
        self._stop = how
        if how is not Stop.STOPPED_RUN_FINALLY:
            self._cancel_running()

    def run(
        self, pipeline: Mapping[str, Any], run: Mapping[str, Any], workspaces: Mapping[str, Path]
    ) -> PipelineOutcome:
        """Run it to its end. `workspaces` stand for those that the PipelineRun binds."""
        spec, asked = pipeline["spec"], run["spec"]
        name = run["metadata"].get("name") or f"{run['metadata']['generateName']}x"
        given = {one["name"]: one["value"] for one in asked.get("params", [])}
        params = parameters(spec.get("params", []), given, str(pipeline["metadata"]["name"]))
        known = {f"params.{key}": value for key, value in params.items()} | {"context.pipelineRun.name": name}
        limits = {key: seconds(str(value)) for key, value in asked.get("timeouts", {}).items()}
        whole = limits.get("pipeline", _HOUR)
        tasks_limit = limits.get("tasks", whole - limits["finally"] if "finally" in limits else whole)
        each = _Each(self, asked, workspaces, known, name)
        with self._limit(tasks_limit):
            done = self._stage(spec["tasks"], each, {}, ordered=True)
        known |= {f"tasks.{key}.status": "Succeeded" if one.succeeded else "Failed" for key, one in done.items()}
        known |= {f"tasks.{one['name']}.status": "None" for one in spec["tasks"] if one["name"] not in done}
        finals: dict[str, Outcome] = {}
        # Without timeouts of its own, what is left for `finally` after the tasks' end is nothing.
        out_of_time = self._timed_out and "tasks" not in limits and "finally" not in limits
        if self._stop is not Stop.CANCELLED and not out_of_time:
            stopped, self._stop, self._timed_out = (self._stop, self._timed_out), None, False
            with self._limit(limits.get("finally", whole)):
                finals = self._stage(spec.get("finally", []), each, done, ordered=False)
            self._stop, self._timed_out = stopped
        expected = len(spec["tasks"]) + len(spec.get("finally", []))
        return PipelineOutcome(name, done, finals, self._stop is not None or self._timed_out, expected)

    def start(self, task: str, asked: Mapping[str, Any]) -> TaskRun:
        """Start one task of the Pipeline, unless the run is stopped. Raises TaskError for a Task that is not there."""
        reference = asked["taskRef"]["name"]
        if reference not in self._tasks:
            raise TaskError(
                f"tasks.{task}: no Task {reference} in the namespace (expected one of {sorted(self._tasks)})"
            )
        with self._lock:
            self._running[task] = self._runner.start(self._tasks[reference], **asked["start"], **self._starting)
            return self._running[task]

    def _stage(
        self, tasks: Sequence[Mapping[str, Any]], each: _Each, before: Mapping[str, Outcome], *, ordered: bool
    ) -> dict[str, Outcome]:
        done: dict[str, Outcome] = {}
        waiting = list(tasks)
        while waiting and not self._stop and not self._timed_out:
            if ordered and any(not one.succeeded for one in done.values()):
                break
            ready = [one for one in waiting if not ordered or _after(one) <= done.keys()]
            if not ready:
                raise TaskError(f"tasks: {[one['name'] for one in waiting]} wait for one another. Fix: change runAfter")
            waiting = [one for one in waiting if one not in ready]
            known = {**before, **done}
            with ThreadPoolExecutor(len(ready)) as threads:
                ends = threads.map(each.run, ready, [known] * len(ready))
            done |= {one["name"]: end for one, end in zip(ready, ends, strict=True) if end is not None}
        return done

    def _limit(self, limit: float) -> _Limit:
        return _Limit(limit, self._out_of_time)

    def _out_of_time(self) -> None:
        self._timed_out = True
        self._cancel_running()

    def _cancel_running(self) -> None:
        with self._lock:
            for run in self._running.values():
                run.cancel()


class _Each:
    """One task of a Pipeline → its TaskRun."""

    def __init__(
        self,
        runner: PipelineRunner,
        asked: Mapping[str, Any],
        workspaces: Mapping[str, Path],
        known: dict[str, Param],
        name: str,
    ) -> None:
        self._runner, self._asked, self._workspaces, self._known, self._name = runner, asked, workspaces, known, name
        self._accounts = {
            one["pipelineTaskName"]: one.get("serviceAccountName") for one in asked.get("taskRunSpecs", [])
        }

    def run(self, task: Mapping[str, Any], before: Mapping[str, Outcome]) -> Outcome | None:
        """Its outcome; None when it is skipped because a result that it wants was never written."""
        known = self._known | {
            f"tasks.{name}.results.{result}": value
            for name, one in before.items()
            for result, value in one.results.items()
        }
        try:
            params = substituted(task.get("params", []), known, f"tasks.{task['name']}")
        except TaskError:
            if any(_RESULT.search(str(one)) for one in task.get("params", [])):
                return None
            raise
        template = self._asked.get("taskRunTemplate", {})
        start = {
            "name": f"{self._name}-{task['name']}",
            "service_account": self._accounts.get(task["name"]) or template.get("serviceAccountName", "default"),
            "params": {one["name"]: one["value"] for one in params},
            "workspaces": {one["name"]: self._workspace(one) for one in task.get("workspaces", [])},
            "pipeline_run": self._name,
            "retries": task.get("retries", 0),
            "timeout": seconds(task["timeout"]) if "timeout" in task else None,
        }
        return self._runner.start(task["name"], {"taskRef": task["taskRef"], "start": start}).wait()

    def _workspace(self, one: Mapping[str, Any]) -> Path:
        return self._workspaces[str(one.get("workspace", one["name"]))] / str(one.get("subPath", ""))


class _Limit:
    """Calls somebody when the block takes too long."""

    def __init__(self, limit: float, call: Any) -> None:
        self._timer = threading.Timer(limit, call)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _after(task: Mapping[str, Any]) -> set[str]:
    """The tasks that must be done before it: named, or by a result that it uses."""
    return set(task.get("runAfter", [])) | set(_RESULT.findall(str(task.get("params", []))))
