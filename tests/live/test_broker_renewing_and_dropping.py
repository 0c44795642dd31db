"""The broker renews and drops what its caller had it make, and nothing else."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from tests.live.broker_calls import DONE, LOGIN, LONGEST, call, make, moment
from tests.live.deployment import Deployment
from tests.live.sites import Sites
from tests.live.statements import DENIED, outcome, worded


@pytest.fixture
def victims(site: Deployment, vault: psycopg.Connection) -> dict[str, str]:
    """Roles that Vault's login for data did not make, each of a name that it may use."""
    victims = {kind: f"run_{kind}_0123456789" for kind in ("ordinary", "superuser", "forged", "older", "migrator")}
    vault.execute("RESET SESSION AUTHORIZATION")
    for login in victims.values():
        vault.execute(worded("CREATE ROLE {login} LOGIN", login=login))
    vault.execute(worded("ALTER ROLE {login} SUPERUSER", login=victims["superuser"]))
    marks = {
        "forged": "not runlease live {} reader 1 9999999999",
        "older": "runlease live {}_before reader 1 9999999999",
        "migrator": "runlease live {}_migrator migrator 1 9999999999",
    }
    for kind, mark in marks.items():
        vault.execute(
            SQL("COMMENT ON ROLE {} IS {}").format(Identifier(victims[kind]), Literal(mark.format(site.own("vault"))))
        )
    vault.execute(worded("SET SESSION AUTHORIZATION {vault}", vault=site.own("vault")))
    return victims


@pytest.mark.parametrize("kind", ["ordinary", "superuser", "forged", "older", "migrator"])
def test_a_login_that_another_made_is_neither_renewed_nor_dropped(
    vault: psycopg.Connection, victims: dict[str, str], kind: str
) -> None:
    assert outcome(vault, call("drop_login", victims[kind])) == DENIED
    assert outcome(vault, call("renew_login", victims[kind], moment(300))) == DENIED


def test_a_login_of_the_other_tier_is_neither_renewed_nor_dropped(site: Deployment) -> None:
    with site.leased("migrator") as lease, site.as_vault() as session:
        assert outcome(session, call("drop_login", lease.login)) == DENIED
        assert outcome(session, call("renew_login", lease.login, moment(300))) == DENIED


def test_a_login_of_another_database_is_neither_renewed_nor_dropped(site: Deployment, sites: Sites) -> None:
    with sites.beside(site).leased("reader") as lease, site.as_vault() as session:
        assert outcome(session, call("drop_login", lease.login)) == DENIED
        assert outcome(session, call("renew_login", lease.login, moment(300))) == DENIED


def test_a_login_is_renewed_within_its_longest_life_alone(vault: psycopg.Connection) -> None:
    assert make(vault, seconds=60) == DONE
    assert outcome(vault, call("renew_login", LOGIN, moment(LONGEST))) == DONE
    assert outcome(vault, call("renew_login", LOGIN, moment(LONGEST + 70))) == DENIED
    assert outcome(vault, call("drop_login", LOGIN)) == DONE
    assert outcome(vault, call("renew_login", LOGIN, moment(60))) == DENIED


def test_dropping_what_is_gone_is_no_error(vault: psycopg.Connection) -> None:
    assert vault.execute(call("drop_login", LOGIN)).fetchone() == ("absent",)
