"""Nobody but Vault knows the passwords of Vault's logins, and a Vault that forgot them is given new ones."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from lab.https import RefusedError
from lab.openbao import OpenBao
from tests.live.deployment import Deployment
from tests.live.sites import Sites

CONNECTIONS = {"vault": "data", "vault_migrator": "migrator"}
PROFILE_OF = {"vault": "reader", "vault_migrator": "migrator"}


def first_password(site: Deployment, login: str) -> str:
    """What the login was made with. The lab's server logs DDL, so it stands in the log as it stands in the state."""
    made = re.search(rf'CREATE ROLE "{login}" .*PASSWORD \'([^\']+)\'', site.postgres.log.read_text())
    assert made
    return made[1]


def test_the_deployers_password_which_stays_in_use_is_not_in_the_servers_log(site: Deployment) -> None:
    deployer = site.own("deployer")
    logged = first_password(site, deployer)
    assert logged.startswith("SCRAM-SHA-256$")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        site.postgres.connect(site.dbname, deployer, logged)


@pytest.mark.parametrize("tier", CONNECTIONS)
def test_the_first_password_of_vaults_login_is_dead(site: Deployment, tier: str) -> None:
    login = site.own(tier)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        site.postgres.connect(site.dbname, login, first_password(site, login))
    with site.leased(PROFILE_OF[tier]) as lease:
        site.connect(lease).close()


def test_vault_tells_nobody_its_password(site: Deployment) -> None:
    for tier, connection in CONNECTIONS.items():
        told = site.openbao.request(
            "GET", f"/{site.installation}-db/config/{site.key}-{connection}", token=site.openbao.root_token
        )["data"]
        assert told["connection_details"]["username"] == site.own(tier)
        assert "password" not in told["connection_details"]


def rotate(site: Deployment, connection: str) -> None:
    path = f"/{site.installation}-db/rotate-root/{site.key}-{connection}"
    site.openbao.request("POST", path, {}, site.openbao.root_token)


def restart(openbao: OpenBao) -> None:
    openbao.start_again()
    openbao.unseal()


@pytest.fixture
def forgetful(sites: Sites, lab_folder: Path) -> Iterator[Deployment]:
    """A site whose Vault rotated its passwords and was then restored from a copy of before."""
    site, copy = sites.site(18, managed=False), lab_folder / "openbao-before-rotation"
    site.openbao.stop()
    site.openbao.copy_storage(copy)
    restart(site.openbao)
    for connection in CONNECTIONS.values():
        rotate(site, connection)
    site.openbao.stop()
    site.openbao.restore_storage(copy)
    restart(site.openbao)
    yield site
    for tier in CONNECTIONS:
        give_new_password(site, tier)


def give_new_password(site: Deployment, tier: str) -> str:
    """What `vault_login_generation` does when it is raised: a new password on both sides, which Vault rotates."""
    login, password = site.own(tier), secrets.token_urlsafe(32)
    with site.as_superuser() as session:
        verifier = session.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
        session.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(login), Literal(verifier)))
    path = f"/{site.installation}-db/config/{site.key}-{CONNECTIONS[tier]}"
    body = {"plugin_name": "postgresql-database-plugin", "username": login, "password": password}
    site.openbao.request("POST", path, body, site.openbao.root_token)
    rotate(site, CONNECTIONS[tier])
    return password


@pytest.mark.parametrize("tier", CONNECTIONS)
def test_a_restored_vault_makes_no_lease_until_its_logins_get_new_passwords(forgetful: Deployment, tier: str) -> None:
    profile = PROFILE_OF[tier]
    with pytest.raises(RefusedError, match="password authentication failed"):
        forgetful.take(profile)
    password = give_new_password(forgetful, tier)
    with forgetful.leased(profile) as lease:
        forgetful.connect(lease).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        forgetful.postgres.connect(forgetful.dbname, forgetful.own(tier), password)
