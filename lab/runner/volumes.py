"""A pod's volumes as directories: tokens, ConfigMaps, what the pod says of itself, and memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.issuer import TokenIssuer
from lab.runner.container import UID, isolated
from lab.runner.task import TaskError

MEMORY = "/dev/shm"  # noqa: S108 - private folders are made in it
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


@dataclass(frozen=True)
class PodIdentity:
    """Who a pod is: what its tokens are bound to, and what the downward API says."""

    namespace: str
    name: str
    service_account: str
    labels: Mapping[str, str]


class Volumes:
    """The volumes of one pod, made when it starts and gone with it."""

    def __init__(self, folder: Path, pod: PodIdentity, issuer: TokenIssuer, maps: Mapping[str, Mapping[str, str]]):
        self._folder, self._pod, self._issuer, self._maps = folder, pod, issuer, maps
        self._mounted: list[Path] = []
        self._annotations: dict[str, list[Path]] = {}

    def make(self, volume: Mapping[str, Any]) -> Path:
        """The directory that stands for a volume. Raises TaskError for a kind that is not known here."""
        path = self._folder / str(volume["name"])
        path.mkdir(mode=0o755)
        match next(iter(sorted(volume.keys() - {"name"})), "emptyDir"):
            case "emptyDir":
                return self._empty(path, volume.get("emptyDir") or {})
            case "configMap":
                self._config_map(path, volume["configMap"])
            case "downwardAPI":
                self._downward(path, volume["downwardAPI"]["items"])
            case "projected":
                for source in volume["projected"]["sources"]:
                    self._projected(path, source)
            case kind:
                raise TaskError(f"volume {volume['name']}: not known to this runner (got {kind}). Fix: use another")
        return path

    def annotate(self, name: str, value: str) -> None:
        """Let the downward API tell a new annotation, as kubelet does after a while."""
        for path in self._annotations.get(name, []):
            draft = path.with_name(f"..{path.name}")
            draft.write_text(value)
            draft.rename(path)

    def remove(self) -> None:
        """Give the memory back."""
        for path in reversed(self._mounted):
            subprocess.run(["umount", "--lazy", str(path)], check=False, capture_output=True)
        self._mounted.clear()

    def _empty(self, path: Path, settings: Mapping[str, Any]) -> Path:
        path.chmod(0o777)
        size = str(settings.get("sizeLimit", "64Mi"))
        if settings.get("medium") != "Memory":
            return path
        if not isolated():
            return Path(tempfile.mkdtemp(dir=MEMORY, prefix="runlease-runner-"))
        number = int(size[:-2]) * _UNITS[size[-2:]]
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={number},mode=1777", "none", str(path)], check=True)
        self._mounted.append(path)
        return path

    def _config_map(self, path: Path, source: Mapping[str, Any]) -> None:
        if source["name"] not in self._maps:
            raise TaskError(f"ConfigMap {source['name']}: not in the namespace (expected one of {sorted(self._maps)})")
        for name, text in self._maps[source["name"]].items():
            (path / name).write_text(text)

    def _downward(self, path: Path, items: list[Mapping[str, Any]]) -> None:
        for item in items:
            field = item["fieldRef"]["fieldPath"]
            kind, _, name = field.partition("['")
            name = name.removesuffix("']")
            file = path / item["path"]
            if kind == "metadata.annotations":
                self._annotations.setdefault(name, []).append(file)
            facts = {"metadata.name": self._pod.name, "metadata.namespace": self._pod.namespace}
            file.write_text(self._pod.labels.get(name, "") if kind == "metadata.labels" else facts.get(kind, ""))

    def _projected(self, path: Path, source: Mapping[str, Any]) -> None:
        for kind, settings in source.items():
            if kind == "configMap":
                self._config_map(path, settings)
            elif kind == "downwardAPI":
                self._downward(path, settings["items"])
            elif kind == "serviceAccountToken":
                pod, seconds = self._pod, settings.get("expirationSeconds", 3600)
                token = self._issuer.token(
                    pod.namespace, pod.service_account, settings.get("audience", self._issuer.issuer), pod.name, seconds
                )
                file = path / settings["path"]
                file.write_text(token)
                file.chmod(0o644)
            else:
                raise TaskError(f"projected {kind}: not known to this runner. Fix: use another source")


def for_containers(path: Path, *, writable: bool) -> None:
    """Let the containers' user read, or write, a workspace, as fsGroup does in a pod."""
    if not isolated():
        return
    with suppress(FileNotFoundError):
        for found in (path, *path.rglob("*")):
            if found.is_symlink():
                continue
            if writable:
                os.chown(found, UID, UID)
            found.chmod(found.stat().st_mode | (0o555 if found.is_dir() else 0o444))
