"""Vault, asked with GET and LIST: its version, its mount, its leases; and PostgreSQL for the logins that live."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from runlease.access import Unread
from runlease.config import Settings
from runlease.config.made import database_mount
from runlease.evidence.verify.check import Answered, NotTried, Told
from runlease.evidence.verify.vault import VaultFacts, judge
from runlease.readers.engine import Engine
from runlease.readers.error import ReadError
from runlease.readers.https import UnreachableError, get
from runlease.readiness.versions import engine_name

Logins = Callable[[], tuple[str, ...]]
"""Names of the leased logins that are there now."""


def verify_vault(settings: Settings, folder: Path, token: str, logins: Logins) -> Iterator[Told]:
    """Everything that Vault tells; what the token may not read is not tried."""
    if not token:
        fix = "export VAULT_TOKEN=<a token that reads what docs/verify.md lists>"
        yield NotTried("Vault", "leases and mount", "VAULT_TOKEN is missing", fix)
    try:
        engine = Engine(settings.vault, folder, token)
        facts = _facts(settings, engine, folder, logins) if token else VaultFacts(_health(settings, folder))
    except (ReadError, UnreachableError) as failed:
        problem, _, fix = str(failed).partition(" Fix: ")
        yield NotTried("Vault", "Vault", problem, fix or "open the way to it")
        return
    if facts.health:
        yield Answered("Vault", engine_name(facts.health))
    yield from judge(settings, facts)
    yield from map(not_read, engine.unread)


def not_read(unread: Unread) -> NotTried:
    """What the token may not read, with the line of a policy that lets it."""
    path = unread.where.removeprefix("Vault ").partition("?")[0]
    if path == "sys/leases":
        return NotTried(
            "Vault", path, "the token may not read it", f'path "{path}" {{ capabilities = ["read", "sudo"] }}'
        )
    if path.startswith("sys/leases/lookup/"):
        # Vault asks for sudo where all leases are listed.
        return NotTried(
            "Vault", path, "the token may not list it", f'path "{path}/" {{ capabilities = ["list", "sudo"] }}'
        )
    why, _, fix = unread.why.partition(". Fix: ")
    return NotTried("Vault", path, why, re.sub(r"\?[^\"]*", "", fix) or "look at what stands there")


def _facts(settings: Settings, engine: Engine, folder: Path, logins: Logins) -> VaultFacts:
    mount = database_mount(settings.installation)
    mounts = engine.mounts()
    gave_up = engine.read("sys/leases?type=irrevocable")
    before = logins()
    leases = {name: found for name in settings.leases if (found := _leases(engine, mount, name)) is not None}
    lived = set(before) & set(logins())
    return VaultFacts(
        _health(settings, folder),
        mounts.get(mount, {}),
        None if gave_up is None else tuple(_ids(gave_up.get("leases"), mount)),
        leases,
        _by_lease(lived, settings.leases),
        dict(engine.below(f"{mount}/roles")),
        _whole(engine, f"{mount}/config"),
    )


def _whole(engine: Engine, path: str) -> Mapping[str, Mapping[str, object]] | None:
    """Everything below a path; None where anything of it may not be read."""
    unread = len(engine.unread)
    found = dict(engine.below(path))
    return found if len(engine.unread) == unread else None


def _health(settings: Settings, folder: Path) -> Mapping[str, object]:
    ca = folder / settings.vault.ca if settings.vault.ca else None
    return get(f"{settings.vault.address.rstrip('/')}/v1/sys/health", ca).body


def _leases(engine: Engine, mount: str, name: str) -> int | None:
    unread = len(engine.unread)
    found = engine.listed(f"sys/leases/lookup/{mount}/creds/{name}")
    return len(found) if len(engine.unread) == unread else None


def _ids(leases: object, mount: str) -> Iterator[str]:
    for one in leases if isinstance(leases, list) else ():
        found = str(one.get("lease_id", "")) if isinstance(one, dict) else str(one)
        if found.startswith(f"{mount}/"):
            yield found


def _by_lease(logins: set[str], leases: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """A login carries its lease's name; what carries none is told by a check of the catalogs."""
    found = defaultdict[str, list[str]](list)
    for login in sorted(logins):
        for name in leases:
            if re.fullmatch(rf"run_{re.escape(name)}_[a-z0-9]{{20}}", login):
                found[name].append(login)
    return {name: tuple(logins) for name, logins in found.items()}
