"""The guard alone, as a process: what it is given, what becomes of it, and what it has left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from lab.folders import private_folder, write_private
from tests.live.deployment import NAMESPACE, Deployment

GUARD = Path(__file__).resolve().parents[2] / "tekton" / "guard" / "guard.py"
PYTHON = [str(Path(sys.base_prefix) / "bin" / "python3"), "-I", "-S"]
CREDENTIAL = {"ready", "pgpass", "pg_service.conf"}
PATIENCE = 60.0
"""Seconds after which a test stops waiting."""

Config = dict[str, dict[str, Any]]
"""The files of an installation's ConfigMap, without `.json`."""


def wait_until(true: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)


def config_of(site: Deployment, lab_folder: Path, **changes: Mapping[str, Any]) -> Config:
    """The installation's ConfigMap; `vault={"address": …}` changes vault.json, `lease={…}` every lease."""
    path = (
        lab_folder / f"deployment-{site.installation}/rendered/configmap-{NAMESPACE}-runlease-{site.installation}.yaml"
    )
    found = {
        name.removesuffix(".json"): json.loads(text) for name, text in yaml.safe_load(path.read_text())["data"].items()
    }
    return {name: {**document, **changes.get(name.split(".")[0], {})} for name, document in found.items()}


@dataclass
class Guard:
    """A guard's directories, and its process while there is one. `view` is where its mounts are seen from outside."""

    folder: Path
    lease: str
    process: subprocess.Popen[bytes] | None = None
    view: str = ""

    @classmethod
    def placed(cls, folder: Path, config: Config, token: str, lease: str) -> Guard:
        """Directories as the Task mounts them; without a token, an empty one."""
        for name in ("config", "shared", "state", "pod"):
            private_folder(folder / name)
        for name, document in config.items():
            (folder / "config" / f"{name}.json").write_text(json.dumps(document))
        if token:
            write_private(folder / "token", token)
        return cls(folder, lease)

    @property
    def shared(self) -> Path:
        return Path(f"{self.view}{self.folder}/shared")

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        places = {"CONFIG": "config", "TOKEN": "token", "SHARED": "shared", "STATE": "state", "POD": "pod"}
        return {"RUNLEASE_LEASE": self.lease} | {f"RUNLEASE_{key}": f"{self.folder}/{at}" for key, at in places.items()}

    def start(self, command: Sequence[str] = (*PYTHON, str(GUARD)), **environment: str) -> Guard:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment | environment, stdout=log, stderr=log)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        assert self.process
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """What a test does with a guard that is still there."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        self.kill()

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def until(self, name: str) -> str:
        """What the file says that the guard writes for the steps; waits for it."""
        path = self.shared / name

        def there() -> bool:
            assert self.process
            assert self.process.poll() is None or path.exists(), f"the guard is gone: {self.log}"
            return path.exists()

        wait_until(there, f"{name}; the guard's log:\n{self.log}")
        return path.read_text()

    def ready(self) -> Guard:
        """Waits until the steps may begin."""
        self.until("ready")
        return self

    @property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.shared / "lease.json").read_text()))

    @property
    def login(self) -> str:
        return str(self.facts["username"])

    @property
    def password(self) -> str:
        return (self.shared / "pgpass").read_text().strip().split(":", 4)[4]

    @property
    def kept(self) -> dict[str, Any]:
        """What the guard has kept for one that is started again."""
        return dict(json.loads((self.folder / "state" / "lease.json").read_text()))

    def evidence(self) -> dict[str, Any]:
        """The evidence; waits for it."""
        return dict(json.loads(self.until("revoked")))

    @contextmanager
    def step(self) -> Iterator[Callable[[str], None]]:
        """A step that holds the line; what it is given to say, it says there. It dies at the end of the block."""
        with (self.shared / "line").open("w") as line:

            def say(word: str) -> None:
                line.write(f"{word}\n")
                line.flush()

            say("check")
            yield say

    def left(self) -> set[str]:
        """The files that hold, or held, a secret."""
        found = {path.name for path in self.shared.iterdir()} & CREDENTIAL
        drafts = {path.name for path in self.folder.rglob(".*.draft")}
        kept = {path.name for path in (self.folder / "state").glob("lease.json")}
        return found | drafts | kept


class Place(Protocol):
    """Makes the directories of one more guard; what still runs at the end of the test is told to end, then killed."""

    def __call__(self, config: Config | None = None, token: str | None = None, lease: str = "reader") -> Guard: ...


def in_small_volume(folder: Path, size: str) -> list[str]:
    """The guard's command with a memory volume of that size in the place of its shared directory."""
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    mount = f'mount -t tmpfs -o size={size},mode=700 none "{folder}/shared" && exec "$@"'
    return [*alone, "sh", "-c", mount, "sh", *PYTHON, str(GUARD)]


def logins(site: Deployment) -> set[str]:
    """The site's leased logins that there are."""
    found = site.rows(
        "SELECT m.rolname::text FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member"
        " WHERE a.roleid = %s::regrole AND starts_with(m.rolname, 'run_')",
        site.own("login"),
    )
    return {name for (name,) in found}


def sessions(site: Deployment) -> int:
    """How many sessions leased logins have in the site's database; those whose login is gone count."""
    found = site.rows(
        "SELECT count(*) FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid"
        " WHERE a.datname = %s AND (r.oid IS NULL OR starts_with(r.rolname, 'run_'))",
        site.dbname,
    )
    return int(found[0][0])


def tokens(site: Deployment) -> set[str]:
    """The accessors of Vault's tokens."""
    bao = site.openbao
    return set(bao.request("LIST", "/auth/token/accessors", token=bao.root_token)["data"]["keys"])


def set_lease(site: Deployment, **settings: Any) -> None:
    """Change the lease `reader` behind the deployment's back."""
    site.openbao.request("POST", f"/{site.installation}-db/roles/reader", settings, site.openbao.root_token)


def set_login(site: Deployment, **settings: Any) -> None:
    """Change the JWT role of the reader's task."""
    bao, path = site.openbao, f"/auth/{site.installation}-jwt/role/{site.installation}.{NAMESPACE}.run-reader"
    bao.request("POST", path, {**bao.request("GET", path, token=bao.root_token)["data"], **settings}, bao.root_token)
