"""A login may always change its own password, and so lock its own row: its revocation ends it nevertheless."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from tests.live.deployment import Deployment, Lease
from tests.live.remains import NOTHING, ended, left, oid_of
from tests.live.statements import worded

SESSIONS = 4


def password_of(lease: Lease) -> bytes:
    """The same password once more: the login stays able to come back."""
    return worded("ALTER ROLE CURRENT_USER PASSWORD ").as_string().encode() + f"'{lease.password}'".encode()


def test_a_login_that_holds_its_own_row_is_ended(site: Deployment) -> None:
    lease = site.take("reader")
    oid = oid_of(site, lease)
    with site.connect(lease) as session:
        session.execute("BEGIN")
        session.execute(password_of(lease))
        site.revoke(lease)
        assert ended(session)
    assert left(site, lease, oid) == NOTHING


@pytest.mark.parametrize("holding", [True, False], ids=["holding", "committing"])
def test_a_login_that_comes_back_to_lock_its_row_again_is_ended(site: Deployment, *, holding: bool) -> None:
    lease = site.take("reader")
    oid = oid_of(site, lease)
    begun, over = threading.Barrier(SESSIONS + 1), threading.Event()

    def lock(session: psycopg.Connection) -> None:
        if holding:
            session.execute("BEGIN")
        while not over.is_set():
            session.execute(password_of(lease))

    def resist(_: int) -> None:
        """Lock the row in one session after the other, until none is let in."""
        with site.connect(lease) as session:
            begun.wait(30)
            with suppress(psycopg.Error):
                lock(session)
        while not over.is_set():
            with suppress(psycopg.Error), site.connect(lease) as session:
                lock(session)

    with ThreadPoolExecutor(SESSIONS) as threads:
        resisting = [threads.submit(resist, number) for number in range(SESSIONS)]
        begun.wait(30)
        try:
            site.revoke(lease)
            assert left(site, lease, oid) | {"sessions": 0} == NOTHING
        finally:
            over.set()
        for one in resisting:
            one.result()
