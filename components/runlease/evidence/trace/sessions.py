"""Sessions of leased logins, beside their leases: who used a login when it had none, and who calls itself another."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runlease.evidence.trace.model import Event, Finding, Kind, Lease, Life

TOLERANCE = timedelta(seconds=2)
"""A log may have whole seconds only, and a drop ends sessions a moment before its own line."""
_NAMELESS = frozenset({"", "[unknown]"})
_OF_A_POD = re.compile(r".+-pod(-retry\d+)?")
_USES = frozenset({Kind.CONNECT, Kind.STATEMENT, Kind.AUDIT, Kind.ERROR, Kind.NOTE})
_NAMES = 20
_IN_LOG = 63
"""Bytes of an application_name that PostgreSQL keeps."""


@dataclass(slots=True)
class Session:
    """One session, as far as its login was used in it."""

    login: str
    session: str
    first: datetime
    last: datetime
    statements: int = 0
    applications: set[str] = field(default_factory=set)


class Sessions:
    """All of them, whatever the order of what is seen."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(self._seen.values())

    def see(self, event: Event) -> None:
        """Take in one event."""
        if event.kind not in _USES:
            return
        key = event.login, event.session
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = Session(event.login, event.session, event.at, event.at)
        if event.at > seen.last:
            seen.last = event.at
        elif event.at < seen.first:
            seen.first = event.at
        seen.statements += event.kind in (Kind.STATEMENT, Kind.AUDIT)
        if event.application not in _NAMELESS and len(seen.applications) < _NAMES:
            seen.applications.add(event.application)


def unexplained(
    sessions: Iterable[Session], leases: Mapping[str, Lease], lives: Mapping[str, Life]
) -> Iterator[Finding]:
    """Uses of leased logins that no lease explains."""
    without: dict[str, list[Session]] = {}
    for one in sessions:
        if one.login not in leases:
            without.setdefault(one.login, []).append(one)
        yield from _outside(one, lives.get(one.login))
    for login, seen in without.items():
        statements, life = sum(one.statements for one in seen), lives.get(login)
        made = f"made by {life.caller}" if life and life.made else "its making is not in the ledger"
        what = f"no lease in the audit log explains {len(seen)} sessions with {statements} statements ({made})"
        yield Finding("no lease", login, what, min(one.first for one in seen), max(one.last for one in seen))


def _outside(one: Session, life: Life | None) -> Iterator[Finding]:
    if life and life.dropped and one.last > life.dropped + TOLERANCE:
        ended = f"after its lease ended at {_clock(life.dropped)}"
        what = f"session {one.session} used the login until {_clock(one.last)}, {ended}"
        yield Finding("after its lease", one.login, what, max(one.first, life.dropped), one.last)
    if life and life.made and one.first < life.made - TOLERANCE:
        what = f"session {one.session} used the login at {_clock(one.first)}, before it was made at {_clock(life.made)}"
        yield Finding("before its lease", one.login, what, one.first, min(one.last, life.made))


def unused(lives: Iterable[Life], leases: Mapping[str, Lease], used: frozenset[str]) -> Iterator[Finding]:
    """Logins that the broker made for somebody whom the audit log does not know."""
    for life in lives:
        if life.made and life.login not in leases and life.login not in used:
            what = f"made by {life.caller} for no lease that the audit log has; no session used it"
            yield Finding("no lease", life.login, what, life.made, life.dropped or life.made)


def contradictions(
    sessions: Iterable[Session],
    leases: Mapping[str, Lease],
    names: Callable[[Lease], frozenset[str]],
    others: frozenset[str],
) -> Iterator[Finding]:
    """Sessions whose application_name is the name of another pod or run. `others`: names of all runs known."""
    pods = sorted({lease.pod for lease in leases.values()} | others)
    for one in sessions:
        lease = leases.get(one.login)
        if lease is None:
            continue
        own = names(lease)
        for said in sorted(one.applications):
            if not _begins(own, said) and (_is_prefix(said, pods) or _OF_A_POD.fullmatch(said)):
                what = f"session {one.session} calls itself {said}; the audit log says pod {lease.pod}"
                yield Finding("contradiction", one.login, what, one.first, one.last)


def _begins(own: frozenset[str], said: str) -> bool:
    """A PipelineRun's name begins the names of its pods."""
    return any(name[:_IN_LOG] == said or name.startswith(f"{said}-") for name in own)


def _is_prefix(said: str, pods: list[str]) -> bool:
    if "-" not in said:
        return said in pods
    place = bisect_left(pods, said)
    return place < len(pods) and (pods[place][:_IN_LOG] == said or pods[place].startswith(f"{said}-"))


def _clock(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
