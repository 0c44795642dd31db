"""A pod as kubelet runs it: one container after the other, sidecars beside them, signals and grace at the end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lab.runner.container import Container, ContainerPlan
from lab.runner.outcome import StepOutcome
from lab.runner.volumes import Volumes

GRACE, FORCED_GRACE = 30.0, 1.8
"""Seconds between SIGTERM and SIGKILL; the second after `--force` (measured on a real cluster)."""
TICK = 0.02


class Sidecars(StrEnum):
    """How Tekton starts sidecars: beside the steps, or as init containers that stay (`enable-kubernetes-sidecar`)."""

    CLASSIC = "classic"
    NATIVE = "native"


@dataclass(frozen=True)
class StepPlan:
    """A step's container, and what Tekton's entrypoint does around it."""

    container: ContainerPlan
    timeout: float | None = None
    """Seconds until the first process, and it alone, is killed."""
    goes_on: bool = False
    """`onError: continue`."""


class Pod:
    """The containers of one attempt."""

    def __init__(
        self,
        folder: Path,
        volumes: Volumes,
        steps: Sequence[StepPlan],
        sidecars: Sequence[ContainerPlan],
        mode: Sidecars,
    ) -> None:
        self._folder, self._volumes, self._plans, self._sidecar_plans = folder, volumes, steps, sidecars
        self.mode = mode
        self.outcomes: list[StepOutcome] = []
        self._sidecars: dict[str, Container] = {}
        self._running: Container | None = None
        self._told: float | None = None
        self._lock = threading.Lock()
        self.failed = False

    # --- what happens in it

    def start_sidecars(self) -> None:
        """Start them; nothing waits until they are ready."""
        for plan in self._sidecar_plans:
            self._sidecars[plan.name] = Container(plan, self._folder)

    def run_steps(self) -> None:
        """Run the steps, one after the other, until one fails or the pod is told to end."""
        for plan in self._plans:
            name = plan.container.name
            if self.failed or self._told is not None:
                self.outcomes.append(StepOutcome(name, None, "", 0.0))
                continue
            code, seconds = self._run(plan)
            self.outcomes.append(StepOutcome(name, code, self._output(name), seconds))
            exit_code = self._folder / "steps" / f"step-{name}"
            exit_code.mkdir(parents=True, exist_ok=True)
            (exit_code / "exitCode").write_text(str(code))
            timed_out = plan.timeout is not None and seconds >= plan.timeout and code == 137
            self.failed = code != 0 and (timed_out or not plan.goes_on)

    def _run(self, plan: StepPlan) -> tuple[int, float]:
        with self._lock:
            if self._told is not None:
                return 2, 0.0  # an entrypoint that waits has no handler yet
            self._running = Container(plan.container, self._folder)
        step = self._running
        while (code := step.wait(TICK)) is None:
            self._restart_native()
            passed = time.monotonic() - step.started
            if plan.timeout is not None and passed > plan.timeout:
                step.signal(signal.SIGKILL, group=False)
            if self._told is not None and time.monotonic() > self._told:
                step.kill()
        self._running = None
        return code, time.monotonic() - step.started

    def _restart_native(self) -> None:
        if self.mode is Sidecars.NATIVE and self._told is None:
            for plan in self._sidecar_plans:
                if not self._sidecars[plan.name].running:
                    self._sidecars[plan.name].wait(0)
                    self._sidecars[plan.name] = Container(plan, self._folder)

    # --- what is done to it

    def tell(self, grace: float = GRACE) -> None:
        """SIGTERM to every container, as kubelet does when a pod is deleted; a step still running is killed later."""
        with self._lock:
            self._told = time.monotonic() + grace
            if self._running:
                self._running.signal(signal.SIGTERM, group=True)
        if self.mode is Sidecars.CLASSIC:
            self._signal_sidecars()

    def kill_step(self) -> None:
        """SIGKILL to the running step's first process: keep-pod-on-cancel, or somebody's `kill -9`."""
        if self._running:
            self._running.signal(signal.SIGKILL, group=False)

    def kill_sidecar(self, name: str) -> None:
        """SIGKILL to a sidecar."""
        self._sidecars[name].signal(signal.SIGKILL, group=False)

    def annotate(self, name: str, value: str) -> None:
        """A new annotation of the pod."""
        self._volumes.annotate(name, value)

    def stop_sidecars(self, *, nop_has_shell: bool = False) -> None:
        """SIGTERM, the grace that is left, SIGKILL. Classic: the nop image, which may run the script again."""
        left = GRACE if self._told is None else max(self._told - time.monotonic(), FORCED_GRACE)
        if self.mode is Sidecars.NATIVE or self._told is None:
            self._signal_sidecars()
        self._end_sidecars(left)
        if nop_has_shell:
            self.start_sidecars()
            self._end_sidecars(5.0)

    def remove(self) -> None:
        """Leave nothing of it."""
        for container in (*self._sidecars.values(), *([self._running] if self._running else [])):
            container.kill()
        self._volumes.remove()

    # --- what it looks like

    @property
    def sidecars_running(self) -> bool:
        """Whether any sidecar lives."""
        return any(one.running for one in self._sidecars.values())

    @property
    def step_running(self) -> str:
        """Name of the step that runs now; empty when none does."""
        running = self._running
        return running.name if running else ""

    def sidecar_output(self) -> dict[str, str]:
        """What each sidecar has said."""
        return {name: one.output for name, one in self._sidecars.items()}

    def pids(self) -> list[int]:
        """The first process of each container that runs."""
        found: list[Container | None] = [*self._sidecars.values(), self._running]
        return [one.process.pid for one in found if one and one.running]

    def _signal_sidecars(self) -> None:
        for one in self._sidecars.values():
            one.signal(signal.SIGTERM, group=False)

    def _end_sidecars(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for one in self._sidecars.values():
            if one.wait(max(0.0, end - time.monotonic())) is None:
                one.kill()

    def _output(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace").strip()


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Look again and again; False when it did not come true in that time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(TICK)
    return True
