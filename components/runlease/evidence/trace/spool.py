"""Events in order of time, however many and from however many files: on the disk, in a file that nobody else can open.

SQLite makes it for one connection, without a name, and it is gone with it.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime

from runlease.evidence.trace.model import Event, Kind

_COLUMNS = "at, login, database, session, application, kind, text, object, milliseconds, rows, error"


class Spool:
    """Takes events in any order, and gives them back by time."""

    def __init__(self) -> None:
        self._store = sqlite3.connect("", isolation_level=None)
        self._store.execute("PRAGMA journal_mode = OFF")
        self._store.execute("PRAGMA cache_size = -8192")
        self._store.execute(f"CREATE TABLE event (number INTEGER PRIMARY KEY, {_COLUMNS})")
        self._store.execute("BEGIN")

    def put(self, event: Event) -> None:
        """Keep one."""
        at, *rest = event
        self._store.execute(
            f"INSERT INTO event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - fixed names
            (at.timestamp(), *map(_plain, rest)),
        )

    def __iter__(self) -> Iterator[Event]:
        query = f"SELECT {_COLUMNS} FROM event ORDER BY at, number"  # noqa: S608 - fixed names
        for at, login, database, session, application, kind, *rest in self._store.execute(query):
            yield Event(datetime.fromtimestamp(at, UTC), login, database, session, application, Kind(kind), *rest)

    def close(self) -> None:
        """Forget everything."""
        self._store.close()


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Kind) else value
