"""A guard renews its lease and its token, past faults, and ends both in time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.faults import Fault, FaultyProxy
from tests.live.deployment import Deployment
from tests.live.guards import Config, Place, logins, set_lease, set_login, wait_until

LOGIN, CREDS, REVOKE, RENEW = "/login", "/creds/reader", "/leases/revoke", "/leases/renew"


@pytest.fixture
def short_lease(guarded: Deployment) -> Iterator[None]:
    """A lease of 3 s that may be renewed up to 30 s."""
    set_lease(guarded, default_ttl=3, max_ttl=30)
    yield
    set_lease(guarded, default_ttl=300, max_ttl=600)


@pytest.mark.usefixtures("nothing_left", "short_lease")
def test_a_lease_is_renewed_and_a_renewal_that_fails_is_tried_again(
    guarded: Deployment, place: Place, proxy: FaultyProxy, behind: Config
) -> None:
    proxy.fail(RENEW, Fault.CUT)
    guard = place(behind).start().ready()
    login, end = guard.login, time.monotonic() + 6
    wait_until(lambda: proxy.asked(RENEW) >= 1, "a renewal")
    proxy.heal()
    wait_until(lambda: time.monotonic() > end, "twice its ttl")
    assert login in logins(guarded)
    assert not (guard.shared / "failed").exists()
    (guard.shared / "release").touch()
    assert guard.evidence()["login"] == login not in logins(guarded)
    assert guard.stop() == 0


@pytest.mark.usefixtures("nothing_left")
def test_a_token_that_expires_while_it_works_is_renewed_as_long_as_that_goes(guarded: Deployment, place: Place) -> None:
    guards = []
    try:
        for limit in (0, 5):
            set_login(guarded, token_ttl=3, token_max_ttl=limit, token_explicit_max_ttl=limit)
            guards.append(place().start().ready())
    finally:
        set_login(guarded, token_ttl=720, token_max_ttl=720, token_explicit_max_ttl=720)
    renewed, ended = guards
    logins_of = [guard.login for guard in guards]
    wait_until(lambda: "the work outlives it" in ended.log, ended.log)
    ended.until("failed")
    assert not (ended.shared / "pgpass").exists()
    assert logins_of[0] in logins(guarded)
    (renewed.shared / "release").touch()
    assert renewed.evidence()["login"] == logins_of[0]
    wait_until(lambda: not logins(guarded) & set(logins_of), "a lease goes with its token")
    for guard in guards:
        guard.stop()
