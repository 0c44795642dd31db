"""All that a command could have changed in a database, to be compared before and after."""

from __future__ import annotations

import psycopg

from runlease.config.made import own_role

CATALOGS = {
    "pg_attribute": "",
    "pg_auth_members": "roleid, member",
    "pg_authid": "oid",
    "pg_class": "",
    "pg_database": "",
    "pg_db_role_setting": "setrole",
    "pg_default_acl": "",
    "pg_namespace": "",
    "pg_parameter_acl": "",
    "pg_policy": "",
    "pg_proc": "",
    "pg_shdepend": "refobjid",
    "pg_shdescription": "objoid",
    "pg_trigger": "",
}
"""Each with its columns that name a role."""

VACUUMED = [
    "datfrozenxid",
    "datminmxid",
    "relallfrozen",
    "relallvisible",
    "relfrozenxid",
    "relminmxid",
    "relpages",
    "reltuples",
]
"""What autovacuum writes, whenever it likes."""

OTHERS = """
SELECT r.oid FROM pg_roles r WHERE r.rolname ~ '^run_' AND NOT EXISTS (
  SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid AND g.rolname = %s)
"""
"""Leased logins of other sites, which end when their time has come."""


def dump(session: psycopg.Connection, key: str, *tables: str) -> list[tuple[str, str, str]]:
    """Each row of the catalogs and of the tables named, with its version; as a superuser, in the database of `key`."""
    query = (
        "SELECT '{one}', xmin::text, (to_jsonb(t) - %s::text[])::text FROM {one} t"
        " WHERE NOT ARRAY[{roles}]::oid[] && ARRAY({others}) ORDER BY 3"
    )
    return [
        row
        for one, roles in (CATALOGS | dict.fromkeys(tables, "")).items()
        for row in session.execute(
            query.format(one=one, roles=roles, others=OTHERS).encode(), [VACUUMED, own_role(key, "login")]
        )
    ]
