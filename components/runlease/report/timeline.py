"""What one run did, as one HTML file: no network, no script, everything escaped, readable without colour."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from runlease.report.escape import printable
from runlease.report.html import page_file, source_hash

_STYLE = """
table.events td { white-space: pre-wrap; overflow-wrap: anywhere; vertical-align: top; }
table.events td:nth-child(1), table.events td:nth-child(4) { white-space: nowrap; }
tr.wrong td { background: var(--loss); }
.partial { background: var(--warn); border: 1px solid var(--line); padding: .3rem .6rem; font-weight: 600; }
"""


@dataclass(frozen=True)
class Bar:
    """A lease: its login, whose it was, its life in sentences, and from when to when."""

    login: str
    whose: str
    sentences: Sequence[str]
    begin: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class Entry:
    """One thing that happened."""

    at: str
    login: str
    session: str
    kind: str
    text: str
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
    style = page_file("page.css") + _STYLE
    policy = f"default-src 'none'; style-src {source_hash(style)}"
    title = _text(timeline.title)
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    if timeline.partial:
        yield f'<p class="partial">PARTIAL: {_text("; ".join(timeline.partial))}</p>\n'
    yield from _list("Findings", timeline.findings)
    yield from _list("Notes", timeline.notes)
    yield from _bars(timeline.bars)
    yield '<h2>What happened</h2>\n<table class="events"><thead><tr>'
    yield "".join(f'<th scope="col">{one}</th>' for one in ("time (UTC)", "login", "session", "kind", "what"))
    yield "</tr></thead><tbody>\n"
    yield from map(_row, entries)
    yield "</tbody></table>\n"
    yield from _list("What this was made of", timeline.facts)
    yield "</main>\n</body>\n</html>\n"


def _bars(bars: Sequence[Bar]) -> Iterator[str]:
    times = [at for bar in bars for at in (bar.begin, bar.end) if at]
    yield f"<h2>Leases ({len(bars)})</h2>\n"
    for bar in bars:
        yield f"<h3><code>{_text(bar.login)}</code></h3>\n<p>{_text(bar.whose)}</p>\n"
        if bar.begin:
            yield _drawn(bar.begin, bar.end or max(times), min(times), max(times))
        yield "<ul>" + "".join(f"<li>{_text(sentence)}</li>" for sentence in bar.sentences) + "</ul>\n"


def _drawn(begin: datetime, end: datetime, first: datetime, last: datetime) -> str:
    """By attributes of SVG, so that no inline style need be let in."""
    whole = (last - first).total_seconds() or 1.0
    left = 1000 * (begin - first).total_seconds() / whole
    width = max(2.0, 1000 * (end - begin).total_seconds() / whole)
    return (
        '<svg viewBox="0 0 1000 14" width="100%" height="14" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="1000" height="14" fill="none" stroke="gray"/>'
        f'<rect x="{left:.1f}" width="{width:.1f}" height="14" fill="seagreen"/></svg>\n'
    )


def _row(entry: Entry) -> str:
    state = ' class="wrong"' if entry.wrong else ""
    cells = (entry.at, entry.login, entry.session, entry.kind, entry.text)
    return f"<tr{state}>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>\n"


def _list(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield f"<h2>{title} ({len(items)})</h2>\n<ul>\n"
        yield from (f"<li>{_text(one)}</li>\n" for one in items)
        yield "</ul>\n"


def _text(value: str) -> str:
    return escape(printable(value))
