"""An answer of trace for programs: JSON lines, or CSV with a row for each event."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from runlease.commands.trace_text import headline, nothing_found, when
from runlease.evidence.trace import Answer
from runlease.evidence.trace.model import Event

_COLUMNS = (
    "at", "kind", "statement", "error", "table", "milliseconds", "rows", "login", "database", "session",
    "application_name", "lease", "lease_id", "namespace", "service_account", "pod", "pod_uid", "task_run",
    "pipeline_run", "doubt",
)  # fmt: skip


def json_lines(answer: Answer) -> Iterator[str]:
    """One object on each line; `is` says what: first the answer itself, then leases, events, findings."""
    empty = [] if answer.found or (answer.question.unattributed and answer.span) else [nothing_found(answer)]
    yield _line("answer", headline=headline(answer), partial=answer.partial, notes=[*answer.notes, *empty])
    yield from (_lease(answer, login) for login in answer.leases)
    for event in answer.events:
        yield _line("event", **_row(event, answer))
    for one in answer.findings:
        yield _line(
            "finding", kind=one.kind, login=one.login, what=one.what, first=when(one.first), last=when(one.last)
        )


def csv_rows(answer: Answer) -> Iterator[str]:
    """Events; a partial answer has a line before the heading, which begins with `# PARTIAL`."""
    if answer.partial:
        yield f"# PARTIAL: {' '.join('; '.join(answer.partial).split())}\r\n"
    yield _csv(_COLUMNS)
    for event in answer.events:
        yield _csv(["" if cell is None else _no_formula(cell) for cell in _row(event, answer).values()])


def _lease(answer: Answer, login: str) -> str:
    lease, life, owner = answer.leases[login], answer.lives.get(login), answer.owner(login)
    asked = answer.asked_by(lease)
    return _line(
        "lease",
        login=login,
        lease=lease.lease,
        lease_id=lease.lease_id,
        namespace=lease.namespace,
        service_account=lease.service_account,
        pod=lease.pod,
        pod_uid=lease.pod_uid,
        task_run=owner.task_run,
        pipeline_run=owner.pipeline_run,
        doubt=owner.doubt,
        taken=when(lease.taken),
        asked_for_revocation=when(asked) if asked else None,
        made=when(life.made) if life and life.made else None,
        expires=life.expires if life else None,
        dropped=when(life.dropped) if life and life.dropped else None,
        outcome=life.outcome if life else None,
    )


def _row(event: Event, answer: Answer) -> dict[str, Any]:
    lease, owner = answer.leases.get(event.login), answer.owner(event.login)
    of_lease: Sequence[str] = [""] * 6
    if lease:
        of_lease = lease.lease, lease.lease_id, lease.namespace, lease.service_account, lease.pod, lease.pod_uid
    values = (
        when(event.at), str(event.kind), event.text, event.error, event.table, event.milliseconds, event.rows,
        event.login, event.database, event.session, event.application, *of_lease,
        owner.task_run, owner.pipeline_run, owner.doubt,
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def _line(is_: str, **values: Any) -> str:
    return json.dumps({"is": is_, **values}) + "\n"


def _csv(cells: Sequence[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()


def _no_formula(cell: object) -> object:
    """A spreadsheet takes a cell that begins so for a program; a session chooses its application_name."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
