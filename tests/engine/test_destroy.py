"""`pulumi destroy` takes everything of ours, whatever is alive, and nothing of the user's."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from lab.https import RefusedError
from lab.stack import Servers, Settings
from tests.engine.conftest import MANAGED_ADMIN
from tests.engine.deployment import Deployment, database_in_use

PUBLIC_HAS = """
SELECT 'database', has_database_privilege('public', current_database(), 'CONNECT, TEMPORARY')
UNION ALL SELECT 'schema', has_schema_privilege('public', 'public', 'USAGE')
UNION ALL SELECT 'future functions', NOT EXISTS (SELECT FROM pg_default_acl WHERE defaclobjtype = 'f')
UNION ALL SELECT proname, has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc
           WHERE proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')
"""


@pytest.mark.parametrize(
    ("version", "admin"), [("15", "postgres"), ("15", MANAGED_ADMIN), ("18", "postgres"), ("18", MANAGED_ADMIN)]
)
def test_destroy_with_leases_alive_leaves_what_the_user_had(
    version: str, admin: str, request: pytest.FixtureRequest, lab_folder: Path
) -> None:
    servers: Servers = request.getfixturevalue(f"servers{version}")
    key = f"gone{version}{admin[0]}"
    database_in_use(servers, key, admin)
    shop = Deployment(lab_folder, servers, key, **_declared(key, admin))
    had = dict(shop.ask(PUBLIC_HAS))
    shop.apply()
    assert not dict(shop.ask(PUBLIC_HAS))["database"]
    give_back = shop.stack.stack.outputs()["give_public_back"].value[key]
    leases = [shop.take("migrator"), shop.take("reader"), shop.take("reader")]
    sessions = [shop.session(taken) for taken in leases]
    sessions[0].execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"{key}_owner")))
    sessions[0].execute("CREATE TABLE app.migrated (id int)")

    shop.stack.stack.destroy(color="never")

    for session in sessions:
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert shop.roles() == {f"{key}_{name}" for name in ("owner", "team", "bi", "app", "stranger")}
    assert not [taken for taken in leases if shop.has_login(taken)]
    assert shop.ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", "run%") == []
    _nothing_in_vault(shop)
    _nothing_in_kubernetes(shop)
    tables = shop.ask("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('app', 'other') ORDER BY 2")
    assert tables == [("app", "migrated"), ("other", "notes"), ("app", "orders")]
    with servers.postgres.connect(key, f"{key}_app", "app") as app:
        app.execute("INSERT INTO app.orders VALUES (2)")
    with servers.postgres.connect(key, admin, servers.admins.get(admin)) as connection:
        connection.execute(give_back)
    assert dict(shop.ask(PUBLIC_HAS)) == had
    servers.postgres.connect(key, f"{key}_stranger", "stranger").close()


def _declared(key: str, admin: str) -> Settings:
    return {
        "create": [],
        "public": "revoke",
        "connect": [f"{key}_app"],
        "profiles": {"migrator": {}, "reader": {"members": [f"{key}_bi"]}},
        "server": "self_managed" if admin == "postgres" else "managed",
        "admin": admin,
    }


def _nothing_in_vault(shop: Deployment) -> None:
    for where in ("mounts", "auth"):
        assert not [path for path in shop.vault("GET", f"/sys/{where}")["data"] if path.startswith(shop.key)]
    policies = shop.vault("GET", "/sys/policy")["data"]["policies"]
    assert not [name for name in policies if name.startswith(shop.key)]
    with pytest.raises(RefusedError):
        shop.vault("LIST", f"/sys/leases/lookup/{shop.key}-db")


def _nothing_in_kubernetes(shop: Deployment) -> None:
    left = [
        shop.kubernetes.get("v1", "ServiceAccount", "release-migrator", shop.key),
        shop.kubernetes.get("v1", "ServiceAccount", "release-reader", shop.key),
        shop.kubernetes.get("v1", "ConfigMap", f"runlease-{shop.key}", shop.key),
        shop.kubernetes.get("tekton.dev/v1", "Task", "postgres-migrate", shop.key),
    ]
    assert left == [None] * 4


def test_two_stacks_of_one_server_do_not_touch_each_other(servers15: Servers, lab_folder: Path) -> None:
    leaves, stays = (Deployment(lab_folder, servers15, key) for key in ("leaves", "stays"))
    leaves.apply()
    stays.apply()
    taken = stays.take("migrator")
    leaves.take("migrator")
    leaves.stack.stack.destroy(color="never")
    assert leaves.roles() == {"leaves_owner"}
    stays.stack.expect_unchanged()
    with stays.session(taken) as session, stays.session(stays.take("reader")) as reader:
        session.execute("SET ROLE stays_owner")
        session.execute("CREATE TABLE app.orders (id int)")
        assert reader.execute("SELECT id FROM app.orders").fetchall() == []
    stays.stack.stack.destroy(color="never")
    assert not stays.has_login(taken)
