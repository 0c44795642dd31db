"""Records of PostgreSQL's log → what a leased session did."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator

from runlease.evidence.trace.model import Event, Kind, Record

Shown = Callable[[str], str]
"""How a text is told: with its literals hidden, or with its values."""

_TIMED = re.compile(r"duration: ([\d.]+) ms(?:  (?=\w)|\Z)")
_STATEMENT = re.compile(r"(?:statement|execute [^:\n]*): ", re.ASCII)
_PREPARED = re.compile(r"(?:parse|bind) [^:\n]*: ", re.ASCII)
_AUDIT = "AUDIT: "
_HELD = 100
"""Entries of pgaudit that a statement waits for its duration with: a function can make any number."""
_LONGEST = 64 * 1024
"""Characters of a statement that are kept; it is cut before it is shown, and still searched whole."""


def events(
    records: Iterable[Record], shown: Shown, told: Shown, matches: Callable[[str], bool] | None
) -> Iterator[tuple[Event, bool]]:
    """Each event, and whether its statement is asked for. A duration on a line of its own joins its statement."""
    waiting: dict[str, list[tuple[Event, bool]]] = {}
    for record in records:
        held = waiting.get(record.session, [])
        timed = record.severity == "LOG" and record.message.startswith("duration: ")
        if timed and (alone := _TIMED.fullmatch(record.message)):
            if held:
                first, asked = held[0]
                held[0] = first._replace(milliseconds=float(alone[1])), asked
            yield from waiting.pop(record.session, [])
            continue
        made = _event(record, shown, told)
        found = (made, matches is None or matches(f"{record.message}\n{record.statement}")) if made else None
        # pgaudit speaks between a statement and its duration.
        if found and held and found[0].kind is Kind.AUDIT and len(held) < _HELD:
            held.append(found)
            continue
        yield from waiting.pop(record.session, [])
        if found and found[0].kind is Kind.STATEMENT and found[0].milliseconds is None:
            waiting[record.session] = [found]
        elif found:
            yield found
    for held in waiting.values():
        yield from held


def _event(record: Record, shown: Shown, told: Shown) -> Event | None:
    def made(kind: Kind, text: str, **more: object) -> Event:
        return Event(*record[:5], kind, text[:_LONGEST], **more)  # type: ignore[arg-type]  # the rest by name

    message = record.message
    if record.severity in ("ERROR", "FATAL", "PANIC"):
        code = f"{record.code} " if record.code else ""
        kind = Kind.ERROR if record.severity == "ERROR" else Kind.REFUSED
        return made(kind, shown(record.statement), error=code + told(message))
    if message.startswith(_AUDIT):
        return _audited(message, made, shown)
    if record.severity != "LOG":
        return made(Kind.NOTE, f"{record.severity}: {told(message)}")
    timed = _TIMED.match(message)
    rest = message[timed.end() :] if timed else message
    if begun := _STATEMENT.match(rest):
        return made(Kind.STATEMENT, shown(rest[begun.end() :]), milliseconds=float(timed[1]) if timed else None)
    if _PREPARED.match(rest) or rest.startswith(
        ("connection authenticated", "connection received", "connection ready")
    ):
        return None
    if rest.startswith("connection authorized"):
        named = re.search(r" application_name=(.*?)(?: SSL enabled| GSS |\Z)", rest)
        return made(Kind.CONNECT, "")._replace(application=named[1] if named else record.application)
    if rest.startswith("disconnection"):
        return made(Kind.DISCONNECT, rest.partition(" user=")[0])
    return made(Kind.NOTE, told(rest))


def _audited(message: str, made: Callable[..., Event], shown: Shown) -> Event:
    columns = next(csv.reader([message[len(_AUDIT) :]]), [])
    if len(columns) < 8:
        return made(Kind.NOTE, "an entry of pgaudit that cannot be read")
    rows = int(columns[9]) if len(columns) > 9 and columns[9].isdecimal() else None
    return made(Kind.AUDIT, shown(columns[7]), table=columns[6], rows=rows)
