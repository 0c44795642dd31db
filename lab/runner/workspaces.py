"""What stands for the volumes behind a TaskRun's workspaces."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.runner.node import USER, why_not_isolated


def claims(spec: Mapping[str, Any], workspaces: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """A folder for each workspace that is bound, which the containers' user may use as `fsGroup` lets it in a pod.

    One that the Task only reads is copied below `folder`, so that its owner keeps his modes.
    """
    read_only = {one["name"] for one in spec.get("workspaces", []) if one.get("readOnly")}
    found = {}
    for name, path in workspaces.items():
        if name in read_only:
            path = shutil.copytree(path, folder / name, symlinks=True)
        if not why_not_isolated():
            _give(path, writable=name not in read_only)
        found[name] = path
    return found


def _give(path: Path, *, writable: bool) -> None:
    with suppress(FileNotFoundError):
        for found in (path, *path.rglob("*")):
            if found.is_symlink():
                continue
            if writable:
                os.chown(found, USER, USER)
            found.chmod(found.stat().st_mode | (0o555 if found.is_dir() else 0o444))
