"""An answer of trace for a terminal or a file: plain text, by time."""

from collections.abc import Iterator
from datetime import datetime

from runlease.evidence.trace import Answer
from runlease.evidence.trace.model import Event, Kind, Lease, Life
from runlease.report.escape import printable


def text(answer: Answer) -> Iterator[str]:
    """Line by line: whether it is whole, what was found, leases with their lives, what happened, findings."""
    return (printable(line) + "\n" for line in _lines(answer))


def headline(answer: Answer) -> str:
    """One sentence."""
    question, found = answer.question, answer.found
    if question.unattributed:
        whole = _many(len(answer.findings), "finding")
        return f"{whole}: what no lease explains, or what contradicts the audit log"
    statements = max(found.get(Kind.STATEMENT, 0), found.get(Kind.AUDIT, 0))
    asked = [question.run and f"run {question.run}", question.table and f"table {question.table}"]
    asked += [question.statement and f"statements with {question.statement!r}"]
    counts = [_many(len(answer.leases), "lease"), _many(statements, "statement")]
    counts += [_many(found.get(Kind.ERROR, 0), "error")]
    return f"{', '.join(filter(None, asked)) or 'leased logins'}: {', '.join(counts)}"


def when(at: datetime | None) -> str:
    """To the millisecond, in UTC."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else "unknown"


def life_of(lease: Lease | None, life: Life | None, answer: Answer) -> Iterator[str]:
    """A lease's life from login to drop, one sentence each."""
    if lease:
        yield f"taken at {when(lease.taken)} (Vault's clock) as lease {lease.lease}, {lease.lease_id}"
    if life is None:
        yield "the ledger in these logs does not know the login"
        return
    if life.made:
        yield (
            f"made at {when(life.made)} in {life.database} as {life.profile} by {life.caller}, oid {life.oid}, "
            f"to expire {life.expires}"
        )
    else:
        yield "its making is not in these logs"
    yield _end_of(lease, life, answer)


def _end_of(lease: Lease | None, life: Life, answer: Answer) -> str:
    asked = answer.asked_by(lease) if lease else None
    by = f"its token asked for a revocation at {when(asked)}" if asked else "its token asked for no revocation"
    if not life.dropped:
        return f"no drop in these logs ({by})"
    return f"{life.outcome} at {when(life.dropped)} ({by})"


def whose(answer: Answer, login: str) -> str:
    """Pod, account, TaskRun and PipelineRun in words."""
    lease = answer.leases.get(login)
    if lease is None:
        return "no lease in the audit log"
    owner = answer.owner(login)
    above = [f"PipelineRun {owner.pipeline_run}"] if owner.pipeline_run else []
    above += [f"TaskRun {owner.task_run}"] if owner.task_run else []
    above += [owner.doubt] if owner.doubt else []
    return f"pod {lease.pod} ({lease.pod_uid}) of {lease.namespace}/{lease.service_account}; {'; '.join(above)}"


def told(event: Event) -> str:
    """What happened, in one line."""
    return "  ".join(filter(None, (event.text, *details(event))))


def details(event: Event) -> Iterator[str]:
    """What is known of it besides its text."""
    if event.kind is Kind.CONNECT and event.application:
        yield f"calls itself {event.application}"
    if event.error:
        yield f"error: {event.error}"
    if event.table:
        yield f"object {event.table}"
    if event.milliseconds is not None:
        yield f"{event.milliseconds:g} ms"
    if event.rows is not None:
        yield _many(event.rows, "row")


def nothing_found(answer: Answer) -> str:
    """Why there is nothing, as far as the logs say it."""
    if answer.question.run and not answer.leases:
        return "Nothing: the audit log has no lease of this run."
    if answer.span is None:
        whose = "this run's logins" if answer.question.run else "a leased login"
        return f"Nothing: these logs hold no entry of {whose}."
    first, last = map(when, answer.span)
    return f"Nothing was found; these logs hold entries of leased logins from {first} to {last}."


def _lines(answer: Answer) -> Iterator[str]:
    if answer.partial:
        yield f"PARTIAL: {'; '.join(answer.partial)}"
    yield headline(answer)
    yield from (f"note: {note}" for note in answer.notes)
    for login, lease in answer.leases.items():
        yield ""
        yield f"{login}: {whose(answer, login)}"
        yield from (f"  {sentence}" for sentence in life_of(lease, answer.lives.get(login), answer))
    if not answer.question.unattributed:
        yield ""
        yield from _events(answer)
    elif answer.span is None:
        yield nothing_found(answer)
    if answer.findings:
        yield ""
        yield f"Findings ({len(answer.findings)})"
        yield from (f"  {one.kind}: {one.login}: {one.what}" for one in answer.findings)


def _events(answer: Answer) -> Iterator[str]:
    if not answer.found:
        yield nothing_found(answer)
    for event in answer.events:
        yield f"{when(event.at)} {event.login} {event.session} {event.kind}: {told(event)}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
