"""PostgreSQL's timestamps → UTC."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from runlease.evidence.trace.model import BrokenError
from runlease.readers.error import ReadError

_UTC_NAMES = frozenset({"UTC", "GMT", "UCT", "Z"})
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")


@dataclass
class Clock:
    """Reads times; `zone` is what abbreviations such as CET, which mean several zones, are taken for."""

    zone: ZoneInfo | None = None
    _known: dict[str, tzinfo] = field(default_factory=dict)

    def read(self, text: str) -> datetime:
        """`2026-11-24 20:17:49.137 UTC` or seconds since 1970. ReadError for a zone that it cannot know."""
        if text[:1] != "2" or text[4:5] != "-":
            return _since_1970(text)
        stamp, _, name = text.rpartition(" ")
        try:
            if name in _UTC_NAMES:
                return datetime.fromisoformat(f"{stamp}+00:00")
            local = datetime.fromisoformat(stamp)
        except ValueError:
            raise BrokenError("no time") from None
        fixed = self._known.get(name) or self._offset(name)
        if fixed is not None:
            return local.replace(tzinfo=fixed).astimezone(UTC)
        return self._in_zone(local, name)

    def _offset(self, name: str) -> tzinfo | None:
        found = _OFFSET.fullmatch(name)
        if not found:
            return None
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        self._known[name] = timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
        return self._known[name]

    def _in_zone(self, local: datetime, name: str) -> datetime:
        if self.zone is None:
            raise ReadError(
                f"PostgreSQL's log: its times are in an unknown zone (got {name!r}, expected UTC or an offset). "
                "Fix: --time-zone Area/City as in its log_timezone, and best log_timezone = 'UTC'"
            )
        for fold in (0, 1):
            placed = local.replace(tzinfo=self.zone, fold=fold)
            if placed.tzname() == name:
                return placed.astimezone(UTC)
        raise ReadError(
            f"--time-zone: is not the log's (got {self.zone.key}, and times in {name}). Fix: name its log_timezone"
        )


def _since_1970(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise BrokenError("no time") from None
