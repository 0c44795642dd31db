"""Live and not declared, declared and not live, or not as declared: each difference, and what mends it. Pure."""

from collections.abc import Iterator
from typing import Any

from runlease.access import Access, Role
from runlease.access.diff import Change, diff
from runlease.access.rules import Severity
from runlease.config import Settings, to_access
from runlease.evidence.verify.check import Found
from runlease.evidence.verify.mends import mend, more
from runlease.readers.comparable import comparable

_NOUNS = {"databases": "database", "roles": "role", "leases": "lease", "bindings": "binding"}


def verify_drift(settings: Settings, live: Access) -> Iterator[Found]:
    """Every difference. What Vault would not tell is no difference: it was not tried."""
    for change in diff(to_access(settings), comparable(live, settings)):
        if change.section != "unread":
            yield _found(settings.installation, change)
        elif change.after is not None and not change.after.narrows and change.after.where.startswith("database "):
            where, what = change.after.where, f"is granted or there, and was not declared: {change.after.why}"
            yield Found("LV004", "not-followed", Severity.LOW, "access", where, what, "look at it: nothing follows it")


def _found(installation: str, change: Change) -> Found:
    place = f"{_NOUNS[change.section]} {change.name}"
    what, how = _what(change), mend(change, installation)
    if change.before is None:
        return Found("LV001", "extra", Severity.HIGH, "access", place, f"was not declared{what}", how)
    if change.after is None:
        return Found("LV002", "missing", Severity.MEDIUM, "access", place, "was declared and is not there", how)
    return Found("LV003", "changed", Severity.HIGH, "access", place, f"is not as declared{what}", how)


def _what(change: Change) -> str:
    before, after = change.before, change.after
    if isinstance(after, Role):
        words = list(_role(before or Role(after.name, after.database, None, ()), after))
    elif before is not None and after is not None:
        words = [f"{name} {_said(old)} → {_said(new)}" for name, old, new in _fields(before, after)]
    else:
        words = [str(after)]
    return f": {'; '.join(words)}" if words else ""


def _role(before: Role, after: Role) -> Iterator[str]:
    yield from (f"has {grant}" for grant in more(after, before))
    yield from (f"lacks {grant}" for grant in more(before, after))
    for name, old, new in _fields(before, after):
        if name not in ("grants", "profile", "inherit"):
            yield f"{name} {_said(old)} → {_said(new)}"


def _fields(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    for name, field in before.__dataclass_fields__.items():
        old, new = getattr(before, name), getattr(after, name)
        if field.compare and field.repr and old != new:
            yield name, old, new


def _said(value: Any) -> str:
    if isinstance(value, tuple | frozenset):
        return ", ".join(sorted(map(str, value))) or "none"
    return str(value) if value not in (None, "") else "none"
