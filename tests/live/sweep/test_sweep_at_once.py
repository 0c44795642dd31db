"""Sweeps with --apply, two at once, while a hundred runs take leases and work: none is disturbed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from runlease.evidence.sweep.swept import Swept
from tests.live.deployment import PROFILES, Lease
from tests.live.statements import outcome
from tests.live.sweeps import SweptSite

RUNS, CLIENTS = 100, 32
ORPHANS = [f"run_reader_orphan{number:02}aaaaaaaaaaaa" for number in range(5)]
LONG_AGO = 3600


@pytest.fixture(scope="module")
def swept(postgres: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, lab_folder: Path) -> SweptSite:
    return SweptSite.made("crowd", postgres, openbao, kubernetes, lab_folder)


def made_long_ago(swept: SweptSite, logins: list[str]) -> None:
    """Logins without a lease, older than whatever a sweep leaves alone."""
    for login in logins:
        swept.orphan(login)
        mark = f"runlease live {swept.site.own('vault')} reader {int(time.time()) - LONG_AGO} 600"
        with swept.site.as_superuser() as session:
            session.execute(SQL("COMMENT ON ROLE {} IS {}").format(Identifier(login), Literal(mark)))


def begin(swept: SweptSite, tokens: dict[str, str], profile: str) -> tuple[Lease, psycopg.Connection]:
    lease = swept.site.take(profile, tokens[profile])
    return lease, swept.site.connect(lease)


def works(run: tuple[Lease, psycopg.Connection]) -> bool:
    return outcome(run[1], "SELECT pg_sleep(0.01)") == "00000"


def outcomes(answers: list[Swept]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for answer in answers:
        assert not answer.partial
        for one in answer.told:
            found.setdefault(one.remnant.subject, set()).add(one.outcome)
    return found


def test_two_sweeps_at_once_disturb_none_of_a_hundred_runs(swept: SweptSite) -> None:
    tokens = {profile: swept.site.log_in(profile) for profile in PROFILES}
    made_long_ago(swept, ORPHANS)
    begun, answers = threading.Event(), list[Swept]()

    def sweep_meanwhile() -> None:
        while True:
            answers.append(swept.sweep(apply=True, older_than=600))
            if begun.is_set():
                return

    with ThreadPoolExecutor(CLIENTS + 2) as threads:
        sweeping = [threads.submit(sweep_meanwhile) for _ in range(2)]
        runs = list(threads.map(lambda one: begin(swept, tokens, one), islice(cycle(PROFILES), RUNS)))
        begun.set()
        for one in sweeping:
            one.result()
        # What is done meanwhile is what was left, and nothing else; the second of two finds it gone.
        found = outcomes(answers)
        assert set(found) == set(ORPHANS)
        assert all(said <= {"dropped", "absent"} and "dropped" in said for said in found.values())
        assert all(threads.map(works, runs))
        # Once Vault keeps every lease no age is needed to tell them from what is left.
        made_long_ago(swept, ORPHANS[:2])
        both = list(threads.map(lambda _: swept.sweep(apply=True), range(2)))
        assert set(outcomes(both)) == set(ORPHANS[:2])
        assert all(threads.map(works, runs))
        for lease, session in runs:
            session.close()
            swept.site.revoke(lease)
    assert not any(map(swept.exists, [*ORPHANS, *(lease.login for lease, _ in runs)]))
    assert swept.told(apply=True) == []
