"""What a leased login may not do to its server, whatever its profile; and what a migration may, as the owner. Pure."""

from collections.abc import Iterator

from psycopg.sql import SQL, Composed, Identifier, Literal

from runlease.access import PROFILES, Public, Server
from runlease.evidence.prove.attempts import Attempt, Expected, How, Omitted
from runlease.evidence.prove.sight import Holder, SeenRole, Sight

_NEVER = (
    "CREATE ROLE runlease_prove",
    "CREATE SCHEMA runlease_prove",
    "CREATE PUBLICATION runlease_prove FOR ALL TABLES",
    "CREATE EVENT TRIGGER runlease_prove ON ddl_command_end EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER ROLE SESSION_USER VALID UNTIL 'infinity'",
    "ALTER ROLE SESSION_USER CONNECTION LIMIT 100",
    "ALTER ROLE SESSION_USER CREATEROLE",
    "ALTER DATABASE {dbname} SET work_mem = '1GB'",
    "GRANT pg_read_all_data TO SESSION_USER",
    "GRANT {group} TO SESSION_USER",
    "SET LOCAL session_replication_role = 'replica'",
    "SET LOCAL log_statement = 'none'",
    "SET LOCAL log_min_messages = 'panic'",
    "SELECT rolpassword FROM pg_authid LIMIT 0",
    "SELECT passwd FROM pg_shadow LIMIT 0",
    "SELECT FROM pg_hba_file_rules LIMIT 0",
    "SELECT FROM pg_statistic LIMIT 0",
    "COPY (SELECT 1) TO PROGRAM 'true'",
)
"""Each is undone, and does no harm where it is done."""

_NEVER_EXECUTED = (
    "pg_read_file('PG_VERSION')",
    "pg_ls_dir('.')",
    "lo_import('/etc/hostname')",
    "pg_reload_conf()",
    "pg_rotate_logfile()",
)
"""EXPLAIN asks whether they may be executed, and executes none."""

_BY_THE_OWNER = (
    "GRANT {owner} TO SESSION_USER",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO PUBLIC",
)
"""What only who may become the owner can."""

_CLOSED_BY_INITDB = """
SELECT ARRAY(
  SELECT p.oid::regprocedure::text FROM pg_init_privs i JOIN pg_proc p ON p.oid = i.objoid
   WHERE i.classoid = 'pg_proc'::regclass AND i.privtype = 'i' AND has_function_privilege(p.oid, 'EXECUTE')
     AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) a WHERE a.grantee = 0) AND p.proname <> ALL({declared})
  UNION ALL
  SELECT c.oid::regclass::text FROM pg_init_privs i JOIN pg_class c ON c.oid = i.objoid
   WHERE i.classoid = 'pg_class'::regclass AND i.privtype = 'i' AND i.objsubid = 0
     AND has_table_privilege(c.oid, 'SELECT')
     AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) a WHERE a.grantee = 0))
"""
_TO_PUBLIC = ("CREATE TEMPORARY TABLE runlease_prove ()",)
_LARGE_OBJECTS = ("SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, '')")


def server_attempts(holder: Holder, sight: Sight) -> Iterator[Attempt | Omitted]:
    """Every attempt beyond the objects of the database, by the login itself and by the owner that it becomes."""
    yield from _connected(holder)
    yield from _never(holder, None)
    yield from _roles(holder, sight)
    yield from _attributes(holder)
    yield from _of_public(holder)
    yield from _of_the_owner(holder, sight)
    yield from _rest(holder, sight)


def _connected(holder: Holder) -> Iterator[Attempt]:
    yield _asked(holder, f"CONNECT ON DATABASE {holder.database.dbname}", SQL("SELECT true"), Expected.ALLOWED)
    tls = SQL("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    yield _asked(holder, "the connection is encrypted", tls, Expected.ALLOWED)
    own = SQL("SELECT session_user::text = {} AND current_user = session_user").format(Literal(holder.login))
    yield _asked(holder, "the session is the login, and has become nobody", own, Expected.ALLOWED)


def _never(holder: Holder, role: str | None) -> Iterator[Attempt]:
    by = f", as {role}" if role else ""
    names = {"dbname": holder.database.dbname, "group": holder.role.name}
    worded = {key: Identifier(name) for key, name in names.items()}
    for text in _NEVER:
        yield _refused(holder, text.format(**names) + by, SQL(text).format(**worded), role=role)
    for text in _NEVER_EXECUTED:
        yield _refused(holder, text + by, SQL("EXPLAIN SELECT ") + SQL(text), How.ASKED, role)
    system = SQL("SELECT has_parameter_privilege('work_mem', 'ALTER SYSTEM')")
    yield _refused(holder, f"ALTER SYSTEM SET work_mem{by}", system, How.ASKED, role)


def _roles(holder: Holder, sight: Sight) -> Iterator[Attempt | Omitted]:
    """To become a role, to hold what it holds, and to give it away: three things."""
    for role in sight.roles:
        if role.name == holder.login:
            continue
        if role.name in holder.predefined and holder.database.server is Server.MANAGED:
            reason = "on a managed server somebody may have let it, by hand"
            yield Omitted(holder.lease.name, f"hold what {role.name} holds", reason, gap=False)
            continue
        become, hold = _declared_of(holder, sight, role)
        statement = SQL("SET LOCAL ROLE {}").format(Identifier(role.name))
        yield Attempt(holder.lease.name, f"SET ROLE {role.name}", statement, _either(become))
        yield _asked(holder, f"hold what {role.name} holds", _has_role(role, "USAGE"), _either(hold))
        gives = _has_role(role, "MEMBER WITH ADMIN OPTION")
        yield _refused(holder, f"GRANT {role.name}", gives, How.ASKED)


def _declared_of(holder: Holder, sight: Sight, role: SeenRole) -> tuple[bool, bool]:
    """Whether the login may become the role, and holds what it holds.

    Up to 15 every membership lets its member become the role: the profile's, and the marker, which holds nothing.
    """
    group, owner = role.name == holder.role.name, role.name == holder.role.runs_as
    marker = role.name == holder.marker and sight.before_16
    led_to = role.name in holder.predefined
    become = owner or marker or (group and holder.role.runs_as is not None) or (sight.before_16 and (group or led_to))
    return become, group or marker or led_to


def _has_role(role: SeenRole, how: str) -> SQL | Composed:
    return SQL("SELECT pg_has_role({}::oid, {})").format(Literal(role.oid), Literal(how))


def _attributes(holder: Holder) -> Iterator[Attempt]:
    for attribute in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls"):
        asked = SQL("SELECT {} FROM pg_roles WHERE rolname = session_user").format(Identifier(attribute))
        yield _refused(holder, f"the login is {attribute.removeprefix('rol')}", asked, How.ASKED)
    passes_on = "CREATE WITH GRANT OPTION, CONNECT WITH GRANT OPTION, TEMPORARY WITH GRANT OPTION"
    for what, privilege in ("CREATE", "CREATE"), ("GRANT", passes_on):
        asked = SQL("SELECT has_database_privilege(current_database(), {})").format(Literal(privilege))
        yield _refused(holder, f"{what} ON DATABASE {holder.database.dbname}", asked, How.ASKED)
    ends = SQL("SELECT rolvaliduntil IS NOT NULL FROM pg_roles WHERE rolname = session_user")
    yield _asked(holder, "the login has an end", ends, Expected.ALLOWED)


def _of_public(holder: Holder) -> Iterator[Attempt | Omitted]:
    keeps = holder.database.public is Public.KEEP
    key = holder.database.key
    for text in (*_TO_PUBLIC, *_LARGE_OBJECTS):
        if keeps:
            yield Omitted(
                holder.lease.name, text, f"PUBLIC may keep it: access.databases.{key}.public is keep", gap=False
            )
        elif text in _LARGE_OBJECTS and holder.database.server is Server.MANAGED:
            reason = "a managed server's admin cannot take it from PUBLIC"
            yield Omitted(holder.lease.name, text, reason, gap=False)
        else:
            yield _refused(holder, text, SQL(text))


def _of_the_owner(holder: Holder, sight: Sight) -> Iterator[Attempt]:
    owner = holder.role.runs_as
    if owner is None or not sight.has_role(owner):
        names = {"owner": holder.database.owner}
        worded = {key: Identifier(name) for key, name in names.items()}
        for text in _BY_THE_OWNER:
            yield _refused(holder, text.format(**names), SQL(text).format(**worded))
        return
    for schema in holder.database.schemas:
        what = f"CREATE ON SCHEMA {schema}, as {owner}"
        if holder.writes:
            statement: SQL | Composed = SQL("CREATE TABLE {} ()").format(Identifier(schema, "runlease_prove"))
            yield Attempt(holder.lease.name, what, statement, Expected.ALLOWED, role=owner)
        else:
            statement = SQL("SELECT has_schema_privilege({}, 'CREATE')").format(Literal(schema))
            yield Attempt(holder.lease.name, what, statement, Expected.ALLOWED, How.ASKED, owner)
    yield from _never(holder, owner)


def _rest(holder: Holder, sight: Sight) -> Iterator[Attempt]:
    """Foreign servers, tablespaces and settings; and what initdb closes to everybody."""
    for one in sight.rest:
        function = SQL("has_" + one.kind + "_privilege")
        asked = SQL("SELECT {}({}, {})").format(function, Literal(one.name), Literal(one.privilege))
        yield _refused(holder, str(one), asked, How.ASKED)
    called = holder.called
    for name in sorted({name for profile in PROFILES.values() for name in profile.server_calls}):
        statement = SQL("SELECT FROM {}() LIMIT 0").format(Identifier("pg_catalog", name))
        expected = _either(name in called)
        yield Attempt(holder.lease.name, f"EXECUTE ON FUNCTION pg_catalog.{name}()", statement, expected)
    closed = SQL(_CLOSED_BY_INITDB).format(declared=Literal(sorted(called)))
    yield _refused(holder, "use what initdb closes to everybody", closed, How.ASKED)


def database_attempts(holder: Holder, sight: Sight) -> Iterator[tuple[str, Attempt | Omitted]]:
    """To connect to each other database of the server, by its name."""
    for other in sight.databases:
        what = f"CONNECT ON DATABASE {other.name}"
        if other.name in holder.closed and holder.audits:
            reason = "an auditor may be let in there, to look; verify says where it is not"
            yield other.name, Omitted(holder.lease.name, what, reason, gap=False)
        elif other.name in holder.closed:
            yield other.name, _refused(holder, what, SQL("SELECT true"))
        else:
            reason = f"PUBLIC may connect there: access.databases.{holder.database.key}.close does not name it"
            yield other.name, Omitted(holder.lease.name, what, reason, gap=False)


def clear_attempt(holder: Holder) -> Attempt | Omitted:
    """To connect without TLS: pg_hba.conf decides, which a leased login may not read."""
    what = "connect without TLS"
    if holder.database.server is Server.MANAGED:
        reason = "pg_hba.conf is the provider's, and no login may look at it; the session that was used is encrypted"
        return Omitted(holder.lease.name, what, reason, gap=False)
    return _refused(holder, what, SQL("SELECT true"))


def _refused(
    holder: Holder, what: str, statement: SQL | Composed, how: How = How.TRIED, role: str | None = None
) -> Attempt:
    return Attempt(holder.lease.name, what, statement, Expected.REFUSED, how, role)


def _asked(holder: Holder, what: str, statement: SQL | Composed, expected: Expected) -> Attempt:
    return Attempt(holder.lease.name, what, statement, expected, How.ASKED)


def _either(allowed: bool) -> Expected:
    return Expected.ALLOWED if allowed else Expected.REFUSED
