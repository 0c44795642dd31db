"""Facts about a server and a database that are ready, and what is found once they are changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runlease.config import DatabaseSettings
from runlease.readiness.database import judge
from runlease.readiness.findings import Finding
from runlease.readiness.live import LiveContent, LiveDatabase, LiveRole, LiveServer, LiveTable

SUPERUSER = LiveRole("postgres", can_login=True, superuser=True, admin_inherits=True, admin_becomes=True)
OWNER = LiveRole("shop_owner", admin_inherits=True, admin_becomes=True, admin_grants=True)
HEALTHY = LiveServer(
    version=180_004,
    admin="postgres",
    roles={"postgres": SUPERUSER, "shop_owner": OWNER},
    databases={"shop": LiveDatabase("shop", "postgres")},
    content=LiveContent({"app": "shop_owner"}, (LiveTable("app", "orders", "shop_owner"),)),
)
CLOUD = LiveRole("cloud", can_login=True, create_role=True, admin_inherits=True, admin_becomes=True)
MANAGED = replace(
    HEALTHY,
    admin="cloud",
    roles={"cloud": CLOUD, "shop_owner": OWNER, "postgres": LiveRole("postgres", superuser=True)},
    databases={"shop": LiveDatabase("shop", "cloud")},
)


def settings(**changed: Any) -> DatabaseSettings:
    given = {
        "server": "self_managed",
        "host": "db",
        "dbname": "shop",
        "ca": "ca.pem",
        "public": "revoke",
        "owner": "shop_owner",
        "schemas": ["app"],
        "profiles": {"reader": {}},
        **changed,
    }
    return DatabaseSettings.model_validate(given)


def managed(**changed: Any) -> DatabaseSettings:
    return settings(server="managed", admin="cloud", **changed)


def found(live: LiveServer, database: DatabaseSettings | None = None) -> list[Finding]:
    return list(judge("shop", database or settings(), live))


def with_role(live: LiveServer, *roles: LiveRole) -> LiveServer:
    return replace(live, roles={**live.roles, **{role.name: role for role in roles}})
