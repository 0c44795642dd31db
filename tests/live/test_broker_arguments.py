"""The broker makes a login of honest arguments alone."""

from __future__ import annotations

import psycopg
import pytest

from tests.live.broker_calls import DONE, LOGIN, LONGEST, VERIFIER, call, make, moment
from tests.live.deployment import Deployment
from tests.live.statements import DENIED, outcome, tried


@pytest.mark.parametrize("profile", ["reader", "seeder", "verifier", "sandbox"])
def test_an_honest_call_makes_a_login_of_the_profile(site: Deployment, vault: psycopg.Connection, profile: str) -> None:
    assert make(vault, profile) == DONE
    vault.execute("RESET SESSION AUTHORIZATION")
    groups = vault.execute(
        "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole ORDER BY 1", [LOGIN]
    ).fetchall()
    assert groups == sorted([(site.own("login"),), (f"{site.key}_{profile}",)])


WRONG_LOGINS = [
    "reader",
    "run_",
    "run_short",
    "postgres",
    "shop_owner",
    "",
    "Run_reader_0123456789",
    "run_READER_0123456789",
    'run_reader"0123456789',
    "run_reader'0123456789",
    "run_reader;0123456789",
    "run_reader 0123456789",
    "run_reader_0123456789\n",
    "run_\nreader_0123456789",
    "run_reader_0123456789 SUPERUSER",
    "run_réader_0123456789",
    "run_" + "a" * 60,
    " run_reader_0123456789",
    "run__reader_0123456789",
    "pg_reader_0123456789",
]


@pytest.mark.parametrize("login", WRONG_LOGINS)
def test_a_login_outside_the_name_space_is_refused(vault: psycopg.Connection, login: str) -> None:
    assert make(vault, login=login) == DENIED
    assert tried(vault, call("drop_login", login)) == DENIED
    assert tried(vault, call("renew_login", login, moment(300))) == DENIED


def test_a_login_of_63_bytes_is_the_longest(vault: psycopg.Connection) -> None:
    assert make(vault, login="run_" + "a" * 59) == DONE


@pytest.mark.parametrize(
    "verifier",
    [
        "in the clear",
        "",
        "md5" + "0" * 32,
        VERIFIER + "\n",
        VERIFIER + "' SUPERUSER '",
        "x" + VERIFIER,
        VERIFIER.replace("SHA-256", "SHA-1"),
        VERIFIER.replace("$4096", "$1"),
    ],
)
def test_anything_but_a_scram_verifier_is_refused(vault: psycopg.Connection, verifier: str) -> None:
    attempt = call("create_login", LOGIN, verifier, moment(300), "reader")
    assert outcome(vault, attempt) == "28P01"


@pytest.mark.parametrize("profile", ["migrator", "owner", "", "reader'", "READER", "shop_reader", "broker", "%"])
def test_a_profile_that_is_unknown_or_of_the_other_tier_is_refused(vault: psycopg.Connection, profile: str) -> None:
    assert make(vault, profile) == DENIED


@pytest.mark.parametrize("profile", ["reader", "seeder", "verifier", "sandbox"])
def test_the_migrators_tier_makes_migrators_alone(site: Deployment, profile: str) -> None:
    with site.as_vault("vault_migrator") as session:
        assert make(session, profile) == DENIED
        assert make(session, "migrator") == DONE


EXPIRIES = {
    "infinity": DENIED,
    "-infinity": DENIED,
    "yesterday": DENIED,
    "now": DENIED,
    "tomorrow 12:00": DENIED,
    "epoch": DENIED,
    "2001-01-01 00:00:00+0000": DENIED,
    "9999-12-31 23:59:59+0000": DENIED,
    "soon": "22007",
    "": "22007",
    "5 minutes": "22007",
    "2030-13-01": "22008",
    "'; SELECT 1": "22007",
}


@pytest.mark.parametrize("expiry", EXPIRIES)
def test_an_expiry_that_is_past_too_far_or_no_time_is_refused(vault: psycopg.Connection, expiry: str) -> None:
    assert outcome(vault, call("create_login", LOGIN, VERIFIER, expiry, "reader")) == EXPIRIES[expiry]
    assert make(vault) == DONE
    assert outcome(vault, call("renew_login", LOGIN, expiry)) == EXPIRIES[expiry]


def test_an_expiry_is_at_most_the_longest_life(vault: psycopg.Connection) -> None:
    assert make(vault, seconds=LONGEST + 70) == DENIED
    assert make(vault, seconds=LONGEST) == DONE


@pytest.mark.parametrize("missing", range(4))
def test_a_missing_argument_makes_nothing(vault: psycopg.Connection, missing: int) -> None:
    arguments: list[str | None] = [LOGIN, VERIFIER, moment(300), "reader"]
    arguments[missing] = None
    assert outcome(vault, call("create_login", *arguments)) == DONE
    assert vault.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [LOGIN]).fetchone() == (0,)


def test_a_login_is_made_once(vault: psycopg.Connection) -> None:
    assert make(vault) == DONE
    assert make(vault) == "42710"
