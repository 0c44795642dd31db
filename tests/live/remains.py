"""What there still is of a lease's login, and a login that cannot be dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.live.deployment import Deployment, Lease
from tests.live.statements import outcome

NOTHING = {"role": 0, "sessions": 0, "dependencies": 0, "schemas": 0}


def oid_of(site: Deployment, lease: Lease) -> int:
    return int(site.rows("SELECT oid FROM pg_roles WHERE rolname = %s", lease.login)[0][0])


def left(site: Deployment, lease: Lease, oid: int) -> dict[str, int]:
    """What there still is of a login, by its oid because the name may be gone; in every database of the server."""
    found = site.rows(
        "SELECT (SELECT count(*) FROM pg_roles WHERE oid = %s), (SELECT count(*) FROM pg_stat_activity WHERE usesysid"
        " = %s), (SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = %s),"
        " (SELECT count(*) FROM pg_namespace WHERE nspname = %s)",
        oid,
        oid,
        oid,
        lease.login,
    )
    return dict(zip(NOTHING, found[0], strict=True))


def ended(session: psycopg.Connection) -> bool:
    """Whether the server has ended this session."""
    return outcome(session, "SELECT 1") in ("57P01", "OperationalError")


def drop(site: Deployment, lease: Lease) -> str:
    """What the broker says to the login that made the lease; Vault's retry of a revocation."""
    tier = "vault_migrator" if "_migrator_" in lease.login else "vault"
    with site.as_vault(tier, undone=False) as session:
        return str(session.execute("SELECT runlease.drop_login(%s)", [lease.login]).fetchall()[0][0])


@contextmanager
def undroppable(site: Deployment, profile: str = "reader") -> Iterator[tuple[Lease, int]]:
    """A lease whose login owns a large object where DROP OWNED does not reach: in another database."""
    lease = site.take(profile)
    oid = oid_of(site, lease)
    with site.connect(lease, site.neighbour) as session:
        made = session.execute("SELECT lo_create(0)").fetchall()[0][0]
    yield lease, oid
    with site.as_superuser(site.neighbour) as session:
        session.execute("SELECT lo_unlink(%s)", [made])
    assert drop(site, lease) == "dropped"
    assert left(site, lease, oid) == NOTHING
