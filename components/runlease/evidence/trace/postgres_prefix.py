"""PostgreSQL's plain log with a declared `log_line_prefix`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from runlease.evidence.trace.clock import Clock
from runlease.evidence.trace.model import BrokenError, Read, Record
from runlease.evidence.trace.postgres_formats import LEDGER, count_broken
from runlease.readers.error import ReadError

DEFAULT_PREFIX = "%m [%p] %q[user=%u,db=%d,app=%a,client=%h,sess=%c] "
"""What the documents recommend: it has all that is needed, and the user before what a session can set."""

_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[A-Za-z]+|[+-]\d\d(?::?\d\d)?)"
_ESCAPES = {
    "a": r"(?P<application>.{0,255}?)",
    "u": r"(?P<user>.{0,255}?)",
    "d": r"(?P<database>.{0,255}?)",
    "m": rf"(?P<at>{_STAMP})",
    "t": rf"(?P<at>{_STAMP})",
    "n": r"(?P<at>\d+\.\d+)",
    "c": r"(?P<session>[0-9a-f]+\.[0-9a-f]+)",
    "p": r"(?P<pid>\d+)",
    "e": r"(?P<state>[0-9A-Z]{5})",
    "r": r"[^\s,\]]*",
    "h": r"[^\s,\]]*",
    "L": r"[^\s,\]]*",
    "b": r".{0,255}?",
    "i": r".{0,255}?",
    "P": r"\d*",
    "l": r"\d+",
    "s": _STAMP,
    "v": r"[\d/]*",
    "x": r"\d+",
    "Q": r"-?\d+",
    "%": "%",
}
_FIRST = r"LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG\d?"
_MORE = r"DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION|BACKTRACE"
_GO_ON = frozenset(_MORE.split("|"))
_SEVERITY = rf"(?P<severity>{_FIRST}|{_MORE}):  "
_VERBOSE_CODE = re.compile(r"(?=[A-Z]*\d)([0-9A-Z]{5}): ")


@dataclass(frozen=True)
class PrefixLog:
    """Made by `of`. Lines that go on begin with a tab: PostgreSQL puts one after every newline in what it writes."""

    clock: Clock
    line: re.Pattern[str]
    after_application: re.Pattern[str] | None
    """What ends an application's name: where it comes twice, a line has two readings."""
    needle: bytes
    """What stands in every line of a leased login."""
    name: str = field(default="stderr")

    @classmethod
    def of(cls, prefix: str, clock: Clock) -> "PrefixLog":
        """Raises ReadError for a prefix without time or user, or with the user behind what a session can set."""
        before, _, after = prefix.partition("%q")
        parts = re.findall(r"%-?\d*[A-Za-z%]", prefix)
        letters = [part[-1] for part in parts]
        _check(prefix, letters)
        tail = f"(?:{_pattern(after)})?" if "%q" in prefix else ""
        line = re.compile(_pattern(before) + tail + _SEVERITY)
        literal = re.split(r"%-?\d*[A-Za-z%]", prefix.replace("%%", "\0").partition("%u")[0])[-1]
        return cls(clock, line, _after_application(prefix), literal.replace("\0", "%").encode() + b"run_")

    def knows(self, line: bytes) -> bool:
        """The prefix and a severity."""
        return bool(self.line.match(line.decode("utf-8", "replace")))

    def begins(self, block: bytes, start: int, end: int) -> bool:
        """What stands before the user, and a leased login; or the ledger's words."""
        if block[start : start + 1] == b"\t":
            return False
        return block.find(self.needle, start, end) >= 0 or block.find(LEDGER, start, end) >= 0

    def extent(self, block: bytes, start: int) -> int:
        """The first line that does not go on."""
        position = start
        while (newline := block.find(b"\n", position)) >= 0 and newline + 1 < len(block):
            if block[newline + 1] != 9:  # a tab
                return newline + 1
            position = newline + 1
        return -1

    def records(self, entries: Iterable[bytes], read: Read) -> Iterator[Record]:
        """STATEMENT and what else belongs to an error are lines of their own, behind it."""
        waiting: Record | None = None
        for entry in entries:
            try:
                record = self._record(entry)
            except BrokenError:
                count_broken(entry, read)
                continue
            if record is None:
                continue
            if record.severity in _GO_ON:
                if waiting and record.severity == "STATEMENT" and record.session == waiting.session:
                    waiting = waiting._replace(statement=record.message)
                continue
            read.records += 1
            if waiting:
                yield waiting
            waiting = record
        if waiting:
            yield waiting

    def _record(self, entry: bytes) -> Record | None:
        text = entry.decode("utf-8", "replace").rstrip("\n").replace("\n\t", "\n")
        found = self.line.match(text)
        if not found:
            raise BrokenError("no prefix")
        parts = found.groupdict()
        if parts["user"] is None:
            return None
        message, code = text[found.end() :], parts.get("state") or ""
        if verbose := _VERBOSE_CODE.match(message):
            message, code = message[verbose.end() :], verbose[1]
        twice = self.after_application is not None and bool(self.after_application.search(message))
        return Record(
            self.clock.read(parts["at"]),
            parts["user"],
            parts.get("database") or "",
            parts.get("session") or parts.get("pid") or "",
            parts.get("application") or "",
            parts["severity"],
            code,
            message,
            ambiguous=twice,
        )


def _pattern(prefix: str) -> str:
    made, seen = "", set()
    for part in re.findall(r"%-?\d*[A-Za-z%]|[^%]+|%", prefix):
        padded, escape = r"\s*" if re.match(r"%-?\d", part) else "", _ESCAPES.get(part[-1], "")
        if len(part) == 1 or part[0] != "%":
            made += re.escape(part)
        elif part[-1] in seen or not escape.startswith("(?P<"):
            made += padded + re.sub(r"\?P<\w+>", "?:", escape) + padded
        else:
            seen.add(part[-1])
            made += padded + escape + padded
    return made


def _after_application(prefix: str) -> re.Pattern[str] | None:
    _, found, after = prefix.partition("%a")
    if not found:
        return None
    ending = re.sub(r"\?P<\w+>", "?:", _pattern(after.replace("%q", "")))
    return re.compile(ending + rf"(?:{_FIRST}):  ")


def _check(prefix: str, letters: list[str]) -> None:
    wrong = []
    if not {"m", "t", "n"} & set(letters):
        wrong.append("it has no time (expected %m)")
    if "u" not in letters:
        wrong.append("it has no user (expected %u)")
    elif "a" in letters and letters.index("a") < letters.index("u"):
        wrong.append("%a stands before %u, and a session that chooses its application_name could choose its user")
    if unknown := sorted(set(letters) - set(_ESCAPES) - {"q"}):
        wrong.append(f"unknown escapes (got {', '.join('%' + one for one in unknown)})")
    if wrong:
        raise ReadError(
            f"--log-line-prefix: {'; '.join(wrong)} (got {prefix!r}). "
            "Fix: give what SHOW log_line_prefix says; or let the server write csvlog or jsonlog"
        )
