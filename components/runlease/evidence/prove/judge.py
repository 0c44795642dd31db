"""How an attempt ended → what it shows. Pure.

A refusal is a refusal for its reason alone: 42501 from PostgreSQL. Anything else that stops a statement comes before
the rights were looked at, or after they were found to be enough, so it shows nothing or the opposite.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import errors

from runlease.evidence.prove.attempts import Attempt, Expected, How, Omitted, Outcome, Promise, Row, Verdict

DONE, DENIED = "00000", "42501"
NO = "no"
"""A refusal that has no SQLSTATE: the answer to a question, and what libpq was told."""
_GRANTED_NOTHING = "01007"
"""GRANT by who may not pass a privilege on: a warning, and nothing changes."""
_REFUSALS = frozenset({DENIED, _GRANTED_NOTHING, NO})
_GONE = frozenset({"42P01", "42704", "42883", "3F000", "3D000", "42703"})
"""Undefined table, object, function, schema, database, column: it went away since it was seen."""
_UNDECIDED = frozenset({"55P03", "57014", "40001", "40P01"})
"""A lock, a timeout, another transaction."""
_NO_SESSION = ("08", "57P", "53")
"""Classes of errors of the connection and of a server without resources."""


def judge(attempt: Attempt, outcome: Outcome) -> Row:
    """What one attempt in PostgreSQL shows."""
    verdict, reason, gap = _verdict(attempt.expected, outcome)
    return Row(
        attempt.lease,
        attempt.what,
        attempt.expected,
        _got(outcome),
        verdict,
        attempt.how,
        attempt.promise,
        reason,
        gap,
    )


def omitted(one: Omitted) -> Row:
    """The line of something that is not tried."""
    return Row(one.lease, one.what, None, "", Verdict.NOT_TRIED, How.TRIED, one.promise, one.reason, one.gap)


def _verdict(expected: Expected, outcome: Outcome) -> tuple[Verdict, str, bool]:
    state = outcome.state
    if state in _UNDECIDED or state.startswith(_NO_SESSION):
        return Verdict.NOT_TRIED, f"the server did not get to it ({_named(state)}). Fix: run it again", True
    if expected is Expected.ALLOWED:
        if state == DONE:
            return Verdict.HELD, "", False
        return Verdict.BROKEN, "is declared and refused" if state in _REFUSALS else _other(state), False
    if state in _REFUSALS:
        return Verdict.HELD, "", False
    if state in _GONE:
        return Verdict.NOT_TRIED, f"is not there any more ({_named(state)})", False
    return Verdict.BROKEN, "is open and not declared" if state == DONE else _other(state), False


def _other(state: str) -> str:
    return f"ends with {_named(state)}, which is no answer of the rights: they were enough, or were never looked at"


def _named(state: str) -> str:
    try:
        return f"{state} {errors.lookup(state).__name__}"
    except KeyError:
        return state


def _got(outcome: Outcome) -> str:
    if outcome.state == DONE:
        return f"{Expected.ALLOWED}: {outcome.said}" if outcome.said else Expected.ALLOWED
    if outcome.state == NO:
        return f"{Expected.REFUSED}: {outcome.said}"
    word = f"{Expected.REFUSED}: " if outcome.state in _REFUSALS else ""
    return f"{word}{outcome.state} {outcome.said}".rstrip()


@dataclass(frozen=True)
class Answered:
    """A request to Vault that is tried, and by what words a refusal shows that it is for the right reason."""

    lease: str
    what: str
    expected: Expected
    because: tuple[str, ...] = ()
    """Any of them stands in the refusal. None: the policy refuses, and 403 says it."""
    promise: Promise = Promise.IDENTITY


def judge_answer(asked: Answered, outcome: Outcome) -> Row:
    """What one request to Vault shows; the state of its outcome is the HTTP status."""
    verdict, reason, gap = _answered(asked, outcome)
    word = Expected.ALLOWED if _let(outcome) else f"{outcome.state} {outcome.said}".rstrip()
    return Row(asked.lease, asked.what, asked.expected, word, verdict, How.TRIED, asked.promise, reason, gap)


def _answered(asked: Answered, outcome: Outcome) -> tuple[Verdict, str, bool]:
    if outcome.state in ("429", "") or outcome.state.startswith("5"):
        return Verdict.NOT_TRIED, "Vault did not get to it. Fix: run it again", True
    if asked.expected is Expected.ALLOWED:
        return (Verdict.HELD, "", False) if _let(outcome) else (Verdict.BROKEN, "is declared and refused", False)
    if _let(outcome):
        return Verdict.BROKEN, "is open and not declared", False
    if not asked.because:
        if outcome.state == "403":
            return Verdict.HELD, "", False
        return Verdict.BROKEN, f"ends with {outcome.state}, which the policy had to let through", False
    if any(word in outcome.said for word in asked.because):
        return Verdict.HELD, "", False
    return Verdict.NOT_TRIED, f"is refused, but not for its reason (expected {_either(asked.because)})", True


def _let(outcome: Outcome) -> bool:
    return outcome.state.startswith("2")


def _either(words: Sequence[str]) -> str:
    return " or ".join(repr(word) for word in words)
