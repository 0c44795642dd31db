"""`pulumi up` on an empty server and on a database that is in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from lab.stack import Servers, Settings
from tests.engine.conftest import MANAGED_ADMIN
from tests.engine.deployment import Deployment, database_in_use, deployed

SELF_MANAGED = {"server": "self_managed"}
MANAGED = {"server": "managed", "admin": MANAGED_ADMIN}
PROFILES: Settings = {"migrator": {}, "reader": {}, "seeder": {}, "verifier": {}, "sandbox": {}}


@pytest.fixture(
    scope="module",
    params=[("15", SELF_MANAGED), ("18", MANAGED)],
    ids=lambda param: f"pg{param[0]}-{param[1]['server']}",
)
def fresh(request: pytest.FixtureRequest, lab_folder: Path) -> Iterator[Deployment]:
    """A database that the stack made itself."""
    version, deployer = request.param
    servers: Servers = request.getfixturevalue(f"servers{version}")
    key = f"fresh{version}{deployer['server'][0]}"
    with deployed(lab_folder, servers, key, profiles=PROFILES, **deployer) as deployment:
        yield deployment


def test_nothing_changes_after_the_first_up(fresh: Deployment) -> None:
    fresh.stack.expect_unchanged()


def test_every_profile_gives_a_lease_that_works(fresh: Deployment) -> None:
    leases = {profile: fresh.take(profile) for profile in PROFILES}
    with fresh.session(leases["migrator"]) as migrator:
        migrator.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"{fresh.key}_owner")))
        migrator.execute("CREATE TABLE app.orders (id int)")
    with fresh.session(leases["seeder"]) as seeder, fresh.session(leases["reader"]) as reader:
        seeder.execute("INSERT INTO app.orders VALUES (1)")
        assert reader.execute("SELECT id FROM app.orders").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("INSERT INTO app.orders VALUES (2)")
    with fresh.session(leases["verifier"]) as verifier, pytest.raises(psycopg.errors.InsufficientPrivilege):
        verifier.execute("SELECT id FROM app.orders")
    with fresh.session(leases["sandbox"]) as sandbox:
        sandbox.execute(sql.SQL("CREATE TABLE {}.scratch (id int)").format(sql.Identifier(leases["sandbox"].login)))
    for taken in leases.values():
        fresh.give_back(taken)
        assert not fresh.has_login(taken)


@pytest.fixture(
    scope="module",
    params=[("15", MANAGED), ("18", SELF_MANAGED)],
    ids=lambda param: f"pg{param[0]}-{param[1]['server']}",
)
def adopted(request: pytest.FixtureRequest, lab_folder: Path) -> Iterator[Deployment]:
    """A database with tables and logins of its own, taken over with `public: revoke`."""
    version, deployer = request.param
    servers: Servers = request.getfixturevalue(f"servers{version}")
    key = f"adopted{version}{deployer['server'][0]}"
    database_in_use(servers, key, deployer.get("admin", "postgres"))
    declared: Settings = {
        "create": [],
        "public": "revoke",
        "connect": [f"{key}_app"],
        "profiles": {"migrator": {}, "reader": {"members": [f"{key}_bi"]}},
    }
    with deployed(lab_folder, servers, key, **declared, **deployer) as deployment:
        yield deployment


def test_nothing_changes_after_an_adoption(adopted: Deployment) -> None:
    adopted.stack.expect_unchanged()


def test_a_member_reads_what_it_was_given_and_what_it_read_before(adopted: Deployment) -> None:
    with adopted.servers.postgres.connect(adopted.key, f"{adopted.key}_bi", "bi") as member:
        assert member.execute("SELECT id FROM app.orders").fetchall() == [(1,)]
        assert member.execute("SELECT id FROM other.notes").fetchall() == [(2,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            member.execute("DELETE FROM app.orders")


def test_a_login_named_in_connect_works_as_before(adopted: Deployment) -> None:
    with adopted.servers.postgres.connect(adopted.key, f"{adopted.key}_app", "app") as app:
        app.execute("INSERT INTO app.orders VALUES (1)")
        app.execute("ROLLBACK")


def test_public_cannot_connect_any_more(adopted: Deployment) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        adopted.servers.postgres.connect(adopted.key, f"{adopted.key}_stranger", "stranger")


def test_leases_of_an_adopted_database_reach_its_tables(adopted: Deployment) -> None:
    reader, migrator = adopted.take("reader"), adopted.take("migrator")
    with adopted.session(reader) as session:
        assert session.execute("SELECT min(id) FROM app.orders").fetchone() == (1,)
    with adopted.session(migrator) as session:
        session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"{adopted.key}_owner")))
        session.execute("ALTER TABLE app.orders ADD note text")
    with adopted.session(reader) as session:
        assert session.execute("SELECT note FROM app.orders LIMIT 1").fetchone() == (None,)
