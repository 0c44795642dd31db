"""Vault's login can call four functions and nothing else, and whatever it gives them it gains nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier, Literal

from tests.live.deployment import DENIED, Deployment, Sites, outcome, tried, worded

LOGIN = "run_reader_0123456789abcdefghij"
VERIFIER = f"SCRAM-SHA-256$4096:{'s' * 22}==${'k' * 43}=:{'k' * 43}="
LONGEST = 600
"""max_ttl of every lease, in seconds; the broker adds a minute for clocks that differ."""
DONE = "00000"


@pytest.fixture
def vault(site: Deployment) -> Iterator[psycopg.Connection]:
    """A session of Vault's login for data; all it does is undone."""
    with site.as_vault() as session:
        yield session


def call(function: str, *arguments: str | None) -> Composed:
    return SQL("SELECT runlease.{}({})").format(Identifier(function), SQL(", ").join(map(Literal, arguments)))


def moment(seconds: int) -> str:
    """So many seconds from now, as Vault writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S+0000")


def make(session: psycopg.Connection, profile: str = "reader", login: str = LOGIN, seconds: int = 300) -> str:
    """How an honest call of create_login ends."""
    return outcome(session, call("create_login", login, VERIFIER, moment(seconds), profile))


# --- without the broker

OUTSIDE = {
    "SELECT * FROM app.items": DENIED,
    "SELECT * FROM hidden.secrets": DENIED,
    "SELECT rolpassword FROM pg_authid": DENIED,
    "CREATE TABLE app.mine ()": DENIED,
    "CREATE TABLE runlease.mine ()": DENIED,
    "CREATE TABLE public.mine ()": DENIED,
    "CREATE TEMPORARY TABLE mine ()": DENIED,
    "CREATE SCHEMA mine": DENIED,
    "COPY (SELECT 1) TO PROGRAM 'true'": DENIED,
    "SELECT pg_read_file('PG_VERSION')": DENIED,
    "CREATE ROLE mine": DENIED,
    "DROP ROLE {reader}": DENIED,
    "ALTER ROLE {owner} LOGIN": DENIED,
    "ALTER ROLE CURRENT_USER CREATEROLE": DENIED,
    "ALTER ROLE CURRENT_USER CONNECTION LIMIT 100": DENIED,
    "ALTER ROLE {other} PASSWORD 'mine'": DENIED,
    "SET ROLE {owner}": DENIED,
    "SET ROLE {reader}": DENIED,
    "SET ROLE {broker}": DENIED,
    "SET ROLE {deployer}": DENIED,
    "SET ROLE {marker}": DENIED,
    "SET ROLE {other}": DENIED,
    "GRANT {reader} TO CURRENT_USER": DENIED,
    "GRANT {owner} TO CURRENT_USER": DENIED,
    "GRANT {broker} TO CURRENT_USER": DENIED,
    "GRANT pg_read_all_data TO CURRENT_USER": DENIED,
    "GRANT EXECUTE ON FUNCTION runlease.reap() TO PUBLIC": "01007",
    "CREATE OR REPLACE FUNCTION runlease.reap() RETURNS int LANGUAGE sql RETURN 1": DENIED,
    "ALTER FUNCTION runlease.reap() SECURITY INVOKER": DENIED,
    "ALTER FUNCTION runlease.reap() SET search_path = app": DENIED,
    "DROP FUNCTION runlease.reap()": DENIED,
    "ALTER SCHEMA runlease OWNER TO CURRENT_USER": DENIED,
    "COMMENT ON ROLE {reader} IS 'runlease live'": DENIED,
}


@pytest.mark.parametrize("tier", ["vault", "vault_migrator"])
def test_vaults_login_can_do_nothing_but_call_the_broker(site: Deployment, tier: str) -> None:
    names = {part: site.own(part) for part in ("broker", "deployer")} | {
        "owner": site.owner,
        "reader": f"{site.key}_reader",
        "marker": site.own("login"),
        "other": site.own("vault_migrator" if tier == "vault" else "vault"),
    }
    with site.as_vault(tier) as session:
        assert {one: tried(session, worded(one, **names)) for one in OUTSIDE} == OUTSIDE


def test_vaults_login_has_no_attribute_and_no_membership(site: Deployment) -> None:
    for tier in ("vault", "vault_migrator"):
        assert site.rows(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolinherit, "
            "(SELECT count(*) FROM pg_auth_members WHERE member = r.oid) FROM pg_roles r "
            "WHERE rolname = %s",
            site.own(tier),
        ) == [(False,) * 6 + (0,)]


def test_nobody_logs_in_as_the_broker_or_administers_it_but_the_deployer(site: Deployment) -> None:
    members = site.rows(
        "SELECT pg_get_userbyid(member)::text FROM pg_auth_members WHERE roleid = %s::regrole", site.own("broker")
    )
    admins = {"cloud_admin"} if site.managed and not site.before_16 else set()
    assert {name for (name,) in members} - admins == {site.own("deployer")}
    assert site.rows("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", site.own("broker")) == [(False,)]


def test_another_login_can_neither_call_the_broker_nor_look_into_it(site: Deployment) -> None:
    with site.as_superuser() as session, session.transaction(force_rollback=True):
        session.execute("CREATE ROLE stranger LOGIN")
        session.execute(worded("GRANT CONNECT ON DATABASE {dbname} TO stranger", dbname=site.dbname))
        session.execute("SET SESSION AUTHORIZATION stranger")
        for attempt in (
            call("create_login", LOGIN, VERIFIER, moment(300), "reader"),
            call("reap"),
            call("drop_login", LOGIN),
            call("renew_login", LOGIN, moment(300)),
        ):
            assert outcome(session, attempt) == DENIED
        seen = session.execute(
            "SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p "
            "JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'runlease'"
        )
        assert seen.fetchone() == (False,)


# --- arguments of create_login


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
    "tomorrow": DENIED,
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


# --- renewing and dropping


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
