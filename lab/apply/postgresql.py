"""pulumi-postgresql's resources as SQL, as its provider writes them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from lab import LabError

Inputs = Mapping[str, Any]


def apply(token: str, inputs: Inputs, provider: Inputs) -> None:
    """Create one resource. Raises psycopg.Error when PostgreSQL refuses, LabError for a type without a handler."""
    kind = token.rsplit(":", 1)[-1]
    if kind not in _STATEMENTS:
        raise LabError(f"lab.apply.postgresql: no handler (got {token}). Fix: write one, or use a pulumi CLI")
    dbname = provider["database"] if kind in ("Role", "GrantRole", "Database") else inputs.get("database")
    with _connect(provider, dbname or provider["database"]) as connection:
        owners = [] if kind in _FREE or provider["superuser"] == "true" else _owners(connection, inputs)
        with connection.transaction() if owners else nullcontext():
            for owner in owners:
                connection.execute(SQL("GRANT {} TO CURRENT_USER").format(Identifier(owner)))
            for statement in _STATEMENTS[kind](inputs):
                connection.execute(statement)
            for owner in owners:
                connection.execute(SQL("REVOKE {} FROM CURRENT_USER").format(Identifier(owner)))


def _owners(connection: psycopg.Connection, inputs: Inputs) -> list[str]:
    """Whom an admin without superuser must become for a moment, as the provider does: owners that it is not yet."""
    return [
        row[0] for row in connection.execute(_OWNERS, {"schema": inputs.get("schema"), "owner": inputs.get("owner")})
    ]


def _connect(provider: Inputs, dbname: str) -> psycopg.Connection:
    return psycopg.connect(
        host=provider["host"],
        port=int(provider["port"]),
        dbname=dbname,
        user=provider["username"],
        password=provider["password"],
        sslmode=provider["sslmode"],
        sslrootcert=provider["sslrootcert"],
        autocommit=True,
    )


def _role(inputs: Inputs) -> list[Composed]:
    name = Identifier(inputs["name"])
    words = {"login": ("LOGIN", False), "inherit": ("INHERIT", True), "createRole": ("CREATEROLE", False)}
    flags: list[SQL | Composed] = [
        SQL(word if inputs.get(key, default) else f"NO{word}") for key, (word, default) in words.items()
    ]
    flags.append(SQL("CONNECTION LIMIT {}").format(Literal(int(inputs.get("connectionLimit", -1)))))
    if inputs.get("password"):
        flags.append(SQL("PASSWORD {}").format(Literal(inputs["password"])))
    made: list[Composed] = [SQL("CREATE ROLE {} {}").format(name, SQL(" ").join(flags))]
    made += [SQL("GRANT {} TO {}").format(Identifier(role), name) for role in inputs.get("roles") or ()]
    settings = {
        "role": inputs.get("assumeRole"),
        "statement_timeout": _number(inputs.get("statementTimeout")),
        "idle_in_transaction_session_timeout": _number(inputs.get("idleInTransactionSessionTimeout")),
    }
    alter = SQL("ALTER ROLE {} SET {} TO {}")
    made += [alter.format(name, Identifier(key), Literal(value)) for key, value in settings.items() if value]
    if inputs.get("searchPaths"):
        made.append(
            alter.format(name, Identifier("search_path"), SQL(", ").join(map(Identifier, inputs["searchPaths"])))
        )
    return made


def _database(inputs: Inputs) -> list[Composed]:
    return [SQL("CREATE DATABASE {} OWNER {}").format(Identifier(inputs["name"]), Identifier(inputs["owner"]))]


def _schema(inputs: Inputs) -> list[Composed]:
    made = SQL("CREATE SCHEMA {}").format(Identifier(inputs["name"]))
    return [made + SQL(" AUTHORIZATION {}").format(Identifier(inputs["owner"])) if inputs.get("owner") else made]


def _extension(inputs: Inputs) -> list[Composed]:
    return [SQL("CREATE EXTENSION IF NOT EXISTS {}").format(Identifier(inputs["name"]))]


def _function(inputs: Inputs) -> list[Composed]:
    arguments = [SQL("{} {}").format(Identifier(one["name"]), SQL(one["type"])) for one in inputs.get("args") or ()]
    return [
        SQL("CREATE OR REPLACE FUNCTION {} ({}) RETURNS {} LANGUAGE {} STRICT SECURITY DEFINER AS {}").format(
            Identifier(inputs["schema"], inputs["name"]),
            SQL(", ").join(arguments),
            SQL(inputs["returns"]),
            SQL(inputs["language"]),
            Literal(inputs["body"]),
        )
    ]


def _grant(inputs: Inputs) -> list[Composed]:
    target, role = _target(inputs), _grantee(inputs["role"])
    made: list[Composed] = [SQL("REVOKE ALL PRIVILEGES ON {} FROM {}").format(target, role)]
    if inputs["privileges"]:
        made.append(SQL("GRANT {} ON {} TO {}").format(_privileges(inputs), target, role))
    return made


def _target(inputs: Inputs) -> Composed:
    kind = inputs["objectType"]
    if kind == "database":
        return SQL("DATABASE {}").format(Identifier(inputs["database"]))
    if kind == "schema":
        return SQL("SCHEMA {}").format(Identifier(inputs["schema"]))
    if inputs.get("objects"):
        names = SQL(", ").join(Identifier(inputs["schema"], name) for name in inputs["objects"])
        return SQL("{} {}").format(SQL(kind.upper()), names)
    return SQL("ALL {}S IN SCHEMA {}").format(SQL(kind.upper()), Identifier(inputs["schema"]))


def _grant_role(inputs: Inputs) -> list[Composed]:
    admin = SQL(" WITH ADMIN OPTION" if inputs.get("withAdminOption") else "")
    return [SQL("GRANT {} TO {}").format(Identifier(inputs["grantRole"]), Identifier(inputs["role"])) + admin]


def _default_privileges(inputs: Inputs) -> list[Composed]:
    schema = SQL(" IN SCHEMA {}").format(Identifier(inputs["schema"])) if inputs.get("schema") else SQL("")
    begin = SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {}").format(Identifier(inputs["owner"])) + schema
    kind, role = SQL(inputs["objectType"].upper() + "S"), _grantee(inputs["role"])
    made = [begin + SQL(" REVOKE ALL ON {} FROM {}").format(kind, role)]
    if inputs["privileges"]:
        made.append(begin + SQL(" GRANT {} ON {} TO {}").format(_privileges(inputs), kind, role))
    return list(made)


def _privileges(inputs: Inputs) -> Composed:
    return SQL(", ").join(SQL(privilege) for privilege in inputs["privileges"])


def _grantee(role: str) -> SQL | Identifier:
    return SQL("PUBLIC") if role == "public" else Identifier(role)


def _number(value: object) -> str | None:
    return None if value is None else str(int(float(str(value))))


_FREE = ("Role", "GrantRole", "Function", "Extension", "Database")
"""Types that need no ownership beyond what the login has."""

_OWNERS = """
SELECT r.rolname FROM pg_roles r
 WHERE NOT r.rolsuper AND r.rolname NOT LIKE 'pg\\_%%' AND NOT pg_has_role(current_user, r.oid, 'USAGE')
   AND (r.rolname = %(owner)s
        OR r.oid IN (SELECT nspowner FROM pg_namespace WHERE nspname = %(schema)s)
        OR r.oid IN (SELECT relowner FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s)))
"""

_STATEMENTS = {
    "Role": _role,
    "Database": _database,
    "Schema": _schema,
    "Extension": _extension,
    "Function": _function,
    "Grant": _grant,
    "GrantRole": _grant_role,
    "DefaultPrivileges": _default_privileges,
}
