"""Settings that are right, ways to make them wrong, and what is said about it then."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from runlease.config import ConfigError, load

Edit = Callable[[dict[str, Any]], object]

PROD: dict[str, Any] = {
    "installation": "shop-prod",
    "vault": {"address": "https://vault.internal:8200"},
    "cluster": {"issuer": "https://oidc.internal"},
    "databases": {
        "shop": {
            "server": "self_managed",
            "host": "db.internal",
            "dbname": "shop",
            "ca": "ca.pem",
            "public": "revoke",
            "owner": "shop_owner",
            "schemas": ["app"],
            "profiles": {"reader": {"members": ["bi_tool"]}, "seeder": {}, "migrator": {}},
        }
    },
    "leases": {
        "shop-migrator": {"database": "shop", "profile": "migrator", "ttl": "15m", "max_ttl": "30m"},
        "shop-reader": {"database": "shop", "profile": "reader", "ttl": "5m", "max_ttl": "5m"},
    },
    "pipelines": {
        "shop-release": {"namespace": "ci", "tasks": {"migrate": "shop-migrator"}},
        "shop-check": {"namespace": "ci", "tasks": {"check": "shop-reader"}},
    },
}
SHOP = "access.databases.shop"


def settings_with(*edits: Edit) -> dict[str, Any]:
    settings = deepcopy(PROD)
    for edit in edits:
        edit(settings)
    return settings


def messages(*edits: Edit) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(settings_with(*edits))
    return raised.value.messages


def at(*path: str, is_: Any) -> Edit:
    """Set the value at a path."""

    def edit(settings: dict[str, Any]) -> None:
        section = settings
        for part in path[:-1]:
            section = section[part]
        section[path[-1]] = is_

    return edit


def shop(**values: Any) -> Edit:
    return lambda settings: settings["databases"]["shop"].update(values)


def lease(**values: Any) -> Edit:
    return lambda settings: settings["leases"]["shop-migrator"].update(values)


def pipeline(**values: Any) -> Edit:
    return lambda settings: settings["pipelines"]["shop-release"].update(values)


def cluster(**values: Any) -> Edit:
    return lambda settings: settings["cluster"].update(values)


def without(*path: str) -> Edit:
    def edit(settings: dict[str, Any]) -> None:
        section = settings
        for part in path[:-1]:
            section = section[part]
        del section[path[-1]]

    return edit


def second_database(key: str, **values: Any) -> Edit:
    def edit(settings: dict[str, Any]) -> None:
        other = {**deepcopy(settings["databases"]["shop"]), "dbname": "other", "owner": "other_owner", **values}
        settings["databases"][key] = other

    return edit
