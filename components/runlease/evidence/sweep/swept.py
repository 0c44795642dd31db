"""What a sweep has to say, as text and JSON. Pure."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from runlease.evidence.exits import exit_code
from runlease.evidence.sweep.remnants import Kind, Remnant
from runlease.report.escape import printable

_DONE = ("revoked", "dropped", "absent", "ended")


@dataclass(frozen=True)
class Told:
    """One remnant, and what became of it."""

    remnant: Remnant
    outcome: str = ""
    """`revoked`, `dropped`, `absent`, `ended`, `quarantined`, or `failed: …`; empty where nothing was tried."""

    @property
    def is_left(self) -> bool:
        """Whether somebody has to do something."""
        return self.remnant.kind.counts and self.outcome not in _DONE

    def __str__(self) -> str:
        return f"{self.remnant}{f' → {self.outcome}' if self.outcome else ''}"


@dataclass(frozen=True)
class Swept:
    """The whole answer."""

    told: tuple[Told, ...]
    partial: tuple[str, ...]
    """Why it is not the whole answer; empty when it is."""
    applied: bool

    @property
    def exit_code(self) -> int:
        """As `evidence.exits` has it."""
        return exit_code(found=any(one.is_left for one in self.told), partial=bool(self.partial))

    @property
    def summary(self) -> str:
        """`2 left: 1 expired login, 1 irrevocable lease; 3 ended`."""
        left = Counter(one.remnant.kind for one in self.told if one.outcome not in _DONE)
        kinds = ", ".join(f"{left[kind]} {kind}" for kind in Kind if left[kind])
        ended = sum(one.outcome in _DONE for one in self.told)
        return f"{left.total() or 'nothing'} left{f': {kinds}' if kinds else ''}" + (
            f"; {ended} ended" if self.applied else ""
        )


def as_text(swept: Swept) -> str:
    """PARTIAL and why first, then one line for each remnant, then how many."""
    return "\n".join(map(printable, _lines(swept)))


def _lines(swept: Swept) -> Iterator[str]:
    if swept.partial:
        yield f"PARTIAL: {len(swept.partial)} of what was asked could not be read"
        yield from (f"  {why}" for why in swept.partial)
    yield from (str(one) for one in swept.told)
    yield swept.summary


def as_json(swept: Swept) -> str:
    """The same for programs."""
    told = [
        {
            "kind": str(one.remnant.kind),
            "where": one.remnant.where,
            "subject": one.remnant.subject,
            "why": one.remnant.why,
            "fix": one.remnant.fix,
            "outcome": one.outcome,
            "left": one.is_left,
        }
        for one in swept.told
    ]
    document = {"partial": list(swept.partial), "applied": swept.applied, "remnants": told, "summary": swept.summary}
    return json.dumps(document, indent=2)
