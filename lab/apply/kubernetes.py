"""Kubernetes objects: applied to an API server, or written as YAML where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.kubernetes import Kubernetes

Apply = Callable[[Mapping[str, Any]], None]


def to_server(kubernetes: Kubernetes) -> Apply:
    """Apply each object; its namespace must exist."""

    def apply(manifest: Mapping[str, Any]) -> None:
        kubernetes.apply(dict(manifest))

    return apply


def to_folder(folder: Path) -> Apply:
    """Write each object to `<kind>-<namespace>-<name>.yaml`, or without a namespace where it has none."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(manifest: Mapping[str, Any]) -> None:
        metadata = manifest["metadata"]
        parts = (manifest["kind"], metadata.get("namespace"), metadata["name"])
        name = "-".join(part for part in parts if part).lower()
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(dict(manifest), sort_keys=False))

    return write
