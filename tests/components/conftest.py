"""Settings that use everything there is, and what a stack with them registers; each stack is run once a session."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.components.monitor import Program, deployed

Settings = dict[str, Any]
Edit = Callable[[Settings], object]

RICH: Settings = {
    "installation": "shop-prod",
    "vault": {"address": "https://vault.internal:8200", "ca": "ca.pem", "namespace": "platform"},
    "cluster": {"issuer": "https://oidc.internal", "jwks": "static", "public_keys": ["issuer.pem"]},
    "databases": {
        "shop": {
            "server": "self_managed",
            "host": "db.internal",
            "dbname": "shop",
            "ca": "ca.pem",
            "public": "revoke",
            "connect": ["shop_app", "shop_jobs"],
            "close": ["postgres", "legacy"],
            "owner": "shop_owner",
            "schemas": ["app", "audit"],
            "extensions": ["citext", "uuid-ossp"],
            "profiles": {
                "reader": {"members": ["bi_tool", "ana"]},
                "seeder": {"tables": ["app.orders", "app.items"]},
                "migrator": {"members": ["ana"]},
                "verifier": {},
                "sandbox": {"connections": 2},
            },
        },
        "store": {
            "server": "managed",
            "host": "store.rds.internal",
            "dbname": "store",
            "ca": "ca.pem",
            "vault_ca": "/etc/vault/rds.pem",
            "admin": "dba",
            "create": ["database", "owner", "schemas"],
            "owner": "store_owner",
            "schemas": ["app"],
            "profiles": {"reader": {}, "seeder": {}, "migrator": {}},
        },
    },
    "leases": {
        "shop-migrator": {"database": "shop", "profile": "migrator", "ttl": "15m", "max_ttl": "30m"},
        "shop-seeder": {"database": "shop", "profile": "seeder", "ttl": "10m", "max_ttl": "10m"},
        "shop-verifier": {"database": "shop", "profile": "verifier", "ttl": "5m", "max_ttl": "5m"},
        "shop-sandbox": {"database": "shop", "profile": "sandbox", "ttl": "10m", "max_ttl": "10m"},
        "store-migrator": {"database": "store", "profile": "migrator", "ttl": "15m", "max_ttl": "30m"},
        "store-reader": {"database": "store", "profile": "reader", "ttl": "5m", "max_ttl": "5m"},
    },
    "pipelines": {
        "shop-release": {
            "namespace": "ci",
            "tasks": {"migrate": "shop-migrator", "seed": "shop-seeder", "verify": "shop-verifier"},
        },
        "store-release": {"namespace": "store-ci", "tasks": {"migrate": "store-migrator", "check": "store-reader"}},
    },
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the paths of the settings begin."""
    made = tmp_path_factory.mktemp("stack")
    (made / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (made / "issuer.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    return made


@pytest.fixture
def settings() -> Settings:
    """The rich settings, to be changed."""
    return deepcopy(RICH)


@pytest.fixture(scope="session")
def rich(folder: Path) -> Program:
    """What a stack with the rich settings registers."""
    return deployed(RICH, folder)


@pytest.fixture(scope="session")
def with_(folder: Path) -> Callable[[Edit], Program]:
    """What a stack with changed settings registers."""

    def changed(edit: Edit) -> Program:
        settings = deepcopy(RICH)
        edit(settings)
        return deployed(settings, folder)

    return changed
