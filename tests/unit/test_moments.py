"""Vault writes its times in the zone of its server, and to the nanosecond."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runlease.evidence.moments import moment

WHOLE = datetime(2026, 11, 24, 22, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-11-24T22:00:01Z", 0),
        ("2026-11-24T23:00:01+01:00", 0),
        ("2026-11-24T22:00:01.123456789Z", 123456),
        ("2026-11-24T23:00:01.123456789+01:00", 123456),
        ("2026-11-24T16:30:01.5-05:30", 500000),
    ],
)
def test_every_way_to_write_a_time_is_the_same_time(text: str, microseconds: int) -> None:
    assert moment(text) == WHOLE.replace(microsecond=microseconds)


@pytest.mark.parametrize("text", ["", "soon", "2026-11-24T22:00:01.Z0"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="isoformat"):
        moment(text)
