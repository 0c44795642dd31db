"""A pod's volumes on this machine. What is in memory on a node is in memory here, and gone with the pod."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab import LabError
from lab.runner.node import Node, start_program
from lab.runner.task import Object, TaskError, refuse_unknown

_KINDS = {"name", "emptyDir", "persistentVolumeClaim", "projected", "configMap", "downwardAPI", "serviceAccountToken"}


class Volumes:
    """The volumes of one pod, by name. Raises TaskError for a kind that is not known here, and for a missing ConfigMap.

    A sandbox process holds the ones in memory, with their size limits. Where containers cannot have roots of their
    own they are folders, in /dev/shm if there is one, without a limit.
    """

    def __init__(self, pod: Object, node: Node) -> None:
        self._pod, self._node = pod, node
        self._named: dict[str, Object] = {one["name"]: one for one in pod["spec"]["volumes"]}
        self._memory = self._memory_folder()
        self._sandbox: subprocess.Popen[bytes] | None = None
        self.made = threading.Event()
        """Set once they are there."""
        for name, volume in self._named.items():
            self._check(volume, f"volume {name}")

    def make(self) -> None:
        """Make and fill them all."""
        for name in self._named:
            folder = self.inside(name)
            folder.mkdir(parents=True, exist_ok=True)
            if "persistentVolumeClaim" not in self._named[name]:
                folder.chmod(0o777)
        if self._node.isolated:
            self._hold_memory()
        for name, volume in self._named.items():
            for path, text in self._files(volume):
                _write(self.seen(name) / path, text)
        self.made.set()

    @property
    def sandbox(self) -> int:
        """The process whose mounts the containers begin with."""
        return self._sandbox.pid if self._sandbox else 0

    def inside(self, name: str) -> Path:
        """A volume's folder, as the pod's processes are given it."""
        volume = self._named[name]
        if claim := volume.get("persistentVolumeClaim"):
            return self._node.claims[claim["claimName"]]
        return (self._memory if _in_memory(volume) else self._node.folder / "volumes") / name

    def seen(self, name: str) -> Path:
        """A volume's folder as this process sees it, while the pod lives."""
        inside = self.inside(name)
        return Path(f"/proc/{self.sandbox}/root{inside}") if self._sandbox else inside

    def refresh(self) -> None:
        """Write the downward API's files again, as kubelet does when an annotation changes."""
        for name, volume in self._named.items():
            if "downwardAPI" in volume:
                for path, text in self._files(volume):
                    _write(self.seen(name) / path, text)

    def close(self) -> None:
        """Give up what is in memory."""
        if self._sandbox:
            self._sandbox.kill()
            self._sandbox.wait()
        elif self._memory.exists():
            shutil.rmtree(self._memory)

    def _memory_folder(self) -> Path:
        shared = Path("/dev/shm")  # noqa: S108 - memory is wanted
        if self._node.isolated or not shared.is_dir():
            return self._node.folder / "memory"
        return Path(tempfile.mkdtemp(prefix="runlease-lab-", dir=shared))

    def _hold_memory(self) -> None:
        volumes = [
            (str(self.inside(name)), _bytes(volume.get("emptyDir", {}).get("sizeLimit")))
            for name, volume in self._named.items()
            if _in_memory(volume)
        ]
        log = self._node.folder / "sandbox.log"
        sandbox = start_program(self._node.folder, "sandbox", {"hold": volumes}, log)
        while "ready" not in log.read_text():
            if sandbox.poll() is not None:
                raise LabError(f"sandbox: ended before it was ready: {log.read_text()}")
            time.sleep(0.005)
        self._sandbox = sandbox

    def _check(self, source: Object, where: str) -> None:
        refuse_unknown(source, _KINDS, where)
        for one in source.get("projected", {}).get("sources", []):
            self._check(one, where)
        config_map = source.get("configMap", {"optional": True})
        if not config_map.get("optional") and config_map["name"] not in self._node.config_maps:
            raise TaskError(
                f"{where}: no ConfigMap (got {config_map['name']}, expected one of {sorted(self._node.config_maps)}). "
                "Fix: give the runner one; a pod would wait for it"
            )
        for item in source.get("downwardAPI", {}).get("items", []):
            field(self._pod, item["fieldRef"]["fieldPath"])

    def _files(self, source: Object) -> Iterator[tuple[str, str]]:
        """What kubelet writes into a volume of this source: path and text."""
        for one in source.get("projected", {}).get("sources", []):
            yield from self._files(one)
        if token := source.get("serviceAccountToken"):
            yield token["path"], self._node.token(token["audience"], token.get("expirationSeconds", 3600))
        if config_map := source.get("configMap"):
            data = self._node.config_maps.get(config_map["name"], {})
            paths = {item["key"]: item["path"] for item in config_map.get("items", [])} or {key: key for key in data}
            yield from ((path, data[key]) for key, path in paths.items())
        for item in source.get("downwardAPI", {}).get("items", []):
            yield item["path"], field(self._pod, item["fieldRef"]["fieldPath"])


def field(pod: Object, path: str) -> str:
    """What the downward API says of a pod. Raises TaskError for a path that this runner does not know."""
    found = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    metadata: Object = pod["metadata"]
    if found:
        return str(metadata.get(found[1], {}).get(found[2], ""))
    plain: dict[str, Any] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata.get("uid", ""),
        "spec.serviceAccountName": pod["spec"]["serviceAccountName"],
    }
    if path not in plain:
        raise TaskError(f"fieldPath: unknown to this runner (got {path}, expected {', '.join(plain)} or a label)")
    return str(plain[path])


def _in_memory(volume: Object) -> bool:
    return volume.get("emptyDir", {}).get("medium") == "Memory" or "projected" in volume


def _bytes(limit: str | None) -> str:
    """Kubernetes' quantity in the words of Linux's tmpfs: 1Mi is 1m."""
    return limit.removesuffix("i").lower() if limit else ""


def _write(path: Path, text: str) -> None:
    """A file that appears whole, readable by all, as kubelet's are."""
    draft = path.with_name(f"..{path.name}")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.rename(path)
