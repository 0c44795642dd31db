"""The broker's SQL as text: what it must hold to be safe, and to survive pulumi-postgresql."""

from __future__ import annotations

import re

import pytest

from runlease.access import PROFILES, ProfileName
from runlease.config import DatabaseSettings, LeaseSettings
from runlease.provision.broker import (
    LOGIN_PATTERN,
    RENEWAL_STATEMENT,
    REVOCATION_STATEMENT,
    Allowed,
    BrokerFunction,
    creation_statement,
    functions,
)
from runlease.provision.tiers import allow_list, tiers_of

MIGRATOR = Allowed("runlease_shop_vault_migrator", "migrator", "shop_migrator", 1800, 4, True, False)
SANDBOX = Allowed("runlease_shop_vault", "sandbox", "shop_sandbox", 600, 2, False, True)
NOBODY = "(VALUES (NULL::text, NULL, NULL, 0, 0, false, false))"
NAMES = ("reap", "create_login", "drop_login", "renew_login")


def broker(*allowed: Allowed, marker: str = "runlease_shop_login") -> dict[str, BrokerFunction]:
    return {
        function.name: function
        for function in functions(allowed, marker, "shop_sweeper", [MIGRATOR.caller, SANDBOX.caller])
    }


@pytest.fixture(params=NAMES)
def function(request: pytest.FixtureRequest) -> BrokerFunction:
    return broker(MIGRATOR, SANDBOX)[request.param]


def declared(body: str) -> list[str]:
    """The lines between DECLARE and BEGIN."""
    return [line.strip() for line in body.split("DECLARE\n", 1)[1].split("\nBEGIN\n", 1)[0].splitlines()]


def statements(body: str) -> list[str]:
    """The lines after the first BEGIN, without comments."""
    lines = body.split("\nBEGIN\n", 1)[1].splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("--")]


def test_there_are_four_functions_and_reap_comes_first() -> None:
    assert tuple(broker(MIGRATOR)) == NAMES


@pytest.mark.parametrize(
    ("name", "arguments", "returns"),
    [
        ("reap", (), "integer"),
        ("create_login", ("p_login", "p_verifier", "p_until", "p_profile"), "void"),
        ("drop_login", ("p_login",), "text"),
        ("renew_login", ("p_login", "p_until"), "void"),
    ],
)
def test_a_signature_never_changes(name: str, arguments: tuple[str, ...], returns: str) -> None:
    made = broker(MIGRATOR)[name]
    assert (made.arguments, made.returns) == (arguments, returns)


def test_every_declared_variable_has_a_catalog_type_and_no_initialiser(function: BrokerFunction) -> None:
    lines = declared(function.body)
    assert lines
    for line in lines:
        assert re.fullmatch(r"v_[a-z0-9_]+ pg_catalog\.[a-z0-9]+;", line), line


def test_only_one_block_declares_anything(function: BrokerFunction) -> None:
    assert len(re.findall(r"\bDECLARE\b", function.body)) == 1


def test_the_first_statement_sets_the_search_path(function: BrokerFunction) -> None:
    first = statements(function.body)[0]
    assert first == "PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);"


def test_a_body_holds_nothing_that_ends_or_begins_a_function_definition(function: BrokerFunction) -> None:
    """pulumi-postgresql finds the parts of a definition with a regular expression."""
    assert not re.search(r"\$[A-Za-z_]*\$", function.body)
    assert not re.search(r"\b(RETURNS|LANGUAGE|SECURITY DEFINER)\b", function.body, re.IGNORECASE)
    assert not re.search(r"\bAS\s+\$", function.body, re.IGNORECASE)


def test_a_body_begins_and_ends_as_it_is_read_back(function: BrokerFunction) -> None:
    assert function.body.startswith("\n")
    assert function.body.endswith("END\n")
    assert "\r" not in function.body
    assert "\t" not in function.body


def test_every_placeholder_is_filled(function: BrokerFunction) -> None:
    assert not re.search(r"@[a-z_]+@", function.body)


def test_sql_that_is_put_together_quotes_every_name_and_value(function: BrokerFunction) -> None:
    for statement in re.findall(r"EXECUTE (.*?);", function.body, re.DOTALL):
        assert statement.startswith("format("), statement
        texts = re.findall(r"'[^']*'", statement)
        assert set(re.findall(r"%.", "".join(texts))) <= {"%I", "%L", "%s"}
        if "%s" in "".join(texts):
            assert "CONNECTION LIMIT %s" in "".join(texts) or "COMMENT ON ROLE" in "".join(texts)


@pytest.mark.parametrize("name", ["create_login", "drop_login", "renew_login"])
def test_a_login_outside_the_name_space_is_refused_before_anything_is_looked_up(name: str) -> None:
    body = broker(MIGRATOR)[name].body
    assert body.index("!~ '^run_") < min(body.index(word) for word in (" FROM ", "EXECUTE ") if word in body)


@pytest.mark.parametrize(
    ("login", "accepted"),
    [
        ("run_shop-migrator_0123456789abcdefghij", True),
        ("run_a12345678", True),
        ("run_" + "a" * 59, True),
        ("run_" + "a" * 60, False),
        ("run_a", False),
        ("postgres", False),
        ("run_-a2345678", False),
        ("run_Shop12345", False),
        ('run_a"b345678', False),
        ("xrun_a12345678", False),
        ("run_a1234567é", False),
    ],
)
def test_the_name_space_of_logins(login: str, accepted: bool) -> None:
    assert bool(re.search(LOGIN_PATTERN, login)) is accepted


def test_the_allow_list_is_literals_alone() -> None:
    values = broker(MIGRATOR, SANDBOX)["create_login"].body.split("(VALUES ")[1].split(") AS a (")[0]
    assert [line.strip().rstrip(",") for line in values.splitlines()] == [
        "('runlease_shop_vault_migrator', 'migrator', 'shop_migrator', 1800, 4, true, false)",
        "('runlease_shop_vault', 'sandbox', 'shop_sandbox', 600, 2, false, true)",
    ]


@pytest.mark.parametrize("name", ["o'brien", "a\\'; SELECT 1; --", "') OR true --", "a\\"])
def test_a_hostile_name_stays_one_literal_of_the_allow_list(name: str) -> None:
    line = str(Allowed(name, "reader", name, 60, 1, False, False))
    spelled = re.fullmatch(
        r"\(( E)?'((?:[^'\\]|''|\\\\)*)', 'reader', ( E)?'((?:[^'\\]|''|\\\\)*)', 60, 1, false, false\)", line
    )
    assert spelled, line
    assert spelled[2].replace("''", "'").replace("\\\\", "\\") == name


def test_an_empty_allow_list_allows_nobody() -> None:
    body = broker()["create_login"].body
    assert NOBODY in body
    # NULL is equal to no session_user and no profile, so the query finds nothing and the function refuses.
    assert "a.caller = session_user::text AND a.profile = p_profile;\n  IF NOT FOUND THEN\n    RAISE EXCEPTION" in body


def test_the_caller_is_the_login_that_authenticated_and_not_the_definer() -> None:
    body = broker(MIGRATOR)["create_login"].body
    assert "a.caller = session_user::text" in body
    assert "current_user" not in body


def test_the_marker_is_a_literal() -> None:
    assert "@marker@" not in broker(MIGRATOR, marker="o'brien")["create_login"].body
    assert "'o''brien', p_login)" in broker(MIGRATOR, marker="o'brien")["create_login"].body


def test_the_password_stands_last_so_that_an_audit_redacts_what_follows() -> None:
    create = re.search(r"EXECUTE format\('CREATE ROLE.*?, p_login", broker()["create_login"].body, re.DOTALL)
    assert create
    assert create[0].split("PASSWORD %L")[1] == "', p_login"


@pytest.mark.parametrize("profile", ProfileName)
def test_vault_runs_one_call_to_make_a_login(profile: ProfileName) -> None:
    statement = creation_statement(profile)
    assert (
        statement
        == f"SELECT runlease.create_login('{{{{name}}}}', '{{{{password}}}}', '{{{{expiration}}}}', '{profile}')"
    )
    assert ";" not in statement


def test_vault_runs_one_call_to_drop_and_to_renew_a_login() -> None:
    assert REVOCATION_STATEMENT == "SELECT runlease.drop_login('{{name}}')"
    assert RENEWAL_STATEMENT == "SELECT runlease.renew_login('{{name}}', '{{expiration}}')"


DATABASE = DatabaseSettings.model_validate(
    {
        "server": "self_managed",
        "host": "db.internal",
        "dbname": "shop",
        "ca": "ca.pem",
        "public": "revoke",
        "owner": "shop_owner",
        "schemas": ["app"],
        "profiles": {"reader": {"connections": 7}, "migrator": {}, "sandbox": {}},
    }
)


def lease(profile: str, longest: str) -> LeaseSettings:
    return LeaseSettings.model_validate({"database": "shop", "profile": profile, "ttl": "1m", "max_ttl": longest})


def test_a_profile_without_a_lease_is_not_allowed() -> None:
    allowed = allow_list("shop", DATABASE, {"a": lease("reader", "5m")})
    assert [one.profile for one in allowed] == ["reader"]


def test_no_lease_allows_nobody() -> None:
    assert allow_list("shop", DATABASE, {}) == ()


def test_a_connection_outlasts_the_leases_that_are_revoked_through_it() -> None:
    assert [tier.login for tier in tiers_of("shop")] == ["runlease_shop_vault", "runlease_shop_vault_migrator"]


def test_a_login_lives_as_long_as_the_longest_lease_of_its_profile() -> None:
    leases = {"a": lease("reader", "5m"), "b": lease("reader", "10m"), "c": lease("migrator", "30m")}
    assert [(one.profile, one.longest) for one in allow_list("shop", DATABASE, leases)] == [
        ("reader", 600),
        ("migrator", 1800),
    ]


def test_only_the_migrators_login_makes_logins_that_run_as_the_owner() -> None:
    leases = {name: lease(name, "5m") for name in ("reader", "migrator", "sandbox")}
    allowed = allow_list("shop", DATABASE, leases)
    assert {one.caller for one in allowed if one.runs_as_owner} == {"runlease_shop_vault_migrator"}
    assert {one.caller for one in allowed if not one.runs_as_owner} == {"runlease_shop_vault"}
    assert [(one.own_schema, one.connections) for one in allowed] == [(False, 7), (False, 4), (True, 4)]
    assert all(one.runs_as_owner == PROFILES[ProfileName(one.profile)].runs_as_owner for one in allowed)
