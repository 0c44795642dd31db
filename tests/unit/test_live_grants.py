"""Privileges on one object at a time, worded as a declaration words them."""

from __future__ import annotations

from dataclasses import replace

from runlease.access import ObjectKind
from runlease.readers.catalog import Catalog, CatalogDefault, CatalogObject, CatalogPrivilege, CatalogRole
from runlease.readers.grants import read_grants

READER = CatalogRole("reader", False, True, False, False, False, False, False, leased=False)
LEASED = CatalogRole("run_x", True, True, False, False, False, False, False, leased=True)


def table(name: str) -> CatalogObject:
    return CatalogObject("TABLE", "app", name, "owner")


def select(name: str, grantee: str = "reader", privilege: str = "SELECT") -> CatalogPrivilege:
    return CatalogPrivilege("TABLE", "app", name, grantee, privilege, grantable=False, usual=False)


def catalog(*parts: CatalogObject | CatalogPrivilege | CatalogDefault) -> Catalog:
    return Catalog(
        "shop",
        {role.name: role for role in (READER, LEASED)},
        (),
        tuple(part for part in parts if isinstance(part, CatalogObject)),
        tuple(part for part in parts if isinstance(part, CatalogPrivilege)),
        tuple(part for part in parts if isinstance(part, CatalogDefault)),
        (),
        create_login="",
    )


def told(given: Catalog, *by_name: tuple[str, ObjectKind, str]) -> list[str]:
    grants, unread = read_grants(given, by_name)
    return [*map(str, grants), *map(str, unread)]


FUTURE = CatalogDefault("owner", "app", "r", "reader", "SELECT", grantable=False, usual=False)


def test_a_privilege_on_every_table_is_one_on_all_tables() -> None:
    given = catalog(table("a"), table("b"), select("a"), select("b"), select("b", privilege="DELETE"))
    assert told(given) == [
        "SELECT ON ALL TABLES IN SCHEMA app TO reader",
        "DELETE ON TABLE app.b TO reader",
    ]


def test_privileges_on_columns_stand_together_by_table_and_are_none_on_the_table() -> None:
    of_a = replace(select("a"), kind="COLUMN", column="id")
    given = catalog(
        table("a"), of_a, replace(of_a, column="b"), replace(of_a, privilege="UPDATE"), replace(of_a, grantee="run_x")
    )
    assert told(given) == [
        "SELECT ON COLUMN app.a(b), app.a(id) TO reader",
        "UPDATE ON COLUMN app.a(id) TO reader",
    ]


def test_a_table_that_a_declaration_names_stays_named_when_it_is_alone() -> None:
    place = ("reader", ObjectKind.TABLE, "app")
    assert told(catalog(table("a"), select("a")), place) == ["SELECT ON TABLE app.a TO reader"]


def test_who_gets_every_later_table_has_all_of_none() -> None:
    future = "SELECT ON FUTURE TABLES OF owner IN SCHEMA app TO reader"
    assert told(catalog(FUTURE)) == ["SELECT ON ALL TABLES IN SCHEMA app TO reader", future]
    assert told(catalog(table("a"), FUTURE)) == [future]


def test_a_leased_login_is_no_role_of_the_report() -> None:
    assert told(catalog(table("a"), select("a", "run_x"))) == []


def test_a_privilege_of_a_later_postgresql_is_unread() -> None:
    assert told(catalog(table("a"), select("a", privilege="TELEPORT"))) == [
        "table app.a: a privilege is not understood (got TELEPORT to reader)"
    ]


def test_default_privileges_on_schemas_are_unread() -> None:
    on_schemas = CatalogDefault("owner", "*", "n", "reader", "USAGE", grantable=False, usual=False)
    (said,) = told(catalog(on_schemas))
    assert said.startswith("default privileges of owner in schema *: those on schemas")
