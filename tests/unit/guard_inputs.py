"""What a guard is given: its settings, its environment, a lease, and Vault's answers."""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GUARD = Path(__file__).resolve().parents[2] / "tekton" / "guard" / "guard.py"
DATABASE = {"host": "db.internal", "port": 5432, "dbname": "shop", "sslmode": "verify-full", "ca": "PEM"}
CONFIG = {
    "database": "shop",
    "creds_path": "db/creds/shop-migrator",
    "role": "shop_owner",
    "search_path": "app",
    "ttl": 900,
    "max_ttl": 1800,
}
VAULT = {
    "installation": "shop-prod",
    "address": "https://vault.internal:8200",
    "ca": "",
    "namespace": "",
    "jwt_mount": "shop-prod-jwt",
}


def lease(guard: ModuleType, **changes: Any) -> Any:
    """A lease issued at 1000 for 900 s, at most 1800 s."""
    whole = guard.Lease(
        lease_id="db/creds/shop-migrator/x",
        login="run_shop-migrator_x",
        password="pa:ss\\word",
        token="hvs.secret",
        pod="shop-pod",
        max_ttl=1800,
        issued=1000,
        renewed=1000,
        ttl=900,
    )
    return whole._replace(**changes)


def holding(guard: ModuleType, root: Path, **changes: Any) -> Any:
    """A guard in a new deployment below `root` that has taken that lease just now."""
    one = guard.Guard(deploy(root))
    one.keep(**lease(guard, issued=guard.clock(), renewed=guard.clock(), **changes)._asdict())
    return one


def jwt(claims: dict[str, Any]) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


def claims_of(namespace: str, account: str, pod: str) -> dict[str, Any]:
    """What Kubernetes says of a pod in its token."""
    return {"kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account}, "pod": {"name": pod}}}


def deploy(root: Path, **changes: Any) -> dict[str, str]:
    """Directories and settings of a guard below `root`; returns its environment."""
    for name in ("config", "shared", "state", "pod"):
        (root / name).mkdir()
    for name, document in {"vault": VAULT, "lease.shop-migrator": CONFIG, "database.shop": DATABASE, **changes}.items():
        (root / "config" / f"{name}.json").write_text(json.dumps(document))
    (root / "token").write_text(jwt(claims_of("ci", "migrate", "shop-pod")))
    return {
        "RUNLEASE_LEASE": "shop-migrator",
        "RUNLEASE_CONFIG": str(root / "config"),
        "RUNLEASE_TOKEN": str(root / "token"),
        "RUNLEASE_SHARED": str(root / "shared"),
        "RUNLEASE_STATE": str(root / "state"),
        "RUNLEASE_POD": str(root / "pod"),
    }


@dataclass(frozen=True)
class Asked:
    """One request, as Vault would have got it."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]

    @property
    def token(self) -> str:
        return self.headers.get("X-Vault-Token", "")


class Answers:
    """Vault's answers by path, in the place of http.client's connections: no server is needed.

    A status refuses what ends in that path, each time; an exception is raised once, after the request was sent.
    """

    def __init__(self, guard: ModuleType, monkeypatch: pytest.MonkeyPatch, **faults: int | Exception) -> None:
        self.faults, self.asked, self.hosts, self.token_ttl, self.lease_ttl = faults, list[Asked](), list[str](), 0, 900
        self.now = 1000.0
        monkeypatch.setattr(guard.http.client, "HTTPSConnection", self.connect)
        monkeypatch.setattr(guard, "clock", lambda: self.now)
        monkeypatch.setattr(guard.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def connect(self, host: str, timeout: float, context: ssl.SSLContext) -> Answers:
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        self.hosts.append(host)
        return self

    def request(self, method: str, url: str, body: str | None, headers: dict[str, str]) -> None:
        self.asked.append(Asked(method, url.removeprefix("/v1/"), json.loads(body) if body else None, headers))

    def getresponse(self) -> Answers:
        if isinstance(self._fault, Exception):
            raise self.faults.pop(self._last)  # type: ignore[misc]  # it is the exception just looked at
        return self

    @property
    def _last(self) -> str:
        return self.asked[-1].path.rsplit("/", 1)[1].replace("-", "_")

    @property
    def _fault(self) -> int | Exception | None:
        return self.faults.get(self._last)

    @property
    def status(self) -> int:
        return self._fault if isinstance(self._fault, int) else 200

    def read(self) -> bytes:
        if self._fault:
            return json.dumps({"errors": [f"no: {self.asked[-1].token}"]}).encode()
        return json.dumps(
            {
                "auth": {"client_token": "hvs.secret", "lease_duration": self.token_ttl},
                "lease_id": "db/creds/shop-migrator/x",
                "lease_duration": self.lease_ttl,
                "data": {"username": "run_shop-migrator_x", "password": "secret-password"},
            }
        ).encode()

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.asked]
