"""Durations, and whether the lifetimes of a chain fit into one another, before anything is deployed."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_SPELLING = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")


class LifetimeError(ValueError):
    """A duration that cannot be read."""


@dataclass(frozen=True, order=True)
class Duration:
    """A whole number of seconds, spelled as Vault spells it: `15m`, `1h30m`, `90s`."""

    seconds: int

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read `1d`, `2h`, `15m`, `90s` or a sum of them in that order; LifetimeError otherwise, and for zero."""
        found = _SPELLING.fullmatch(text)
        parts = found.groups(default="0") if text and found else ()
        seconds = sum(int(count) * size for count, size in zip(parts, _UNITS.values(), strict=False))
        if seconds == 0:
            raise LifetimeError(f"got {text!r}, expected a duration above zero such as 15m, 1h30m or 90s")
        return cls(seconds)

    def __add__(self, other: "Duration") -> "Duration":
        return Duration(self.seconds + other.seconds)

    def __str__(self) -> str:
        left, spelled = self.seconds, ""
        for unit, size in _UNITS.items():
            count, left = divmod(left, size)
            spelled += f"{count}{unit}" if count else ""
        return spelled or "0s"


SYSTEM_MAXIMUM = Duration(32 * 86_400)
"""Vault's and OpenBao's own ceiling for any lease or token (`max_lease_ttl`, 768 h unless the server raises it)."""

TOKEN_EXPIRY = Duration(600)
"""Life of the projected service-account token: the shortest that Kubernetes issues."""

TOKEN_MARGIN = Duration(120)
"""How much a Vault token outlives the longest lease under it, so that the guard can still give the lease back."""

EXPIRY_SLACK = Duration(60)
"""How far past its maximum the broker accepts an expiry: Vault adds a few seconds, and clocks differ."""


SHORTEST_FINALLY = Duration(60)
"""A `finally` Task needs this long to see the leases of the run gone: they are dead 35 s after any ending."""


@dataclass(frozen=True)
class LeaseLifetime:
    """The lifetimes that meet in one lease; `where` is the path that an error names."""

    where: str
    ttl: Duration
    max_ttl: Duration
    mount_maximum: Duration


@dataclass(frozen=True)
class RunLifetime:
    """The timeouts of a pipeline's Tasks beside the leases they work under; None where the pipeline says nothing."""

    where: str
    timeout: Duration | None
    finally_timeout: Duration | None
    leases: tuple[tuple[str, Duration], ...]
    """Name and max_ttl of each lease that a Task of the pipeline holds."""


def incoherent_lifetimes(
    leases: Iterable[LeaseLifetime],
    runs: Iterable[RunLifetime] = (),
    token_expiry: Duration = TOKEN_EXPIRY,
    cluster: str = "cluster",
) -> list[str]:
    """One message for each pair of lifetimes that do not fit, naming both values and the fix; empty when all fit.

    `cluster` is the path of the section that `token_expiry` stands in.
    """
    found = [message for lease in leases for message in _incoherent_lease(lease)]
    found += [message for run in runs for message in _incoherent_run(run)]
    if token_expiry < TOKEN_EXPIRY:
        found.append(
            f"{cluster}.token_expiry: shorter than Kubernetes issues (got {token_expiry}, expected at least "
            f"{TOKEN_EXPIRY}). Fix: set it to {TOKEN_EXPIRY}"
        )
    return found


def _incoherent_lease(lease: LeaseLifetime) -> Iterator[str]:
    if lease.ttl > lease.max_ttl:
        yield (
            f"{lease.where}: ttl is longer than max_ttl (got ttl {lease.ttl} and max_ttl {lease.max_ttl}). "
            f"Fix: set max_ttl to {lease.ttl} or more"
        )
    if lease.max_ttl > lease.mount_maximum:
        yield (
            f"{lease.where}: max_ttl passes the mount's maximum (got max_ttl {lease.max_ttl} and vault.max_lease_ttl "
            f"{lease.mount_maximum}). Fix: shorten max_ttl or raise vault.max_lease_ttl"
        )
    if lease.max_ttl.seconds + TOKEN_MARGIN.seconds > SYSTEM_MAXIMUM.seconds:
        yield (
            f"{lease.where}: max_ttl with the token's margin of {TOKEN_MARGIN} passes the server's maximum "
            f"(got {lease.max_ttl}, expected at most {SYSTEM_MAXIMUM} together). Fix: shorten max_ttl"
        )


def _incoherent_run(run: RunLifetime) -> Iterator[str]:
    for name, max_ttl in run.leases:
        if run.timeout is not None and run.timeout > max_ttl:
            yield (
                f"{run.where}.timeout: a Task may run longer than its lease can live (got timeout {run.timeout} and "
                f"max_ttl {max_ttl} of {name}). Fix: shorten the timeout or raise leases.{name}.max_ttl"
            )
    if run.finally_timeout is not None and run.finally_timeout < SHORTEST_FINALLY:
        yield (
            f"{run.where}.finally_timeout: ends before the leases of the run must be dead (got {run.finally_timeout}, "
            f"expected at least {SHORTEST_FINALLY}). Fix: set it to {SHORTEST_FINALLY} or more"
        )
