"""The checks, asked of a server: one READ ONLY transaction in each database, one savepoint for each check."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from runlease.access.rules import Severity
from runlease.access.sql import identifier
from runlease.evidence.verify.check import Answered, Check, Found, NotTried, Scope, Told
from runlease.evidence.verify.checks import CHECKS
from runlease.evidence.verify.site import PRELUDE, Site
from runlease.readiness.versions import postgres_name, postgres_version

Session = psycopg.Connection[Any]
Open = Callable[[str], Session]
"""A session in a database of the server, by the database's name. Raises psycopg.OperationalError."""

_GRANTEE = """
SELECT coalesce((SELECT min(role) FROM given WHERE holder = session_user AND role = ANY(%(groups)s::text[])),
                session_user::text)
"""
_DATABASES = """
SELECT datname::text, has_database_privilege(oid, 'CONNECT')
  FROM pg_database WHERE datallowconn AND datname <> current_database() ORDER BY datname
"""
_LOGINS = "SELECT name FROM leased WHERE NOT quarantined ORDER BY name"


def verify_server(site: Site, opened: Open) -> Iterator[Told]:
    """Ask every check of the declared database, and of the server's others what holds there too.

    Raises psycopg.OperationalError where the declared database cannot be asked.
    """
    with opened(site.settings.dbname) as session, _reading(session):
        yield from _version(site, session.info.server_version)
        yield from ask(site, session, CHECKS)
        others = session.execute(_DATABASES).fetchall()
        grantee = _grantee(site, session)
    every = [check for check in CHECKS if check.scope is Scope.EVERY]
    for name, may in others:
        place = f"{site.key}: database {name}"
        if not may:
            fix = f"GRANT CONNECT ON DATABASE {identifier(name)} TO {identifier(grantee)};"
            yield NotTried(place, "the database", f"{grantee} may not connect to it", fix)
            continue
        try:
            with opened(name) as session, _reading(session):
                yield from ask(site, session, every)
        except psycopg.OperationalError as refused:
            yield NotTried(place, "the database", " ".join(str(refused).split()), "let this login in there")


def live_logins(site: Site, session: Session) -> list[str]:
    """The names of the leased logins that are not quarantined."""
    with _reading(session):
        rows = session.execute((PRELUDE + _LOGINS).encode(), site.parameters).fetchall()
    return [name for (name,) in rows]


@contextmanager
def _reading(session: Session) -> Iterator[None]:
    with session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        session.execute("SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = '30s'")
        yield


def ask(site: Site, session: Session, checks: Iterable[Check]) -> Iterator[Found | NotTried]:
    """What the checks find in the database of a session that is in a transaction."""
    for check in checks:
        place = f"{site.key}: " + ("server" if check.scope is Scope.SERVER else f"database {session.info.dbname}")
        try:
            with session.transaction():
                rows = session.execute((PRELUDE + check.sql).encode(), site.parameters).fetchall()
        except psycopg.errors.InsufficientPrivilege as refused:
            yield NotTried(place, f"{check.id} {check.name}", _said(refused), _needs(check, _grantee(site, session)))
        except psycopg.errors.QueryCanceled as late:
            yield NotTried(place, f"{check.id} {check.name}", _said(late), "verify when the server is less busy")
        except psycopg.DatabaseError as failed:
            if session.closed:
                raise
            yield NotTried(place, f"{check.id} {check.name}", _said(failed), "look at what the check meets there")
        else:
            for thing, detail, mend in rows:
                yield Found(check.id, check.name, check.severity, place, thing, detail, mend or check.otherwise)


def _version(site: Site, version: int) -> Iterator[Told]:
    yield Answered(f"{site.key}: server", postgres_name(version))
    for one in postgres_version("", version):
        yield Found("LV615", "old-version", Severity.HIGH, f"{site.key}: server", "PostgreSQL", one.problem, one.fix)


def _said(refused: psycopg.Error) -> str:
    return refused.diag.message_primary or " ".join(str(refused).split())


def _grantee(site: Site, session: Session) -> str:
    """Who a right is to be given to: a login of a lease is gone soon, so it is the profile's role."""
    row = session.execute((PRELUDE + _GRANTEE).encode(), site.parameters).fetchone()
    return str(row[0]) if row else session.info.user


def _needs(check: Check, grantee: str) -> str:
    login = identifier(grantee)
    return check.needs.replace("{login}", login) or f"let {login} read what it names"
