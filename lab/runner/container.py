"""One container of a pod on this machine: its process, its signals, its output."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.runner.node import LAYERS, USER, Node, start_program
from lab.runner.pod_manifest import ENTRYPOINT
from lab.runner.task import Object
from lab.runner.volumes import Volumes, field


class Container:
    """One container: started, signalled, ended, and for a sidecar perhaps started again."""

    def __init__(self, manifest: Object, pod: Object, node: Node, volumes: Volumes) -> None:
        self.name: str = manifest["name"]
        self.manifest, self._pod, self._node, self._volumes = manifest, pod, node, volumes
        self.log = node.folder / f"{self.name.removeprefix('step-')}.log"
        self.log.touch(0o600)
        self.termination = node.folder / f"{self.name}.termination"
        self.termination.touch()
        self.code: int | None = None
        self.starts, self.ended_at = 0, 0.0
        """How often it was started; when it ended, in seconds since 1970."""
        self.told: float | None = None
        """When SIGTERM was sent, since the last start."""
        self.was_told = False
        """Whether it was ever sent."""
        self._image = node.image(manifest["image"])
        self._kill_at = float("inf")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self.code is None

    @property
    def output(self) -> str:
        """What it has said."""
        return self.log.read_text(errors="replace").strip()

    @property
    def pid(self) -> int:
        """The container's first process, as this machine numbers it; 0 before there is one."""
        return next(iter(_children(self._process.pid)), 0) if self._process and self.running else 0

    def start(self) -> None:
        """Start it, for the first time or again."""
        self.termination.write_text("")
        self.termination.chmod(0o666)
        self.code, self.told, self._kill_at = None, None, float("inf")
        self.starts += 1
        self._process = start_program(self._node.folder, self.name, self._spec(), self.log)

    def stop(self, grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace` seconds."""
        if self.running and self.told is None:
            self.told, self.was_told = time.monotonic(), True
            self._kill_at = self.told + grace
            self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process."""
        if self._process and self.running:
            self._process.send_signal(number)

    def kill_command(self) -> None:
        """SIGKILL to a step's own command, as when memory runs out; the entrypoint sees it."""
        for pid in _children(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        self.signal(signal.SIGKILL)

    def look(self) -> None:
        """See whether it has ended, and kill it when its time is over."""
        if not self._process or self.code is not None:
            return
        if time.monotonic() >= self._kill_at:
            self._process.kill()
        status = self._process.poll()
        if status is not None:
            self.code, self.ended_at = 128 - status if status < 0 else status, time.time()

    def _spec(self) -> Object:
        security = self.manifest.get("securityContext", {})
        user = security.get("runAsUser", USER)
        environment, mounts = self._environment(), self._mounts()
        command = [expanded(one, environment) for one in [*self.manifest["command"], *self.manifest.get("args", [])]]
        if command[0] == ENTRYPOINT:
            command[1:1] = ["-cancel_file", "/tekton/downward/cancel", "-results_folder", "/tekton/results"]
        spec: Object = {
            "isolated": self._node.isolated,
            "sandbox": self._volumes.sandbox,
            "root": str(_folder(self._node.folder / "root")),
            "layers": LAYERS,
            "mounts": mounts,
            "read_only_root": bool(security.get("readOnlyRootFilesystem")),
            "user": [user, security.get("runAsGroup", user)] if self._node.isolated else None,
            "working_dir": self.manifest.get("workingDir", "/"),
            "env": environment,
            "entrypoint": ENTRYPOINT,
            "command": command,
        }
        return spec if self._node.isolated else self._with_paths(spec, mounts)

    def _mounts(self) -> list[tuple[str, str, bool]]:
        """Source, target and whether it is read-only; what is mounted below another comes after it."""
        volumes = [
            (
                str(self._volumes.inside(one["name"]) / one.get("subPath", "")),
                one["mountPath"],
                one.get("readOnly", False),
            )
            for one in self.manifest.get("volumeMounts", [])
        ]
        image = [(str(one.source), one.target, not one.writable) for one in self._image.mounts]
        message = (str(self.termination), self.manifest.get("terminationMessagePath", "/dev/termination-log"), False)
        return sorted([*volumes, *image, message], key=lambda one: one[1])

    def _environment(self) -> dict[str, str]:
        found = self._node.environment(self._image)
        found["HOSTNAME"] = self._pod["metadata"]["name"]
        for one in self.manifest.get("env", []):
            found[one["name"]] = expanded(self._value(one), found)
        return found

    def _value(self, variable: Object) -> str:
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            return field(self._pod, source["fieldRef"]["fieldPath"])
        if "configMapKeyRef" in source:
            wanted = source["configMapKeyRef"]
            return self._node.config_maps[wanted["name"]][wanted["key"]]
        return str(variable.get("value", ""))

    def _with_paths(self, spec: Object, mounts: Sequence[tuple[str, str, bool]]) -> Object:
        """Without roots of their own: the paths of mounts in commands, environment and script become this machine's."""
        places = sorted(((path, folder) for folder, path, _ in mounts), key=lambda one: -len(one[0]))
        pattern = re.compile("|".join(rf"{re.escape(path)}(?![\w-])" for path, _ in places))
        by_path = dict(places)

        def placed(text: str) -> str:
            return pattern.sub(lambda found: by_path[found[0]], text)

        command = [one if one == ENTRYPOINT else placed(one) for one in spec["command"]]
        for script in command:
            if script.startswith(by_path.get("/tekton/scripts", "\0")):
                Path(script).write_text(placed(Path(script).read_text()))
        directory = placed(spec["working_dir"]) if spec["working_dir"] != "/" else str(self._node.folder)
        environment = {name: placed(value) if name != "PATH" else value for name, value in spec["env"].items()}
        return {**spec, "command": command, "env": environment, "working_dir": directory}


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Kubernetes' own variables: `$(NAME)` of the container's environment; `$$(NAME)` is no variable."""

    def value(found: re.Match[str]) -> str:
        if found[0].startswith("$$"):
            return found[0][1:]
        return environment.get(found[1], found[0])

    return re.sub(r"\$?\$\(([A-Za-z_.-][\w.-]*)\)", value, text)


def messages(container: Container) -> list[dict[str, Any]]:
    """A step's termination message; nothing while it is being written."""
    try:
        found: list[dict[str, Any]] = json.loads(container.termination.read_text() or "[]")
    except ValueError:
        return []
    return found


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] if pid else []
    return []


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path
