"""Vault and a sweep drop the same login at the same moment: the second waits for the first, and both end well."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from tests.live.broker_calls import DONE, LOGIN, call, make
from tests.live.deployment import Deployment


@pytest.fixture
def first(site: Deployment) -> Iterator[psycopg.Connection]:
    """Vault's session that has made the login."""
    with site.as_vault(undone=False) as session:
        assert make(session) == DONE
        yield session
        session.rollback()
        with suppress(psycopg.Error):
            session.execute(call("drop_login", LOGIN))


def dropped_by(session: psycopg.Connection) -> str:
    row = session.execute(call("drop_login", LOGIN)).fetchone()
    assert row
    return str(row[0])


def waits(site: Deployment, session: psycopg.Connection, dropping: Future[str]) -> bool:
    """Until the session waits for a lock; False if it ended without."""
    query = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
    while not dropping.done():
        if site.rows(query, session.info.backend_pid):
            return True
    return False


@pytest.mark.parametrize(("end", "outcome"), [("COMMIT", "absent"), ("ROLLBACK", "dropped")])
def test_who_comes_second_waits_and_finds_it_gone_or_drops_it(
    site: Deployment, first: psycopg.Connection, end: str, outcome: str
) -> None:
    with site.as_vault(undone=False) as second, ThreadPoolExecutor(1) as thread:
        first.execute("BEGIN")
        assert dropped_by(first) == "dropped"
        dropping = thread.submit(dropped_by, second)
        assert waits(site, second, dropping)
        first.execute(end.encode())
        assert dropping.result() == outcome
