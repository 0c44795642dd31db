"""Comparisons, and how they are shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """One quantity, measured in turns on both sides."""

    what: str
    unit: str
    ours: tuple[float, ...]
    beside: str
    """What ours is compared with."""
    theirs: tuple[float, ...]
    target: float | None = None
    """The ratio is to be at most this; None: it is reported and no more."""

    @property
    def ratio(self) -> float:
        """Median of ours to median of theirs."""
        return median(self.ours) / median(self.theirs)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or `reported` where there is no target."""
        if self.target is None:
            return "reported"
        return "met" if self.ratio <= self.target else "missed"


_HEADINGS = ("what", "runlease", "beside it", "", "ratio", "target", "verdict")


def table(comparisons: Sequence[Comparison]) -> str:
    """One line for each comparison: medians with their unit, ratio, target, verdict."""
    rows = [_HEADINGS, *(_row(one) for one in comparisons)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def document(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The same for `latest.json`, with every round."""
    return [{**asdict(one), "ratio": round(one.ratio, 3), "verdict": one.verdict} for one in comparisons]


def _row(one: Comparison) -> tuple[str, ...]:
    return (
        one.what,
        f"{median(one.ours):.3g} {one.unit}",
        one.beside,
        f"{median(one.theirs):.3g} {one.unit}",
        f"{one.ratio:.2f} x",
        "" if one.target is None else f"at most {one.target} x",
        one.verdict,
    )
