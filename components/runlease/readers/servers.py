"""What resources say of PostgreSQL servers, put together: roles as each database sees them, and the databases."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from runlease.access import (
    PROFILES,
    PUBLIC,
    Attribute,
    Database,
    Grant,
    ProfileName,
    Public,
    Role,
    Server,
)
from runlease.readers.error import UnreadError


@dataclass(frozen=True, order=True)
class Place:
    """One database of one server."""

    server: str
    """`host:port`, or the URN of a provider that says neither."""
    dbname: str


@dataclass(frozen=True)
class Declared:
    """What a DatabaseAccess says of its database."""

    key: str
    dbname: str
    owner: str
    schemas: tuple[str, ...]
    server: Server
    source: str


@dataclass(frozen=True)
class MadeRole:
    """A role that is made by a resource."""

    home: Place
    ours: bool
    """Whether a DatabaseAccess makes it: it belongs to that database, whatever database its provider dials."""
    login: bool
    inherit: bool
    attributes: frozenset[Attribute]
    source: str


@dataclass
class Facts:
    """What was read so far, one resource after the other."""

    declared: dict[Place, Declared] = field(default_factory=dict)
    """Databases of a DatabaseAccess."""
    made: dict[tuple[str, str], MadeRole] = field(default_factory=dict)
    """By server and name."""
    members: dict[tuple[str, str], set[tuple[str, bool]]] = field(default_factory=lambda: defaultdict(set))
    """Server and role → its members, and whether WITH ADMIN."""
    homes: dict[tuple[str, str], Place] = field(default_factory=dict)
    """Server and role with members → where the provider connects to that made one of them a member."""
    grants: dict[Place, list[Grant]] = field(default_factory=lambda: defaultdict(list))
    owners: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Who owns the database or a schema of it."""
    databases: dict[Place, str] = field(default_factory=dict)
    """Databases that are made here, and their URN."""
    schemas: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    revoked: set[Place] = field(default_factory=set)
    """Where PUBLIC lost what it has on the database."""
    superusers: set[str] = field(default_factory=set)
    """Servers that a superuser deploys to."""
    allowed: dict[Place, dict[tuple[str, str], str]] = field(default_factory=dict)
    """What the broker accepts: Vault's login and profile → group role."""


class Servers:
    """The nouns of PostgreSQL, once everything is read."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._above: dict[tuple[str, str], set[str]] = defaultdict(set)
        for (server, group), members in facts.members.items():
            for member, _ in members:
                self._above[server, member].add(group)

    @cached_property
    def _places(self) -> dict[str, list[Place]]:
        facts, found = self._facts, defaultdict[str, list[Place]](list)
        for place in sorted(facts.declared.keys() | facts.databases.keys() | facts.grants.keys()):
            found[place.dbname].append(place)
        return found

    @cached_property
    def _keys(self) -> set[str]:
        return {declared.key for declared in self._facts.declared.values()}

    def key(self, place: Place) -> str:
        """What the database is called: as its component says, or by its name, with its server where two share it."""
        if place in self._facts.declared:
            return self._facts.declared[place].key
        alone = [*self._places[place.dbname], place] == [place] * (1 + (place in self._places[place.dbname]))
        return place.dbname if alone and place.dbname not in self._keys else f"{place.dbname}@{place.server}"

    def databases(self) -> tuple[Database, ...]:
        """What the components say of theirs, and what is made beside them."""
        places = sorted(self._facts.declared.keys() | self._facts.databases.keys())
        return tuple(map(self._noun, places))

    def _noun(self, place: Place) -> Database:
        facts, declared = self._facts, self._facts.declared.get(place)
        public = Public.REVOKE if place in facts.revoked else Public.KEEP
        if declared:
            owner, schemas, server, source = declared.owner, declared.schemas, declared.server, declared.source
        else:
            owner, schemas = min(facts.owners[place], default=""), tuple(sorted(facts.schemas[place]))
            server = Server.SELF_MANAGED if place.server in facts.superusers else Server.MANAGED
            source = facts.databases[place]
        return Database(self.key(place), place.dbname, owner, schemas, server, public, source=source)

    def find(self, host: str, dbname: str, login: str) -> Place:
        """The database that Vault dials: by its name, then by the login that it uses there, then by the server."""
        alike = self._places[dbname]
        found = [place for place in alike if (place.server, login) in self._facts.made] or alike
        found = [place for place in found if place.server == host] or found
        if len(found) > 1:
            raise UnreadError(f"several databases are called {dbname}, and which of them Vault dials is not clear")
        return found[0] if found else Place(host, dbname)

    def group_role(self, place: Place, login: str, profile: str) -> str:
        """The role that the broker gives to logins of a profile when this login of Vault's asks. Raises UnreadError."""
        found = self._facts.allowed.get(place, {}).get((login, profile))
        if found is None:
            raise UnreadError("its statement calls the broker, and the broker's allow-list has no line for it")
        return found

    def roles(self, leased: Iterable[tuple[Place, str]]) -> tuple[Role, ...]:
        """Every role in every database where it holds something, is held, owns something or is a lease's."""
        present = self._present(leased)
        grants = {
            (place, role): [grant for grant in all_ if grant.role == role]
            for place, all_ in self._facts.grants.items()
            for role in {grant.role for grant in all_}
        }
        found = (
            self._as_seen(place, name, grants.get((place, name), []), names)
            for place, names in present.items()
            for name in names
        )
        return tuple(sorted(found, key=lambda role: (role.database, role.name)))

    def _present(self, leased: Iterable[tuple[Place, str]]) -> dict[Place, set[str]]:
        facts, present = self._facts, defaultdict[Place, set[str]](set)
        for place, name in self._mentioned(leased):
            present[place].add(name)
        for place, names in present.items():
            self._close(place.server, names)
        elsewhere = {(place.server, name) for place, names in present.items() for name in names}
        for server, name in sorted(facts.made.keys() | facts.members.keys()):
            if (server, name) not in elsewhere:
                home = self._home(server, name)
                names = {name}
                self._close(server, names)
                present[home] |= names
                elsewhere |= {(server, one) for one in names}
        return present

    def _mentioned(self, leased: Iterable[tuple[Place, str]]) -> Iterator[tuple[Place, str]]:
        facts = self._facts
        yield from ((place, grant.role) for place, grants in facts.grants.items() for grant in grants)
        yield from ((place, owner) for place, owners in facts.owners.items() for owner in owners)
        yield from ((place, name) for place, name in leased if name)
        yield from ((made.home, name) for (_, name), made in facts.made.items() if made.ours)

    def _close(self, server: str, names: set[str]) -> None:
        """Add the members that something is known of, and theirs; then every role that one of them all is a member of.

        Not the members of those in turn: what they hold here they hold by other roles, or they do not.
        """
        facts = self._facts
        _spread(
            names, lambda name: {one for one, _ in facts.members.get((server, name), ()) if self._known(server, one)}
        )
        _spread(names, lambda name: self._above.get((server, name), set()))

    def _known(self, server: str, name: str) -> bool:
        return (server, name) in self._facts.made or (server, name) in self._facts.members

    def _home(self, server: str, name: str) -> Place:
        """Where a role is looked at that is nowhere else: where the provider of it or of its members connects to."""
        made = self._facts.made.get((server, name))
        return made.home if made else self._facts.homes[server, name]

    def _as_seen(self, place: Place, name: str, grants: list[Grant], here: set[str]) -> Role:
        facts = self._facts
        made = facts.made.get((place.server, name))
        # A member that is made here and stands in other databases alone is told there.
        members = {
            (one, admin)
            for one, admin in facts.members.get((place.server, name), ())
            if one in here or (place.server, one) not in facts.made
        }
        profile, owns = self._profile(place, name, made), name in self._owning(place)
        # Of a role that holds something and is not made here nothing else is known: it may be anybody's login.
        login = made.login if made else bool(grants or owns) and not members and name != PUBLIC
        return Role(
            name,
            self.key(place),
            profile,
            tuple(sorted(grants, key=_order)),
            members=tuple(sorted(member for member, admin in members if not admin)),
            runs_as=self._runs_as(place, name, profile) or (name if owns else None),
            login=login,
            inherit=made.inherit if made else True,
            attributes=made.attributes if made else frozenset(),
            admins=tuple(sorted(member for member, admin in members if admin)),
            source=made.source if made else next((grant.source for grant in grants), ""),
        )

    def _profile(self, place: Place, name: str, made: MadeRole | None) -> ProfileName | None:
        if made is None or not made.ours or place not in self._facts.declared:
            return None
        key = self.key(place)
        return next((profile for profile in ProfileName if name == f"{key}_{profile}"), None)

    def _runs_as(self, place: Place, name: str, profile: ProfileName | None) -> str | None:
        if profile is None or not PROFILES[profile].runs_as_owner:
            return None
        owner = self._facts.declared[place].owner
        return owner if owner in self._above.get((place.server, name), ()) else None

    def _owning(self, place: Place) -> set[str]:
        declared = self._facts.declared.get(place)
        return self._facts.owners.get(place, set()) | ({declared.owner} if declared else set())


def _order(grant: Grant) -> tuple[str, str, str, bool]:
    return type(grant.target).__name__, str(grant.target), ", ".join(grant.privileges), grant.grantable


def _spread(names: set[str], onward: Callable[[str], set[str]]) -> None:
    waiting = list(names)
    while waiting:
        for found in onward(waiting.pop()) - names:
            names.add(found)
            waiting.append(found)
