"""One container as a process: its script, its mounts, its output, its signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ENTER = Path(__file__).with_name("enter.sh")
UID = 65532
"""Who the processes are, as root; otherwise they are ourselves."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Mount:
    """A directory of this machine at a path of the container."""

    source: Path
    target: str
    writable: bool = True


@dataclass(frozen=True)
class Image:
    """What stands for an image: this machine's programs, and directories with more of them."""

    path: tuple[str, ...] = ()
    """Goes before PATH."""
    mounts: tuple[Mount, ...] = ()
    """Where these programs live, when it is not below /usr, /opt or /etc."""
    environment: Mapping[str, str] | None = None
    """Its ENV."""


@dataclass(frozen=True)
class ContainerPlan:
    """What a container is to be; everything is substituted already."""

    name: str
    command: tuple[str, ...]
    script: str
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...]
    workdir: str = "/"

    def rewritten(self) -> ContainerPlan:
        """The same with this machine's directories in the texts, where a process can have no mounts of its own."""
        swap = {mount.target: str(mount.source) for mount in self.mounts}

        def text(value: str) -> str:
            for target in sorted(swap, key=len, reverse=True):
                value = value.replace(target, swap[target])
            return value

        return ContainerPlan(
            self.name,
            tuple(map(text, self.command)),
            text(self.script),
            {name: text(value) for name, value in self.environment.items()},
            self.mounts,
            text(self.workdir),
        )


def isolated() -> bool:
    """Whether containers get roots of their own: as root, with `unshare` and `setpriv`."""
    return os.geteuid() == 0 and all(map(shutil.which, ("unshare", "setpriv", "chroot")))


class Container:
    """A running, or ended, container."""

    def __init__(self, plan: ContainerPlan, folder: Path) -> None:
        self.name, self.folder = plan.name, folder
        self.log = folder / f"{plan.name}.log"
        self.started = time.monotonic()
        root = folder / f"{plan.name}.root"
        root.mkdir(exist_ok=True)
        if isolated():
            # Tekton's init container writes the scripts; a script is run by the path that is in its first line.
            command = [*_enter(plan, root), *_command(plan, folder, "/tekton/scripts")]
            directory = Path("/")
        else:
            plan = plan.rewritten()
            command, directory = _command(plan, folder, str(folder / "scripts")), Path(plan.workdir)
            directory = directory if directory.is_dir() else folder
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=dict(plan.environment),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has said."""
        return self.log.read_text(errors="replace").strip()

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return self.process.poll() is None

    def wait(self, seconds: float | None) -> int | None:
        """Its exit code, or None when it has not ended in that time. What it leaves behind ends with it."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._kill_group()
        return code if code >= 0 else 128 - code

    def signal(self, number: signal.Signals, *, group: bool) -> None:
        """Send a signal to its first process; `group`: to all, as Tekton's entrypoint forwards it to a step."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        self._kill_group()
        self.process.wait()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def write_script(folder: Path, name: str, script: str) -> None:
    """Put a script where its container finds it; without `#!` it is Tekton's default, `sh -e`."""
    scripts = folder / "scripts"
    scripts.mkdir(exist_ok=True)
    path = scripts / name
    path.write_text(script if script.startswith("#!") else f"#!/bin/sh\nset -e\n{script}")
    path.chmod(0o755)


def _command(plan: ContainerPlan, folder: Path, scripts: str) -> list[str]:
    if not plan.script:
        return list(plan.command)
    write_script(folder, plan.name, plan.script)
    return [f"{scripts}/{plan.name}", *plan.command]


def _enter(plan: ContainerPlan, root: Path) -> list[str]:
    mounts = [
        word for mount in plan.mounts for word in (str(mount.source), mount.target, "rw" if mount.writable else "ro")
    ]
    unshare = ["unshare", "--mount", "--propagation", "private", "--"]
    return [*unshare, "sh", str(ENTER), str(root), str(UID), plan.workdir, *mounts, "--"]
