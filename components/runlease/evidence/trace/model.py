"""What logs say, as values. All times are in UTC."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class BrokenError(ValueError):
    """A line that is not what its format says. Counted, never fatal."""


class Record(NamedTuple):
    """One entry of PostgreSQL's log. A tuple, because a log has millions."""

    at: datetime
    user: str
    """Who logged in: a session that changes its role keeps it."""
    database: str
    session: str
    application: str
    """What the session calls itself: proves nothing."""
    severity: str
    code: str
    """SQLSTATE; empty where the log does not have it."""
    message: str
    statement: str = ""
    """The statement that an error belongs to."""
    ambiguous: bool = False
    """The line can be read in two ways; time and user are the same in both."""


class Kind(StrEnum):
    """What an event is."""

    CONNECT = "connect"
    STATEMENT = "statement"
    AUDIT = "audit"
    """A statement as pgaudit says it, with the object that it touched."""
    ERROR = "error"
    REFUSED = "refused"
    """FATAL: a login that failed, or a session that was ended."""
    DISCONNECT = "disconnect"
    NOTE = "note"


class Event(NamedTuple):
    """What a session of a leased login did. A tuple, as a record is."""

    at: datetime
    login: str
    database: str
    session: str
    application: str
    kind: Kind
    text: str
    """The statement or the message; literals are hidden in it unless values were asked for."""
    table: str = ""
    """The object, where pgaudit names it."""
    milliseconds: float | None = None
    rows: int | None = None
    error: str = ""
    """What went wrong, for an error: `text` is then the statement."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as Vault's audit log has it."""

    login: str
    lease: str
    """Its name: the role of the database engine."""
    lease_id: str
    namespace: str
    service_account: str
    pod: str
    pod_uid: str
    taken: datetime
    accessor: str
    """Of the token that took it, hashed: the same in every entry of one audit device."""


@dataclass(slots=True)
class Life:
    """A login's life as the broker's ledger has it. Times are PostgreSQL's."""

    login: str
    oid: str = ""
    database: str = ""
    profile: str = ""
    caller: str = ""
    expires: str = ""
    """At its making; a renewal writes no line."""
    made: datetime | None = None
    dropped: datetime | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose pod it is, by owner references."""

    task_run: str = ""
    pipeline_run: str = ""
    doubt: str = ""
    """Why this is not certain, or not known."""
    forged: bool = False
    """It names an owner, and was not made by whoever makes things for that owner."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that no lease explains, or that contradicts the audit log."""

    kind: str
    login: str
    what: str
    first: datetime
    last: datetime


@dataclass(slots=True)
class Read:
    """How far one file was read."""

    name: str
    format: str
    records: int = 0
    broken: int = 0
    cut: bool = False
    """It ends in the middle of an entry."""
