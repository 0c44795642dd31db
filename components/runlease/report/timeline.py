"""What one run did, as one HTML file: no network, no script, everything escaped, readable without colour."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from runlease.report.frame import begin, end, listed, partial, text

_STYLE = """
main { overflow-wrap: anywhere; }
table.events { width: 100%; border-top: 1px solid var(--line); }
table.events td { white-space: nowrap; vertical-align: top; }
table.events td:last-child { white-space: pre-wrap; width: 100%; }
table.events thead th { min-width: 0; }
table.events small { display: block; font-size: .9em; color: var(--dim); }
tr.wrong td { background: var(--loss); }
tr.wrong small { color: inherit; }
@media (max-width: 75rem) {
  table.events, table.events tbody { display: block; }
  table.events thead { position: absolute; clip-path: inset(50%); }
  table.events tr { display: flex; flex-wrap: wrap; border-bottom: 1px solid var(--line); padding: .25rem 0; }
  table.events tr.wrong { background: var(--loss); }
  table.events td { border: 0; white-space: pre-wrap; }
  table.events td:nth-child(2), table.events td:nth-child(3) { color: var(--dim); }
}
@media print { table.events tr { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Bar:
    """A lease: its login, whose it was, its life in sentences, and from when to when it is known to have been."""

    login: str
    whose: str
    sentences: Sequence[str]
    begin: datetime | None
    end: datetime | None
    ended: bool
    """False: it was still there at `end`, the last that is known."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened."""

    at: str
    login: str
    session: str
    kind: str
    text: str
    details: str
    wrong: bool


@dataclass(frozen=True)
class Timeline:
    """All but what happened, which may be long."""

    title: str
    partial: Sequence[str]
    notes: Sequence[str]
    bars: Sequence[Bar]
    findings: Sequence[str]
    facts: Sequence[str]


def timeline_page(timeline: Timeline, entries: Iterable[Entry]) -> Iterator[str]:
    """The page, piece by piece."""
    yield begin(timeline.title, _STYLE)
    yield from partial(timeline.partial)
    yield from listed("Findings", map(text, timeline.findings))
    yield from listed("Notes", map(text, timeline.notes))
    yield from _bars(timeline.bars)
    yield '<h2>What happened</h2>\n<table class="events"><thead><tr>'
    yield "".join(f'<th scope="col">{one}</th>' for one in ("time (UTC)", "login", "session", "kind", "what"))
    yield "</tr></thead><tbody>\n"
    yield from map(_row, entries)
    yield "</tbody></table>\n"
    yield from listed("What this was made of", map(text, timeline.facts))
    yield end()


def _bars(bars: Sequence[Bar]) -> Iterator[str]:
    times = [at for bar in bars for at in (bar.begin, bar.end) if at]
    yield f"<h2>Leases ({len(bars)})</h2>\n"
    for bar in bars:
        yield f"<h3><code>{text(bar.login)}</code></h3>\n<p>{text(bar.whose)}</p>\n"
        if bar.begin:
            yield _drawn(bar, bar.begin, min(times), max(times))
        yield "<ul>" + "".join(f"<li>{text(sentence)}</li>" for sentence in bar.sentences) + "</ul>\n"


def _drawn(bar: Bar, begin: datetime, first: datetime, last: datetime) -> str:
    """By attributes of SVG, so that no inline style need be let in."""
    whole = (last - first).total_seconds() or 1.0
    left = 1000 * (begin - first).total_seconds() / whole
    width = max(2.0, 1000 * ((bar.end or last) - begin).total_seconds() / whole)
    faint = "" if bar.ended else ' fill-opacity="0.5"'
    return (
        '<svg viewBox="0 0 1000 14" width="100%" height="14" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="1000" height="14" fill="none" stroke="gray"/>'
        f'<rect x="{min(left, 998.0):.1f}" width="{width:.1f}" height="14" fill="seagreen"{faint}/></svg>\n'
    )


def _row(entry: Entry) -> str:
    state = ' class="wrong"' if entry.wrong else ""
    cells = "".join(f"<td>{text(cell)}</td>" for cell in (entry.at, entry.login, entry.session, entry.kind))
    details = f"<small>{text(entry.details)}</small>" if entry.details else ""
    return f"<tr{state}>{cells}<td>{text(entry.text)}{details}</td></tr>\n"
