"""A proof as one HTML file, for an auditor to keep: no network, no script, everything escaped. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from runlease.evidence.prove.attempts import Row, Verdict
from runlease.evidence.prove.promises import kept
from runlease.evidence.prove.told import ending, matrix, partial
from runlease.report import frame
from runlease.report.frame import listed, text

_STYLE = """
table { width: 100%; }
th, td { white-space: normal; overflow-wrap: anywhere; }
thead th { min-width: 0; }
li { margin: .3rem 0; overflow-wrap: anywhere; }
.broken { background: var(--loss); }
"""
_COLUMNS = {"tried": "tried, and held", "asked": "asked, and held", "broken": "broken", "not tried": "not tried"}


def as_html(rows: Sequence[Row]) -> str:
    """The promises, the matrix of leases, then each attempt: what is broken, what was not tried, what held."""
    return "".join(_page(rows))


def _page(rows: Sequence[Row]) -> Iterator[str]:
    count = Counter(row.verdict for row in rows)
    said = ", ".join(f"{count[verdict]} {verdict}" for verdict in (Verdict.BROKEN, Verdict.NOT_TRIED, Verdict.HELD))
    gaps = partial(rows)
    yield frame.begin(f"{'PARTIAL: ' if gaps else ''}Proof: {said}", _STYLE)
    yield from frame.partial(gaps)
    promises = (
        f'{_badge(one.verdict)} {text(one.sentence)} <span class="dim">{text(one.why)}</span>' for one in kept(rows)
    )
    yield from listed("Promises", promises)
    yield from _matrix(rows)
    for verdict in (Verdict.BROKEN, Verdict.NOT_TRIED, Verdict.HELD):
        chosen = (row for row in rows if row.verdict is verdict)
        yield from listed(
            verdict.capitalize(), (f"<code>{text(row.lease)}</code>: {text(ending(row))}" for row in chosen)
        )
    yield frame.end()


def _matrix(rows: Sequence[Row]) -> Iterator[str]:
    yield "<h2>Leases</h2>\n<table>\n<thead><tr><th>lease</th>"
    yield "".join(f"<th>{title}</th>" for title in _COLUMNS.values()) + "</tr></thead>\n<tbody>\n"
    for lease, count in matrix(rows).items():
        yield f"<tr><th>{text(lease)}</th>" + "".join(f"<td>{count[column]}</td>" for column in _COLUMNS) + "</tr>\n"
    yield "</tbody></table>\n"


def _badge(verdict: Verdict) -> str:
    broken = " broken" if verdict is Verdict.BROKEN else ""
    return f'<span class="badge{broken}">{text(verdict)}</span>'
