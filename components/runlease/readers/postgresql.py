"""Resources of pulumi-postgresql → facts about the servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runlease.access import (
    EVERY,
    PUBLIC,
    Attribute,
    Grant,
    ObjectKind,
    OnAll,
    OnColumns,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    Server,
    Target,
    every_privilege,
)
from runlease.config.made import BROKER_SCHEMA
from runlease.readers.allow_list import read_allow_list
from runlease.readers.error import UnreadError
from runlease.readers.properties import Properties, Resource
from runlease.readers.servers import Declared, Facts, MadeRole, Place

COMPONENT = "runlease:index:DatabaseAccess"
_PREFIX = "postgresql:index/"
_EXTENSION = f"{_PREFIX}extension:Extension"
"""Gives nobody anything by itself: its functions are what PUBLIC may call in any database."""
_ATTRIBUTES = {
    "superuser": Attribute.SUPERUSER,
    "createRole": Attribute.CREATEROLE,
    "createDatabase": Attribute.CREATEDB,
    "bypassRowLevelSecurity": Attribute.BYPASSRLS,
    "replication": Attribute.REPLICATION,
}
_KINDS = {
    "table": ObjectKind.TABLE,
    "sequence": ObjectKind.SEQUENCE,
    "function": ObjectKind.FUNCTION,
    "procedure": ObjectKind.FUNCTION,
    "routine": ObjectKind.FUNCTION,
}
_ORDER = list(Privilege)


@dataclass
class Postgresql:
    """Takes in one resource after the other; `facts` is what they say together."""

    providers: Mapping[str, Resource]
    components: Mapping[str, Declared]
    """What each DatabaseAccess says, by its URN."""
    facts: Facts = field(default_factory=Facts)
    _dialled: dict[str, Place] = field(default_factory=dict)
    """What each provider connects to, by its URN."""

    def read(self, resource: Resource) -> None:
        """Take one resource in. Raises UnreadError."""
        if resource.type == _EXTENSION:
            return
        readers: Mapping[str, Callable[[Resource, Place], None]] = {
            "role:Role": self._role,
            "grantRole:GrantRole": self._grant_role,
            "grant:Grant": self._grant,
            "defaultPrivileges:DefaultPrivileges": self._default_privileges,
            "defaultPrivileg:DefaultPrivileg": self._default_privileges,
            "database:Database": self._database,
            "schema:Schema": self._schema,
            "function:Function": self._function,
        }
        read = readers.get(resource.type.removeprefix(_PREFIX))
        if read is None:
            raise UnreadError(f"resources of type {resource.type} are not understood")
        read(resource, self._place(resource))

    def _place(self, resource: Resource) -> Place:
        if resource.provider not in self._dialled:
            self._dialled[resource.provider] = self._dial(resource)
        dialled = self._dialled[resource.provider]
        component = self.components.get(resource.parent)
        if component is not None:
            dialled = Place(dialled.server, component.dbname)
            self.facts.declared[dialled] = component
        if resource.properties.has("database"):
            return Place(dialled.server, resource.properties.text("database"))
        return dialled

    def _dial(self, resource: Resource) -> Place:
        provider = self.providers.get(resource.provider)
        said = provider.properties if provider else Properties({})
        server = server_of(resource, self.providers)
        if said.flag("superuser", default=True):
            self.facts.superusers.add(server)
        return Place(server, said.text("database", "postgres"))

    def _role(self, resource: Resource, place: Place) -> None:
        said = resource.properties
        name, groups = said.text("name"), said.texts("roles")
        attributes = frozenset(attribute for key, attribute in _ATTRIBUTES.items() if said.flag(key))
        ours = resource.parent in self.components
        made = MadeRole(place, ours, said.flag("login"), said.flag("inherit", True), attributes, resource.urn)
        self.facts.made[place.server, name] = made
        for group in groups:
            self._add_member(place, group, name, admin=False)

    def _grant_role(self, resource: Resource, place: Place) -> None:
        said = resource.properties
        self._add_member(place, said.text("grantRole"), said.text("role"), said.flag("withAdminOption"))

    def _add_member(self, place: Place, group: str, member: str, admin: bool) -> None:
        self.facts.members[place.server, group].add((member, admin))
        self.facts.homes.setdefault((place.server, group), place)

    def _grant(self, resource: Resource, place: Place) -> None:
        said = resource.properties
        role, kind = role_name(said.text("role")), said.text("objectType")
        if said.texts("privileges"):
            self._add(resource, place, role, _target(said, kind, place.dbname))
        elif (role, kind) == (PUBLIC, "database"):
            self.facts.revoked.add(place)

    def _default_privileges(self, resource: Resource, place: Place) -> None:
        said = resource.properties
        role, kind, owner = role_name(said.text("role")), said.text("objectType"), said.text("owner", "")
        if not said.texts("privileges"):
            return
        if kind not in _KINDS:
            raise UnreadError(f"default privileges on objects of type {kind} are not understood")
        self._add(resource, place, role, OnFuture(_KINDS[kind], said.text("schema", EVERY), owner))

    def _add(self, resource: Resource, place: Place, role: str, target: Target) -> None:
        said = resource.properties
        privileges = _privileges(said.texts("privileges"), target)
        self.facts.grants[place].append(
            Grant(privileges, target, role, said.flag("withGrantOption"), source=resource.urn)
        )

    def _database(self, resource: Resource, place: Place) -> None:
        said = resource.properties
        made = Place(place.server, said.text("name"))
        self.facts.databases[made] = resource.urn
        # Ours belongs to the admin on purpose: its schemas have the owner that migrations become.
        if resource.parent not in self.components and said.has("owner"):
            self.facts.owners[made].add(said.text("owner"))

    def _schema(self, resource: Resource, place: Place) -> None:
        said = resource.properties
        if said.has("policies"):
            raise UnreadError("policies of a schema are not understood; use grants")
        broker = resource.parent in self.components and said.text("name") == BROKER_SCHEMA
        if not broker:
            self.facts.schemas[place].add(said.text("name"))
        if said.has("owner") and not broker:
            self.facts.owners[place].add(said.text("owner"))

    def _function(self, resource: Resource, place: Place) -> None:
        said = resource.properties
        if not said.flag("securityDefiner"):
            return
        if resource.parent not in self.components or said.text("schema") != BROKER_SCHEMA:
            raise UnreadError("a SECURITY DEFINER function does what its owner may, and its body is not understood")
        if said.text("name") == "create_login":
            found = read_allow_list(said.text("body"))
            if found is None:
                raise UnreadError("the broker's create_login has no allow-list that is understood")
            self.facts.allowed[place] = found


def read_component(resource: Resource) -> Declared:
    """What a DatabaseAccess says of its database. Raises UnreadError."""
    said = resource.properties
    key, dbname, owner = said.text("key"), said.text("dbname"), said.text("owner")
    try:
        server = Server(said.text("server"))
    except ValueError as error:
        raise error if isinstance(error, UnreadError) else UnreadError("server is none that is known") from None
    return Declared(key, dbname, owner, said.texts("schemas"), server, resource.urn)


def server_of(resource: Resource, providers: Mapping[str, Resource]) -> str:
    """`host:port` that a resource's provider dials, or the provider's URN where it does not say."""
    provider = providers.get(resource.provider)
    try:
        return f"{provider.properties.text('host')}:{provider.properties.text('port', '5432')}" if provider else ""
    except UnreadError:
        return resource.provider


def role_name(name: str) -> str:
    """PUBLIC for every spelling of it."""
    return PUBLIC if name.lower() == "public" else name


def _target(said: Properties, kind: str, dbname: str) -> Target:
    if kind == "column":
        return _columns(said)
    if kind == "database":
        return OnDatabase(dbname)
    if kind == "schema":
        return OnSchema(said.text("schema"))
    if kind not in _KINDS:
        raise UnreadError(f"privileges on objects of type {kind} are not understood")
    objects = tuple(sorted(said.texts("objects")))
    schema = said.text("schema")
    return OnNamed(_KINDS[kind], schema, objects) if objects else OnAll(_KINDS[kind], schema)


def _columns(said: Properties) -> Target:
    tables, columns = said.texts("objects"), tuple(sorted(said.texts("columns")))
    if len(tables) != 1 or not columns:
        raise UnreadError("privileges on columns are on columns of one table")
    return OnColumns(said.text("schema"), tables[0], columns)


def _privileges(given: tuple[str, ...], target: Target) -> tuple[Privilege, ...]:
    found: set[Privilege] = set()
    for word in (one.upper() for one in given):
        if word in ("ALL", "ALL PRIVILEGES"):
            found |= set(every_privilege(target))
            continue
        try:
            found.add(Privilege("TEMPORARY" if word == "TEMP" else word))
        except ValueError:
            raise UnreadError("a privilege is not understood") from None
    return tuple(sorted(found, key=_ORDER.index))
