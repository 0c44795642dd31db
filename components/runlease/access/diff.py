"""The difference between two Access values, noun by noun, and how to apply it. What it means for anybody: effects."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import zip_longest
from operator import attrgetter
from typing import Any

from runlease.access.lifetimes import Duration
from runlease.access.model import Access

Noun = Any
"""One frozen value of a section of an Access: a Role, a Lease, a Binding, …"""

_NAME: Mapping[str, Callable[[Noun], Any]] = {
    "databases": attrgetter("key"),
    "roles": attrgetter("database", "name"),
    "leases": attrgetter("name"),
    "bindings": attrgetter("identity.namespace", "identity.service_account", "pipeline", "task", "lease"),
    "connections": attrgetter("mount", "name"),
    "policies": attrgetter("name"),
    "trusts": attrgetter("mount", "name"),
    "accounts": attrgetter("namespace", "name"),
    "permissions": attrgetter("namespace", "subject"),
    "tasks": attrgetter("namespace", "name"),
    "unread": attrgetter("where"),
}
"""By which attributes a noun is the same one in two Access values. Everything else about it may change."""

SECTIONS = tuple(_NAME)


@dataclass(frozen=True)
class Change:
    """One noun that came (no `before`), went (no `after`) or changed. `+ role shop_reader`."""

    section: str
    """Field of Access that it stands in."""
    before: Noun | None
    after: Noun | None

    @property
    def name(self) -> str:
        """What it is called in both."""
        found = _NAME[self.section](self.after if self.after is not None else self.before)
        return found if isinstance(found, str) else " ".join(filter(None, found))

    def __str__(self) -> str:
        sign = "+" if self.before is None else "-" if self.after is None else "~"
        details = ", ".join(f"{field}: {old} → {new}" if shown else field for field, old, new, shown in _fields(self))
        return f"{sign} {self.section} {self.name}{f' ({details})' if details else ''}"


def widens(change: Change) -> bool:
    """Whether tokens are taken that were not before: another audience or issuer of an identity or a JWT role."""
    if change.before is None or change.after is None:
        return False
    match change.section:
        case "bindings":
            return bool(change.before.identity != change.after.identity)
        case "trusts":
            more = set(change.after.audiences) - set(change.before.audiences)
            return bool(more) or change.before.issuer != change.after.issuer
        case _:
            return False


def diff(before: Access, after: Access) -> tuple[Change, ...]:
    """Every noun that differs, in the order of the sections and then of names; empty when nothing does.

    The installation's name is no noun: two installations are compared by what they make.
    """
    return tuple(
        Change(section, old, new)
        for section in SECTIONS
        for old, new in _pairs(section, getattr(before, section), getattr(after, section))
        if old != new
    )


def apply(access: Access, changes: Iterable[Change]) -> Access:
    """The Access after the changes, in the order of `ordered`. Raises ValueError when one does not fit."""
    sections: dict[str, list[Noun]] = {section: list(getattr(access, section)) for section in SECTIONS}
    for change in changes:
        nouns = sections[change.section]
        if change.before is not None:
            if change.before not in nouns:
                raise ValueError(
                    f"{change.section} {change.name}: cannot be changed (got an Access without it, expected the one "
                    "that the difference was made from). Fix: make the difference again"
                )
            nouns.remove(change.before)
        if change.after is not None:
            nouns.append(change.after)
    return ordered(_with(access, sections))


def ordered(access: Access) -> Access:
    """The same Access with each section in the order of names, so that two that mean the same are equal."""
    return _with(access, {section: sorted(getattr(access, section), key=_order(section)) for section in SECTIONS})


def _with(access: Access, sections: Mapping[str, Iterable[Noun]]) -> Access:
    nouns: dict[str, Any] = {section: tuple(found) for section, found in sections.items()}
    return replace(access, **nouns)


def _pairs(
    section: str, before: tuple[Noun, ...], after: tuple[Noun, ...]
) -> Iterable[tuple[Noun | None, Noun | None]]:
    if before == after:
        return
    old, new = _by_name(section, before), _by_name(section, after)
    for name in sorted(old.keys() | new.keys()):
        yield from zip_longest(old.get(name, ()), new.get(name, ()))


def _by_name(section: str, nouns: tuple[Noun, ...]) -> dict[Any, list[Noun]]:
    found: dict[Any, list[Noun]] = {}
    for noun in nouns:
        found.setdefault(_NAME[section](noun), []).append(noun)
    return {name: sorted(alike, key=repr) if len(alike) > 1 else alike for name, alike in found.items()}


def _order(section: str) -> Callable[[Noun], Any]:
    return lambda noun: (_NAME[section](noun), repr(noun))


def _fields(change: Change) -> Iterable[tuple[str, Any, Any, bool]]:
    """Field, before, after, and whether it may be shown, of a noun that is in both: repr leaves secrets out."""
    if change.before is not None and change.after is not None:
        yield from _between(change.before, change.after, "")


def _between(before: Any, after: Any, where: str) -> Iterable[tuple[str, Any, Any, bool]]:
    for one in fields(after):
        old, new = getattr(before, one.name), getattr(after, one.name)
        if not one.compare or old == new:
            continue
        if is_dataclass(old) and type(old) is type(new) and not isinstance(new, Duration):
            yield from _between(old, new, f"{where}{one.name}.")
        else:
            yield f"{where}{one.name}", old, new, one.repr
