"""One database as its settings declare it: the parameters and the common beginning of every check's SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runlease.access import PROFILES, Public, Server
from runlease.config import DatabaseSettings, Settings, role_name
from runlease.config.made import BROKER_SCHEMA, own_role


@dataclass(frozen=True)
class Site:
    """One database of the settings."""

    key: str
    settings: DatabaseSettings
    parameters: Mapping[str, Any]
    """What the SQL of the checks is bound to."""

    @classmethod
    def of(cls, key: str, settings: Settings) -> "Site":
        """The names that a deployment gives, and the functions of the broker as it renders them."""
        database = settings.databases[key]
        groups = {profile: role_name(key, profile) for profile in database.profiles}
        vault = [own_role(key, "vault"), own_role(key, "vault_migrator")]
        broker, deployer, marker = (own_role(key, part) for part in ("broker", "deployer", "login"))
        return cls(
            key,
            database,
            {
                "key": key,
                "dbname": database.dbname,
                "owner": database.owner,
                "admin": database.admin,
                "groups": list(groups.values()),
                "to_owner": [role for profile, role in groups.items() if PROFILES[profile].runs_as_owner],
                "vault": vault,
                "sweepers": [role for profile, role in groups.items() if PROFILES[profile].calls],
                "auditors": [role for profile, role in groups.items() if PROFILES[profile].predefined],
                "predefined": sorted({name for profile in groups for name in PROFILES[profile].predefined}),
                "sweeps": sorted({name for profile in groups for name in PROFILES[profile].calls}),
                "broker": broker,
                "deployer": deployer,
                "marker": marker,
                "own": [*groups.values(), broker, deployer, marker, *vault],
                "schemas": list(database.schemas),
                "extensions": list(database.extensions),
                "broker_schema": BROKER_SCHEMA,
                "revoke": (database.public or Public.REVOKE) is Public.REVOKE,
                "managed": database.server is Server.MANAGED,
                **_broker_functions(key, settings),
            },
        )


def _broker_functions(key: str, settings: Settings) -> dict[str, list[str]]:
    # Here, because `runlease.provision` brings Pulumi, and whoever only reads a stack file needs none.
    from runlease.provision.tiers import broker_of

    leases = {name: lease for name, lease in settings.leases.items() if lease.database == key}
    made = broker_of(key, settings.databases[key], leases)
    return {
        "function_names": [one.name for one in made],
        "function_arguments": [", ".join(f"{name} text" for name in one.arguments) for one in made],
        "function_results": [one.returns for one in made],
        "function_bodies": [one.body for one in made],
    }


PRELUDE = """
WITH RECURSIVE version AS (SELECT current_setting('server_version_num')::int AS number),
mark AS (
  SELECT d.objoid AS oid, split_part(d.description, ' ', 2) AS state, split_part(d.description, ' ', 3) AS caller,
         split_part(d.description, ' ', 4) AS profile, split_part(d.description, ' ', 5)::numeric AS made,
         split_part(d.description, ' ', 6)::numeric AS longest
    FROM pg_shdescription d
   WHERE d.classoid = 'pg_authid'::regclass
     AND d.description ~ '^runlease (live|quarantined) [^ ]+ [^ ]+ [0-9]{1,12} [0-9]{1,12}$'),
given AS (
  SELECT m.member, m.roleid, r.rolname::text AS holder, g.rolname::text AS role, m.admin_option,
         coalesce((to_jsonb(m) ->> 'inherit_option')::bool OR (to_jsonb(m) ->> 'set_option')::bool, true) AS holds,
         CASE WHEN v.number < 160000 THEN '' ELSE format(' GRANTED BY %%I', pg_get_userbyid(m.grantor)) END AS by
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
   CROSS JOIN version v),
own AS (SELECT r.*, r.rolname::text AS name FROM pg_roles r WHERE r.rolname = ANY(%(own)s::text[])),
leased AS (
  SELECT r.*, r.rolname::text AS name, k.state, k.profile, k.made, k.longest,
         coalesce(k.state = 'quarantined', false) AS quarantined
    FROM pg_roles r LEFT JOIN mark k ON k.oid = r.oid
   WHERE r.rolname <> ALL(%(own)s::text[]) AND r.rolname NOT IN (%(admin)s, %(owner)s)
     AND (k.caller = ANY(%(vault)s::text[])
          OR EXISTS (SELECT FROM given g WHERE g.member = r.oid AND g.role = %(marker)s))),
user_schema AS (
  SELECT n.*, n.nspname::text AS name FROM pg_namespace n
   WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'),
declared AS (SELECT * FROM user_schema WHERE name = ANY(%(schemas)s::text[])),
of_extension AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
entered AS (
  SELECT d.datname = %(dbname)s
         OR EXISTS (SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
                     WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT') AS so
    FROM pg_database d WHERE d.datname = current_database())
"""
"""`given`: memberships; before 16 each of them holds what the role has, and no column says so. `leased`: the logins of
this database's leases. `entered`: whether they can connect to the database that is asked."""
