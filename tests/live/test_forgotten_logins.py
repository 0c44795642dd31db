"""A login that Vault made and forgot is dropped by the next lease of the same kind, and nothing else is."""

from __future__ import annotations

import psycopg
import pytest

from tests.live.broker_calls import DONE, LOGIN, call, make
from tests.live.deployment import Deployment
from tests.live.statements import worded

FORGOTTEN = "run_reader_forgotten0123456789"
LONG_AGO, JUST_NOW = "2001-01-01 00:00:00+00", "now"
WARNED = "01000"


def forget(
    vault: psycopg.Connection, site: Deployment, until: str, login: str = FORGOTTEN, profile: str = "reader"
) -> None:
    """Leave a login as Vault does when it dies at once after making it, and let so much time pass."""
    assert make(vault, profile, login) == DONE
    as_superuser(vault, site, worded("ALTER ROLE {login} VALID UNTIL ", login=login).as_string() + f"'{until}'")


def as_superuser(vault: psycopg.Connection, site: Deployment, statement: str) -> None:
    vault.execute("RESET SESSION AUTHORIZATION")
    vault.execute(statement.encode())
    vault.execute(worded("SET SESSION AUTHORIZATION {vault}", vault=site.own("vault")))


def there(vault: psycopg.Connection, login: str) -> bool:
    return bool(vault.execute("SELECT FROM pg_roles WHERE rolname = %s", [login]).fetchall())


def test_the_next_lease_drops_what_expired_and_was_forgotten(site: Deployment, vault: psycopg.Connection) -> None:
    forget(vault, site, LONG_AGO)
    assert make(vault) == DONE
    assert not there(vault, FORGOTTEN)
    assert there(vault, LOGIN)


def test_a_schema_of_a_forgotten_sandbox_goes_with_it(site: Deployment, vault: psycopg.Connection) -> None:
    forget(vault, site, LONG_AGO, profile="sandbox")
    assert make(vault) == DONE
    assert not vault.execute("SELECT FROM pg_namespace WHERE nspname = %s", [FORGOTTEN]).fetchall()


def test_a_login_that_expired_just_now_is_left_to_vault(site: Deployment, vault: psycopg.Connection) -> None:
    forget(vault, site, JUST_NOW)
    assert make(vault) == DONE
    assert there(vault, FORGOTTEN)


def test_a_login_that_lives_is_left_alone(vault: psycopg.Connection) -> None:
    assert make(vault, login=FORGOTTEN) == DONE
    assert make(vault) == DONE
    assert there(vault, FORGOTTEN)


@pytest.mark.parametrize(
    "mark", ["runlease live somebody reader 1 600", "runlease quarantined {} reader 1 600", "none"]
)
def test_an_expired_login_that_bears_no_mark_of_this_caller_is_left_alone(
    site: Deployment, vault: psycopg.Connection, mark: str
) -> None:
    forget(vault, site, LONG_AGO)
    words = worded("COMMENT ON ROLE {login} IS ", login=FORGOTTEN).as_string()
    as_superuser(vault, site, f"{words}'{mark.format(site.own('vault'))}'")
    assert make(vault) == DONE
    assert there(vault, FORGOTTEN)


def test_what_cannot_be_dropped_is_quarantined_and_the_new_lease_is_made(
    site: Deployment, vault: psycopg.Connection
) -> None:
    forget(vault, site, LONG_AGO)
    as_superuser(vault, site, "CREATE TABLE public.kept ()")
    as_superuser(vault, site, worded("GRANT SELECT ON public.kept TO {login}", login=FORGOTTEN).as_string())
    assert make(vault) == WARNED
    assert there(vault, LOGIN)
    query = "SELECT rolcanlogin, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s"
    can_log_in, mark = vault.execute(query, [FORGOTTEN]).fetchone() or (True, "")
    assert not can_log_in
    assert mark.startswith("runlease quarantined ")


def test_an_error_in_a_drop_costs_the_new_lease_nothing(site: Deployment, vault: psycopg.Connection) -> None:
    forget(vault, site, LONG_AGO)
    as_superuser(vault, site, "ALTER FUNCTION runlease.drop_login(text) RENAME TO drop_login_before")
    assert make(vault) == WARNED
    assert there(vault, LOGIN)
    assert there(vault, FORGOTTEN)


def test_of_leases_that_are_made_at_once_one_drops(site: Deployment) -> None:
    with site.as_superuser() as other, site.as_vault(undone=False) as vault:
        forget(vault, site, LONG_AGO)
        with other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(hashtext('runlease forgotten logins'))")
            assert make(vault) == DONE
            assert there(vault, FORGOTTEN)
        assert vault.execute(call("drop_login", LOGIN)).fetchone() == ("dropped",)
        assert make(vault) == DONE
        assert not there(vault, FORGOTTEN)
        assert vault.execute(call("drop_login", LOGIN)).fetchone() == ("dropped",)
