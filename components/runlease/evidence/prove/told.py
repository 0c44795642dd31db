"""A proof as text and as JSON. Names come from servers: control characters are written out."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from runlease.evidence.prove.attempts import How, Row, Verdict
from runlease.evidence.prove.promises import kept
from runlease.report.escape import printable


def partial(rows: Iterable[Row]) -> tuple[str, ...]:
    """Why the answer is not the whole answer; empty when it is."""
    return tuple(f"{row.lease}: {row.what}: {row.reason}" for row in rows if row.gap)


def as_json(rows: Sequence[Row]) -> str:
    """Everything: promises, then each row."""
    told = {
        "partial": partial(rows),
        "promises": [{"promise": one.sentence, "verdict": one.verdict, "why": one.why} for one in kept(rows)],
        "attempts": [
            {
                "lease": row.lease,
                "attempt": row.what,
                "expected": row.expected,
                "got": row.got,
                "verdict": row.verdict,
                "how": row.how if row.verdict is not Verdict.NOT_TRIED else None,
                "reason": row.reason,
                "gap": row.gap,
            }
            for row in rows
        ],
    }
    return json.dumps(told, indent=2)


def as_text(rows: Sequence[Row], *, every: bool = False) -> str:
    """The promises, the count of each lease, and what is broken or not tried; `every`: what held as well."""
    gaps = partial(rows)
    lines = [f"PARTIAL: {len(gaps)} attempts could not be made, see `not tried` below"] if gaps else []
    lines += ["Promises", *(f"  {one.verdict}: {one.sentence} ({one.why})" for one in kept(rows))]
    lines += ["", "Leases", *_counted(rows)]
    for verdict in (Verdict.BROKEN, Verdict.NOT_TRIED, *((Verdict.HELD,) if every else ())):
        chosen = [row for row in rows if row.verdict is verdict]
        told = [f"  {row.lease}: {ending(row)}" for row in chosen]
        lines += ["", f"{verdict.capitalize()} ({len(chosen)})", *told] if chosen else []
    return "\n".join(map(printable, lines))


def matrix(rows: Iterable[Row]) -> dict[str, Counter[str]]:
    """For each lease how many attempts held that were `tried` or `asked`, are `broken`, or were `not tried`."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        column = row.how if row.verdict is Verdict.HELD else row.verdict
        counts.setdefault(row.lease, Counter())[column] += 1
    return counts


def ending(row: Row) -> str:
    """What was tried, and how it ended."""
    if row.verdict is Verdict.NOT_TRIED:
        return f"{row.what}: {row.reason}"
    asked = ", asked" if row.how is How.ASKED else ""
    reason = f": {row.reason}" if row.reason else ""
    return f"{row.what}{reason} (expected {row.expected}, got {row.got}{asked})"


def _counted(rows: Sequence[Row]) -> list[str]:
    counted = matrix(rows)
    width = max(map(len, counted), default=0)
    return [
        f"  {lease:{width}}  held {count['tried']} tried and {count['asked']} asked, broken {count['broken']}, "
        f"not tried {count['not tried']}"
        for lease, count in counted.items()
    ]
