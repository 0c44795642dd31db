"""What a run leaves, and whether a secret stands in it: plain, in base64, or in a URL."""

from __future__ import annotations

import base64
import json
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.kubernetes import client
from lab.runner import TaskRun

Places = Iterator[tuple[str, bytes]]
"""Where something was found, and what."""


def secrets_of(run: TaskRun) -> dict[str, str]:
    """The credentials of a run that holds its lease now."""
    lease = json.loads((run.volume("runlease-state") / "lease.json").read_text())
    token = (run.volume("runlease-token") / "token").read_text()
    password = (run.volume("runlease-lease") / "pgpass").read_text().strip().rsplit(":", 1)[1]
    assert lease["password"] == password
    # The first two parts of a JWT say who it is about; the third is what makes it a credential.
    return {"password": password, "service-account token": token.rpartition(".")[2], "Vault token": lease["token"]}


def leaks(secrets: Mapping[str, str], places: Places) -> list[str]:
    """Where a secret stands, as `<secret> in <place>`."""
    forms = {name: _forms(secret.encode()) for name, secret in secrets.items()}
    return [
        f"{name} in {where}" for where, text in places for name, every in forms.items() if any(f in text for f in every)
    ]


def _forms(secret: bytes) -> list[bytes]:
    """A secret as it may be written: base64 has three shapes, after where in a text it begins; their edges are cut."""
    encoded = [base64.b64encode(b"\0" * shift + secret)[4 if shift else 0 : -4] for shift in range(3)]
    return [secret, urllib.parse.quote(secret, safe="").encode(), secret.hex().encode(), *encoded]


def in_files(folder: Path) -> Places:
    """All files below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield f"file {path}", path.read_bytes()


def in_memory(run: TaskRun) -> Places:
    """The volumes that guard and steps write, which are in memory; the token's is kubelet's."""
    for name in ("runlease-lease", "runlease-state"):
        yield from in_files(run.volume(name))


def in_logs(folder: Path, audit_log: Path) -> Places:
    """The servers' own logs, and OpenBao's audit log."""
    for path in [*sorted(folder.glob("*.log")), audit_log]:
        yield f"log {path.name}", path.read_bytes()


def in_objects(kubeconfig: Path, namespace: str) -> Places:
    """Every object of a namespace, of every kind that the API server can list."""
    api = client(kubeconfig)
    groups = [one["preferredVersion"]["groupVersion"] for one in api.request("GET", "/apis")["groups"]]
    for root in ["/api/v1", *(f"/apis/{group}" for group in groups)]:
        for kind in api.request("GET", root)["resources"]:
            if kind["namespaced"] and "list" in kind.get("verbs", []):
                listed = api.request("GET", f"{root}/namespaces/{namespace}/{kind['name']}")
                yield f"objects {kind['name']}", json.dumps(listed).encode()


class Processes:
    """Looks at the arguments and the environment of every process of this machine, again and again."""

    def __init__(self) -> None:
        self._seen: dict[bytes, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def places(self) -> Places:
        """What was seen so far."""
        for text, where in list(self._seen.items()):
            yield where, text

    def _look_on(self) -> None:
        while not self._over.wait(0.05):
            for process in Path("/proc").glob("[0-9]*"):
                for kind, name in (("arguments", "cmdline"), ("environment", "environ")):
                    try:
                        self._seen.setdefault((process / name).read_bytes(), f"{kind} of a process")
                    except OSError:
                        continue
