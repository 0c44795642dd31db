"""TaskRuns as Tekton's controller drives them: pods, retries, cancel, timeout, deletion, and who is told to stop."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.issuer import TokenIssuer
from lab.runner.endings import Ending, Fate, consequence
from lab.runner.node import Image, Node
from lab.runner.outcome import Outcome, Reason, failure, mistyped, results_of, sidecars_of, steps_of
from lab.runner.pod import LEFT_TO_SIDECARS, TICK, Pod, wait_until
from lab.runner.pod_manifest import CANCEL, READY, make_pod
from lab.runner.run_spec import RunSpec
from lab.runner.workspaces import claims

PATIENCE = 300.0


@dataclass(frozen=True)
class Cluster:
    """Where a TaskRun runs, and how Tekton is set up there."""

    folder: Path
    """Where pods keep their files."""
    issuer: TokenIssuer
    """Signs their tokens, and keeps their objects if it is an API server."""
    config_maps: Mapping[str, Mapping[str, str]]
    images: Mapping[str, Image] = field(default_factory=dict)
    """What an image brings beside this machine's programs."""
    keep_pod_on_cancel: bool = False
    nop_has_shell: bool = False
    """Whether the nop image can run a sidecar's script, which then starts a second time."""
    reconcile: float = 0.1
    """Seconds until Tekton's controller acts on the end of the steps; measured: 1.8 to 2.7."""
    grace: float = 30
    """Seconds between SIGTERM and SIGKILL; Tekton leaves Kubernetes' 30."""


class TaskRun:
    """One TaskRun on its way: a thread does what controller and kubelet would, and what is asked of it."""

    def __init__(self, spec: RunSpec, cluster: Cluster, retries: int, *, controller: bool) -> None:
        self.spec, self._cluster, self._retries = spec, cluster, retries
        self.pods: list[Pod] = []
        self._controller, self._removed = controller, False
        self._asked: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._attempt = 0
        self._started = time.monotonic()
        self._condition: tuple[Reason, str, float] | None = None
        """Reason, message, and when."""
        self._error: BaseException | None = None
        self._done, self._settled = threading.Event(), threading.Event()
        self._new_pod()
        self._thread = threading.Thread(target=self._guarded, name=spec.name, daemon=True)
        self._thread.start()

    # --- what a user, or the cluster, does

    def wait(self, seconds: float = PATIENCE) -> Outcome:
        """Its outcome once its status is final; containers may still be ending. Raises TimeoutError."""
        return self._wait_for(self._done, seconds)

    def settle(self, seconds: float = PATIENCE) -> Outcome:
        """The same once nothing of its pods runs any more, but for what nobody stops."""
        return self._wait_for(self._settled, seconds)

    def cancel(self) -> None:
        """`spec.status: TaskRunCancelled`."""
        self._asked.put(lambda: self._end(Ending.CANCELLED))

    def delete(self) -> None:
        """Delete the TaskRun, and its pod with it."""
        self._asked.put(lambda: self._end(Ending.DELETED))

    def delete_pod(self, *, force: bool = False) -> None:
        """Delete the pod alone. By force Tekton finds none and makes another; otherwise the step has failed."""
        self._asked.put((lambda: self._end(Ending.POD_DELETED_BY_FORCE)) if force else (lambda: self.pod.terminate()))

    def kill_step(self) -> None:
        """`kill -9` of the running step's command, or the kernel's for want of memory."""
        self._asked.put(lambda: self.pod.kill_step())

    def controller_leaves(self) -> None:
        """Tekton's controller is down; kubelet goes on."""
        self._controller = False

    def controller_returns(self) -> None:
        """Tekton's controller is back and looks at the pod."""
        self._controller = True

    def remove(self) -> None:
        """End everything of it at once."""
        self._removed = True
        self._thread.join()

    # --- what a test looks at

    @property
    def pod(self) -> Pod:
        """The newest pod."""
        return self.pods[-1]

    @property
    def done(self) -> bool:
        """Whether its status is final."""
        return self._done.is_set()

    @property
    def folder(self) -> Path:
        """Where the newest pod keeps everything that is not in memory."""
        return self._cluster.folder / f"{self.spec.name}-{len(self.pods) - 1}"

    def volume(self, name: str) -> Path:
        """The directory of a volume of the newest pod, while the pod lives."""
        volumes = self.pod.volumes
        volumes.made.wait(PATIENCE)
        return volumes.seen(name)

    def step_runs(self, name: str, seconds: float = 30.0) -> bool:
        """Wait until a step runs; False when it does not come to that."""
        return wait_until(lambda: self.pod.step_running == name or self.done, seconds) and (
            self.pod.step_running == name
        )

    # --- controller

    def _guarded(self) -> None:
        # A container dies with the thread that has started it: this one stays as long as any runs.
        try:
            self._start_pod()
            while not self._removed and not (self._condition and all(pod.ended for pod in self.pods)):
                self._tick()
                time.sleep(TICK)
        except BaseException as error:
            self._error = error
        finally:
            for pod in self.pods:
                pod.remove()
            self._done.set()
            self._settled.set()

    def _tick(self) -> None:
        while not self._asked.empty():
            self._asked.get()()
        for pod in self.pods:
            pod.tick()
        if self._condition:
            self._done.set()
            if all(pod.at_rest for pod in self.pods):
                self._settled.set()
        elif self._controller:
            self._look()

    def _look(self) -> None:
        """What the controller does when it looks at a run that is not at its end."""
        pod, now = self.pod, time.monotonic()
        if now - pod.started >= self.spec.timeout:
            self._end(Ending.TIMED_OUT)
        elif pod.ended if pod.native else pod.steps_ended_for(self._cluster.reconcile):
            self._end(Ending.STEPS_FAILED if failure(pod) else Ending.STEPS_SUCCEEDED)

    def _end(self, ending: Ending) -> None:
        if self._condition:
            return
        pod, left = self.pod, self._retries - self._attempt
        keep = self._cluster.keep_pod_on_cancel
        what = consequence(ending, self.spec.sidecars, keep_pod=keep, retries_left=left)
        if not what.again:
            self._condition = (*self._verdict(ending, pod), time.monotonic() - self._started)
        self._decide(what.fate, pod)
        if what.again:
            self._attempt += ending is not Ending.POD_DELETED_BY_FORCE
            self._new_pod()
            self._start_pod()

    def _verdict(self, ending: Ending, pod: Pod) -> tuple[Reason, str]:
        name = self.spec.name
        if ending is Ending.CANCELLED:
            return Reason.CANCELLED, f'TaskRun "{name}" was cancelled'
        if ending is Ending.TIMED_OUT:
            return Reason.TIMEOUT, f'TaskRun "{name}" failed to finish within "{self.spec.timeout:g}s"'
        if ending is Ending.DELETED:
            return Reason.DELETED, ""
        wrong = mistyped(results_of(pod), self.spec.task["spec"])
        succeeded = (
            (Reason.RESULTS_INVALID, wrong) if wrong else (Reason.SUCCEEDED, "All Steps have completed executing")
        )
        return failure(pod) or succeeded

    def _decide(self, fate: Fate, pod: Pod) -> None:
        metadata = pod.manifest["metadata"]
        if fate is Fate.SWAPPED:
            pod.swap_sidecars(nop_has_shell=self._cluster.nop_has_shell)
        elif fate is Fate.ANNOTATED:
            pod.annotate(CANCEL, "CANCEL")
        elif fate in (Fate.DELETED, Fate.FORCED):
            pod.terminate(LEFT_TO_SIDECARS if fate is Fate.FORCED else None)
            self._cluster.issuer.remove_pod(metadata["namespace"], metadata["name"])

    # --- pods

    def _new_pod(self) -> None:
        cluster, spec = self._cluster, self.spec
        folder = cluster.folder / f"{spec.name}-{len(self.pods)}"
        manifest = make_pod(spec, self._attempt)
        metadata = manifest["metadata"]
        node = Node(
            folder=folder,
            token=lambda audience, seconds: cluster.issuer.token(
                spec.namespace, spec.service_account, audience, metadata["name"], seconds
            ),
            config_maps=cluster.config_maps,
            claims=claims(spec.task["spec"], spec.workspaces, folder / "workspaces"),
            images=cluster.images,
            grace=cluster.grace,
        )
        pod = Pod(manifest, node)
        cluster.issuer.create_service_account(spec.namespace, spec.service_account)
        metadata["uid"] = cluster.issuer.add_pod(manifest)
        self.pods.append(pod)

    def _start_pod(self) -> None:
        self.pod.start()
        # Sidecars without a probe are ready as soon as they run.
        self.pod.annotate(READY, "READY")

    def _wait_for(self, event: threading.Event, seconds: float) -> Outcome:
        if not event.wait(seconds):
            raise TimeoutError(
                f"{self.spec.name}: still running after {seconds:.0f} s, in step {self.pod.step_running}"
            )
        if self._error is not None:
            raise self._error
        if self._condition is None:
            raise TimeoutError(f"{self.spec.name}: the runner's block was left while it ran")
        reason, message, at = self._condition
        return Outcome(
            self.spec.name,
            reason,
            steps_of(self.pod),
            results_of(self.pod),
            sidecars_of(self.pods),
            len(self.pods),
            message,
            at,
        )
