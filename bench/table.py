"""Comparisons, and how they are shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    at_least: float | None = None
    """The ratio is to be at least this, where more is better."""

    @property
    def ratio(self) -> float:
        """Median of ours to median of theirs."""
        return median(self.ours) / median(self.theirs)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or `reported` where there is no target."""
        if self.target is None and self.at_least is None:
            return "reported"
        above = self.target is not None and self.ratio > self.target
        below = self.at_least is not None and self.ratio < self.at_least
        return "missed" if above or below else "met"

    @property
    def wanted(self) -> str:
        """The target in words; empty where there is none."""
        if self.at_least is not None:
            return f"at least {self.at_least} x"
        return "" if self.target is None else f"at most {self.target} x"


_HEADINGS = ("what", "runlease", "beside it", "", "ratio", "target", "verdict")


def table(comparisons: Sequence[Comparison]) -> str:
    """One line for each comparison: medians with their unit, ratio, target, verdict."""
    rows = [_HEADINGS, *(_row(one) for one in comparisons)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def shares_table(shares: Mapping[str, float]) -> str:
    """One line for each part of a whole: milliseconds, and its share."""
    whole, width = sum(shares.values()), max(map(len, shares))
    return "\n".join(f"{part:<{width}}  {s * 1000:6.1f} ms  {s / whole:4.0%}" for part, s in shares.items())


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
        one.wanted,
        one.verdict,
    )
