"""Every change of the settings gives and takes what it says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from lab.https import RefusedError
from lab.kubernetes import Object
from lab.stack import Servers
from tests.engine.conftest import MANAGED_ADMIN
from tests.engine.deployment import Deployment, deployed

MEMBERS = ("bi", "audit")


@pytest.fixture(scope="module", params=["15", "18"], ids=["pg15-self_managed", "pg18-managed"])
def shop(request: pytest.FixtureRequest, lab_folder: Path) -> Iterator[Deployment]:
    """A deployment whose tests change it one after the other; `bi` is a member of reader from the beginning."""
    servers: Servers = request.getfixturevalue(f"servers{request.param}")
    key = f"changed{request.param}"
    deployer = {"server": "managed", "admin": MANAGED_ADMIN} if request.param == "18" else {}
    with servers.postgres.connect() as superuser:
        for member in MEMBERS:
            superuser.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(f"{key}_{member}"), sql.Literal(member)
                )
            )
    profiles = {"migrator": {}, "reader": {"members": [f"{key}_bi"]}, "seeder": {}}
    with deployed(lab_folder, servers, key, schemas=["app", "old"], profiles=profiles, **deployer) as deployment:
        _make_tables(deployment)
        yield deployment


def _make_tables(shop: Deployment) -> None:
    taken = shop.take("migrator")
    with shop.session(taken) as migrator:
        migrator.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"{shop.key}_owner")))
        migrator.execute("CREATE TABLE app.orders AS SELECT 1 AS id; CREATE TABLE old.orders AS SELECT 2 AS id")
    shop.give_back(taken)


def _reads(shop: Deployment, login: str, password: str) -> bool:
    with shop.servers.postgres.connect(shop.key, login, password) as connection:
        return connection.execute("SELECT id FROM app.orders").fetchall() == [(1,)]


def _account(shop: Deployment, name: str) -> Object | None:
    return shop.kubernetes.get("v1", "ServiceAccount", name, shop.key)


def test_a_new_member_connection_limit_and_ttl_take_nothing_away(shop: Deployment) -> None:
    before, early = shop.take("reader"), shop.take("seeder")
    shop.database["profiles"]["reader"] |= {"connections": 2, "members": [f"{shop.key}_{name}" for name in MEMBERS]}
    shop.settings["leases"]["reader"] |= {"ttl": "3m", "max_ttl": "7m"}
    shop.apply()
    shop.stack.expect_unchanged()
    for member in MEMBERS:
        assert _reads(shop, f"{shop.key}_{member}", member)
    after = shop.take("reader")
    for taken in (before, after):
        assert _reads(shop, taken.login, taken.password)
    logins = [before.login, after.login]
    limits = shop.ask("SELECT rolconnlimit FROM pg_roles WHERE rolname = ANY(%s) ORDER BY 1", logins)
    assert limits == [(2,), (4,)]
    assert shop.vault("PUT", "/sys/leases/lookup", {"lease_id": after.lease_id})["data"]["ttl"] <= 180
    for taken in (before, after, early):
        shop.give_back(taken)
        assert not shop.has_login(taken)


def test_a_renamed_pipeline_a_removed_task_and_a_removed_schema(shop: Deployment) -> None:
    del shop.settings["pipelines"]["release"]["tasks"]["seeder"]
    shop.settings["pipelines"]["deliver"] = shop.settings["pipelines"].pop("release")
    shop.database["schemas"] = ["app"]
    alive = shop.take("reader")
    shop.apply()
    shop.stack.expect_unchanged()
    jwt_roles = shop.vault("LIST", f"/auth/{shop.key}-jwt/role")["data"]["keys"]
    assert sorted(jwt_roles) == [f"{shop.key}.{shop.key}.deliver-{lease}" for lease in ("migrator", "reader")]
    assert [_account(shop, f"release-{lease}") for lease in ("migrator", "reader", "seeder")] == [None] * 3
    assert _account(shop, "deliver-reader")
    assert _account(shop, "deliver-seeder") is None
    for taken in (alive, shop.take("reader", "deliver")):
        assert _reads(shop, taken.login, taken.password)
        with shop.session(taken) as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT id FROM old.orders")
        shop.give_back(taken)
    assert _reads(shop, f"{shop.key}_bi", "bi")
    assert shop.ask("SELECT id FROM old.orders") == [(2,)]
    assert shop.ask("SELECT FROM pg_default_acl WHERE defaclnamespace = 'old'::regnamespace") == []
    owners = shop.ask("SELECT nspowner::regrole::text, cardinality(nspacl) FROM pg_namespace WHERE nspname = 'old'")
    assert owners == [(f"{shop.key}_owner", 1)]


def test_a_removed_profile_takes_its_rights_at_once_and_its_lease_can_still_be_revoked(shop: Deployment) -> None:
    """The run's own policy is gone: its lease ends by its TTL, or when an operator revokes it."""
    migrator, reader = shop.take("migrator", "deliver"), shop.take("reader", "deliver")
    with shop.session(migrator) as session:
        session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"{shop.key}_owner")))
        for profile in ("migrator", "seeder"):
            del shop.database["profiles"][profile], shop.settings["leases"][profile]
        del shop.settings["pipelines"]["deliver"]["tasks"]["migrator"]
        shop.apply()
        shop.stack.expect_unchanged()
        assert not {f"{shop.key}_migrator", f"{shop.key}_seeder"} & shop.roles()
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            shop.session(migrator)
        shop.vault("PUT", f"/sys/leases/revoke-prefix/{shop.key}-db/creds/migrator", {})
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert not shop.has_login(migrator)
    with pytest.raises(RefusedError):
        shop.vault("GET", f"/{shop.key}-db/creds/migrator")
    policies = shop.vault("GET", "/sys/policy")["data"]["policies"]
    assert [name for name in policies if name.startswith(shop.key)] == [f"{shop.key}.reader"]
    assert _reads(shop, reader.login, reader.password)
    assert _reads(shop, f"{shop.key}_bi", "bi")
    shop.give_back(reader)
    assert not shop.has_login(reader)
