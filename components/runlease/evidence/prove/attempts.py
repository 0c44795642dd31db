"""What is tried, how it must end, and how it ended: values alone."""

from dataclasses import dataclass
from enum import StrEnum

from psycopg.sql import SQL, Composed


class Expected(StrEnum):
    """How an attempt must end."""

    ALLOWED = "allowed"
    REFUSED = "refused"


class How(StrEnum):
    """How much an answer is worth."""

    TRIED = "tried"
    """The server was made to do it."""
    ASKED = "asked"
    """The server was asked whether it would: `has_…_privilege`, or EXPLAIN, which checks rights and runs nothing."""


class Promise(StrEnum):
    """Which promise an attempt bears on; the sentences are in `promises`."""

    IDENTITY = "identity"
    PROFILE = "profile"
    NOTHING_LEFT = "nothing left"


@dataclass(frozen=True)
class Attempt:
    """One statement by a leased login, undone whatever comes of it. `reader: SELECT ON TABLE app.items`."""

    lease: str
    what: str
    statement: SQL | Composed
    """TRIED: it ends as it ends. ASKED: EXPLAIN, or a SELECT of one boolean, or of the names of what is open."""
    expected: Expected
    how: How = How.TRIED
    role: str | None = None
    """The role that the session becomes first."""
    promise: Promise = Promise.PROFILE

    def __str__(self) -> str:
        return f"{self.lease}: {self.what}"


@dataclass(frozen=True)
class Omitted:
    """What is not tried, and why."""

    lease: str
    what: str
    reason: str
    gap: bool
    """Whether it should have been: the answer is then partial."""
    promise: Promise = Promise.PROFILE


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: SQLSTATE, or HTTP status, and what the server said."""

    state: str
    said: str = ""


class Verdict(StrEnum):
    """What an attempt shows."""

    HELD = "held"
    BROKEN = "broken"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Row:
    """One line of the matrix."""

    lease: str
    what: str
    expected: Expected | None
    got: str
    verdict: Verdict
    how: How
    promise: Promise
    reason: str = ""
    """Why it was not tried, or what is wrong about how it ended."""
    gap: bool = False
    """Not tried, and it should have been."""

    @property
    def broken(self) -> bool:
        """Whether something that was promised does not hold."""
        return self.verdict is Verdict.BROKEN
