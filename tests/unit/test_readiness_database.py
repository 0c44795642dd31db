"""What `runlease check` decides about a database: what exists, who owns it, and whom PUBLIC lets in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runlease.readiness.findings import Severity
from runlease.readiness.live import LiveContent, LiveDatabase, LiveRole, LiveTable
from tests.unit.findings import only
from tests.unit.postgres_facts import HEALTHY, MANAGED, OWNER, SUPERUSER, found, managed, settings, with_role

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
