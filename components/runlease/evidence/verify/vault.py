"""What Vault says of itself and of its leases, held against the logins that live. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runlease.access.rules import Severity
from runlease.config import Settings
from runlease.config.made import database_mount
from runlease.evidence.verify.check import Found
from runlease.evidence.verify.issuing import judge_connections, judge_leases
from runlease.readiness.versions import engine_version

_PLACE = "Vault"


@dataclass(frozen=True)
class VaultFacts:
    """What was asked; None for what could not be."""

    health: Mapping[str, Any] = field(default_factory=dict)
    mount: Mapping[str, Any] | None = None
    """Its database mount: what `sys/mounts` says of it."""
    irrevocable: tuple[str, ...] | None = None
    """Ids of leases that Vault gave up on."""
    leases: Mapping[str, int] = field(default_factory=dict)
    """Lease → how many Vault has, for those that could be listed."""
    logins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lease → its logins that lived from before the leases were listed until after."""
    roles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the mount says of each lease."""
    connections: Mapping[str, Mapping[str, Any]] | None = None
    """What it says of each connection."""


def judge(settings: Settings, facts: VaultFacts) -> Iterator[Found]:
    """Everything that is wrong there."""
    if facts.health:
        for one in engine_version("", facts.health):
            yield Found("LV701", "old-vault", Severity.HIGH, _PLACE, "version", one.problem, one.fix)
    yield from _mount(settings, facts.mount)
    for lease in facts.irrevocable or ():
        yield Found(
            "LV702",
            "irrevocable-lease",
            Severity.HIGH,
            _PLACE,
            lease,
            "Vault tried to revoke it, failed, and tries no more: its login may live",
            f"mend what Vault's log says of it, then: vault lease revoke -sync {lease}",
        )
    yield from judge_leases(settings, facts.roles)
    if facts.connections is not None:
        yield from judge_connections(settings, facts.connections)
    for name, logins in facts.logins.items():
        if name in facts.leases and len(logins) > facts.leases[name]:
            yield from _unknown(name, logins, facts.leases[name])


def _mount(settings: Settings, mount: Mapping[str, Any] | None) -> Iterator[Found]:
    if mount is None:
        return
    path = database_mount(settings.installation)
    plain = (mount.get("config") or {}).get("audit_non_hmac_response_keys") or ()
    if mount and "username" not in plain:
        yield Found(
            "LV704",
            "audit-hides-logins",
            Severity.MEDIUM,
            _PLACE,
            path,
            "its audit log hashes the names of logins, so that no statement is joined to a run",
            f'POST /v1/sys/mounts/{path}/tune {{"audit_non_hmac_response_keys": ["username"]}}',
        )


def _unknown(name: str, logins: tuple[str, ...], leases: int) -> Iterator[Found]:
    """Vault names no login of a lease: only where it has none at all is each login known to be unknown."""
    what = f"{len(logins)} logins live, and Vault has {leases} leases (got {', '.join(logins)})"
    mend = (
        "runlease sweep; or as a superuser SET SESSION AUTHORIZATION of Vault's login, and SELECT runlease.drop_login"
    )
    if leases:
        yield Found("LV703", "login-unknown-to-vault", Severity.HIGH, _PLACE, name, what, mend)
        return
    for login in logins:
        what = f"it lives, and Vault has no lease {name}"
        yield Found("LV703", "login-unknown-to-vault", Severity.HIGH, _PLACE, login, what, mend)
