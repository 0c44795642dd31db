"""Many runs at once get their leases and give them back, and nothing of them stays."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import pytest

from tests.live.deployment import PROFILES, Deployment, Lease
from tests.live.sites import Sites

LEASES, CLIENTS = 200, 32

Take = Callable[[str], Lease]


def all_at_once(site: Deployment, take: Take, leases: int) -> list[str]:
    """The logins that so many runs got, each used and given back."""

    def run(profile: str) -> str:
        lease = take(profile)
        site.connect(lease).close()
        site.revoke(lease)
        return lease.login

    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(run, islice(cycle(PROFILES), leases)))


def assert_nothing_left(site: Deployment, logins: list[str]) -> None:
    assert (
        site.rows(
            "SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s)"
            " UNION ALL SELECT nspname::text FROM pg_namespace WHERE nspname = ANY(%s)",
            logins,
            logins,
        )
        == []
    )
    events = [(event["login"], event["outcome"]) for event in site.ledger(*logins)]
    assert sorted(events) == sorted((login, outcome) for login in logins for outcome in ("live", "dropped"))


@pytest.mark.parametrize("major", [15, 18])
def test_many_leases_at_once_all_work_and_leave_nothing(sites: Sites, major: int) -> None:
    site = sites.site(major, managed=False)
    tokens = {profile: site.log_in(profile) for profile in PROFILES}
    logins = all_at_once(site, lambda profile: site.take(profile, tokens[profile]), LEASES)
    assert len(set(logins)) == LEASES
    assert_nothing_left(site, logins)


@pytest.mark.parametrize("major", [15, 18])
def test_a_rush_on_a_vault_without_sessions_is_served_at_once(sites: Sites, major: int) -> None:
    """After a rotation each first request opens a session of its own: Vault's login must be allowed as many."""
    site = sites.site(major, managed=False)
    tokens = {profile: site.log_in(profile) for profile in PROFILES}
    for connection in ("data", "migrator"):
        path = f"/{site.installation}-db/rotate-root/{site.key}-{connection}"
        site.openbao.request("POST", path, {}, site.openbao.root_token)
    assert_nothing_left(site, all_at_once(site, lambda profile: site.take(profile, tokens[profile]), CLIENTS * 2))
