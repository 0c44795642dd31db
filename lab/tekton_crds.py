"""Tekton's own custom resource definitions, for an API server that has no Tekton: objects are checked, none runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import yaml

from lab import LabError
from lab.kubernetes import Kubernetes

FOLDER = "RUNLEASE_TEKTON_CRDS"
"""Names their folder, with a `<kind>.yaml` for each; `conversion.strategy` is None there, as no webhook runs here."""


def find_crds() -> Path | None:
    """The folder that RUNLEASE_TEKTON_CRDS names, else `../shared/tekton-crds` beside the repository, or none."""
    named = os.environ.get(FOLDER)
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "tekton-crds"
    if named and not folder.is_dir():
        raise LabError(f"{FOLDER}: no such folder (got {named}). Fix: export {FOLDER}=<folder>")
    return folder if folder.is_dir() else None


def install_crds(kubernetes: Kubernetes, folder: Path, kinds: Iterable[str]) -> None:
    """Apply the definitions `<kind>.yaml` and wait until their objects can be made. Raises LabError when not."""
    definitions = [yaml.safe_load((folder / f"{kind}.yaml").read_text()) for kind in kinds]
    for definition in definitions:
        kubernetes.apply(definition)
    for spec in (definition["spec"] for definition in definitions):
        (stored,) = (version["name"] for version in spec["versions"] if version["storage"])
        kubernetes.wait_until_served(f"{spec['group']}/{stored}", spec["names"]["kind"])
