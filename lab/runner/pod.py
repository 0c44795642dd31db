"""A pod on this machine, as kubelet runs it: containers, their order, restarts, grace and end."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path

from lab.runner.container import Container, messages
from lab.runner.node import Node
from lab.runner.task import Object
from lab.runner.volumes import Volumes

LEFT_TO_SIDECARS = 1.8
"""Seconds that kubelet leaves to a pod deleted by force, and to native sidecars when the steps used up the grace."""
TICK = 0.02
"""Seconds between two looks."""
BACK_OFF = 10.0
"""Seconds before a native sidecar's second restart and each one after; the first is at once."""


class Pod:
    """A pod that was given to this node; `tick` does what is to be done now."""

    def __init__(self, manifest: Object, node: Node) -> None:
        self.manifest, self._node = manifest, node
        node.folder.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self._steps_ended = float("inf")
        self.volumes = Volumes(manifest, node)
        made = {one["name"]: Container(one, manifest, node, self.volumes) for one in _all(manifest)}
        self.steps = [one for name, one in made.items() if name.startswith("step-")]
        self.sidecars = [one for one in made.values() if one not in self.steps]
        self.native = any("restartPolicy" in one.manifest for one in self.sidecars)
        self._again: set[str] = set()
        self._grace: float | None = None
        self._until = float("inf")

    def start(self) -> None:
        """Make the volumes, do what Tekton's init containers do, start sidecars and steps."""
        self.started = time.monotonic()
        self.volumes.make()
        _place_tools(self.manifest, self.volumes)
        for container in [*self.sidecars, *self.steps]:
            container.start()
        self._until = time.monotonic() + self.manifest["spec"]["activeDeadlineSeconds"]

    @property
    def steps_ended(self) -> bool:
        """Whether every step has."""
        return all(one.code is not None for one in self.steps)

    def steps_ended_for(self, seconds: float) -> bool:
        """Whether every step has ended, so long ago."""
        return time.monotonic() >= self._steps_ended + seconds

    @property
    def ended(self) -> bool:
        """Whether every container has, for good."""
        return self.steps_ended and all(one.code is not None for one in self.sidecars) and not self._again

    @property
    def sidecars_running(self) -> bool:
        """Whether any sidecar lives."""
        return any(one.running for one in self.sidecars)

    @property
    def step_running(self) -> str:
        """Name of the step whose command runs now; empty when none does."""
        began = (one for one in self.steps if one.running and any(x["key"] == "StartedAt" for x in messages(one)))
        return next((one.name.removeprefix("step-") for one in began), "")

    def sidecar_output(self) -> dict[str, str]:
        """What each sidecar has said."""
        return {one.name.removeprefix("sidecar-"): one.output for one in self.sidecars}

    def pids(self) -> list[int]:
        """The first process of each container that runs, as this machine numbers it."""
        return [one.pid for one in [*self.sidecars, *self.steps] if one.pid]

    def kill_step(self) -> None:
        """SIGKILL to the running step's command, as when memory runs out."""
        for step in self.steps:
            step.kill_command()

    def kill_sidecar(self, name: str) -> None:
        """SIGKILL to a sidecar."""
        for sidecar in self.sidecars:
            if sidecar.name == f"sidecar-{name}":
                sidecar.kill()

    @property
    def at_rest(self) -> bool:
        """Whether nothing more happens to it by itself: it has ended, or a classic sidecar runs that nobody stops."""
        left = not self.native and self._grace is None and self.steps_ended and not self._again
        return self.ended or (
            left and all(one.told is None and one.starts == 1 for one in self.sidecars if one.running)
        )

    def annotate(self, name: str, value: str) -> None:
        """Set an annotation; the downward API's files follow at once."""
        self.manifest["metadata"]["annotations"][name] = value
        self.volumes.refresh()

    def swap_sidecars(self, *, nop_has_shell: bool) -> None:
        """Put the nop image into the place of running sidecars: SIGTERM, and what it is started with again."""
        for sidecar in self.sidecars:
            if sidecar.running:
                sidecar.stop(self._node.grace)
                if nop_has_shell:
                    self._again.add(sidecar.name)

    def terminate(self, grace: float | None = None) -> None:
        """Delete the pod: SIGTERM to all, to native sidecars only when the steps are gone; then SIGKILL."""
        if self._grace is None:
            self._again.clear()
            self._grace = self._node.grace if grace is None else grace
            self._until = time.monotonic() + self._grace

    def tick(self) -> None:
        """One look at everything."""
        for container in [*self.sidecars, *self.steps]:
            container.look()
        if self.steps_ended:
            self._steps_ended = min(self._steps_ended, time.monotonic())
        if self._grace is not None:
            self._end(self._grace)
        elif time.monotonic() >= self._until:
            self.terminate()
        elif self.native:
            self._keep_native_sidecars()
        else:
            self._start_swapped()

    def remove(self) -> None:
        """Kill what still runs, and give up the volumes."""
        for container in [*self.sidecars, *self.steps]:
            container.kill()
        while any(one.running for one in [*self.sidecars, *self.steps]):
            for container in [*self.sidecars, *self.steps]:
                container.look()
            time.sleep(0.005)
        self.volumes.close()

    def _end(self, grace: float) -> None:
        for step in self.steps:
            step.stop(grace)
        if not self.native or self.steps_ended:
            for sidecar in self.sidecars:
                left = self._until - time.monotonic() if self.native else grace
                sidecar.stop(max(left, LEFT_TO_SIDECARS))

    def _keep_native_sidecars(self) -> None:
        for sidecar in self.sidecars:
            if self.steps_ended:
                sidecar.stop(self._node.grace)
            elif sidecar.code is not None and time.time() >= sidecar.ended_at + (sidecar.starts > 1) * BACK_OFF:
                sidecar.start()

    def _start_swapped(self) -> None:
        for sidecar in self.sidecars:
            if sidecar.name in self._again and sidecar.code is not None:
                self._again.discard(sidecar.name)
                sidecar.start()


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Look again and again; False when it did not come true in that time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(TICK)
    return True


def _all(manifest: Object) -> list[Object]:
    stays = [one for one in manifest["spec"]["initContainers"] if one.get("restartPolicy") == "Always"]
    return [*stays, *manifest["spec"]["containers"]]


def _place_tools(manifest: Object, volumes: Volumes) -> None:
    """What Tekton's init containers `prepare` and `place-scripts` do."""
    for init in manifest["spec"]["initContainers"]:
        if init["name"] == "prepare":
            for number, step in enumerate(init["command"][4:]):
                run = f"/tekton/run/{number}" if volumes.sandbox else volumes.inside(f"tekton-internal-run-{number}")
                (volumes.seen("tekton-internal-steps") / step).symlink_to(f"{run}/status")
        if init["name"] == "place-scripts":
            for path, text in re.findall(r'^scriptfile="(.+)"$(?:.*\n){3}(\S+)\n', init["args"][1], re.MULTILINE):
                script = volumes.seen("tekton-internal-scripts") / Path(path).name
                script.write_bytes(base64.b64decode(text))
                script.chmod(0o755)
