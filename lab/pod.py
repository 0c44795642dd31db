"""A Task's own guard and steps as processes, in the directories that Tekton would mount. Nothing is rewritten."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import LabError
from lab.folders import private_folder, write_private
from lab.processes import Processes, Server
from runlease.provision.tekton import read_task

_SHARED = "/runlease/lease"
"""Where the Task mounts the volume that guard and steps share; a process gets another directory in its place."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended."""

    name: str
    code: int
    output: str
    seconds: float


class TaskPod:
    """One run of a Task: the guard holds token and lease, the steps see the shared directory alone."""

    def __init__(
        self,
        folder: Path,
        processes: Processes,
        config: Mapping[str, str],
        token: str,
        lease: str,
        task: str = "postgres-migrate",
    ) -> None:
        self._task: Mapping[str, Any] = read_task(task)
        self._processes, self._lease, self._folder = processes, lease, private_folder(folder)
        self.shared = private_folder(folder / "shared")
        self._state = private_folder(folder / "state")
        self._config = private_folder(folder / "config")
        for name, text in config.items():
            (self._config / name).write_text(text)
        self._pod = private_folder(folder / "pod")
        self._token = write_private(folder / "token", token)
        self._guard: Server | None = None

    @property
    def guard_log(self) -> str:
        """What the guard has said."""
        return self._guard.log.read_text() if self._guard else ""

    def start_guard(self) -> None:
        """Start the Task's sidecar."""
        script = self._folder / "guard.py"
        script.write_text(self._task["spec"]["sidecars"][0]["script"])
        environment = {
            "RUNLEASE_LEASE": self._lease,
            "RUNLEASE_CONFIG": str(self._config),
            "RUNLEASE_TOKEN": str(self._token),
            "RUNLEASE_SHARED": str(self.shared),
            "RUNLEASE_STATE": str(self._state),
            "RUNLEASE_POD": str(self._pod),
        }
        name = f"guard-{self._folder.name}"
        self._guard = self._processes.start(
            name, [sys.executable, "-I", str(script)], environment=environment, stop_signal=signal.SIGTERM
        )

    def stop_guard(self) -> None:
        """SIGTERM, as Tekton sends it on nearly every ending."""
        if self._guard:
            self._processes.stop(self._guard)

    def step(self, name: str, *more: str) -> StepResult:
        """Run one step of the Task to its end; `more` stands for the arguments that Tekton would fill in."""
        step = next(one for one in self._task["spec"]["steps"] if one["name"] == name)
        script = self._folder / f"{name}.sh"
        script.write_text(step["script"])
        fixed = [str(self.shared) if one == _SHARED else one for one in step["args"] if "$(" not in one]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        started = time.monotonic()
        done = subprocess.run(
            [_sh(), str(script), *fixed, *more],
            env=environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return StepResult(name, done.returncode, done.stdout.strip(), time.monotonic() - started)

    def migrate(self, directory: Path, *command: str) -> StepResult:
        """Run the step `migrate` on a directory of SQL files, or with a command of the user's own."""
        results = (str(self._folder / name) for name in ("applied", "pending"))
        return self.step("migrate", *results, "apply", str(directory), ".", *command)

    def seed(self, directory: Path) -> StepResult:
        """Run the step `seed` of `postgres-seed` on a directory of CSV and SQL files."""
        results = (str(self._folder / name) for name in ("changed", "rows"))
        return self.step("seed", *results, str(directory), ".")


def _sh() -> str:
    for program in ("sh", "psql"):
        if shutil.which(program) is None:
            raise LabError(f"lab.pod: no {program} on PATH. Fix: apt-get install postgresql-client")
    return str(shutil.which("sh"))
