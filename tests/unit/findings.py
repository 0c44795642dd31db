"""What a check found, as its tests ask for it."""

from __future__ import annotations

from collections.abc import Iterable

from runlease.readiness.findings import Finding


def only(findings: Iterable[Finding]) -> Finding:
    """The one finding that there is."""
    found = list(findings)
    assert len(found) == 1, found
    return found[0]
