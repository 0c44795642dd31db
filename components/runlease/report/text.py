"""A comparison for a terminal or a log: plain text, nothing folded, nothing cut."""

from collections.abc import Iterator

from runlease.report.comparison import Comparison
from runlease.report.escape import printable
from runlease.report.sentences import label, sentences


def text(comparison: Comparison) -> str:
    """Escalations first, removals last, then findings, other changes, and what was not understood."""
    return "\n".join(map(printable, _lines(comparison)))


def _lines(comparison: Comparison) -> Iterator[str]:
    yield comparison.headline
    for one in comparison.affected:
        yield ""
        yield f"{', '.join(one.holders)}  [{label(one.worst, comparison.gains)}]"
        for sentence in sentences(one, comparison.gains):
            yield f"  {'!' if sentence.kind.escalates else ' '} {sentence}"
    yield from _section("Findings", [str(one) for one in comparison.findings])
    yield from _section("Other changes", [str(one) for one in comparison.other_changes])
    yield from _section("Not understood, or not known before `up`", [str(one) for one in comparison.after.unread])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title} ({len(lines)})"
        yield from (f"  {line}" for line in lines)
