"""PostgreSQL, asked read-only: what the check wants to know of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from runlease.config import DatabaseSettings
from runlease.config.made import BROKER_SCHEMA
from runlease.readers.session import connect, in_plain_words
from runlease.readiness.database import judge
from runlease.readiness.findings import Finding, error
from runlease.readiness.live import LiveContent, LiveDatabase, LiveRole, LiveServer, LiveTable

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
        refused = in_plain_words(key, database, str(failed))
        yield error(refused.where, refused.problem, refused.fix)
        return
    yield from judge(key, database, live)


def _look(database: DatabaseSettings, folder: Path, password: str | None) -> LiveServer:
    try:
        with connect(database, database.dbname, folder, password) as session:
            return _server(session, database, _content(session, database))
    except psycopg.OperationalError as refused:
        # The database may not exist: then the server is still to be asked.
        try:
            with connect(database, "postgres", folder, password) as session:
                server = _server(session, database, None)
        except psycopg.OperationalError as failed:
            raise (refused if database.adopted else failed) from None
        if database.dbname in server.databases:
            raise
        return server


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
