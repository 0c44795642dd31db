"""What the catalogs of one database say → its Database, and every Role that matters there. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from runlease.access import (
    PUBLIC,
    Attribute,
    Database,
    Grant,
    ObjectKind,
    OnNamed,
    ProfileName,
    Public,
    Role,
    Unread,
)
from runlease.config import DatabaseSettings, profile_grants, role_name
from runlease.config.made import BROKER_SCHEMA
from runlease.readers.catalog import Catalog, CatalogRole
from runlease.readers.grants import Place, read_grants

_OTHERS = {
    "definer": "a SECURITY DEFINER function does what its owner may, and its body is not understood",
    "rows": "policies say which rows each role reaches, and are not followed: it may be fewer than its grants say",
}
_SOURCE = "pg_roles of {}"


class CatalogNouns:
    """The nouns of one database, as far as PostgreSQL knows them."""

    def __init__(self, key: str, settings: DatabaseSettings, catalog: Catalog) -> None:
        self._key, self._settings, self._catalog = key, settings, catalog
        grants, self._unread = read_grants(catalog, _named(key, settings))
        self._grants: dict[str, list[Grant]] = defaultdict(list)
        for grant in sorted(grants, key=str):
            self._grants[grant.role].append(grant)

    def database(self) -> Database:
        """The database with those of the declared schemas that are there. Who runs the server no catalog says."""
        owners = {one.name: one.owner for one in self._catalog.objects if one.kind == "SCHEMA"}
        found = tuple(schema for schema in self._settings.schemas if schema in owners)
        foreign = sorted({owners[schema] for schema in found} - {self._settings.owner})
        kept = any(str(grant.target) == f"DATABASE {self._settings.dbname}" for grant in self._grants[PUBLIC])
        return Database(
            self._key,
            self._catalog.dbname,
            foreign[0] if foreign else self._settings.owner,
            found,
            self._settings.server,
            Public.KEEP if kept else Public.REVOKE,
            source="pg_database",
        )

    def roles(self) -> tuple[Role, ...]:
        """Roles that hold, own or are held by something here, or have an attribute; leased logins are none of them."""
        public = [Role(PUBLIC, self._key, None, tuple(self._grants[PUBLIC]), source="PostgreSQL")]
        found = [self._role(role) for role in self._catalog.roles.values() if role.name in self._mattering]
        return tuple(sorted([*found, *(one for one in public if one.grants)], key=lambda role: role.name))

    def unread(self) -> tuple[Unread, ...]:
        """What is granted and not understood."""
        where = f"database {self._key}"
        others = [
            Unread(
                f"{where}: {one.thing}",
                _OTHERS.get(one.kind, f"privileges on {one.kind} are not followed"),
                narrows=one.kind == "rows",
            )
            for one in self._catalog.others
        ]
        return (*(Unread(f"{where}: {one.where}", one.why) for one in self._unread), *others)

    @cached_property
    def _owners(self) -> frozenset[str]:
        """Who owns the database, or anything in what the settings name."""
        schemas = (*self._settings.schemas, BROKER_SCHEMA)
        return frozenset(
            one.owner
            for one in self._catalog.objects
            if one.kind == "DATABASE" or (one.name if one.kind == "SCHEMA" else one.schema) in schemas
        )

    @cached_property
    def _held(self) -> Mapping[str, set[str]]:
        """Role → its members, bare marks and leased logins left out."""
        found: dict[str, set[str]] = defaultdict(set)
        for one in self._catalog.memberships:
            if (one.holds or one.admin) and not self._catalog.roles[one.member].leased:
                found[one.role].add(one.member)
        return found

    @cached_property
    def _mattering(self) -> frozenset[str]:
        profiles = {role_name(self._key, profile) for profile in ProfileName}
        attributes = {name for name, role in self._catalog.roles.items() if _attributes(role)}
        there = {*self._grants, *self._owners, *self._held, *profiles, *attributes}
        there = {name for name in there if name in self._catalog.roles}
        return frozenset(name for name in there if not self._catalog.roles[name].leased)

    def _role(self, role: CatalogRole) -> Role:
        members = self._held.get(role.name, set())
        admins = {one.member for one in self._catalog.memberships if one.role == role.name and one.admin} & members
        profile = next((one for one in self._settings.profiles if role.name == role_name(self._key, one)), None)
        return Role(
            role.name,
            self._key,
            profile,
            tuple(self._grants.get(role.name, ())),
            members=tuple(sorted(members - admins)),
            runs_as=role.name if role.name in self._owners else self._becomes(role.name),
            login=role.login,
            inherit=role.inherit,
            attributes=_attributes(role),
            admins=tuple(sorted(admins)),
            source=_SOURCE.format(self._key),
        )

    def _becomes(self, name: str) -> str | None:
        """The owner that a role which inherits nothing of it may become."""
        found = sorted(
            one.role
            for one in self._catalog.memberships
            if one.member == name and one.becomes and not one.inherits and one.role in self._owners
        )
        return self._settings.owner if self._settings.owner in found else next(iter(found), None)


def _named(key: str, settings: DatabaseSettings) -> set[Place]:
    return {
        (grant.role, ObjectKind(grant.target.kind), grant.target.schema)
        for profile in settings.profiles
        for grant in profile_grants(key, settings, profile)
        if isinstance(grant.target, OnNamed)
    }


def _attributes(role: CatalogRole) -> frozenset[Attribute]:
    return frozenset(one for one in Attribute if getattr(role, one.lower()))
