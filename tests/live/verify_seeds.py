"""Violations, one at a time: what a superuser, a migration or a run could have done, and the check that must say so.

{key} stands for the database's key, {login} for a leased reader and {sandbox} for a leased sandbox. All of them are
done in one transaction that is rolled back.
"""

from __future__ import annotations

from typing import NamedTuple


class Seed(NamedTuple):
    """One violation."""

    id: str
    object: str
    """What the check calls it; contained in its object."""
    sql: str
    mends: bool = True
    """Whether the statement that the check gives makes it go away, and can be run in a transaction."""
    since: int = 15


LIFECYCLE = (
    Seed("LV101", "{login}", "ALTER ROLE {login} VALID UNTIL '2020-01-01'"),
    Seed("LV102", "{login}", "ALTER ROLE {login} VALID UNTIL 'infinity'"),
    Seed("LV105", "{login}", "ALTER ROLE {login} CREATEROLE"),
    Seed("LV105", "{login}", "ALTER ROLE {login} BYPASSRLS"),
    Seed("LV106", "{login}", "ALTER ROLE {login} CONNECTION LIMIT -1"),
    Seed("LV107", "{login}", "CREATE TABLE app.mine (); ALTER TABLE app.mine OWNER TO {login}"),
    Seed(
        "LV107", "{login}", "DO $$ BEGIN EXECUTE format('ALTER LARGE OBJECT %s OWNER TO {login}', lo_create(0)); END $$"
    ),
    Seed("LV107", "{sandbox}", "CREATE TABLE app.mine (); ALTER TABLE app.mine OWNER TO {sandbox}"),
    Seed("LV108", "{login}", "GRANT SELECT ON app.items TO {login}"),
    Seed("LV108", "{login}", "GRANT CONNECT ON DATABASE postgres TO {login}"),
    Seed("LV108", "{sandbox}", "GRANT USAGE ON SCHEMA app TO {sandbox}"),
    Seed("LV109", "{login}", "GRANT {key}_seeder TO {login}"),
    Seed("LV109", "{login}", "GRANT pg_read_all_data TO {login}"),
    Seed("LV109", "{login}", "GRANT {key}_owner TO {login}"),
    Seed("LV110", "{login}", "CREATE ROLE mallory; GRANT {login} TO mallory"),
    Seed("LV111", "{login}", "ALTER ROLE {login} VALID UNTIL '2099-01-01'"),
    Seed(
        "LV112",
        "{login}",
        "COMMENT ON ROLE {login} IS 'runlease quarantined runlease_{key}_vault reader 1700000000 600'",
        mends=False,
    ),
    Seed(
        "LV113",
        "{login}",
        "COMMENT ON ROLE {login} IS 'runlease quarantined runlease_{key}_vault reader 1700000000 600'",
    ),
    Seed("LV114", "run_by_hand_1", "CREATE ROLE run_by_hand_1 LOGIN"),
    Seed("LV114", "mallory", "CREATE ROLE mallory LOGIN; GRANT runlease_{key}_login TO mallory"),
    Seed("LV115", "{login}", "ALTER ROLE {login} SET search_path = evil"),
    Seed("LV115", "{login}", "ALTER ROLE {login} IN DATABASE {key} SET role = {key}_owner"),
    Seed("LV116", "run_gone", "CREATE SCHEMA run_gone AUTHORIZATION runlease_{key}_broker"),
    Seed(
        "LV117",
        "{login}",
        "SET LOCAL SESSION AUTHORIZATION runlease_{key}_broker; REVOKE runlease_{key}_login FROM {login}",
        mends=False,
    ),
)
GROUPS = (
    Seed("LV201", "runlease_{key}_vault", "ALTER ROLE runlease_{key}_vault CREATEROLE"),
    Seed("LV202", "runlease_{key}_vault", "GRANT {key}_reader TO runlease_{key}_vault"),
    Seed("LV203", "runlease_{key}_vault", "GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT SELECT ON app.items TO PUBLIC"),
    Seed("LV204", "runlease_{key}_vault", "ALTER ROLE runlease_{key}_vault NOLOGIN", mends=False),
    Seed("LV204", "runlease_{key}_deployer", "ALTER ROLE runlease_{key}_deployer RENAME TO gone", mends=False),
    Seed("LV205", "{key}_owner", "ALTER ROLE {key}_owner LOGIN"),
    Seed("LV205", "{key}_reader", "ALTER ROLE {key}_reader LOGIN"),
    Seed("LV206", "{key}_reader", "ALTER ROLE {key}_reader BYPASSRLS"),
    Seed("LV206", "runlease_{key}_broker", "ALTER ROLE runlease_{key}_broker CREATEDB"),
    Seed("LV207", "{key}_reader", "GRANT pg_read_all_data TO {key}_reader"),
    Seed(
        "LV207",
        "{key}_owner",
        "CREATE ROLE ops; GRANT pg_execute_server_program TO ops; GRANT ops TO {key}_owner",
        False,
    ),
    Seed("LV208", "{key}_reader", "GRANT {key}_seeder TO {key}_reader"),
    Seed("LV208", "runlease_{key}_broker", "GRANT {key}_owner TO runlease_{key}_broker"),
    Seed("LV209", "mallory", "CREATE ROLE mallory; GRANT {key}_reader TO mallory WITH ADMIN OPTION"),
    Seed("LV210", "{key}_reader", "GRANT TRIGGER ON app.items TO {key}_reader"),
    Seed("LV210", "{key}_reader", "GRANT TRUNCATE ON app.items TO {key}_reader"),
    Seed("LV210", "{key}_reader", "GRANT MAINTAIN ON app.items TO {key}_reader", since=17),
    Seed("LV211", "{key}_seeder", "GRANT CREATE ON SCHEMA public TO {key}_seeder"),
    Seed("LV212", "{key}_reader", "GRANT TEMPORARY ON DATABASE {key} TO {key}_reader"),
    Seed("LV212", "{key}_reader", "GRANT CONNECT ON DATABASE postgres TO {key}_reader"),
    Seed("LV213", "{key}_reader", "GRANT SET ON PARAMETER log_statement TO {key}_reader"),
    Seed("LV213", "PUBLIC", "GRANT ALTER SYSTEM ON PARAMETER log_statement TO PUBLIC"),
    Seed("LV215", "runlease_{key}_vault", "ALTER ROLE runlease_{key}_vault RESET search_path"),
    Seed("LV217", "mallory", "CREATE ROLE mallory LOGIN SUPERUSER"),
    Seed("LV217", "mallory", "CREATE ROLE mallory LOGIN REPLICATION BYPASSRLS"),
    Seed("LV216", "in database {key}", "ALTER DATABASE {key} SET search_path = evil"),
    Seed("LV216", "{key}_owner", "ALTER ROLE {key}_owner SET log_statement = 'none'"),
    Seed("LV216", "runlease_{key}_broker", "ALTER ROLE runlease_{key}_broker SET session_replication_role = replica"),
)
PUBLIC = (
    Seed("LV301", "{key}", "GRANT CONNECT ON DATABASE {key} TO PUBLIC"),
    Seed("LV302", "{key}_closed", "GRANT CONNECT ON DATABASE {key}_closed TO PUBLIC"),
    Seed("LV303", "app", "GRANT USAGE ON SCHEMA app TO PUBLIC"),
    Seed("LV304", "schema app", "GRANT CREATE ON SCHEMA app TO PUBLIC"),
    Seed("LV305", "app.items", "GRANT SELECT ON app.items TO PUBLIC"),
    Seed("LV305", "app.items.label", "GRANT UPDATE (label) ON app.items TO PUBLIC"),
    Seed("LV305", "app.items_id_seq", "GRANT USAGE ON SEQUENCE app.items_id_seq TO PUBLIC"),
    Seed("LV306", "app.hello()", "GRANT EXECUTE ON FUNCTION app.hello() TO PUBLIC"),
    Seed("LV307", "{key}", "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC"),
    Seed(
        "LV308",
        "large object",
        "DO $$ BEGIN EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO PUBLIC', lo_create(0)); END $$",
    ),
    Seed("LV309", "{key}_owner", "ALTER DEFAULT PRIVILEGES FOR ROLE {key}_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC"),
    Seed(
        "LV310",
        "foreign-data wrapper far",
        "CREATE FOREIGN DATA WRAPPER far; GRANT USAGE ON FOREIGN DATA WRAPPER far TO PUBLIC",
    ),
    Seed("LV311", "schema runlease", "GRANT USAGE ON SCHEMA runlease TO {key}_reader"),
    Seed("LV311", "create_login", "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA runlease TO PUBLIC"),
)
BROKER = (
    Seed("LV401", "renew_login", "DROP FUNCTION runlease.renew_login", mends=False),
    Seed(
        "LV402",
        "reap",
        "CREATE OR REPLACE FUNCTION runlease.reap() RETURNS integer LANGUAGE plpgsql STRICT SECURITY DEFINER"
        " AS 'BEGIN RETURN 0; END'",
        mends=False,
    ),
    Seed("LV403", "drop_login", "ALTER FUNCTION runlease.drop_login OWNER TO postgres"),
    Seed("LV403", "drop_login", "ALTER FUNCTION runlease.drop_login SECURITY INVOKER"),
    Seed("LV403", "create_login", "ALTER FUNCTION runlease.create_login CALLED ON NULL INPUT"),
    Seed("LV403", "create_login", "ALTER FUNCTION runlease.create_login SET search_path = evil"),
    Seed("LV404", "schema runlease", "ALTER SCHEMA runlease OWNER TO {key}_owner"),
    Seed("LV404", "runlease.create_login(text)", "CREATE FUNCTION runlease.create_login(text) RETURNS int RETURN 1"),
    Seed("LV404", "schema runlease", "CREATE TABLE runlease.notes ()", mends=False),
    Seed("LV405", "create_login", "REVOKE ALL ON SCHEMA runlease FROM runlease_{key}_vault"),
    Seed("LV406", "runlease_{key}_broker", "REVOKE pg_signal_backend FROM runlease_{key}_broker"),
)
_DEFINER = "CREATE FUNCTION app.back() RETURNS int LANGUAGE sql SECURITY DEFINER"
LEFT = (
    Seed("LV501", "app.back()", f"{_DEFINER} SET search_path = pg_catalog RETURN 1"),
    Seed("LV502", "app.back()", f"{_DEFINER} RETURN 1; GRANT EXECUTE ON FUNCTION app.back TO PUBLIC"),
    Seed("LV503", "app.back()", f"{_DEFINER} RETURN 1"),
    Seed("LV504", "TABLE app.items", "ALTER TABLE app.items OWNER TO postgres"),
    Seed("LV504", "SCHEMA app", "ALTER SCHEMA app OWNER TO postgres"),
    Seed("LV504", "ROUTINE app.hello()", "ALTER FUNCTION app.hello OWNER TO postgres"),
    Seed("LV504", "TYPE app.mood", "CREATE TYPE app.mood AS ENUM ('good')"),
    Seed(
        "LV505",
        "{key}_owner will make TABLES in app",
        "CREATE ROLE mallory;"
        "ALTER DEFAULT PRIVILEGES FOR ROLE {key}_owner IN SCHEMA app GRANT SELECT ON TABLES TO mallory",
    ),
    Seed("LV505", "postgres will make TABLES", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC"),
    Seed(
        "LV506",
        "spy on app.items",
        "CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER spy AFTER INSERT ON app.items FOR EACH ROW EXECUTE FUNCTION public.spy()",
    ),
    Seed(
        "LV507",
        "audit on app.items",
        "CREATE TRIGGER audit BEFORE UPDATE ON app.items FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger(); ALTER TABLE app.items DISABLE TRIGGER audit",
    ),
    Seed("LV508", "quiet on app.items", "CREATE RULE quiet AS ON DELETE TO app.items DO INSTEAD NOTHING"),
    Seed(
        "LV509",
        "watch",
        "CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.watch()",
    ),
    Seed("LV510", "app.items", "CREATE POLICY own ON app.items USING (true)"),
    Seed("LV511", "app.items", "ALTER TABLE app.items ENABLE ROW LEVEL SECURITY"),
    Seed("LV512", "app.items.label", "GRANT SELECT (label) ON app.items TO {key}_verifier"),
    Seed(
        "LV513",
        "app.items",
        "DO $$ BEGIN FOR i IN 1..1550 LOOP EXECUTE format('CREATE ROLE full_%s', i);"
        " EXECUTE format('GRANT SELECT ON app.items TO full_%s', i); END LOOP; END $$",
        mends=False,
    ),
    Seed(
        "LV514",
        "lower(integer)",
        "SET LOCAL allow_system_table_mods = on; CREATE FUNCTION pg_catalog.lower(int) RETURNS int RETURN 1",
    ),
    Seed("LV514", "pg_read_file(text)", "ALTER FUNCTION pg_catalog.pg_read_file(text) SECURITY DEFINER"),
    Seed("LV515", "lo", "CREATE EXTENSION lo"),
    Seed(
        "LV516",
        "shady",
        "CREATE LANGUAGE shady HANDLER plpgsql_call_handler",
    ),
    Seed("LV517", "elsewhere", "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER elsewhere FOREIGN DATA WRAPPER far"),
    Seed(
        "LV518",
        "{key}_reader on elsewhere",
        "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER elsewhere FOREIGN DATA WRAPPER far;"
        "CREATE USER MAPPING FOR {key}_reader SERVER elsewhere",
    ),
    Seed("LV519", "leak", "CREATE PUBLICATION leak FOR ALL TABLES"),
    Seed(
        "LV520",
        "suck",
        "CREATE SUBSCRIPTION suck CONNECTION 'host=x' PUBLICATION leak WITH (connect = false, slot_name = NONE)",
    ),
)
SETTINGS = (
    Seed("LV606", "password_encryption", "SET LOCAL password_encryption = md5", mends=False),
    Seed("LV607", "row_security", "SET LOCAL row_security = off", mends=False),
    Seed("LV608", "lo_compat_privileges", "SET LOCAL lo_compat_privileges = on", mends=False),
    Seed("LV609", "log_min_messages", "SET LOCAL log_min_messages = panic", mends=False),
    Seed("LV610", "track_activities", "SET LOCAL track_activities = off", mends=False),
    Seed("LV611", "session_replication_role", "SET LOCAL session_replication_role = replica", mends=False),
)
SEEDS = (*LIFECYCLE, *GROUPS, *PUBLIC, *BROKER, *LEFT, *SETTINGS)
