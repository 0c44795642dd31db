"""pydantic models of `access.sweeper` and `access.auditor`: what runs `runlease sweep` and `verify` on a schedule."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from runlease.access import Duration
from runlease.config.names import Label, LeaseName, Once
from runlease.config.section import Section
from runlease.config.values import Span

OLDER_THAN = Duration(600)
"""Ten minutes. Vault answers a request within 90 s by default: what is older is not just being made."""

_IMAGE = re.compile(r"[a-z0-9][\w./:@-]*")
_SCHEDULE = re.compile(r"@(?:hourly|daily|midnight|weekly|monthly|yearly|annually)|[\w*/,-]+(?: [\w*/,?-]+){4}")


def _image(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise ValueError(f"no image (got {value!r}, expected such as registry/runlease@sha256:…). Fix: name one")
    return value


def _schedule(value: str) -> str:
    if not _SCHEDULE.fullmatch(value):
        raise ValueError(f"no schedule (got {value!r}, expected five fields such as */15 * * * *). Fix: write it so")
    return value


Schedule = Annotated[str, AfterValidator(_schedule)]


class ScheduledSettings(Section):
    """A CronJob with an identity of its own."""

    namespace: Label
    """Where it runs; must exist, and no pipeline may run there: whoever makes pods there can be it."""
    image: Annotated[str, AfterValidator(_image)]
    """An image with the command `runlease`; best by digest."""
    leases: Annotated[tuple[LeaseName, ...], Field(min_length=1), Once]
    """Leases of the profile that is named as the section, one for each database."""


class SweeperSettings(ScheduledSettings):
    """One that runs `runlease sweep`."""

    schedule: Schedule = "*/15 * * * *"
    """When, as cron writes it. Default: every quarter of an hour."""
    older_than: Span = OLDER_THAN
    """What is younger is left alone. Default 10m."""
    apply: bool = False
    """Whether it also ends what it finds. Default: it says so, and its Job fails."""


class AuditorSettings(ScheduledSettings):
    """One that runs `runlease verify`."""

    schedule: Schedule = "0 * * * *"
    """When, as cron writes it. Default: every hour."""
