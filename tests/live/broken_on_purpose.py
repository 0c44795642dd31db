"""What can be wrong in a database, one thing at a time: how it is broken and mended, and the attempts that say so."""

from __future__ import annotations

from dataclasses import dataclass

CLOSED = "use what initdb closes to everybody"


@dataclass(frozen=True)
class Broken:
    """How something is broken and mended, and which attempts of which lease must say so."""

    wrong: str
    right: str
    found: set[str]
    lease: str = "reader"
    alone: bool = True
    """Whether nothing else is broken by it."""


ITEMS = "ON TABLE app.items"


def granted(what: str, found: str, to: str = "{}_reader", lease: str = "reader", *more: str) -> Broken:
    return Broken(f"GRANT {what} TO {to}", f"REVOKE {what} FROM {to}", {found, *more}, lease)


BROKEN = {
    "a privilege to write": granted("DELETE ON app.items", f"DELETE {ITEMS}"),
    "a privilege on one column": granted("UPDATE (label) ON app.items", f"UPDATE {ITEMS}"),
    "a privilege to insert into one column": granted("INSERT (label) ON app.items", f"INSERT {ITEMS}"),
    "TRUNCATE": granted("TRUNCATE ON app.items", f"TRUNCATE {ITEMS}"),
    "TRIGGER": granted("TRIGGER ON app.items", f"TRIGGER {ITEMS}"),
    "REFERENCES": granted("REFERENCES ON app.items", f"REFERENCES {ITEMS}"),
    "a view that may be written": granted("UPDATE ON app.seen", "UPDATE ON TABLE app.seen"),
    "a sequence that may be set": granted(
        "UPDATE ON SEQUENCE app.items_id_seq", "UPDATE ON SEQUENCE app.items_id_seq", "{}_seeder", "seeder"
    ),
    "a table that a verifier reads": granted("SELECT ON app.items", f"SELECT {ITEMS}", "{}_verifier", "verifier"),
    "another table for PUBLIC": Broken(
        "GRANT USAGE ON SCHEMA hidden TO PUBLIC; GRANT SELECT ON hidden.secrets TO PUBLIC",
        "REVOKE USAGE ON SCHEMA hidden FROM PUBLIC; REVOKE SELECT ON hidden.secrets FROM PUBLIC",
        {"USAGE ON SCHEMA hidden", "SELECT ON TABLE hidden.secrets"},
        "sandbox",
    ),
    "a privilege that may be passed on": Broken(
        "GRANT SELECT ON app.items TO {}_reader WITH GRANT OPTION",
        "REVOKE GRANT OPTION FOR SELECT ON app.items FROM {}_reader",
        {"GRANT ON TABLE app.items"},
    ),
    "DDL for PUBLIC": granted("CREATE ON SCHEMA app", "CREATE ON SCHEMA app", "PUBLIC", "seeder"),
    "a schema": Broken(
        "GRANT CREATE ON DATABASE {} TO {}_seeder",
        "REVOKE CREATE ON DATABASE {} FROM {}_seeder",
        {"CREATE ON DATABASE proven", "CREATE SCHEMA runlease_prove"},
        "seeder",
    ),
    "a function for PUBLIC": granted("EXECUTE ON FUNCTION app.hello()", "EXECUTE ON FUNCTION app.hello()", "PUBLIC"),
    "a function of the broker": Broken(
        "GRANT USAGE ON SCHEMA runlease TO PUBLIC; GRANT EXECUTE ON FUNCTION runlease.reap() TO PUBLIC",
        "REVOKE USAGE ON SCHEMA runlease FROM PUBLIC; REVOKE EXECUTE ON FUNCTION runlease.reap() FROM PUBLIC",
        {"USAGE ON SCHEMA runlease", "EXECUTE ON FUNCTION runlease.reap()"},
    ),
    "temporary tables": granted(
        "TEMPORARY ON DATABASE {}", "CREATE TEMPORARY TABLE runlease_prove ()", "PUBLIC", "sandbox"
    ),
    "large objects": granted("EXECUTE ON FUNCTION lo_create(oid)", "SELECT lo_create(0)", "PUBLIC"),
    "files of the server": granted(
        "EXECUTE ON FUNCTION pg_read_file(text)", "pg_read_file('PG_VERSION')", "PUBLIC", "verifier", CLOSED
    ),
    "password hashes": granted(
        "SELECT ON pg_authid", "SELECT rolpassword FROM pg_authid LIMIT 0", "PUBLIC", "verifier", CLOSED
    ),
    "settings of the server": granted(
        "ALTER SYSTEM ON PARAMETER work_mem",
        "ALTER SYSTEM SET work_mem",
        "PUBLIC",
        "reader",
        "ALTER SYSTEM ON PARAMETER work_mem",
    ),
    "a setting that switches triggers off": granted(
        "SET ON PARAMETER session_replication_role",
        "SET LOCAL session_replication_role = 'replica'",
        "PUBLIC",
        "reader",
        "SET ON PARAMETER session_replication_role",
    ),
    "a foreign server": Broken(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw;"
        "GRANT USAGE ON FOREIGN SERVER away TO {}_verifier",
        "DROP EXTENSION postgres_fdw CASCADE",
        {"USAGE ON SERVER away"},
        "verifier",
    ),
    "another database": granted("CONNECT ON DATABASE {}_closed", "CONNECT ON DATABASE proven_closed", "PUBLIC"),
    "a privilege that is gone": Broken(
        "REVOKE SELECT ON app.items FROM {}_reader", "GRANT SELECT ON app.items TO {}_reader", {f"SELECT {ITEMS}"}
    ),
    "a default privilege that is gone": Broken(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {}_owner IN SCHEMA app REVOKE SELECT ON TABLES FROM {}_reader",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {}_owner IN SCHEMA app GRANT SELECT ON TABLES TO {}_reader",
        {"SELECT ON FUTURE TABLES OF proven_owner IN SCHEMA app"},
    ),
    "a login that cannot connect": Broken(
        "REVOKE CONNECT ON DATABASE {} FROM {}_verifier",
        "GRANT CONNECT ON DATABASE {} TO {}_verifier",
        {"CONNECT ON DATABASE proven, and everything in it"},
        "verifier",
    ),
    "a role that can be given away": Broken(
        "GRANT {}_verifier TO {}_reader WITH ADMIN OPTION",
        "REVOKE {}_verifier FROM {}_reader",
        {"GRANT proven_verifier", "hold what proven_verifier holds"},
        alone=False,
    ),
    "another profile": Broken(
        "GRANT {}_seeder TO {}_reader",
        "REVOKE {}_seeder FROM {}_reader",
        {"hold what proven_seeder holds", f"INSERT {ITEMS}", f"DELETE {ITEMS}"},
        alone=False,
    ),
    "the owner": Broken(
        "GRANT {}_owner TO {}_reader",
        "REVOKE {}_owner FROM {}_reader",
        {"hold what proven_owner holds", "ALTER TABLE app.items", f"TRUNCATE {ITEMS}", "CREATE ON SCHEMA app"},
        alone=False,
    ),
    "a table that is a group's own": Broken(
        "ALTER TABLE app.items OWNER TO {}_reader",
        "ALTER TABLE app.items OWNER TO {}_owner; GRANT SELECT ON app.items TO {}_reader",
        {"ALTER TABLE app.items", f"DELETE {ITEMS}"},
        alone=False,
    ),
    "all data of the server": Broken(
        "GRANT pg_read_all_data TO {}_verifier",
        "REVOKE pg_read_all_data FROM {}_verifier",
        {"hold what pg_read_all_data holds", f"SELECT {ITEMS}", "SELECT ON TABLE hidden.secrets"},
        "verifier",
        alone=False,
    ),
    "programs on the server": Broken(
        "GRANT pg_execute_server_program TO {}_sandbox",
        "REVOKE pg_execute_server_program FROM {}_sandbox",
        {"hold what pg_execute_server_program holds", "COPY (SELECT 1) TO PROGRAM 'true'"},
        "sandbox",
        alone=False,
    ),
    "an owner that makes roles": Broken(
        "ALTER ROLE {}_owner CREATEROLE",
        "ALTER ROLE {}_owner NOCREATEROLE",
        {"CREATE ROLE runlease_prove, as proven_owner"},
        "migrator",
        alone=False,
    ),
    "an owner that cannot make tables": Broken(
        "REVOKE CREATE ON SCHEMA app FROM {}_owner",
        "GRANT CREATE ON SCHEMA app TO {}_owner",
        {"CREATE ON SCHEMA app, as proven_owner"},
        "migrator",
    ),
    "a migrator that cannot become the owner": Broken(
        "REVOKE {}_owner FROM {}_migrator",
        "GRANT {}_owner TO {}_migrator",
        {"SET ROLE proven_owner"},
        "migrator",
        alone=False,
    ),
}
