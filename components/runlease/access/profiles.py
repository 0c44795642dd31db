"""The built-in profiles as one table, and the grants that each makes on a database."""

from dataclasses import dataclass

from runlease.access.grants import Grant, ObjectKind, OnAll, OnDatabase, OnFuture, OnNamed, OnSchema, Privilege
from runlease.access.model import ProfileName, Server

BROKER_SCHEMA = "runlease"
"""The broker's schema in each database."""


@dataclass(frozen=True)
class Profile:
    """A named set of grants, and how a session runs."""

    says: str
    """What it can do, in one sentence for a reviewer."""
    tables: tuple[Privilege, ...] = ()
    sequences: tuple[Privilege, ...] = ()
    sees_schemas: bool = True
    """USAGE on the declared schemas."""
    may_name_tables: bool = False
    """Whether `tables:` can narrow it to named tables."""
    runs_as_owner: bool = False
    """Whether a session becomes the owner role (SET ROLE)."""
    own_schema: bool = False
    """Whether the broker makes a schema for the login, dropped with it."""
    calls: tuple[str, ...] = ()
    """Functions of the broker that a session may call itself."""
    predefined: tuple[str, ...] = ()
    """Roles of PostgreSQL's own that its role is a member of. Only a superuser gives them: none on a managed server."""
    server_calls: tuple[str, ...] = ()
    """Functions of the server's that only superusers may call otherwise. None on a managed server."""
    audits: bool = False
    """Whether its leases also read how Vault is configured: what `runlease verify` asks of it."""


PROFILES: dict[ProfileName, Profile] = {
    ProfileName.READER: Profile(
        says="reads every table of the declared schemas, present and future",
        tables=(Privilege.SELECT,),
    ),
    ProfileName.SEEDER: Profile(
        says="reads and writes rows of the declared schemas, or of the named tables only",
        tables=(Privilege.SELECT, Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE),
        sequences=(Privilege.USAGE,),
        may_name_tables=True,
    ),
    ProfileName.MIGRATOR: Profile(
        says="becomes the owner role, and owns nothing itself",
        sees_schemas=False,
        runs_as_owner=True,
    ),
    ProfileName.VERIFIER: Profile(says="reads the catalogs and sees the schemas; reads no table data"),
    ProfileName.SANDBOX: Profile(
        says="has a schema of its own that is dropped with the login",
        sees_schemas=False,
        own_schema=True,
    ),
    ProfileName.SWEEPER: Profile(
        says="ends leased logins, and sessions without a role, through the broker; sees no schema of yours",
        sees_schemas=False,
        calls=("drop_login", "reap"),
    ),
    ProfileName.AUDITOR: Profile(
        says="reads the catalogs, and the server's settings and access rules; sees no schema of yours",
        sees_schemas=False,
        predefined=("pg_read_all_settings",),
        server_calls=("pg_hba_file_rules",),
        audits=True,
    ),
}


def grants_of(
    name: ProfileName,
    *,
    role: str,
    dbname: str,
    owner: str,
    schemas: tuple[str, ...],
    tables: tuple[str, ...] = (),
    server: Server = Server.SELF_MANAGED,
) -> tuple[Grant, ...]:
    """The grants of a profile on one database, in a fixed order.

    `tables` are `schema.table` names that narrow a profile which allows it; without them the profile holds on all
    present and future objects that `owner` makes. `server`: who runs it, and so what can be given at all. One grant
    per key (role, kind, schema), because pulumi-postgresql revokes everything else on a key.
    """
    profile = PROFILES[name]
    grants = [Grant((Privilege.CONNECT,), OnDatabase(dbname), role)]
    for schema in schemas:
        if profile.sees_schemas:
            grants.append(Grant((Privilege.USAGE,), OnSchema(schema), role))
        if tables:
            named = tuple(t.removeprefix(f"{schema}.") for t in tables if t.startswith(f"{schema}."))
            grants += [Grant(profile.tables, OnNamed(ObjectKind.TABLE, schema, named), role)] if named else []
        else:
            grants += _on_all(profile.tables, ObjectKind.TABLE, schema, owner, role)
        grants += _on_all(profile.sequences, ObjectKind.SEQUENCE, schema, owner, role)
    if profile.calls:
        grants.append(Grant((Privilege.USAGE,), OnSchema(BROKER_SCHEMA), role))
        grants.append(Grant((Privilege.EXECUTE,), OnNamed(ObjectKind.FUNCTION, BROKER_SCHEMA, profile.calls), role))
    if profile.server_calls and server is Server.SELF_MANAGED:
        grants.append(
            Grant((Privilege.EXECUTE,), OnNamed(ObjectKind.FUNCTION, "pg_catalog", profile.server_calls), role)
        )
    return tuple(grants)


def _on_all(privileges: tuple[Privilege, ...], kind: ObjectKind, schema: str, owner: str, role: str) -> list[Grant]:
    if not privileges:
        return []
    return [
        Grant(privileges, OnAll(kind, schema), role),
        Grant(privileges, OnFuture(kind, schema, owner), role),
    ]
