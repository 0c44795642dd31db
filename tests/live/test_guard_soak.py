"""Hundreds of guards that end in any way, at any moment: what is left of them, at once and after their TTL."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psycopg
import pytest

from runlease.access.lifetimes import EXPIRY_SLACK
from tests.live.deployment import Deployment
from tests.live.guards import Config, Guard, config_of, logins, sessions, wait_until

GUARDS, AT_ONCE, SEED = 500, 16, 4
TTL = 15
"""Seconds that a lease lives when nobody gives it back."""
LONGEST = 0.8
"""Seconds until a signal comes: from before the interpreter runs to after `ready`."""


class Ending(StrEnum):
    KILL, TERM, RELEASE = "kill", "term", "release"


@dataclass(frozen=True)
class Fate:
    """How one guard is to end."""

    number: int
    ending: Ending
    after: float
    connects: bool


def fates() -> list[Fate]:
    chance = random.Random(SEED)  # noqa: S311 - it picks endings, no secrets
    endings = list(Ending)
    return [
        Fate(number, chance.choice(endings), chance.uniform(0, LONGEST), chance.random() < 0.2)
        for number in range(GUARDS)
    ]


def live(guard: Guard, fate: Fate, site: Deployment) -> Guard:
    """One guard's life."""
    guard.start()
    if fate.ending is Ending.RELEASE:
        guard.ready()
        session = None
        if fate.connects:
            session = psycopg.connect(site.postgres.conninfo(site.dbname, guard.login, guard.password))
        (guard.shared / "release").touch()
        guard.evidence()
        if session:
            session.close()
        assert guard.stop() == 0
        return guard
    time.sleep(fate.after)
    guard.signal(signal.SIGKILL if fate.ending is Ending.KILL else signal.SIGTERM)
    assert guard.wait() in (0, -fate_signal(fate))
    return guard


def fate_signal(fate: Fate) -> int:
    """A guard that gets SIGTERM before its first line dies of it, and has nothing yet."""
    return signal.SIGKILL if fate.ending is Ending.KILL else signal.SIGTERM


def bury(guard: Guard) -> None:
    """Start a killed guard again, as kubelet does, after its lease has ended; then tell it to go."""
    if not guard.left():
        return
    (guard.shared / "ready").unlink(missing_ok=True)  # so that the wait is for the new guard
    guard.start()
    wait_until(lambda: any((guard.shared / name).exists() for name in ("revoked", "failed", "ready")), guard.log)
    assert guard.stop() == 0, guard.log


@pytest.fixture
def short_leases(guarded: Deployment, lab_folder: Path) -> Iterator[Config]:
    bao, path = guarded.openbao, f"/{guarded.installation}-db/roles/reader"
    bao.request("POST", path, {"default_ttl": TTL, "max_ttl": TTL}, bao.root_token)
    yield config_of(guarded, lab_folder, lease={"ttl": TTL, "max_ttl": TTL})
    bao.request("POST", path, {"default_ttl": 300, "max_ttl": 600}, bao.root_token)


def test_nothing_is_left_of_hundreds_of_guards(guarded: Deployment, short_leases: Config, tmp_path: Path) -> None:
    assert logins(guarded) == set()
    token, ended = guarded.token_of_pod("reader"), fates()
    guards = [Guard.placed(tmp_path / str(fate.number), short_leases, token, "reader") for fate in ended]
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        list(crowd.map(live, guards, ended, [guarded] * GUARDS))
        still = logins(guarded)
        killed = [guard for guard, fate in zip(guards, ended, strict=True) if fate.ending is Ending.KILL]
        told = [guard for guard, fate in zip(guards, ended, strict=True) if fate.ending is not Ending.KILL]
        # Right away: nothing of those that were told.
        said = {word for guard in told for word in guard.log.split() if word.startswith("run_reader_")}
        assert len(said) > GUARDS / 3
        assert not said & still
        assert not [guard.folder for guard in told if guard.left()]
        assert len(still) <= len(killed)
        # After their TTL: nothing of the others either. Vault may have forgotten the login of a guard that died as it
        # was made; the next lease drops that. Leases are not counted: see docs/security-model.md, Forgotten logins.
        with suppress(AssertionError):
            wait_until(lambda: not logins(guarded), "the killed guards' logins are gone")
        wait_until(lambda: not sessions(guarded), "the killed guards' sessions are gone")
        if logins(guarded):
            time.sleep(EXPIRY_SLACK.seconds)  # their TTL was over when the wait was
            with guarded.leased("reader"):
                pass
        assert logins(guarded) == set()
        list(crowd.map(bury, killed))
    assert not [guard.folder for guard in guards if guard.left()]
    assert logins(guarded) == set()
