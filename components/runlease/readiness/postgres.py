"""PostgreSQL, asked read-only: the only module of the check that connects to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from runlease.config import DatabaseSettings
from runlease.config.made import BROKER_SCHEMA
from runlease.readiness.database import judge
from runlease.readiness.findings import Finding, error
from runlease.readiness.live import LiveContent, LiveDatabase, LiveRole, LiveServer, LiveTable

SECONDS = 5
"""How long to wait for a connection; a statement may take twice as long."""

_SESSION = f"-c default_transaction_read_only=on -c statement_timeout={2 * SECONDS}s -c search_path=pg_catalog"
"""search_path: an admin may be a superuser, and must run nothing that somebody planted in the database."""

_SERVER = """
SELECT current_setting('server_version_num')::int AS version, current_user::text AS admin,
       pg_is_in_recovery() AS standby, current_setting('ssl')::bool AS tls,
       current_setting('password_encryption') AS password_encryption
"""
_ROLES = """
SELECT rolname::text AS name, rolcanlogin AS can_login, rolsuper AS superuser, rolcreaterole AS create_role,
       rolcreatedb AS create_db, rolreplication AS replication, rolbypassrls AS bypass_rls,
       pg_has_role(oid, 'USAGE') AS admin_inherits, pg_has_role(oid, %s) AS admin_becomes,
       pg_has_role(oid, 'MEMBER WITH ADMIN OPTION') AS admin_grants
  FROM pg_roles
"""
_DATABASES = """
SELECT d.datname::text AS name, pg_get_userbyid(d.datdba)::text AS owner,
       ARRAY(SELECT r.rolname::text FROM pg_roles r
              WHERE r.rolcanlogin AND NOT r.rolsuper AND has_database_privilege(r.oid, d.oid, 'CONNECT')
                AND NOT EXISTS (SELECT FROM aclexplode(acl) a WHERE a.privilege_type = 'CONNECT' AND a.grantee <> 0
                                   AND pg_has_role(r.oid, a.grantee, 'USAGE'))
              ORDER BY r.rolname) AS only_through_public,
       (SELECT coalesce(jsonb_object_agg(one.grantee, one.privileges), '{}')
          FROM (SELECT pg_get_userbyid(a.grantee) AS grantee, jsonb_agg(DISTINCT a.privilege_type) AS privileges
                  FROM aclexplode(acl) a WHERE a.grantee <> 0 GROUP BY a.grantee) one) AS direct
  FROM pg_database d CROSS JOIN LATERAL coalesce(d.datacl, acldefault('d', d.datdba)) AS acl
 WHERE d.datname = ANY (%s)
"""
_SCHEMAS = "SELECT nspname::text, pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = ANY (%s)"
_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND NOT EXISTS (SELECT FROM pg_depend p
                    WHERE p.classid = 'pg_class'::regclass AND p.objid = c.oid
                      AND (p.deptype = 'e' OR c.relkind = 'S' AND p.deptype IN ('a', 'i')))
 ORDER BY n.nspname, c.relname
"""


def check_database(key: str, database: DatabaseSettings, folder: Path, password: str | None) -> Iterator[Finding]:
    """Everything that is found out about one database; a server that does not answer is a finding too.

    Without a password libpq looks for one where it always does (PGPASSFILE, ~/.pgpass).
    """
    try:
        live = _look(database, folder, password)
    except psycopg.Error as failed:
        yield in_plain_words(key, database, str(failed))
        return
    yield from judge(key, database, live)


def password_variable(key: str) -> str:
    """The environment variable with the password of a database's admin."""
    return f"RUNLEASE_ADMIN_PASSWORD_{key.upper()}"


def _look(database: DatabaseSettings, folder: Path, password: str | None) -> LiveServer:
    try:
        with _connect(database, database.dbname, folder, password) as session:
            return _server(session, database, _content(session, database))
    except psycopg.OperationalError as refused:
        # The database may not exist: then the server is still to be asked.
        try:
            with _connect(database, "postgres", folder, password) as session:
                server = _server(session, database, None)
        except psycopg.OperationalError as failed:
            raise (refused if database.adopted else failed) from None
        if database.dbname in server.databases:
            raise
        return server


def _connect(database: DatabaseSettings, dbname: str, folder: Path, password: str | None) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=database.host,
        port=database.port,
        user=database.admin,
        password=password,
        dbname=dbname,
        sslmode=database.libpq_sslmode,
        sslrootcert=str(folder / database.ca),
        connect_timeout=SECONDS,
        options=_SESSION,
        application_name="runlease check",
    )


def _server(session: psycopg.Connection[Any], database: DatabaseSettings, content: LiveContent | None) -> LiveServer:
    # Before 16 every member may SET ROLE, and pg_has_role does not know the word.
    become = "SET" if session.info.server_version >= 160_000 else "MEMBER"
    names = [database.dbname, *database.close]
    says = session.cursor(row_factory=dict_row).execute(_SERVER).fetchone() or {}
    roles = session.cursor(row_factory=class_row(LiveRole)).execute(_ROLES, [become]).fetchall()
    databases = session.cursor(row_factory=class_row(LiveDatabase)).execute(_DATABASES, [names]).fetchall()
    extensions = session.execute("SELECT name::text FROM pg_available_extensions").fetchall()
    return LiveServer(
        roles={role.name: role for role in roles},
        databases={one.name: one for one in databases},
        extensions=frozenset(name for (name,) in extensions),
        content=content,
        **says,
    )


def _content(session: psycopg.Connection[Any], database: DatabaseSettings) -> LiveContent:
    schemas = session.execute(_SCHEMAS, [[*database.schemas, BROKER_SCHEMA]]).fetchall()
    tables = session.cursor(row_factory=class_row(LiveTable)).execute(_TABLES, [list(database.schemas)])
    return LiveContent(dict(schemas), tuple(tables.fetchall()))


def in_plain_words(key: str, database: DatabaseSettings, said: str) -> Finding:
    """Why a server cannot be asked, from what libpq or the server said. Pure."""
    server = f"{database.host}:{database.port}"
    names = {"server": server, "admin": database.admin, "ca": database.ca, "variable": password_variable(key)}
    unknown = ("", "host", "cannot be asked", "see that psql connects to {server} as {admin}")
    _, setting, problem, fix = next((refusal for refusal in _REFUSALS if refusal[0] in said), unknown)
    got = " ".join(said.split())
    return error(f"access.databases.{key}.{setting}", f"{problem.format(**names)} (got {got})", fix.format(**names))


_REFUSALS = (
    ("certificate verify failed", "ca", "this CA did not sign the server's certificate", "put the CA that did at {ca}"),
    (
        "does not match host name",
        "host",
        "the server's certificate is for another name",
        "dial a name that it has, or set sslmode: verify-pinned-ca",
    ),
    ("root certificate file", "ca", "the CA certificate cannot be read", "put the CA certificate (PEM) at {ca}"),
    ("not support SSL", "host", "the server speaks no TLS", "give it a certificate, set ssl = on, and restart it"),
    ("no password supplied", "admin", "no password for {admin}", "export {variable}=…, or PGPASSFILE=<file>"),
    (
        "password authentication failed",
        "admin",
        "the admin's password is refused",
        "export {variable}=<that of {admin}>",
    ),
    (
        "pg_hba.conf",
        "host",
        "pg_hba.conf keeps {admin} out from here",
        "add to it: hostssl all {admin} <this network> scram-sha-256",
    ),
    ("translate host name", "host", "no such host", "correct the name, or run this where it resolves"),
    ("onnection refused", "host", "nothing listens there", "start the server, or correct host and port"),
    ("timeout expired", "host", "no answer", "open the way to {server}, or run this from inside the network"),
    ("statement timeout", "dbname", "the catalogs are not read in time", "run it when the server is less busy"),
)
"""What libpq or the server says → setting, problem, fix."""
