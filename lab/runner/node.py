"""This machine as a node: whether containers can have roots of their own here, and what stands for images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
USER = 65532
"""Who containers run as unless the Task says so, and who may use workspaces."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LAYERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", sys.base_prefix)
"""What a container sees of this machine, read-only: programs and their settings. No /home, /root, /var or /tmp."""


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
    """Where these programs live, when it is not below one of LAYERS."""
    environment: Mapping[str, str] | None = None
    """Its ENV."""


@dataclass(frozen=True)
class Node:
    """Where a pod runs, and what it may refer to."""

    folder: Path
    """Of this pod alone; it is made."""
    token: Callable[[str, int], str]
    """Signs a token of the pod's account: audience, seconds."""
    config_maps: Mapping[str, Mapping[str, str]]
    claims: Mapping[str, Path]
    """The folder that stands for each PersistentVolumeClaim."""
    images: Mapping[str, Image]
    grace: float = 30
    """Seconds between SIGTERM and SIGKILL; Tekton leaves Kubernetes' 30."""

    @property
    def isolated(self) -> bool:
        """Whether containers have roots of their own here."""
        return not why_not_isolated()

    def image(self, name: str) -> Image:
        """What stands for an image."""
        return self.images.get(name, Image())

    def environment(self, image: Image) -> dict[str, str]:
        """What an image sets by itself."""
        machine = PATH if self.isolated else os.environ.get("PATH", PATH)
        return {
            "PATH": ":".join((*image.path, machine, f"{sys.base_prefix}/bin")),
            "HOME": "/",
            **(image.environment or {}),
        }


@cache
def why_not_isolated() -> str:
    """Why containers cannot have roots of their own here; empty when they can. Tried once, by making one."""
    if os.geteuid() != 0:
        return "it needs root"
    with tempfile.TemporaryDirectory(prefix="runlease-lab-") as folder:
        root = Path(folder, "root")
        root.mkdir()
        spec: dict[str, Any] = {
            "isolated": True, "sandbox": os.getpid(), "root": str(root), "layers": LAYERS, "mounts": [],
            "read_only_root": True, "user": [USER, USER], "working_dir": "/", "env": {"PATH": PATH},
            "entrypoint": "", "command": ["true"],
        }  # fmt: skip
        process = start_program(Path(folder), "trial", spec, Path(folder, "trial.log"))
        return "" if process.wait() == 0 else Path(folder, "trial.log").read_text().strip()


def start_program(folder: Path, name: str, spec: dict[str, Any], log: Path) -> subprocess.Popen[bytes]:
    """Start `lab.container` on a spec; it dies with this thread."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**spec, "parent": os.getpid()}))
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-E", "-s", "-S", "-m", "lab.container", str(path)],
            cwd=REPOSITORY,
            env={"PATH": PATH},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
