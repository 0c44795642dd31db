"""What a guard is given: its settings, its environment, a lease, and Vault's answers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import ModuleType
from typing import Any

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
        name="shop-migrator",
        lease_id="db/creds/shop-migrator/x",
        login="run_shop-migrator_x",
        password="pa:ss\\word",
        token="hvs.secret",
        pod="shop-pod",
        max_ttl=1800,
        issued=1000,
        expires=1900,
        renew_at=1600,
    )
    return whole._replace(**changes)


def jwt(claims: dict[str, Any]) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


def deploy(root: Path, **changes: Any) -> dict[str, str]:
    """Directories and settings of a guard below `root`; returns its environment."""
    for name in ("config", "shared", "state", "pod"):
        (root / name).mkdir()
    for name, document in {"vault": VAULT, "lease.shop-migrator": CONFIG, "database.shop": DATABASE, **changes}.items():
        (root / "config" / f"{name}.json").write_text(json.dumps(document))
    (root / "token").write_text(
        jwt({"sub": "system:serviceaccount:ci:migrate", "kubernetes.io": {"pod": {"name": "shop-pod"}}})
    )
    return {
        "RUNLEASE_LEASE": "shop-migrator",
        "RUNLEASE_CONFIG": str(root / "config"),
        "RUNLEASE_TOKEN": str(root / "token"),
        "RUNLEASE_SHARED": str(root / "shared"),
        "RUNLEASE_STATE": str(root / "state"),
        "RUNLEASE_POD": str(root / "pod"),
    }


class Answers:
    """Vault's answers by path; stands where `request` stands, so no server is needed."""

    def __init__(self, **refused: int) -> None:
        self.refused = refused
        self.asked: list[tuple[str, str, Any, str]] = []

    def __call__(self, vault: Any, method: str, path: str, body: Any, token: str, timeout: float) -> tuple[int, bytes]:
        self.asked.append((method, path, body, token))
        last = path.rsplit("/", 1)[1].replace("-", "_")
        if last in self.refused:
            return self.refused[last], json.dumps({"errors": [f"no: {token}"]}).encode()
        return 200, json.dumps(
            {
                "auth": {"client_token": "hvs.secret"},
                "lease_id": "db/creds/shop-migrator/x",
                "lease_duration": 900,
                "data": {"username": "run_shop-migrator_x", "password": "secret-password"},
            }
        ).encode()

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.asked]
