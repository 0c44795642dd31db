"""What a difference means: which holder gains or loses which right, through what, and for how long.

A *holder* is who reaches a database: an identity with its leases, a login that is a member of a role, or PUBLIC. Rights
are worked out once for each role, and once for each pair of ways that several holders share: bindings and grants are
never multiplied.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from runlease.access.grants import PUBLIC
from runlease.access.lifetimes import Duration
from runlease.access.model import Access, Lease
from runlease.access.rights import Right, RightsOf


class Kind(IntEnum):
    """What an effect is, in the order in which a reviewer must see it: escalations first, removals last."""

    TO_PUBLIC = 0
    """Every login of the server gains it."""
    OWNER = 1
    """A holder gains what an owner can."""
    WRITER = 2
    """A holder that wrote nothing there can change rows now."""
    NEW_HOLDER = 3
    """Who reached nothing reaches something."""
    LONGER = 4
    """The same right, for longer."""
    GAIN = 5
    SHORTER = 6
    LOSS = 7

    @property
    def escalates(self) -> bool:
        """Whether it gives more than there was, in a way that needs a second look."""
        return self <= Kind.LONGER


@dataclass(frozen=True)
class Way:
    """One way to a role: by a lease, or by membership that lasts."""

    role: str
    database: str
    lease: str | None = None
    ttl: Duration | None = None
    max_ttl: Duration | None = None

    @classmethod
    def by(cls, lease: Lease) -> "Way":
        """The way that a lease is."""
        return cls(lease.role, lease.database, lease.name, lease.ttl, lease.max_ttl)

    @property
    def lasts(self) -> float:
        """Seconds that one run may use it; membership has no end."""
        return float("inf") if self.max_ttl is None else self.max_ttl.seconds

    def __str__(self) -> str:
        if self.lease is None:
            return f"through {self.role}"
        most = "" if self.ttl == self.max_ttl else f", at most {self.max_ttl}"
        return f"through {self.role}, for {self.ttl} a run{most}"


@dataclass(frozen=True)
class Effect:
    """One right that comes, goes, or lasts longer or shorter, for whoever shares it."""

    kind: Kind
    right: Right
    way: Way
    """Through what: after the change, or before it where the right goes."""
    was: Way | None = None
    """Through what it was held, where it only lasts longer or shorter."""
    apart_from: tuple[str, ...] = ()
    """Objects that it makes no difference for: they were in reach before, or still are."""


@dataclass(frozen=True)
class Affected:
    """Holders that a difference means the same for, and what it means; the worst first."""

    holders: tuple[str, ...]
    effects: tuple[Effect, ...]

    @cached_property
    def worst(self) -> Kind:
        """The kind of the first effect."""
        return self.effects[0].kind


Ways = tuple[Way, ...]


def effects(before: Access, after: Access) -> tuple[Affected, ...]:
    """Every holder whose reach differs, the worst first; empty when nobody's does."""
    old, new = ways(before), ways(after)
    rights = RightsOf(before), RightsOf(after)
    alike: dict[tuple[Ways, Ways, bool], list[str]] = {}
    for holder in old.keys() | new.keys():
        alike.setdefault((old.get(holder, ()), new.get(holder, ()), holder == PUBLIC), []).append(holder)
    found = []
    for (held, holds, public), holders in alike.items():
        if told := _between(held, holds, public, rights):
            found.append(Affected(tuple(sorted(holders)), told))
    return tuple(sorted(found, key=lambda one: (one.worst, one.holders)))


def ways(access: Access) -> Mapping[str, Ways]:
    """Every holder with its ways, in a fixed order."""
    leases = {lease.name: Way.by(lease) for lease in access.leases}
    found: dict[str, set[Way]] = {}
    for binding in access.bindings:
        if binding.lease in leases:
            found.setdefault(str(binding.identity), set()).add(leases[binding.lease])
    groups = {role.name for role in access.roles if not role.login}
    for role in access.roles:
        way = Way(role.name, role.database)
        for member in (*role.members, *role.admins):
            if member not in groups:
                found.setdefault(member, set()).add(way)
        if role.name == PUBLIC or role.login:
            found.setdefault(role.name, set()).add(way)
    return {holder: tuple(sorted(reached, key=repr)) for holder, reached in found.items()}


def _between(held: Ways, holds: Ways, public: bool, rights: tuple[RightsOf, RightsOf]) -> tuple[Effect, ...]:
    if held == holds and all(_same(way, *rights) for way in held):
        return ()
    old, new = _longest(held, rights[0]), _longest(holds, rights[1])
    found = (_effect(right, old, new, public) for right in old.keys() | new.keys())
    return tuple(sorted(filter(None, found), key=lambda one: (one.kind, one.way.database, str(one.right))))


def _effect(right: Right, old: Mapping[Right, Way], new: Mapping[Right, Way], public: bool) -> Effect | None:
    was, now = _held(right, old), _held(right, new)
    if was is None and now is not None:
        return Effect(_gain(right, old, public), right, now, apart_from=right.named_in(old))
    if now is None and was is not None:
        return Effect(Kind.LOSS, right, was, apart_from=right.named_in(new))
    if was is None or now is None or was.lasts == now.lasts:
        return None
    return Effect(Kind.LONGER if now.lasts > was.lasts else Kind.SHORTER, right, now, was)


def _held(right: Right, held: Mapping[Right, Way]) -> Way | None:
    """The way that lasts longest of those that give a right, by itself or with a wider one."""
    return max((held[one] for one in right.wider() if one in held), key=lambda way: way.lasts, default=None)


def _same(way: Way, old: RightsOf, new: RightsOf) -> bool:
    return old.of(way.role, way.database) == new.of(way.role, way.database)


def _longest(held: Iterable[Way], rights: RightsOf) -> dict[Right, Way]:
    """Each right with the way that lasts longest."""
    found: dict[Right, Way] = {}
    for way in sorted(held, key=lambda one: one.lasts):
        found |= dict.fromkeys(rights.of(way.role, way.database), way)
    return found


def _gain(right: Right, old: Mapping[Right, Way], public: bool) -> Kind:
    if public:
        return Kind.TO_PUBLIC
    if right.owns:
        return Kind.OWNER
    if right.writes and not any(one.writes or one.owns for one in old if one.database == right.database):
        return Kind.WRITER
    return Kind.GAIN if old else Kind.NEW_HOLDER
