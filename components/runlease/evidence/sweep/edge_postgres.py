"""One PostgreSQL as a sweep asks it: what the broker's marks say, and the broker's own functions to end it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row

from runlease.config import DatabaseSettings, role_name
from runlease.config.made import own_role
from runlease.evidence.edge_leases import TakenLease
from runlease.evidence.sweep.facts import DatabaseFacts, LeasedLogin, Roleless
from runlease.readers.session import connect

_LOGINS = """
SELECT r.rolname::text AS name, split_part(d.mark, ' ', 4) AS profile, split_part(d.mark, ' ', 3) AS maker,
       to_timestamp(split_part(d.mark, ' ', 5)::bigint) - %(here)s AS created,
       least(coalesce(r.rolvaliduntil, 'infinity'), '9000-01-01'::timestamptz) - %(vault)s AS until,
       split_part(d.mark, ' ', 2) = 'quarantined' AS quarantined,
       (SELECT count(*)::int FROM pg_stat_activity a WHERE a.usesysid = r.oid) AS sessions
  FROM pg_roles r CROSS JOIN LATERAL (SELECT shobj_description(r.oid, 'pg_authid') AS mark) d
 WHERE d.mark ~ '^runlease (live|quarantined) [^ ]+ [^ ]+ [0-9]{1,12} [0-9]+$' AND r.rolname ~ '^run_'
   AND split_part(d.mark, ' ', 3) = ANY(%(makers)s)
   AND (split_part(d.mark, ' ', 2) = 'quarantined'
        OR EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                    WHERE m.member = r.oid AND g.rolname = %(marker)s))
"""
"""A quarantined login has lost its membership; its comment is then the only mark, and the broker's alone to write."""

_SCHEMAS = """
SELECT n.nspname::text FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
 WHERE n.nspname ~ '^run_' AND r.rolname = %s AND NOT EXISTS (SELECT FROM pg_roles l WHERE l.rolname = n.nspname)
"""

_ROLELESS = """
SELECT a.pid, a.usesysid::bigint AS oid FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.usesysid <> 0
   AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.usesysid)
"""


@dataclass(frozen=True)
class SweptDatabase:
    """One database, through the sweep's own lease."""

    key: str
    lease: TakenLease
    makers: tuple[str, ...]
    session: psycopg.Connection[Any]

    def facts(self, vault_ahead: timedelta) -> DatabaseFacts:
        """What it knows now; a login whose expiry is on Vault's clock is put on ours. Raises psycopg.Error."""
        asked = datetime.now(UTC)
        said = self.session.execute("SELECT clock_timestamp()").fetchone()
        here = said[0] - asked if said else timedelta()
        given = {
            "here": here,
            "vault": vault_ahead,
            "makers": list(self.makers),
            "marker": own_role(self.key, "login"),
        }
        logins = self.session.cursor(row_factory=class_row(LeasedLogin)).execute(_LOGINS, given).fetchall()
        schemas = self.session.execute(_SCHEMAS, [own_role(self.key, "broker")]).fetchall()
        roleless = self.session.cursor(row_factory=class_row(Roleless)).execute(_ROLELESS).fetchall()
        return DatabaseFacts(
            self.key, self.lease.login, tuple(logins), tuple(name for (name,) in schemas), tuple(roleless)
        )

    def drop(self, name: str) -> str:
        """What the broker says: `dropped`, `absent` or `quarantined`; or why it was not asked to the end."""
        return self._called("SELECT runlease.drop_login(%s)", name)

    def reap(self, pid: int) -> str:
        """End every session without a role; `ended` when this one is gone."""
        said = self._called("SELECT runlease.reap()")
        if said.startswith("failed"):
            return said
        for _ in range(20):
            if not self.session.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
                return "ended"
            time.sleep(0.1)
        broker = own_role(self.key, "broker")
        return f"failed: the broker may not end it. Fix: GRANT pg_signal_backend TO {broker}"

    def _called(self, call: str, *arguments: str) -> str:
        try:
            row = self.session.execute(call.encode(), arguments).fetchone()
            return str(row[0]) if row else "absent"
        except psycopg.errors.InsufficientPrivilege as denied:
            return f"failed: {_plain(denied)}. Fix: {self._grants()}"
        except psycopg.Error as failed:
            return f"failed: {_plain(failed)}"

    def _grants(self) -> str:
        group = role_name(self.key, "sweeper")
        return (
            f"pulumi up, which brings GRANT USAGE ON SCHEMA runlease TO {group}; GRANT EXECUTE ON FUNCTION "
            f"runlease.drop_login(text), runlease.reap() TO {group}; and a broker that knows sweepers"
        )


@contextmanager
def swept(
    key: str, database: DatabaseSettings, folder: Path, lease: TakenLease, makers: tuple[str, ...]
) -> Iterator[SweptDatabase]:
    """A session with the sweep's lease; it may call the broker, and nothing else. Raises OperationalError."""
    with connect(database, database.dbname, folder, lease.password, lease.login) as session:
        session.autocommit = True
        # The drop waits for locks for 10 s, and for sessions to end; without this it would be refused as a change.
        session.execute("SET default_transaction_read_only = off; SET statement_timeout = '60s'")
        yield SweptDatabase(key, lease, makers, session)


def _plain(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error)).split())
