"""csvlog and jsonlog: where an entry ends, and what it says."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from runlease.evidence.trace.clock import Clock
from runlease.evidence.trace.model import BrokenError, Read, Record
from runlease.readers.error import ReadError

LEDGER = b"runlease ledger: "


class Format(Protocol):
    """One of PostgreSQL's ways to write its log."""

    @property
    def name(self) -> str:
        """What PostgreSQL calls it."""

    @property
    def needle(self) -> bytes:
        """What stands in the line that begins an entry of a leased login: all others are passed over unread."""

    def knows(self, line: bytes) -> bool:
        """Whether this line begins an entry of this format."""

    def begins(self, block: bytes, start: int, end: int) -> bool:
        """Whether the line block[start:end] begins an entry of a leased login or of the ledger: rather too often."""

    def extent(self, block: bytes, start: int) -> int:
        """Where the entry at `start` ends, and -1 where the block does not have its end."""

    def records(self, entries: Iterable[bytes], read: Read) -> Iterator[Record]:
        """Entries → records. What cannot be read is counted in `read`."""


@dataclass(frozen=True)
class CsvLog:
    """`log_destination = 'csvlog'`: https://www.postgresql.org/docs/current/runtime-config-logging.html."""

    clock: Clock
    name: str = "csvlog"
    needle: bytes = b',"run_'

    def knows(self, line: bytes) -> bool:
        """A time, and then columns."""
        return bool(_CSV_ANY.match(line))

    def begins(self, block: bytes, start: int, end: int) -> bool:
        """By the user's column."""
        found = _CSV_USER.match(block, start, end)
        return bool(found) and (found[1].startswith(b"run_") or block.find(LEDGER, start, end) >= 0)  # type: ignore[index]  # found is a match

    def extent(self, block: bytes, start: int) -> int:
        """Where quotes are even. A line that begins as an entry with a user ends a broken one before it.

        Inside quotes every quote is doubled, so no statement can look like that.
        """
        position, quotes = start, 0
        while (newline := block.find(b"\n", position)) >= 0:
            quotes += block.count(b'"', position, newline)
            if quotes % 2 == 0 or _CSV_USER.match(block, newline + 1):
                return newline + 1
            position = newline + 1
        return -1

    def records(self, entries: Iterable[bytes], read: Read) -> Iterator[Record]:
        """One entry, one record."""
        return _each(entries, self._record, read)

    def _record(self, entry: bytes) -> Record:
        try:
            columns = next(csv.reader([entry.decode("utf-8", "replace")], strict=True))
        except (csv.Error, StopIteration):
            raise BrokenError("no CSV") from None
        if len(columns) < 23:
            raise BrokenError("columns are missing")
        return Record(
            self.clock.read(columns[0]),
            columns[1],
            columns[2],
            columns[5],
            columns[22],
            columns[11],
            columns[12],
            columns[13],
            columns[19],
        )


_TIME = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [^,\s]+"
_CSV_ANY = re.compile(_TIME + rb',(?:"[^"]+"|),(?:"[^"]*"|),\d*,')
_CSV_USER = re.compile(_TIME + rb',"([^"]+)","[^"]*",\d+,')


@dataclass(frozen=True)
class JsonLog:
    """`log_destination = 'jsonlog'`, from PostgreSQL 15 on: one object on each line."""

    clock: Clock
    name: str = "jsonlog"
    needle: bytes = b'"user":"run_'

    def knows(self, line: bytes) -> bool:
        """An object that begins with a time."""
        return line.startswith(b'{"timestamp":"')

    def begins(self, block: bytes, start: int, end: int) -> bool:
        """By the key of the user, or the ledger's words."""
        return block.find(self.needle, start, end) >= 0 or block.find(LEDGER, start, end) >= 0

    def extent(self, block: bytes, start: int) -> int:
        """The end of the line."""
        return block.find(b"\n", start) + 1 or -1

    def records(self, entries: Iterable[bytes], read: Read) -> Iterator[Record]:
        """One entry, one record."""
        return _each(entries, self._record, read)

    def _record(self, entry: bytes) -> Record:
        try:
            found = json.loads(entry)
            message = str(found["message"]) if "message" in found else ""
            return Record(
                self.clock.read(str(found["timestamp"])),
                str(found.get("user", "")),
                str(found.get("dbname", "")),
                str(found.get("session_id", "")),
                str(found.get("application_name", "")),
                str(found["error_severity"]),
                str(found.get("state_code", "")),
                message,
                str(found.get("statement", "")),
            )
        except ReadError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BrokenError("no entry") from None


def _each(entries: Iterable[bytes], parse: "_Parse", read: Read) -> Iterator[Record]:
    for entry in entries:
        try:
            record = parse(entry)
        except BrokenError:
            count_broken(entry, read)
            continue
        read.records += 1
        yield record


def count_broken(entry: bytes, read: Read) -> None:
    """The last entry of a file may be cut: it is being written, or its disk was full."""
    if entry.endswith(b"\n"):
        read.broken += 1
    else:
        read.cut = True


class _Parse(Protocol):
    def __call__(self, entry: bytes, /) -> Record: ...
