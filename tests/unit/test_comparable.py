"""Live access as a declaration would say it: what a deployment makes is no difference, and everything more is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runlease.access import (
    PUBLIC,
    Access,
    Attribute,
    Grant,
    ObjectKind,
    OnDatabase,
    OnNamed,
    OnSchema,
    Privilege,
    Public,
    Role,
)
from runlease.access.diff import diff
from runlease.config import Settings, load, to_access
from runlease.readers.comparable import comparable

DATABASE = {
    "server": "self_managed",
    "host": "db.internal",
    "dbname": "shop",
    "ca": "ca.pem",
    "public": "revoke",
    "connect": ["app"],
    "owner": "shop_owner",
    "schemas": ["app"],
    "profiles": {"reader": {"members": ["ann"]}, "migrator": {}},
}


def settings(**database: Any) -> Settings:
    return load(
        {
            "installation": "shop",
            "vault": {"address": "https://vault:8200"},
            "cluster": {"issuer": "https://issuer.internal"},
            "databases": {"shop": {**DATABASE, **database}},
            "leases": {"read": {"database": "shop", "profile": "reader", "ttl": "5m", "max_ttl": "10m"}},
            "pipelines": {"report": {"namespace": "ci", "tasks": {"read": "read"}}},
        }
    )


def told(*roles: Role, **database: Any) -> list[str]:
    """The difference when these roles are there beside the declared."""
    declared = to_access(settings(**database))
    live = replace(declared, roles=(*declared.roles, *roles))
    return [str(change) for change in diff(declared, comparable(live, settings(**database)))]


CONNECT = Grant((Privilege.CONNECT,), OnDatabase("shop"), "app")
SELECT = Grant((Privilege.SELECT,), OnNamed(ObjectKind.TABLE, "app", ("a",)), "app")


@pytest.mark.parametrize(
    "role",
    [
        Role("app", "shop", None, (CONNECT,), login=True, attributes=frozenset({Attribute.REPLICATION})),
        Role("postgres", "shop", None, (SELECT,), runs_as="postgres", attributes=frozenset({Attribute.SUPERUSER})),
        Role("root", "shop", None, (), runs_as="root", attributes=frozenset({Attribute.SUPERUSER})),
        Role("shop_owner", "shop", None, (), members=("shop_migrator",), runs_as="shop_owner", admins=("postgres",)),
        Role("other", "shop", None, (replace(SELECT, target=OnSchema("elsewhere")),)),
        Role("pg_monitor", "shop", None, (), members=("watcher",)),
    ],
    ids=lambda role: role.name,
)
def test_what_a_deployment_makes_or_nothing_declared_is_reached_by_is_no_difference(role: Role) -> None:
    assert told(role) == []


@pytest.mark.parametrize(
    "role",
    [
        Role("app", "shop", None, (CONNECT, SELECT), login=True),
        Role("app", "shop", None, (replace(CONNECT, grantable=True),), login=True),
        Role("ann", "shop", None, (), members=("bob",)),
        Role("shop_owner", "shop", None, (), members=("bob", "shop_migrator")),
        Role("shop_owner", "shop", None, (), admins=("bob",)),
        Role("boss", "shop", None, (), runs_as="boss"),
        Role("runlease_shop_broker", "shop", None, (), attributes=frozenset({Attribute.BYPASSRLS})),
        Role("runlease_shop_login", "shop", None, (), login=True),
        Role("pg_write_all_data", "shop", None, (), members=("bob",)),
    ],
    ids=str,
)
def test_whatever_more_a_role_holds_is_the_difference(role: Role) -> None:
    (said,) = told(role)
    assert said == f"+ roles shop {role.name}"


def test_public_keeps_what_a_declaration_lets_it_keep() -> None:
    public = Role(PUBLIC, "shop", None, (replace(CONNECT, role=PUBLIC),))
    assert told(public, public="keep", connect=[]) == []
    assert told(public) == [f"+ roles shop {PUBLIC}"]


def test_a_public_that_has_nothing_left_to_keep_is_no_difference() -> None:
    kept = settings(public="keep", connect=[])
    declared = to_access(kept)
    live = replace(declared, databases=tuple(replace(one, public=Public.REVOKE) for one in declared.databases))
    assert diff(declared, comparable(live, kept)) == ()


def test_an_empty_server_lacks_everything_declared() -> None:
    declared = to_access(settings())
    found = diff(declared, comparable(Access("shop"), settings()))
    assert [change.after for change in found] == [None] * 5
