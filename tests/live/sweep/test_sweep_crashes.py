"""kill -9 of guards, Vault, PostgreSQL and the API server at any moment: what is left, with a sweep and without.

RUNLEASE_CRASHES=500 makes as many runs; RUNLEASE_SEED repeats them. The counts are printed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import folders
from lab.certificates import CertificateAuthority
from lab.kubernetes import Kubernetes
from lab.kubernetes_server import find_apiserver
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries
from lab.processes import Processes
from runlease.access.lifetimes import EXPIRY_SLACK
from tests.live.crashes import (
    NOTHING,
    PROFILES,
    Apiserver,
    Crowd,
    Fate,
    access_entries,
    counts,
    fates,
    kill_openbao,
    kill_postgres,
)
from tests.live.deployment import Deployment
from tests.live.guards import config_of
from tests.live.sweeps import SweptSite

RUNS = int(os.environ.get("RUNLEASE_CRASHES", "48"))
SEED = int(os.environ.get("RUNLEASE_SEED", str(random.SystemRandom().randrange(10**6))))
AT_ONCE = 16
OUTLIVING, SHORT = 300, 20
"""Lives of the leases in seconds: one that outlives the test's recovery, so that the sweep has something to do; and one
that a test can wait for."""
PATIENCE = 120
FORGOTTEN_A_LEASE = 5
"""How many expired logins the making of one lease drops."""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crowd, SweptSite, Callable[[str], None]]]:
    """Servers of its own: others would not forgive."""
    with folders.lab_folder() as folder, Processes(folder) as processes:
        ca = CertificateAuthority(folder)
        server = PostgresServer.start(folder, ca, processes, binaries(18))
        openbao = OpenBao.start(folder, ca, processes)
        found = find_apiserver()
        assert found
        assert found.binary
        kubernetes = Kubernetes.start(folder, ca, processes, found)
        apiserver = Apiserver(kubernetes, processes)
        swept = SweptSite.made("crash", server, openbao, kubernetes, folder)
        config = config_of(swept.site, folder)
        kills = {
            "Vault": lambda: kill_openbao(openbao),
            "PostgreSQL": lambda: kill_postgres(server),
            "the API server": apiserver.kill,
        }

        def kill(name: str) -> None:
            kills[name]()

        home = tmp_path_factory.mktemp("crashes")
        yield Crowd(swept.site, apiserver, config, home, {}, []), swept, kill


def crash(crowd: Crowd, kill: Callable[[str], None], chance: random.Random, first: int, runs: int) -> list[Fate]:
    """So many runs, while servers are killed; afterwards every server is back, and no pod is left."""
    ended = fates(chance, runs, first)
    for fate in ended:
        crowd.announce(fate)
    killed, waiting = list[str](), ["the API server"]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        running = [threads.submit(crowd.live, fate) for fate in ended]
        while not all(one.done() for one in running):
            time.sleep(chance.uniform(0.2, 1.5))
            killed.append(chance.choice(["Vault", "PostgreSQL", *waiting]))
            kill(killed[-1])
            waiting = [one for one in waiting if one != killed[-1]]  # once: it needs longer to come back than a run
        for one in running:
            one.result()
    crowd.apiserver.wait()
    crowd.bury(ended)
    kinds = {name: killed.count(name) for name in sorted(set(killed))}
    guards = sum(fate.ending == "kill" for fate in ended)
    print(f"\n  seed {SEED}: {runs} runs, {guards} guards killed, servers killed: {kinds}")
    return ended


def lives(crowd: Crowd, seconds: int) -> None:
    """How long leases live from now on when nobody gives them back."""
    bao, site = crowd.site.openbao, crowd.site
    for profile in PROFILES:
        ttl = {"default_ttl": seconds, "max_ttl": seconds}
        bao.request("POST", f"/{site.installation}-db/roles/{profile}", ttl, bao.root_token)
        crowd.config[f"lease.{profile}"] |= {"ttl": seconds, "max_ttl": seconds}


def forget_leases(site: Deployment) -> None:
    """What the test before left in Vault alone: entries that would stay for as long as they were to live."""
    site.openbao.request(
        "PUT", f"/sys/leases/revoke-prefix/{site.installation}-db", {"sync": True}, site.openbao.root_token
    )


def leases(site: Deployment) -> int:
    """How many Vault knows."""
    return sum(site.leases(profile) for profile in PROFILES)


def wait_for(what: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.5)


@pytest.mark.timeout(3000)
def test_after_any_crash_one_sweep_leaves_nothing(
    crowd: tuple[Crowd, SweptSite, Callable[[str], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    runs, swept, kill = crowd
    declared = access_entries(swept.site)
    lives(runs, OUTLIVING)
    with capsys.disabled():
        crash(runs, kill, random.Random(SEED), 0, RUNS)  # noqa: S311 - it picks endings, no secrets
        before = counts(swept.site, declared)
        applied = swept.sweep(apply=True)
        print(f"  before the sweep: {before}; it says: {applied.summary}")
        # Vault answers for a token before it has dropped what the token took.
        wait_for(lambda: counts(swept.site, declared) == NOTHING, 15)
        print(f"  after it: {counts(swept.site, declared)}")
    assert applied.partial == ()
    assert counts(swept.site, declared) == NOTHING
    assert applied.exit_code == 0
    assert swept.told(apply=True) == []


@pytest.mark.timeout(3000)
def test_after_any_crash_the_ttl_and_the_next_leases_leave_nothing(
    crowd: tuple[Crowd, SweptSite, Callable[[str], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a sweep. A login that Vault made and forgot stays, expired, until the next lease; nobody was ever told
    its password."""
    runs, swept, kill = crowd
    declared = access_entries(swept.site)
    lives(runs, SHORT)
    forget_leases(swept.site)
    with capsys.disabled():
        crash(runs, kill, random.Random(SEED + 1), RUNS, RUNS // 2)  # noqa: S311 - as above
        kill("Vault")  # a lease that it lost sight of when its client went, it sees again when it starts
        print(f"  before the ttl: {counts(swept.site, declared)}, {leases(swept.site)} leases")
        wait_for(lambda: leases(swept.site) == 0)
        time.sleep(6)  # a login outlives its lease by 5 s
        after = counts(swept.site, declared)
        print(f"  after it, without a sweep: {after}, {leases(swept.site)} leases")
        left = swept.site.rows("SELECT rolvaliduntil < now() FROM pg_roles WHERE rolname ~ '^run_'")
        if left:
            time.sleep(EXPIRY_SLACK.seconds)
        more = 1 + len(left) // FORGOTTEN_A_LEASE
        for profile in ("reader", "migrator") * more:  # one by each of Vault's logins
            with swept.site.leased(profile):
                pass
        print(f"  after {more} more leases of each tier: {counts(swept.site, declared)}")
    assert leases(swept.site) == 0
    assert after["sessions"] == 0
    assert all(expired for (expired,) in left)
    assert after["schemas"] <= after["logins"]
    assert counts(swept.site, declared) == NOTHING
