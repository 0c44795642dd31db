"""Privileges, one on one object at a time, → grants as a declaration words them. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from runlease.access import (
    Grant,
    ObjectKind,
    OnAll,
    OnColumns,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    Target,
    Unread,
)
from runlease.readers.catalog import Catalog, CatalogDefault, CatalogPrivilege

USUAL = "nobody granted it: PostgreSQL's own default"
"""Source of a grant that stands in no list."""

_FUTURE = {"r": ObjectKind.TABLE, "S": ObjectKind.SEQUENCE, "f": ObjectKind.FUNCTION}
_ORDER = list(Privilege)
_Key = tuple[str, bool, str]
"""Who holds it, whether it may be given on, and where it stands."""


Place = tuple[str, ObjectKind, str]
"""Role, kind of object, schema."""


def read_grants(catalog: Catalog, by_name: Collection[Place] = ()) -> tuple[list[Grant], list[Unread]]:
    """Every grant of a database but those to leased logins, and what is not understood.

    `by_name` is where objects stay named even when they are all that there are: a declaration named them.
    """
    unread: list[Unread] = []
    on_objects, on_future = _understood(catalog, unread)
    future = list(_future(on_future))
    return [
        *_on_containers(on_objects),
        *_on_objects(catalog, on_objects, by_name),
        *_on_columns(on_objects),
        *_on_nothing_yet(catalog, future),
        *future,
    ], unread


def _understood(catalog: Catalog, unread: list[Unread]) -> tuple[list[CatalogPrivilege], list[CatalogDefault]]:
    objects, defaults = [], []
    for one in catalog.privileges:
        if _followed(catalog, one.grantee, one.privilege, f"{one.kind.lower()} {one.schema}.{one.name}", unread):
            objects.append(one)
    for two in catalog.defaults:
        where = f"default privileges of {two.owner} in schema {two.schema}"
        if two.kind not in _FUTURE:
            if (two.kind, two.grantee) != ("T", "PUBLIC"):
                unread.append(
                    Unread(where, f"those on schemas, types and large objects are not followed (to {two.grantee})")
                )
        elif _followed(catalog, two.grantee, two.privilege, where, unread):
            defaults.append(two)
    return objects, defaults


def _followed(catalog: Catalog, grantee: str, privilege: str, where: str, unread: list[Unread]) -> bool:
    role = catalog.roles.get(grantee)
    if role is not None and role.leased:
        return False
    if privilege not in _ORDER:
        unread.append(Unread(where, f"a privilege is not understood (got {privilege} to {grantee})"))
        return False
    return True


def _key(one: CatalogPrivilege | CatalogDefault, catalog: str) -> _Key:
    return one.grantee, one.grantable, USUAL if one.usual else catalog


def _grant(privileges: Iterable[str], target: Target, key: _Key) -> Grant:
    ordered = tuple(sorted(map(Privilege, privileges), key=_ORDER.index))
    return Grant(ordered, target, key[0], key[1], source=key[2])


def _on_containers(privileges: Iterable[CatalogPrivilege]) -> Iterator[Grant]:
    found: dict[tuple[Target, _Key], list[str]] = defaultdict(list)
    for one in privileges:
        if one.kind == "DATABASE":
            found[OnDatabase(one.name), _key(one, "pg_database")].append(one.privilege)
        elif one.kind == "SCHEMA":
            found[OnSchema(one.name), _key(one, "pg_namespace")].append(one.privilege)
    for (target, key), words in found.items():
        yield _grant(words, target, key)


def _on_objects(
    catalog: Catalog, privileges: Iterable[CatalogPrivilege], by_name: Collection[Place]
) -> Iterator[Grant]:
    """A privilege that a role has on every object of a kind in a schema is one on all of them."""
    present = _present(catalog)
    names: dict[tuple[ObjectKind, str, _Key, str], set[str]] = defaultdict(set)
    for one in privileges:
        if one.kind in list(ObjectKind):
            source = "pg_proc" if one.kind == ObjectKind.FUNCTION else "pg_class"
            names[ObjectKind(one.kind), one.schema, _key(one, source), one.privilege].add(one.name)
    together: dict[tuple[Target, _Key], list[str]] = defaultdict(list)
    for (kind, schema, key, privilege), found in names.items():
        every = present[kind, schema]
        if every and every <= found and (key[0], kind, schema) not in by_name:
            together[OnAll(kind, schema), key].append(privilege)
            found -= every
        if found:
            together[OnNamed(kind, schema, tuple(sorted(found))), key].append(privilege)
    for (target, key), words in together.items():
        yield _grant(words, target, key)


def _on_columns(privileges: Iterable[CatalogPrivilege]) -> Iterator[Grant]:
    columns: dict[tuple[str, str, _Key, str], list[str]] = defaultdict(list)
    for one in privileges:
        if one.column:
            columns[one.schema, one.name, _key(one, "pg_attribute"), one.privilege].append(one.column)
    together: dict[tuple[Target, _Key], list[str]] = defaultdict(list)
    for (schema, table, key, privilege), names in columns.items():
        together[OnColumns(schema, table, tuple(sorted(names))), key].append(privilege)
    for (target, key), words in together.items():
        yield _grant(words, target, key)


def _on_nothing_yet(catalog: Catalog, future: Iterable[Grant]) -> Iterator[Grant]:
    """Where a schema has no object of a kind, who gets every later one has all that there are."""
    present = _present(catalog)
    for grant in future:
        where = grant.target
        if isinstance(where, OnFuture) and grant.source != USUAL and not present[where.kind, where.schema]:
            yield replace(grant, target=OnAll(where.kind, where.schema))


def _present(catalog: Catalog) -> dict[tuple[ObjectKind, str], set[str]]:
    found: dict[tuple[ObjectKind, str], set[str]] = defaultdict(set)
    for thing in catalog.objects:
        if thing.kind in list(ObjectKind):
            found[ObjectKind(thing.kind), thing.schema].add(thing.name)
    return found


def _future(defaults: Iterable[CatalogDefault]) -> Iterator[Grant]:
    found: dict[tuple[Target, _Key], list[str]] = defaultdict(list)
    for one in defaults:
        target: Target = OnFuture(_FUTURE[one.kind], one.schema, one.owner)
        found[target, _key(one, "pg_default_acl")].append(one.privilege)
    for (target, key), words in found.items():
        yield _grant(words, target, key)
