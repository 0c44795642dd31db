"""Whatever code a caller plants and whatever it sets, it gains nothing from the broker."""

from __future__ import annotations

import psycopg
import pytest

from tests.live.broker_calls import DONE, LOGIN, LONGEST, VERIFIER, call, make, moment
from tests.live.deployment import Deployment
from tests.live.statements import DENIED, outcome, tried, worded

# --- code that the caller planted

TYPES = (
    "text",
    "name",
    "int4",
    "int8",
    "bool",
    "oid",
    "timestamptz",
    "record",
    "regclass",
    "interval",
    "float8",
    "numeric",
    '"char"',
    "varchar",
    "timestamp",
)
FUNCTIONS = {
    "quote_literal(text)": "text",
    "clock_timestamp()": "timestamptz",
    "current_setting(text)": "text",
    "set_config(text, text, boolean)": "text",
    "split_part(text, text, int)": "text",
    "format(text, text)": "text",
    "format(text, text, text)": "text",
    "to_char(timestamp, text)": "text",
    "current_database()": "name",
    "shobj_description(oid, name)": "text",
    "to_timestamp(double precision)": "timestamptz",
    "pg_terminate_backend(int, bigint)": "boolean",
    "regexp_replace(text, text, text)": "text",
    "floor(numeric)": "numeric",
    "timezone(text, timestamptz)": "timestamp",
    "reap()": "int",
    "make_interval(int, int, int, int, int, int, double precision)": "interval",
}
OPERATORS = {
    "!~": ("text", "text", "boolean"),
    "=": ("text", "text", "boolean"),
    "<>": ("text", "text", "boolean"),
    "||": ("text", "text", "text"),
    "<=": ("timestamptz", "timestamptz", "boolean"),
    ">": ("timestamptz", "timestamptz", "boolean"),
    "+": ("timestamptz", "interval", "timestamptz"),
    ">=": ("int", "int", "boolean"),
}
TRAP = """
CREATE SCHEMA planted; GRANT USAGE ON SCHEMA planted TO PUBLIC;
CREATE FUNCTION planted.trap() RETURNS boolean LANGUAGE plpgsql AS
  $$BEGIN RAISE NOTICE 'trapped %', current_user; RETURN true; END$$;
CREATE TABLE planted.bait AS SELECT 1 AS one;
CREATE VIEW planted.pg_roles AS SELECT r.* FROM pg_catalog.pg_roles r WHERE planted.trap();
CREATE VIEW planted.pg_stat_activity AS SELECT a.* FROM pg_catalog.pg_stat_activity a WHERE planted.trap();
CREATE VIEW planted.pg_namespace AS SELECT n.* FROM pg_catalog.pg_namespace n WHERE planted.trap();
CREATE VIEW planted.pg_auth_members AS SELECT m.* FROM pg_catalog.pg_auth_members m WHERE planted.trap();
GRANT SELECT ON ALL TABLES IN SCHEMA planted TO PUBLIC;
"""


PLANTED_FIRST = "SET search_path = pg_temp, planted, pg_catalog"


@pytest.fixture
def trapped(site: Deployment, vault: psycopg.Connection) -> list[str]:
    """Who ran planted code. Everything that the broker looks up by name stands in the caller's schemas as well.

    A caller could plant it where PUBLIC keeps TEMPORARY; here the superuser does it for the caller.
    """
    vault.execute("RESET SESSION AUTHORIZATION")
    vault.execute(TRAP)
    for function, result in FUNCTIONS.items():
        vault.execute(
            f"CREATE FUNCTION planted.{function} RETURNS {result} LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM planted.trap(); RETURN NULL; END$$".encode()
        )
    for number, (operator, (left, right, result)) in enumerate(OPERATORS.items()):
        vault.execute(
            f"CREATE FUNCTION planted.op{number}({left}, {right}) RETURNS {result} LANGUAGE plpgsql AS "
            "$$BEGIN PERFORM planted.trap(); RETURN NULL; END$$; "
            f"CREATE OPERATOR planted.{operator} (FUNCTION = planted.op{number}, LEFTARG = {left}, "
            f"RIGHTARG = {right})".encode()
        )
    for schema in ("planted", "pg_temp"):
        for one in TYPES:
            vault.execute(f"CREATE DOMAIN {schema}.{one} AS pg_catalog.text CHECK (planted.trap())".encode())
    vault.execute(worded("SET SESSION AUTHORIZATION {vault}", vault=site.own("vault")))
    vault.execute(PLANTED_FIRST)
    heard: list[str] = []
    vault.add_notice_handler(lambda said: heard.append(said.message_primary or ""))
    return heard


@pytest.mark.parametrize(
    "attempt",
    ["SELECT quote_literal('x')", "SELECT 'x'::text", "SELECT 'x'::int4", "SELECT 1 >= 2", "SELECT * FROM pg_roles"],
)
def test_what_is_planted_works_on_the_caller(
    site: Deployment, vault: psycopg.Connection, trapped: list[str], attempt: str
) -> None:
    assert outcome(vault, attempt) == DONE
    assert set(trapped) == {f"trapped {site.own('vault')}"}


def test_planted_code_never_runs_as_the_broker(vault: psycopg.Connection, trapped: list[str]) -> None:
    for attempt in (
        call("create_login", LOGIN, VERIFIER, moment(300), "sandbox"),
        call("renew_login", LOGIN, moment(400)),
        call("reap"),
        call("drop_login", LOGIN),
        call("drop_login", LOGIN),
    ):
        vault.execute(PLANTED_FIRST)  # Each call sets a path of its own, up to the end of the transaction.
        assert outcome(vault, attempt) == DONE
    for refused in (
        call("create_login", "postgres", VERIFIER, moment(300), "reader"),
        call("create_login", LOGIN, "in the clear", moment(300), "reader"),
        call("create_login", LOGIN, VERIFIER, moment(300), "migrator"),
        call("create_login", LOGIN, VERIFIER, "infinity", "reader"),
        call("drop_login", "postgres"),
        call("renew_login", LOGIN, moment(300)),
    ):
        vault.execute(PLANTED_FIRST)
        assert outcome(vault, refused) in (DENIED, "28P01")
    assert trapped == []


# --- settings that the caller chose

HOSTILE = {
    "dates in another order, zones by an ambiguous name": "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'",
    "German dates": "SET DateStyle = 'German'; SET TimeZone = 'America/New_York'",
    "backslashes in strings": "SET standard_conforming_strings = off; SET escape_string_warning = off",
    "every identifier quoted": "SET quote_all_identifiers = on",
    "no patience for locks": "SET lock_timeout = 1",
    "an empty search path": "SET search_path = ''",
    "every complaint of plpgsql": "SET plpgsql.extra_errors = 'all'; SET plpgsql.extra_warnings = 'all'",
    "no messages": "SET client_min_messages = error",
    "weak passwords": "SET password_encryption = md5",
}


@pytest.mark.parametrize("settings", HOSTILE.values(), ids=HOSTILE)
def test_hostile_settings_change_nothing(site: Deployment, vault: psycopg.Connection, settings: str) -> None:
    vault.execute(settings.encode())
    assert make(vault, seconds=LONGEST) == DONE
    assert outcome(vault, call("renew_login", LOGIN, moment(LONGEST))) == DONE
    vault.execute("RESET SESSION AUTHORIZATION; RESET DateStyle; RESET TimeZone")
    made = vault.execute(
        "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit,"
        " rolpassword, abs(extract(epoch FROM rolvaliduntil - clock_timestamp()) - %s) < 70"
        " FROM pg_authid WHERE rolname = %s",
        [LONGEST, LOGIN],
    ).fetchall()
    assert made == [(True, False, False, False, False, False, 4, VERIFIER, True)]
    vault.execute(worded("SET SESSION AUTHORIZATION {vault}", vault=site.own("vault")))
    assert vault.execute(call("drop_login", LOGIN)).fetchone() == ("dropped",)


def test_a_self_grant_of_new_roles_gives_the_caller_nothing(site: Deployment, vault: psycopg.Connection) -> None:
    if not site.before_16:
        vault.execute("SET createrole_self_grant = 'set, inherit'")
    assert make(vault) == DONE
    assert tried(vault, worded("SET ROLE {login}", login=LOGIN)) == DENIED
    assert tried(vault, worded("GRANT {login} TO CURRENT_USER", login=LOGIN)) == DENIED


def test_a_read_only_transaction_makes_nothing(vault: psycopg.Connection) -> None:
    with vault.transaction(force_rollback=True):
        vault.execute("SET TRANSACTION READ ONLY")
        assert make(vault) == "25006"
