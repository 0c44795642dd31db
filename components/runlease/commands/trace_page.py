"""An answer of trace as one HTML file: what a run did, for an auditor to keep."""

from collections.abc import Iterator

from runlease.commands.trace_text import details, headline, life_of, nothing_found, when, whose
from runlease.evidence.trace import Answer
from runlease.report.timeline import Bar, Entry, Timeline, timeline_page


def page(answer: Answer) -> Iterator[str]:
    """The page, piece by piece."""
    values = "shown" if answer.question.values else "hidden"
    timeline = Timeline(
        headline(answer),
        answer.partial,
        [*answer.notes, *([] if answer.found else [nothing_found(answer)])],
        [_bar(answer, login) for login in answer.leases],
        [f"{one.kind}: {one.login}: {one.what}" for one in answer.findings],
        [*(f"read {read.name} ({read.format})" for read in answer.reads), f"literals are {values}"],
    )
    entries = (
        Entry(
            when(event.at),
            event.login,
            event.session,
            str(event.kind),
            event.text,
            "  ".join(details(event)),
            bool(event.error),
        )
        for event in answer.events
    )
    return timeline_page(timeline, entries)


def _bar(answer: Answer, login: str) -> Bar:
    life = answer.lives.get(login)
    sentences = list(life_of(answer.leases[login], life, answer))
    begin, end = (life.made, life.dropped) if life else (None, None)
    last = answer.span[1] if answer.span else None
    return Bar(login, whose(answer, login), sentences, begin, end or last, ended=bool(end))
