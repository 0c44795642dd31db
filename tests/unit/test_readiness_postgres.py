"""What `runlease check` decides about a database, from facts alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from runlease.config import DatabaseSettings
from runlease.readiness.database import judge
from runlease.readiness.findings import Finding, Severity
from runlease.readiness.live import LiveContent, LiveDatabase, LiveRole, LiveServer, LiveTable
from runlease.readiness.postgres import in_plain_words, password_variable

SUPERUSER = LiveRole("postgres", can_login=True, superuser=True, admin_inherits=True, admin_becomes=True)
OWNER = LiveRole("shop_owner", admin_inherits=True, admin_becomes=True, admin_grants=True)
HEALTHY = LiveServer(
    version=180_004,
    admin="postgres",
    roles={"postgres": SUPERUSER, "shop_owner": OWNER},
    databases={"shop": LiveDatabase("shop", "postgres")},
    content=LiveContent({"app": "shop_owner"}, (LiveTable("app", "orders", "shop_owner"),)),
)
CLOUD = LiveRole("cloud", can_login=True, create_role=True, admin_inherits=True, admin_becomes=True)
MANAGED = replace(
    HEALTHY,
    admin="cloud",
    roles={"cloud": CLOUD, "shop_owner": OWNER, "postgres": LiveRole("postgres", superuser=True)},
    databases={"shop": LiveDatabase("shop", "cloud")},
)


def settings(**changed: Any) -> DatabaseSettings:
    given = {
        "server": "self_managed",
        "host": "db",
        "dbname": "shop",
        "ca": "ca.pem",
        "public": "revoke",
        "owner": "shop_owner",
        "schemas": ["app"],
        "profiles": {"reader": {}},
        **changed,
    }
    return DatabaseSettings.model_validate(given)


def managed(**changed: Any) -> DatabaseSettings:
    return settings(server="managed", admin="cloud", **changed)


def found(live: LiveServer, database: DatabaseSettings | None = None) -> list[Finding]:
    return list(judge("shop", database or settings(), live))


def with_role(live: LiveServer, *roles: LiveRole) -> LiveServer:
    return replace(live, roles={**live.roles, **{role.name: role for role in roles}})


def only(findings: Sequence[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_a_healthy_server_has_no_finding() -> None:
    assert found(HEALTHY) == []
    assert found(MANAGED, managed()) == []


@pytest.mark.parametrize(
    ("version", "severity"),
    [(140_020, Severity.ERROR), (150_017, Severity.WARNING), (160_013, Severity.WARNING), (190_000, Severity.WARNING)],
)
def test_a_version_that_is_old_unknown_or_has_holes_is_named(version: int, severity: Severity) -> None:
    finding = only(found(replace(HEALTHY, version=version)))
    assert finding.severity is severity
    assert f"{version // 10_000}.{version % 10_000}" in finding.problem


@pytest.mark.parametrize("version", [150_018, 160_014, 170_010, 180_004, 180_099])
def test_a_version_at_or_above_its_floor_is_fine(version: int) -> None:
    assert found(replace(HEALTHY, version=version)) == []


def test_a_standby_is_refused() -> None:
    assert "primary" in only(found(replace(HEALTHY, standby=True))).problem


def test_weak_passwords_and_missing_tls_on_the_server_are_named() -> None:
    assert only(found(replace(HEALTHY, password_encryption="md5"))).severity is Severity.NOTE
    assert only(found(replace(HEALTHY, tls=False))).severity is Severity.WARNING


# --- the admin


def test_self_managed_wants_a_superuser() -> None:
    finding = only(found(with_role(HEALTHY, LiveRole("postgres", can_login=True, create_role=True))))
    assert finding.where == "access.databases.shop.admin"
    assert finding.fix.startswith('ALTER ROLE "postgres" SUPERUSER;')


def test_a_superuser_on_a_managed_server_is_a_note() -> None:
    live = with_role(MANAGED, replace(CLOUD, superuser=True))
    assert only(found(live, managed())).severity is Severity.NOTE


def test_managed_wants_createrole() -> None:
    finding = only(found(with_role(MANAGED, replace(CLOUD, create_role=False)), managed()))
    assert finding.fix == 'ALTER ROLE "cloud" CREATEROLE;'


def test_managed_wants_createdb_only_while_the_database_is_to_be_made() -> None:
    empty = replace(MANAGED, databases={}, content=None, roles={"cloud": CLOUD})
    create = managed(create=["database", "owner", "schemas"])
    assert only(found(empty, create)).fix == 'ALTER ROLE "cloud" CREATEDB;'
    assert found(with_role(empty, replace(CLOUD, create_db=True)), create) == []


def test_from_16_on_managed_wants_admin_on_the_owner() -> None:
    live = with_role(MANAGED, replace(OWNER, admin_grants=False))
    finding = only(found(live, managed()))
    assert finding.severity is Severity.ERROR
    assert finding.fix == 'GRANT "shop_owner" TO "cloud" WITH ADMIN OPTION;'
    assert found(replace(live, version=150_018), managed()) == []


def test_managed_wants_to_own_the_database_or_to_inherit_from_its_owner() -> None:
    live = with_role(replace(MANAGED, databases={"shop": LiveDatabase("shop", "dba")}), LiveRole("dba"))
    assert only(found(live, managed())).fix == 'GRANT "dba" TO "cloud";'
    assert found(with_role(live, LiveRole("dba", admin_inherits=True)), managed()) == []


def test_a_superuser_s_database_is_given_away_and_its_owner_never_granted() -> None:
    live = replace(MANAGED, databases={"shop": LiveDatabase("shop", "postgres")})
    assert only(found(live, managed())).fix == 'ALTER DATABASE "shop" OWNER TO "cloud";'


# --- existence


def test_everything_that_is_named_and_missing_is_an_error() -> None:
    database = settings(
        connect=["shop_app"],
        close=["other"],
        extensions=["citext"],
        schemas=["app", "audit"],
        profiles={"reader": {"members": ["bi"]}, "seeder": {"tables": ["app.orders", "app.gone"]}},
    )
    live = replace(HEALTHY, roles={"postgres": SUPERUSER})
    findings = found(live, database)
    assert all(one.severity is Severity.ERROR for one in findings)
    got = {one.where.removeprefix("access.databases.shop."): one.problem for one in findings}
    assert set(got) == {
        "connect",
        "close",
        "extensions",
        "schemas",
        "owner",
        "profiles.reader.members",
        "profiles.seeder.tables",
    }
    assert "app.gone" in got["profiles.seeder.tables"]
    assert "app.orders" not in got["profiles.seeder.tables"]


def test_a_missing_database_is_named_once_and_hides_nothing_of_the_server() -> None:
    live = replace(HEALTHY, databases={}, content=None, standby=True)
    assert {one.where for one in found(live)} == {"access.databases.shop.dbname", "access.databases.shop.host"}


def test_what_is_to_be_created_must_not_exist() -> None:
    findings = found(HEALTHY, settings(create=["database", "owner", "schemas"]))
    assert [one.where for one in findings] == ["access.databases.shop.create"] * 3
    assert any("taken over" in one.problem for one in findings)


def test_what_an_earlier_up_created_is_a_note() -> None:
    live = with_role(HEALTHY, LiveRole("runlease_shop_broker"), LiveRole("shop_reader"))
    live = replace(live, content=LiveContent({"app": "shop_owner", "runlease": "runlease_shop_broker"}))
    finding = only(found(live, settings(create=["database", "owner", "schemas"])))
    assert finding.severity is Severity.NOTE
    assert "shop_reader" in finding.problem


def test_roles_of_our_names_that_somebody_else_made_are_an_error() -> None:
    finding = only(found(with_role(HEALTHY, LiveRole("shop_reader"), LiveRole("shop_other"))))
    assert finding.severity is Severity.ERROR
    assert "shop_reader" in finding.problem
    assert "shop_other" not in finding.problem


def test_a_broker_schema_of_another_stack_is_an_error() -> None:
    live = replace(HEALTHY, content=LiveContent({"app": "shop_owner", "runlease": "runlease_store_broker"}))
    assert "runlease_store_broker" in only(found(live)).problem


# --- owners


def test_an_owner_that_can_log_in_is_an_error() -> None:
    finding = only(found(with_role(HEALTHY, replace(OWNER, can_login=True))))
    assert finding.severity is Severity.ERROR
    assert finding.fix == 'ALTER ROLE "shop_owner" NOLOGIN;'


@pytest.mark.parametrize(
    ("attribute", "word"),
    [
        ("superuser", "SUPERUSER"),
        ("create_role", "CREATEROLE"),
        ("replication", "REPLICATION"),
        ("bypass_rls", "BYPASSRLS"),
    ],
)
def test_an_owner_with_an_attribute_is_an_error(attribute: str, word: str) -> None:
    changed: dict[str, Any] = {attribute: True}
    finding = only(found(with_role(HEALTHY, replace(OWNER, **changed))))
    assert finding.fix == f'ALTER ROLE "shop_owner" NO{word};'


def test_a_schema_of_another_owner_is_never_taken_over_silently() -> None:
    finding = only(found(replace(HEALTHY, content=LiveContent({"app": "postgres"}))))
    assert finding.fix == 'ALTER SCHEMA "app" OWNER TO "shop_owner";'


def test_five_tables_of_others_are_listed_and_the_rest_is_counted() -> None:
    tables = tuple(LiveTable("app", f"t{number}", "postgres") for number in range(7))
    finding = only(found(replace(HEALTHY, content=LiveContent({"app": "shop_owner"}, tables))))
    assert finding.severity is Severity.WARNING
    assert finding.fix.count("ALTER TABLE") == 5
    assert "t4 of postgres and 2 more" in finding.problem


@pytest.mark.parametrize(
    ("role", "severity"),
    [
        (LiveRole("dev"), Severity.ERROR),
        (LiveRole("dev", admin_grants=True), Severity.WARNING),
        (LiveRole("dev", admin_becomes=True), Severity.WARNING),
        (LiveRole("dev", superuser=True, admin_grants=True), Severity.ERROR),
    ],
)
def test_on_a_managed_server_tables_that_cannot_be_granted_on_are_an_error(role: LiveRole, severity: Severity) -> None:
    content = LiveContent({"app": "shop_owner"}, (LiveTable("app", "t", "dev"),))
    assert only(found(with_role(replace(MANAGED, content=content), role), managed())).severity is severity


# --- PUBLIC

PUBLIC = replace(HEALTHY, databases={"shop": LiveDatabase("shop", "postgres", ("app", "bi", "old"))})
LOGINS = tuple(LiveRole(name, can_login=True) for name in ("app", "bi", "old"))


def test_logins_that_lose_connect_are_named_and_those_that_keep_it_are_not() -> None:
    database = settings(connect=["app"], profiles={"reader": {"members": ["bi"]}})
    finding = only(found(with_role(PUBLIC, *LOGINS), database))
    assert finding.severity is Severity.WARNING
    assert "got old)" in finding.problem
    assert finding.fix.endswith("connect: [old]")


def test_nobody_loses_anything_with_public_keep() -> None:
    assert found(with_role(PUBLIC, *LOGINS), settings(public="keep")) == []


def test_a_long_list_of_logins_is_cut_and_counted() -> None:
    logins = tuple(f"login{number:03}" for number in range(30))
    live = replace(HEALTHY, databases={"shop": LiveDatabase("shop", "postgres", logins)})
    finding = only(found(live))
    assert finding.problem.startswith("30 of the logins")
    assert "login019 and 10 more" in finding.problem


def test_logins_that_lose_a_closed_database_are_named() -> None:
    other = LiveDatabase("other", "postgres", ("app",))
    live = replace(HEALTHY, databases={**HEALTHY.databases, "other": other})
    finding = only(found(live, settings(close=["other"])))
    assert finding.fix.startswith('GRANT CONNECT ON DATABASE "other" TO "app";')
    assert found(live) == []


def test_a_connect_role_that_holds_more_is_named() -> None:
    shop = LiveDatabase("shop", "postgres", direct={"app": ["CONNECT", "CREATE"], "bi": ["CONNECT"]})
    live = with_role(replace(HEALTHY, databases={"shop": shop}), *LOGINS)
    finding = only(found(live, settings(connect=["app", "bi"])))
    assert "got app with CREATE" in finding.problem


# --- what libpq says


@pytest.mark.parametrize(
    ("said", "setting", "fix"),
    [
        ("SSL error: certificate verify failed", "ca", "put the CA that did at ca.pem"),
        ('server certificate for "a" does not match host name "b"', "host", "verify-pinned-ca"),
        ("server does not support SSL, but SSL was required", "host", "ssl = on"),
        ("fe_sendauth: no password supplied", "admin", "export RUNLEASE_ADMIN_PASSWORD_SHOP"),
        ('FATAL:  password authentication failed for user "cloud"', "admin", "that of cloud"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "host", "hostssl all cloud"),
        ('could not translate host name "db" to address', "host", "correct the name"),
        ("Connection refused", "host", "start the server"),
        ("connection timeout expired", "host", "open the way to db:5432"),
        ("something new", "host", "psql connects to db:5432 as cloud"),
    ],
)
def test_a_server_that_does_not_let_us_in_says_why(said: str, setting: str, fix: str) -> None:
    finding = in_plain_words("shop", managed(), said)
    assert finding.severity is Severity.ERROR
    assert finding.where == f"access.databases.shop.{setting}"
    assert said in finding.problem.replace("\n", " ") or " ".join(said.split()) in finding.problem
    assert fix in finding.fix


def test_the_password_comes_from_a_variable_of_its_own() -> None:
    assert password_variable("shop_eu") == "RUNLEASE_ADMIN_PASSWORD_SHOP_EU"
