"""Durations as Go writes them, which is how Tekton does: `1h30m`, `1.5s`, `300ms`. Pure."""

from __future__ import annotations

import re

from lab import LabError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """The duration in seconds; `0` is none. Raises LabError for another spelling."""
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", text)
    if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text):
        raise LabError(f"duration: not one (got {text!r}, expected 1h30m, 90s or 300ms). Fix: correct it")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
