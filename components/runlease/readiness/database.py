"""What will not work on one database, decided from facts. Pure: the same facts always give the same findings."""

from collections.abc import Iterator

from runlease.access import Public, Server
from runlease.access.sql import identifier
from runlease.config import DatabaseSettings
from runlease.config.made import BROKER_SCHEMA, own_role, roles_made
from runlease.readiness.findings import Finding, error, listed, note, warning
from runlease.readiness.live import LiveContent, LiveDatabase, LiveRole, LiveServer, LiveTable
from runlease.readiness.versions import postgres_version

SHOWN_TABLES = 5
"""Tables of other owners that are named; the rest is counted."""


def judge(key: str, database: DatabaseSettings, live: LiveServer) -> Iterator[Finding]:
    """Every finding on one database, in no order."""
    where = f"access.databases.{key}"
    ours = live.content is not None and live.content.schemas.get(BROKER_SCHEMA) == own_role(key, "broker")
    yield from _server(where, live)
    yield from _admin(where, database, live)
    yield from _existence(where, database, live, ours)
    yield from _named_roles(where, database, live)
    yield from _collisions(where, key, database, live, ours)
    if owner := live.roles.get(database.owner):
        yield from _owner(where, owner)
    if live.content is not None:
        yield from _schema_owners(where, database, live.content)
        yield from _strays(where, database, live, live.content)
        yield from _seeder_tables(where, database, live.content)
    yield from _extensions(where, database, live)
    yield from _public(where, database, live)


def _server(where: str, live: LiveServer) -> Iterator[Finding]:
    yield from postgres_version(f"{where}.host", live.version)
    if live.standby:
        yield error(f"{where}.host", "a standby, which is read-only (expected the primary)", "name the primary's host")
    if not live.tls:
        problem = "TLS ends before the server (got ssl = off on it, expected on)"
        yield warning(f"{where}.host", problem, "ALTER SYSTEM SET ssl = on; with a certificate, and dial it directly")
    if live.password_encryption != "scram-sha-256":  # noqa: S105 - a method, no password
        problem = (
            f"passwords are stored weakly (got password_encryption {live.password_encryption}, expected scram-sha-256)"
        )
        fix = "ALTER SYSTEM SET password_encryption = 'scram-sha-256'; SELECT pg_reload_conf();"
        yield note(f"{where}.host", problem, fix)


# --- the admin's rights


def _admin(where: str, database: DatabaseSettings, live: LiveServer) -> Iterator[Finding]:
    admin, path = live.roles[live.admin], f"{where}.admin"
    name = identifier(admin.name)
    if database.server is Server.SELF_MANAGED:
        if not admin.superuser:
            problem = f"no superuser (got {admin.name}, expected one for server: self_managed)"
            yield error(path, problem, f"ALTER ROLE {name} SUPERUSER; or set server: managed")
        return
    if admin.superuser:
        problem = f"a superuser, although server says managed (got {admin.name})"
        yield note(path, problem, "set server: self_managed, which also closes what only a superuser can close")
        return
    if not admin.create_role:
        yield error(
            path, f"may make no roles (got {admin.name}, expected CREATEROLE)", f"ALTER ROLE {name} CREATEROLE;"
        )
    if not database.adopted and not admin.create_db and database.dbname not in live.databases:
        yield error(path, f"may make no database (got {admin.name}, expected CREATEDB)", f"ALTER ROLE {name} CREATEDB;")
    yield from _over_owner(path, admin, live.roles.get(database.owner), live)
    yield from _over_database(path, admin, live.databases.get(database.dbname), live)


def _over_owner(path: str, admin: LiveRole, owner: LiveRole | None, live: LiveServer) -> Iterator[Finding]:
    """From 16 on membership in a role is given by who holds ADMIN on it; before, CREATEROLE is enough."""
    if owner is None or live.version < 160_000 or owner.admin_grants:
        return
    yield error(
        path,
        f"may not give membership in the owner (got {admin.name} without ADMIN on {owner.name})",
        f"GRANT {identifier(owner.name)} TO {identifier(admin.name)} WITH ADMIN OPTION;",
    )


def _over_database(path: str, admin: LiveRole, database: LiveDatabase | None, live: LiveServer) -> Iterator[Finding]:
    """Only the owner of a database, and who inherits from it, may grant on it."""
    owner = live.roles.get(database.owner) if database else None
    if database is None or owner is None or owner.admin_inherits:
        return
    problem = f"may not grant on the database (got {admin.name}, expected {database.owner}, who owns it, or a member)"
    fix = f"GRANT {identifier(database.owner)} TO {identifier(admin.name)};"
    if owner.superuser:
        fix = f"ALTER DATABASE {identifier(database.name)} OWNER TO {identifier(admin.name)};"
    yield error(path, problem, fix)


# --- what must exist, and what must not


def _existence(where: str, database: DatabaseSettings, live: LiveServer, ours: bool) -> Iterator[Finding]:
    found = database.dbname in live.databases
    if found and not database.adopted and not ours:
        problem = f"the database exists, so it cannot be created (got {database.dbname})"
        yield error(f"{where}.create", problem, "take database out of create, and say what public is")
    if not found and database.adopted:
        problem = f"no such database (got {database.dbname})"
        yield error(f"{where}.dbname", problem, "add database to create, or correct the name")
    yield from _owner_exists(where, database, live, ours)
    if live.content is not None:
        yield from _schemas_exist(where, database, live.content, ours)


def _owner_exists(where: str, database: DatabaseSettings, live: LiveServer, ours: bool) -> Iterator[Finding]:
    found, created = database.owner in live.roles, "owner" in database.create
    if found and created and not ours:
        problem = f"the owner exists, so it cannot be created (got {database.owner})"
        yield error(f"{where}.create", problem, "take owner out of create")
    if not found and not created:
        fix = f"CREATE ROLE {identifier(database.owner)} NOLOGIN; or add owner to create"
        yield error(f"{where}.owner", f"no such role (got {database.owner})", fix)


def _schemas_exist(where: str, database: DatabaseSettings, content: LiveContent, ours: bool) -> Iterator[Finding]:
    created, owner = "schemas" in database.create, identifier(database.owner)
    for schema in database.schemas:
        if schema in content.schemas and created and not ours:
            problem = f"the schema exists, and would be taken over (got {schema}, owned by {content.schemas[schema]})"
            yield error(f"{where}.create", problem, "take schemas out of create, and make the missing ones yourself")
        if schema not in content.schemas and not created:
            fix = f"CREATE SCHEMA {identifier(schema)} AUTHORIZATION {owner}; or add schemas to create"
            yield error(f"{where}.schemas", f"no such schema (got {schema})", fix)


def _named_roles(where: str, database: DatabaseSettings, live: LiveServer) -> Iterator[Finding]:
    named = [(f"{where}.connect", role) for role in database.connect]
    for profile, settings in database.profiles.items():
        named += [(f"{where}.profiles.{profile}.members", role) for role in settings.members]
    for path, role in named:
        if role not in live.roles:
            fix = f"CREATE ROLE {identifier(role)} LOGIN; or take it out"
            yield error(path, f"no such role (got {role})", fix)
    for other in database.close:
        if other not in live.databases:
            yield error(f"{where}.close", f"no such database (got {other})", "correct the name or take it out")


def _collisions(where: str, key: str, database: DatabaseSettings, live: LiveServer, ours: bool) -> Iterator[Finding]:
    taken = sorted(roles_made(key, database.profiles) & set(live.roles))
    if ours:
        problem = f"an earlier up made this database's roles (got {listed(taken)})"
        yield note(where, problem, "nothing to do, unless another stack made them: then give this database another key")
        return
    if taken:
        problem = f"roles of these names exist, and were not made for this database (got {listed(taken)})"
        fix = "give the database another key, or drop them; an interrupted up of this stack can simply be run again"
        yield error(where, problem, fix)
    holder = live.content and live.content.schemas.get(BROKER_SCHEMA)
    if holder:
        problem = f"schema {BROKER_SCHEMA} is taken (got {holder} as its owner, expected {own_role(key, 'broker')})"
        yield error(f"{where}.dbname", problem, "use one stack and one key for a database, or drop that schema")


def _extensions(where: str, database: DatabaseSettings, live: LiveServer) -> Iterator[Finding]:
    for extension in database.extensions:
        if extension not in live.extensions:
            problem = f"not available on the server (got {extension})"
            yield error(f"{where}.extensions", problem, "install its package on the server, or take it out")


# --- who owns what


def _owner(where: str, owner: LiveRole) -> Iterator[Finding]:
    path, name = f"{where}.owner", identifier(owner.name)
    if owner.can_login:
        problem = f"can log in (got {owner.name}, expected NOLOGIN; who uses it now needs a login of its own first)"
        yield error(path, problem, f"ALTER ROLE {name} NOLOGIN;")
    attributes = {
        "SUPERUSER": owner.superuser,
        "CREATEROLE": owner.create_role,
        "REPLICATION": owner.replication,
        "BYPASSRLS": owner.bypass_rls,
    }
    if held := [attribute for attribute, has in attributes.items() if has]:
        problem = f"every migration would hold {', '.join(held)} (got {owner.name})"
        yield error(path, problem, f"ALTER ROLE {name} {' '.join(f'NO{attribute}' for attribute in held)};")


def _schema_owners(where: str, database: DatabaseSettings, content: LiveContent) -> Iterator[Finding]:
    for schema in database.schemas:
        owner = content.schemas.get(schema, database.owner)
        if owner != database.owner:
            problem = f"schema {schema} belongs to another role (got {owner}, expected {database.owner})"
            fix = f"ALTER SCHEMA {identifier(schema)} OWNER TO {identifier(database.owner)};"
            yield error(f"{where}.schemas", problem, fix)


def _strays(where: str, database: DatabaseSettings, live: LiveServer, content: LiveContent) -> Iterator[Finding]:
    strays = [table for table in content.tables if table.owner != database.owner]
    if not strays:
        return
    shown, more = strays[:SHOWN_TABLES], len(strays) - SHOWN_TABLES
    owner = identifier(database.owner)
    fix = " ".join(f"ALTER TABLE {identifier(one.schema)}.{identifier(one.name)} OWNER TO {owner};" for one in shown)
    fix += f" and so on for {more} more" if more > 0 else ""
    names = listed([f"{table} of {table.owner}" for table in strays], SHOWN_TABLES)
    if not all(_may_grant_on(table, live) for table in strays) and database.server is Server.MANAGED:
        yield error(f"{where}.schemas", f"tables on which the admin cannot grant (got {names})", fix)
    else:
        problem = f"tables that migrations cannot change, and whose owners' next ones no profile reaches (got {names})"
        yield warning(f"{where}.schemas", problem, fix)


def _may_grant_on(table: LiveTable, live: LiveServer) -> bool:
    """Whether the admin can become the table's owner, at least for a moment, as pulumi-postgresql does to grant."""
    admin, owner = live.roles[live.admin], live.roles.get(table.owner)
    if owner is None or admin.superuser or owner.name == admin.name:
        return owner is not None
    return not owner.superuser and (owner.admin_becomes or owner.admin_grants or live.version < 160_000)


def _seeder_tables(where: str, database: DatabaseSettings, content: LiveContent) -> Iterator[Finding]:
    there = {str(table) for table in content.tables}
    for profile, settings in database.profiles.items():
        if missing := [table for table in settings.tables or () if table not in there]:
            path, problem = f"{where}.profiles.{profile}.tables", f"no such tables (got {listed(missing)})"
            yield error(path, problem, "correct the names, or take tables out until a migration has made them")


# --- what PUBLIC loses


def _public(where: str, database: DatabaseSettings, live: LiveServer) -> Iterator[Finding]:
    if database.public is Public.KEEP:
        return
    members = {member for profile in database.profiles.values() for member in profile.members}
    if found := live.databases.get(database.dbname):
        yield from _cut_off(where, found, {*database.connect, *members})
        yield from _replaced(where, database, found)
    if database.server is Server.SELF_MANAGED:
        for other in database.close:
            if other in live.databases:
                yield from _closed(where, live.databases[other])


def _cut_off(where: str, database: LiveDatabase, kept: set[str]) -> Iterator[Finding]:
    if lost := [login for login in database.only_through_public if login not in kept]:
        problem = (
            f"{len(lost)} of the logins that reach {database.name} only through PUBLIC lose it (got {listed(lost)})"
        )
        yield warning(f"{where}.public", problem, f"keep those that need it: connect: [{', '.join(lost)}]")


def _closed(where: str, database: LiveDatabase) -> Iterator[Finding]:
    if lost := list(database.only_through_public):
        names = ", ".join(map(identifier, lost))
        problem = f"{len(lost)} logins reach {database.name} only through PUBLIC and lose it (got {listed(lost)})"
        fix = f"GRANT CONNECT ON DATABASE {identifier(database.name)} TO {names}; for those that need it"
        yield warning(f"{where}.close", problem, fix)


def _replaced(where: str, database: DatabaseSettings, found: LiveDatabase) -> Iterator[Finding]:
    for role in database.connect:
        more = sorted(set((found.direct or {}).get(role, ())) - {"CONNECT"})
        if more:
            problem = (
                f"holds more than CONNECT on the database, which a grant replaces (got {role} with {listed(more)})"
            )
            fix = (
                f"GRANT CONNECT ON DATABASE {identifier(found.name)} TO {identifier(role)}; and take it out of connect"
            )
            yield warning(f"{where}.connect", problem, fix)
