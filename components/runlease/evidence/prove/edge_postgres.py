"""A session with a lease: what it sees, what it tries, and that it is gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.errors import Diagnostic
from psycopg.sql import SQL, Identifier

from runlease.config import DatabaseSettings
from runlease.evidence.prove.attempts import Attempt, How, Outcome
from runlease.evidence.prove.judge import DONE, NO
from runlease.evidence.prove.sight import Relation, Rest, Routine, SeenDatabase, SeenRole, Sight
from runlease.readers.session import SECONDS, connect

_LOCK = "1s"
"""How long a refusal may wait for somebody's lock; most are given before any lock is asked for."""


@dataclass(frozen=True)
class Credential:
    """What a lease is in PostgreSQL."""

    login: str
    password: str = field(repr=False)


@contextmanager
def session(database: DatabaseSettings, folder: Path, credential: Credential) -> Iterator[psycopg.Connection[Any]]:
    """A session as pods have it, over TLS as the settings say. Raises OperationalError."""
    with open_session(database, database.dbname, folder, credential) as opened:
        opened.autocommit = True
        # Undone one by one; a read-only transaction would refuse before any right is looked at.
        opened.execute("SET default_transaction_read_only = off")
        opened.execute(SQL("SET lock_timeout = {}").format(_LOCK))
        yield opened


def open_session(
    database: DatabaseSettings, dbname: str, folder: Path, credential: Credential
) -> psycopg.Connection[Any]:
    """Log in to any database of the server with a lease. Raises OperationalError."""
    return connect(database, dbname, folder, credential.password, credential.login)


def tried(opened: psycopg.Connection[Any], attempt: Attempt) -> Outcome:
    """Make the server do it, and undo it. A warning counts where nothing else was said."""
    if opened.closed:
        return Outcome("08006", "the session has ended")
    warnings: list[Diagnostic] = []
    heard = [warnings.append]
    opened.add_notice_handler(heard[0])
    try:
        with opened.transaction(force_rollback=True):
            if attempt.role is not None:
                opened.execute(SQL("SET LOCAL ROLE {}").format(Identifier(attempt.role)))
            answer = opened.execute(attempt.statement)
            return _ended(attempt, answer, warnings)
    except psycopg.Error as error:
        return Outcome(error.sqlstate or "08006", (error.diag.message_primary or str(error)).strip())
    finally:
        opened.remove_notice_handler(heard[0])


def _ended(attempt: Attempt, answer: psycopg.Cursor[Any], warnings: list[Diagnostic]) -> Outcome:
    if attempt.how is How.ASKED:
        row = answer.fetchone()
        # EXPLAIN answers with its plan when the rights are enough, and with an error when they are not.
        if row is None or not row[0]:
            return Outcome(NO, "the server says no")
        return Outcome(DONE, ", ".join(row[0]) if isinstance(row[0], list) else "")
    said = [one for one in warnings if one.severity_nonlocalized == "WARNING"]
    return Outcome(said[-1].sqlstate or DONE, said[-1].message_primary or "") if said else Outcome(DONE)


def connected(database: DatabaseSettings, dbname: str, folder: Path, credential: Credential) -> Outcome:
    """Try another database of the server. The refusal of CONNECT has no code in libpq: its words are asked for."""
    try:
        open_session(database, dbname, folder, credential).close()
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        refused = "permission denied for database" in said or "CONNECT privilege" in said
        return Outcome(NO if refused else "08001", said)
    return Outcome(DONE)


def connected_in_clear(database: DatabaseSettings, credential: Credential) -> Outcome:
    """Try without TLS; the password does not go over the line, whatever the server asks for."""
    try:
        psycopg.connect(
            host=database.host,
            port=database.port,
            user=credential.login,
            password=credential.password,
            dbname=database.dbname,
            sslmode="disable",
            gssencmode="disable",
            require_auth="scram-sha-256",
            connect_timeout=SECONDS,
            application_name="runlease",
        ).close()
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        return Outcome(NO if "pg_hba.conf" in said else "08001", said)
    return Outcome(DONE)


def gone(database: DatabaseSettings, folder: Path, credential: Credential) -> Outcome:
    """Try to log in with a lease that was given back: 28P01 and 28000 mean that it opens nothing."""
    try:
        open_session(database, database.dbname, folder, credential).close()
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        refused = "authentication failed" in said or "does not exist" in said or "not permitted to log in" in said
        return Outcome(NO if refused else "08001", said)
    return Outcome(DONE)


def look(opened: psycopg.Connection[Any]) -> Sight:
    """What the login sees: names alone, no row of any table of the user's."""
    return Sight(
        opened.info.server_version,
        tuple(SeenRole(*row) for row in opened.execute(_ROLES)),
        tuple(SeenDatabase(*row) for row in opened.execute(_DATABASES)),
        tuple(row[0] for row in opened.execute(_SCHEMAS)),
        tuple(
            Relation(oid, schema, name, kind, column, frozenset(holds))
            for oid, schema, name, kind, column, holds in opened.execute(_relations(opened.info.server_version))
        ),
        tuple(Routine(*row) for row in opened.execute(_ROUTINES)),
        tuple(Rest(*row) for row in opened.execute(_REST)),
    )


_ROLES = "SELECT oid::int8, rolname FROM pg_roles ORDER BY rolname"
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND datname <> current_database() ORDER BY datname"
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"
_ROUTINES = """
SELECT p.oid::int8, n.nspname, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
       has_function_privilege('public', p.oid, 'EXECUTE')
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 2, 3
"""
_REST = """
SELECT 'server', srvname::text, 'USAGE' FROM pg_foreign_server
UNION ALL SELECT 'foreign_data_wrapper', fdwname, 'USAGE' FROM pg_foreign_data_wrapper
UNION ALL SELECT 'tablespace', spcname, 'CREATE' FROM pg_tablespace
UNION ALL SELECT 'parameter', parname, p FROM pg_parameter_acl, unnest(ARRAY['SET', 'ALTER SYSTEM']) p
ORDER BY 1, 2, 3
"""
_RELATIONS = """
SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text,
       (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY has_column_privilege(c.oid, a.attnum, 'UPDATE') DESC, a.attnum LIMIT 1),
       ARRAY(SELECT p FROM unnest({}::text[]) p
              WHERE CASE WHEN c.relkind = 'S' THEN p IN ('SELECT', 'USAGE', 'UPDATE')
                                                   AND has_sequence_privilege(c.oid, p)
                         WHEN p = 'USAGE' THEN false
                         WHEN p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') THEN has_any_column_privilege(c.oid, p)
                         ELSE has_table_privilege(c.oid, p) END)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 2, 3
"""


def _relations(version: int) -> Any:
    names = [*map(str, Sight(version).table_privileges), "USAGE"]
    return SQL(_RELATIONS).format(names)


def remains(witness: psycopg.Connection[Any], login: str) -> Outcome:
    """Ask another session what is left of a login: refused where nothing is."""
    try:
        row = witness.execute(_REMAINS, {"login": login}).fetchone()
    except psycopg.Error as error:
        return Outcome(error.sqlstate or "08006", " ".join(str(error).split()))
    return Outcome(DONE, ", ".join(row[0])) if row is not None and row[0] else Outcome(NO, "nothing is left")


_REMAINS = """
SELECT ARRAY(SELECT 'a login' FROM pg_roles WHERE rolname = %(login)s AND rolcanlogin
             UNION ALL SELECT 'a session' FROM pg_stat_activity WHERE usename = %(login)s
             UNION ALL SELECT 'a schema' FROM pg_namespace WHERE nspname = %(login)s)
"""
