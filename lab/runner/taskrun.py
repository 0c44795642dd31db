"""TaskRuns as Tekton's controller drives them: pods, retries, cancel, timeout, deletion, and who is told to stop."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.issuer import TokenIssuer
from lab.runner.container import Image
from lab.runner.outcome import Outcome, Reason
from lab.runner.plan import RunSpec, filled, sidecar_plans, step_plans
from lab.runner.pod import FORCED_GRACE, GRACE, Pod, Sidecars, wait_until
from lab.runner.task import Param, TaskError
from lab.runner.volumes import PodIdentity, Volumes, for_containers

__all__ = ["Sidecars", "TaskRun", "TaskRunner"]

_RESULT = 4096
"""Bytes that all results of a TaskRun may have together, as they travel in the termination message."""
PATIENCE = 300.0
DEADLINE_LAG = 1.0
"""Seconds; on a real cluster it is half of the timeout."""


class TaskRunner:
    """Starts TaskRuns; all that still runs is ended when the block is left."""

    def __init__(
        self,
        folder: Path,
        issuer: TokenIssuer,
        config_maps: Mapping[str, Mapping[str, str]],
        images: Mapping[str, Image] | None = None,
    ) -> None:
        self.folder, self.issuer, self.config_maps, self.images = folder, issuer, config_maps, images or {}
        self._runs: list[TaskRun] = []

    def __enter__(self) -> TaskRunner:
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._runs:
            run.remove()

    def start(
        self,
        task: Mapping[str, Any],
        *,
        service_account: str,
        namespace: str = "ci",
        name: str = "",
        params: Mapping[str, Param] | None = None,
        workspaces: Mapping[str, Path] | None = None,
        pipeline_run: str = "",
        environment: Mapping[str, str] | None = None,
        sidecars: Sidecars = Sidecars.CLASSIC,
        timeout: float | None = None,
        retries: int = 0,
        nop_has_shell: bool = False,
        controller_down: bool = False,
        keep_pod_on_cancel: bool = False,
    ) -> TaskRun:
        """Start a TaskRun. Raises TaskError, before anything starts, for what Tekton would refuse.

        environment: `podTemplate.env`. timeout: the TaskRun's, in seconds. controller_down: nobody looks at the pod
        until `controller_returns`. keep_pod_on_cancel: the feature flag.
        """
        name = name or f"{task['metadata']['name']}-{len(self._runs)}"
        spec = RunSpec(
            task, name, namespace, service_account, params or {}, workspaces or {}, pipeline_run, environment or {}
        )
        run = TaskRun(self, spec, sidecars, timeout, retries, nop_has_shell, controller_down, keep_pod_on_cancel)
        self._runs.append(run)
        return run


class TaskRun:
    """One TaskRun on its way; a thread does what controller and kubelet would."""

    def __init__(
        self,
        runner: TaskRunner,
        spec: RunSpec,
        mode: Sidecars,
        timeout: float | None,
        retries: int,
        nop_has_shell: bool,
        controller_down: bool,
        keep_pod: bool,
    ) -> None:
        self.spec, self._runner, self._mode, self._retries = spec, runner, mode, retries
        self._nop_has_shell, self._keep_pod = nop_has_shell, keep_pod
        self._filled = filled(spec)
        self.pods: list[Pod] = []
        self._volumes: dict[str, Path] = {}
        self._reason: Reason | None = None
        self._force = False
        self._controller = threading.Event()
        if not controller_down:
            self._controller.set()
        self._pod_deleted = False
        self._results: dict[str, str] = {}
        self._error: BaseException | None = None
        self._done, self._settled = threading.Event(), threading.Event()
        self._new_pod()
        self._thread = threading.Thread(target=self._guarded, name=spec.name, daemon=True)
        self._thread.start()
        if timeout is not None:
            threading.Thread(target=self._watch_timeout, args=(timeout,), daemon=True).start()

    # --- what a user, or the cluster, does

    def wait(self, seconds: float = PATIENCE) -> Outcome:
        """Its outcome once its status is final; sidecars may still be ending. Raises TimeoutError."""
        return self._wait_for(self._done, seconds)

    def settle(self, seconds: float = PATIENCE) -> Outcome:
        """The same once nothing of its pods runs any more, but for what nobody stops."""
        return self._wait_for(self._settled, seconds)

    def cancel(self) -> None:
        """`spec.status: TaskRunCancelled`."""
        self._end(Reason.CANCELLED)

    def delete(self) -> None:
        """Delete the TaskRun, and its pod with it."""
        self._end(Reason.DELETED)

    def delete_pod(self, *, force: bool = False) -> None:
        """Delete the pod alone. By force Tekton finds none and makes another; otherwise the step has failed."""
        self._force = force
        self._pod_deleted = True
        self.pod.tell(FORCED_GRACE if force else GRACE)

    def kill_step(self) -> None:
        """`kill -9` of the running step's first process, or the kernel's for want of memory."""
        self.pod.kill_step()

    def controller_returns(self) -> None:
        """Tekton's controller is back and looks at the pod."""
        self._controller.set()

    def remove(self) -> None:
        """End everything of it at once."""
        self._controller.set()
        for pod in self.pods:
            pod.tell(0.0)
            pod.remove()

    # --- what a test looks at

    @property
    def pod(self) -> Pod:
        """The newest pod."""
        return self.pods[-1]

    @property
    def folder(self) -> Path:
        """Where the newest pod keeps everything."""
        return self._runner.folder / f"{self.spec.name}-{len(self.pods) - 1}"

    def volume(self, name: str) -> Path:
        """The directory of a volume of the newest pod."""
        return self._volumes[name]

    def step_runs(self, name: str, seconds: float = 30.0) -> bool:
        """Wait until a step runs; False when it does not come to that."""
        return wait_until(lambda: self.pod.step_running == name or self._done.is_set(), seconds) and (
            self.pod.step_running == name
        )

    # --- controller

    def _guarded(self) -> None:
        try:
            self._drive()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()
            self._settled.set()

    def _drive(self) -> None:
        while True:
            pod = self.pod
            pod.run_steps()
            if self._mode is Sidecars.NATIVE and not self._kept():
                pod.stop_sidecars()
            self._controller.wait()
            if self._pod_deleted and self._force and self._reason is None:
                pod.stop_sidecars()
                self._pod_deleted = self._force = False
                self._new_pod()
                continue
            failed = pod.failed or self._pod_deleted
            if failed and self._reason is None and len(self.pods) <= self._retries:
                self._new_pod()  # classic: nobody stops the failed attempt's sidecars
                continue
            break
        self._results = self._read_results()
        self._reason = self._reason or (Reason.FAILED if failed else Reason.SUCCEEDED)
        self._done.set()
        if self._mode is Sidecars.CLASSIC and not self._kept():
            pod.stop_sidecars(nop_has_shell=self._nop_has_shell and self._reason in (Reason.SUCCEEDED, Reason.FAILED))
        self._past_its_deadline(pod)

    def _past_its_deadline(self, pod: Pod) -> None:
        """A kept pod whose TaskRun timed out is ended by `activeDeadlineSeconds`, some seconds later."""
        if self._kept() and self._reason is Reason.TIMEOUT:
            time.sleep(DEADLINE_LAG)
            pod.tell()
            pod.stop_sidecars()

    def _kept(self) -> bool:
        return self._keep_pod and self._reason in (Reason.CANCELLED, Reason.TIMEOUT)

    def _end(self, reason: Reason) -> None:
        if self._done.is_set():
            return
        self._reason = reason
        if self._kept():
            self.pod.annotate("tekton.dev/cancel", "CANCEL")
            self.pod.kill_step()
        else:
            self.pod.tell()

    def _watch_timeout(self, seconds: float) -> None:
        if not self._done.wait(seconds):
            self._end(Reason.TIMEOUT)

    # --- pods

    def _new_pod(self) -> None:
        number, runner, spec = len(self.pods), self._runner, self.spec
        folder = runner.folder / f"{spec.name}-{number}"
        folder.mkdir(parents=True)
        for part in ("scripts", "results", "steps", "home"):
            (folder / part).mkdir()
            (folder / part).chmod(0o777)
        name = f"{spec.name}-pod" + (f"-retry{number}" if number else "")
        labels = {"tekton.dev/taskRun": spec.name}
        labels |= {"tekton.dev/pipelineRun": spec.pipeline_run} if spec.pipeline_run else {}
        runner.issuer.create_service_account(spec.namespace, spec.service_account)
        runner.issuer.create_pod(spec.namespace, name, spec.service_account)
        identity = PodIdentity(spec.namespace, name, spec.service_account, labels)
        (folder / "volumes").mkdir()
        volumes = Volumes(folder / "volumes", identity, runner.issuer, runner.config_maps)
        self._volumes = {one["name"]: volumes.make(one) for one in self._filled.get("volumes", [])}
        run = replace(spec, workspaces=self._workspaces(folder))
        steps = step_plans(self._filled, run, folder, self._volumes, runner.images)
        sidecars = sidecar_plans(self._filled, run, folder, self._volumes, runner.images)
        self.pods.append(Pod(folder, volumes, steps, sidecars, self._mode))
        self.pod.start_sidecars()

    def _workspaces(self, folder: Path) -> dict[str, Path]:
        """A read-only workspace is copied, so that the containers' user can read it and its owner keeps his modes."""
        read_only = {one["name"] for one in self._filled.get("workspaces", []) if one.get("readOnly")}
        found = {}
        for name, path in self.spec.workspaces.items():
            if name in read_only:
                target = Path(tempfile.mkdtemp(dir=folder)) / "copy"
                shutil.copytree(path, target, symlinks=True)
                path = target
            for_containers(path, writable=name not in read_only)
            found[name] = path
        return found

    def _read_results(self) -> dict[str, str]:
        declared = [one["name"] for one in self._filled.get("results", [])]
        found = {name: self.folder / "results" / name for name in declared}
        values = {name: path.read_text() for name, path in found.items() if path.is_file()}
        if sum(map(len, values.values())) > _RESULT:
            raise TaskError(f"{self.spec.name}: results are too long (expected at most {_RESULT} bytes together)")
        return values

    def _wait_for(self, event: threading.Event, seconds: float) -> Outcome:
        if not event.wait(seconds):
            raise TimeoutError(
                f"{self.spec.name}: still running after {seconds:.0f} s, in step {self.pod.step_running}"
            )
        if self._error is not None:
            raise self._error
        assert self._reason is not None  # noqa: S101 - set before the event is
        said: dict[str, str] = {}
        for pod in self.pods:
            for name, text in pod.sidecar_output().items():
                said[name] = "\n".join(filter(None, (said.get(name, ""), text)))
        steps = tuple(self.pod.outcomes)
        return Outcome(self.spec.name, self._reason, steps, self._results, said, len(self.pods))
