"""How far the clocks of Vault and PostgreSQL differ: Vault answers when the broker has made a login."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from statistics import median

from runlease.evidence.trace.model import Lease, Life

LEAST = timedelta(seconds=2)
"""Clocks that differ by less are not spoken of."""


def skew(leases: Mapping[str, Lease], lives: Mapping[str, Life]) -> dict[str, timedelta]:
    """By database, how far Vault's clock is ahead; the median, because some answers come late."""
    seen: dict[str, list[float]] = {}
    for login, life in lives.items():
        if life.made and login in leases:
            seen.setdefault(life.database, []).append((leases[login].taken - life.made).total_seconds())
    return {database: timedelta(seconds=median(all_of)) for database, all_of in seen.items()}


def skewed(found: Mapping[str, timedelta]) -> Iterator[str]:
    """A sentence for each difference that matters."""
    for database, by in found.items():
        if abs(by) >= LEAST:
            seconds = by.total_seconds()
            way = "ahead of" if seconds > 0 else "behind"
            yield (
                f"Vault's clock is {abs(seconds):.1f} s {way} that of the PostgreSQL with database {database}; "
                "the lives of logins are told by PostgreSQL's"
            )
