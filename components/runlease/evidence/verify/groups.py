"""What the roles that a deployment makes must never be or have: groups, owner, broker, deployer, Vault's logins."""

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Check, Scope

_UP = "pulumi up: the role is a resource of the stack"
_ATTRIBUTES = """
       (SELECT concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
               CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
               CASE WHEN rolbypassrls THEN 'BYPASSRLS' END) AS words)
"""

GROUPS = (
    Check(
        "LV201",
        "vault-login-attribute",
        Severity.CRITICAL,
        "Vault's logins have no attribute.",
        f"""
        SELECT name AS object, format('has %%s', w.words) AS detail,
               format('ALTER ROLE %%I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;', name) AS mend
          FROM own CROSS JOIN LATERAL {_ATTRIBUTES} w WHERE name = ANY(%(vault)s::text[]) AND w.words <> ''
        """,  # noqa: S608 - constants alone
        scope=Scope.SERVER,
    ),
    Check(
        "LV202",
        "vault-login-membership",
        Severity.CRITICAL,
        "Vault's logins are members of nothing.",
        """
        SELECT holder AS object, format('is a member of %%s', role) AS detail,
               format('REVOKE %%I FROM %%I%%s;', role, holder, by) AS mend
          FROM given WHERE holder = ANY(%(vault)s::text[])
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV203",
        "vault-login-reads",
        Severity.CRITICAL,
        "Vault's logins can read no table.",
        """
        SELECT o.name AS object, format('can read %%s', string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid))
            AS detail,
               format('REVOKE ALL ON ALL TABLES IN SCHEMA %%I FROM %%I, PUBLIC;', n.name, o.name) AS mend
          FROM own o CROSS JOIN pg_class c JOIN user_schema n ON n.oid = c.relnamespace
         WHERE o.name = ANY(%(vault)s::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
           AND has_schema_privilege(o.oid, n.oid, 'USAGE')
           AND (has_table_privilege(o.oid, c.oid, 'SELECT') OR has_any_column_privilege(o.oid, c.oid, 'SELECT'))
         GROUP BY o.name, n.name
        """,
        scope=Scope.EVERY,
    ),
    Check(
        "LV204",
        "role-missing",
        Severity.HIGH,
        "The broker, its deployer, its mark and Vault's logins exist, and log in as they must.",
        """
        SELECT name AS object, CASE WHEN r.oid IS NULL THEN 'does not exist' ELSE 'may not log in' END AS detail,
               '' AS mend
          FROM unnest(%(vault)s::text[] || ARRAY[%(broker)s, %(deployer)s, %(marker)s]::text[]) name
          LEFT JOIN pg_roles r ON r.rolname = name
         WHERE r.oid IS NULL OR NOT r.rolcanlogin AND name <> ALL(ARRAY[%(broker)s, %(marker)s]::text[])
        """,
        _UP,
        Scope.SERVER,
    ),
    Check(
        "LV205",
        "group-login",
        Severity.HIGH,
        "Group roles, the owner, the mark and the broker cannot log in.",
        """
        SELECT r.rolname::text AS object, 'may log in' AS detail, format('ALTER ROLE %%I NOLOGIN;', r.rolname) AS mend
          FROM pg_roles r
         WHERE r.rolcanlogin
           AND r.rolname = ANY(%(groups)s::text[] || ARRAY[%(owner)s, %(marker)s, %(broker)s]::text[])
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV206",
        "group-attribute",
        Severity.CRITICAL,
        "No role of a deployment has an attribute, but for the broker's CREATEROLE.",
        f"""
        SELECT rolname::text AS object, format('has %%s', w.words) AS detail,
               format('ALTER ROLE %%I NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS%%s;', rolname,
                      CASE WHEN rolname = %(broker)s THEN '' ELSE ' NOCREATEROLE' END) AS mend
          FROM pg_roles CROSS JOIN LATERAL {_ATTRIBUTES} w
         WHERE rolname = ANY(%(groups)s::text[] || ARRAY[%(owner)s, %(marker)s, %(broker)s, %(deployer)s]::text[])
           AND w.words <> CASE WHEN rolname = %(broker)s THEN 'CREATEROLE' ELSE '' END
        """,  # noqa: S608 - constants alone
        scope=Scope.SERVER,
    ),
    Check(
        "LV207",
        "group-predefined",
        Severity.CRITICAL,
        "No role of a deployment holds a predefined role, but for the broker's pg_signal_backend and an auditor's own.",
        """
        , reach (holder, roleid) AS (
          SELECT holder, roleid FROM given WHERE holds
          UNION SELECT r.holder, g.roleid FROM reach r JOIN given g ON g.member = r.roleid WHERE g.holds)
        SELECT r.holder AS object, format('holds %%s', p.rolname) AS detail,
               coalesce((SELECT format('REVOKE %%I FROM %%I%%s;', g.role, g.holder, g.by) FROM given g
                          WHERE g.holder = r.holder AND g.role = p.rolname LIMIT 1), '') AS mend
          FROM reach r JOIN pg_roles p ON p.oid = r.roleid
         WHERE p.rolname ~ '^pg_'
           AND r.holder = ANY(%(groups)s::text[] || ARRAY[%(owner)s, %(marker)s, %(broker)s, %(deployer)s]::text[])
           AND NOT (p.rolname = 'pg_signal_backend' AND r.holder IN (%(broker)s, %(deployer)s))
           AND NOT (p.rolname = ANY(%(predefined)s::text[])
                    AND (r.holder = ANY(%(auditors)s::text[])
                         OR r.holder IN (%(broker)s, %(deployer)s)
                            AND NOT EXISTS (SELECT FROM given g WHERE g.holder = r.holder AND g.role = p.rolname)))
        """,
        "revoke the membership through which it holds it",
        Scope.SERVER,
    ),
    Check(
        "LV208",
        "group-membership",
        Severity.HIGH,
        "A role of a deployment is a member of what the deployment gives it, and of nothing else.",
        """
        SELECT holder AS object, format('is a member of %%s', role) AS detail,
               format('REVOKE %%I FROM %%I%%s;', role, holder, by) AS mend
          FROM given
         WHERE role !~ '^pg_'
           AND (holder = ANY(%(groups)s::text[]) AND NOT (role = %(owner)s AND holder = ANY(%(to_owner)s::text[]))
                OR holder IN (%(owner)s, %(marker)s)
                OR holder = %(deployer)s AND role <> %(broker)s
                OR holder = %(broker)s AND role <> ALL(%(groups)s::text[] || ARRAY[%(marker)s]::text[])
                   AND roleid NOT IN (SELECT oid FROM leased))
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV209",
        "admin-option",
        Severity.CRITICAL,
        "Nobody but the broker and the admin may give a role of a deployment away.",
        """
        SELECT g.holder AS object, format('has ADMIN OPTION on %%s', g.role) AS detail,
               format('REVOKE ADMIN OPTION FOR %%I FROM %%I%%s;', g.role, g.holder, g.by) AS mend
          FROM given g JOIN pg_roles r ON r.oid = g.member
         WHERE g.admin_option AND NOT r.rolsuper AND g.holder NOT IN (%(broker)s, %(admin)s)
           AND (g.role = ANY(%(own)s::text[]) OR g.role = %(owner)s OR g.roleid IN (SELECT oid FROM leased))
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV210",
        "group-dangerous-privilege",
        Severity.HIGH,
        "No profile has TRIGGER, REFERENCES, TRUNCATE or MAINTAIN: TRIGGER runs code as whoever writes next.",
        """
        SELECT g.rolname::text AS object, format('has %%s on %%s', a.privilege_type, c.oid::regclass) AS detail,
               format('REVOKE %%s ON %%s FROM %%I;', a.privilege_type, c.oid::regclass, g.rolname) AS mend
          FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_roles g ON g.oid = a.grantee
         WHERE a.privilege_type IN ('TRIGGER', 'REFERENCES', 'TRUNCATE', 'MAINTAIN') AND a.grantee <> c.relowner
           AND (g.rolname = ANY(%(own)s::text[]) OR g.oid IN (SELECT oid FROM leased))
        """,
        scope=Scope.EVERY,
    ),
    Check(
        "LV211",
        "group-creates",
        Severity.HIGH,
        "No profile makes anything in a schema.",
        """
        SELECT g.rolname::text AS object, format('has CREATE on schema %%s', n.nspname) AS detail,
               format('REVOKE CREATE ON SCHEMA %%I FROM %%I;', n.nspname, g.rolname) AS mend
          FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a JOIN pg_roles g ON g.oid = a.grantee
         WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner AND g.rolname = ANY(%(own)s::text[])
        """,
        scope=Scope.EVERY,
    ),
    Check(
        "LV212",
        "group-on-database",
        Severity.HIGH,
        "No profile has CREATE or TEMPORARY on a database, and none but the auditor CONNECT on another.",
        """
        SELECT g.rolname::text AS object, format('has %%s on database %%s', a.privilege_type, d.datname) AS detail,
               format('REVOKE %%s ON DATABASE %%I FROM %%I;', a.privilege_type, d.datname, g.rolname) AS mend
          FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) a JOIN pg_roles g ON g.oid = a.grantee
         WHERE a.grantee <> d.datdba AND g.rolname = ANY(%(own)s::text[])
           AND (a.privilege_type <> 'CONNECT' OR d.datname <> %(dbname)s AND g.rolname <> ALL(%(auditors)s::text[]))
           AND NOT (g.rolname = %(broker)s AND d.datname = %(dbname)s AND a.privilege_type = 'CREATE')
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV213",
        "set-parameter",
        Severity.HIGH,
        "Nobody that a lease reaches may set a parameter that is a superuser's.",
        """
        SELECT coalesce(r.rolname::text, 'PUBLIC') AS object, format('has %%s on parameter %%s', a.privilege_type,
            p.parname)
               AS detail, format('REVOKE %%s ON PARAMETER %%I FROM %%s;', a.privilege_type, p.parname,
                                 coalesce(quote_ident(r.rolname), 'PUBLIC')) AS mend
          FROM pg_parameter_acl p CROSS JOIN LATERAL aclexplode(p.paracl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
         WHERE a.grantee = 0 OR r.rolname = ANY(%(own)s::text[]) OR r.rolname = %(owner)s
            OR r.oid IN (SELECT oid FROM leased)
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV214",
        "elsewhere",
        Severity.HIGH,
        "The roles of a deployment own and hold nothing in the server's other databases.",
        """
        SELECT r.rolname::text AS object, format('%%s in database %%s', CASE s.deptype WHEN 'o' THEN 'owns something'
                 WHEN 'a' THEN 'is named in privileges' ELSE 'is named in a policy' END, d.datname) AS detail, ''
                     AS mend
          FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid JOIN pg_database d ON d.oid = s.dbid
         WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype IN ('o', 'a', 'r') AND d.datname <> %(dbname)s
           AND (r.rolname = ANY(%(own)s::text[]))
         GROUP BY 1, 2
        """,
        "there: REVOKE it, or REASSIGN OWNED",
        Scope.SERVER,
    ),
    Check(
        "LV215",
        "vault-login-setting",
        Severity.MEDIUM,
        "Vault's logins look names up in pg_catalog alone.",
        """
        SELECT o.name AS object, 'does not set search_path to pg_catalog, pg_temp' AS detail,
               format('ALTER ROLE %%I SET search_path = pg_catalog, pg_temp;', o.name) AS mend
          FROM own o
         WHERE o.name = ANY(%(vault)s::text[])
           AND NOT EXISTS (SELECT FROM pg_db_role_setting s CROSS JOIN LATERAL pg_options_to_table(s.setconfig) t
                            WHERE s.setrole = o.oid AND s.setdatabase = 0 AND t.option_name = 'search_path'
                              AND replace(t.option_value, '"', '') = 'pg_catalog, pg_temp')
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV216",
        "role-setting",
        Severity.HIGH,
        "No setting that changes or hides what runs hangs on a role of a deployment, on the owner or on the database.",
        """
        SELECT concat_ws(' in database ', coalesce(r.rolname::text, 'everybody'), d.datname::text) AS object,
               format('sets %%s', o.option_name) AS detail,
               format('ALTER %%s RESET %%s;', CASE WHEN r.oid IS NULL THEN format('DATABASE %%I', d.datname)
                        ELSE format('ROLE %%I', r.rolname) || coalesce(' IN DATABASE ' || quote_ident(d.datname), '')
                        END,
                      quote_ident(o.option_name)) AS mend
          FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
          LEFT JOIN pg_database d ON d.oid = s.setdatabase CROSS JOIN LATERAL pg_options_to_table(s.setconfig) o
         WHERE (s.setrole = 0 AND d.datname = %(dbname)s OR r.rolname = ANY(%(own)s::text[]) OR r.rolname = %(owner)s)
           AND (o.option_name ~ '^(log_|session_preload|local_preload|session_replication|row_security|pgaudit)'
                OR o.option_name IN ('search_path', 'role', 'lo_compat_privileges', 'track_activities')
                   AND NOT coalesce(r.rolname = ANY(%(vault)s::text[]) AND o.option_name = 'search_path', false)
                   AND NOT coalesce(r.rolname = %(deployer)s AND o.option_name = 'role'
                                     AND replace(o.option_value, '"', '') = %(broker)s, false))
           AND NOT (o.option_name ~ '^pgaudit' AND o.option_value <> 'none')
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV217",
        "powerful-role",
        Severity.MEDIUM,
        "Nobody but the admin, and the superuser that the server began with, passes all privileges by.",
        f"""
        SELECT rolname::text AS object, format('has %%s', w.words) AS detail,
               format('ALTER ROLE %%I NOSUPERUSER NOREPLICATION NOBYPASSRLS;', rolname) AS mend
          FROM pg_roles CROSS JOIN LATERAL {_ATTRIBUTES} w
         WHERE (rolsuper OR rolreplication OR rolbypassrls) AND oid <> 10 AND rolname <> %(admin)s
           AND rolname <> ALL(%(own)s::text[]) AND oid NOT IN (SELECT oid FROM leased)
        """,  # noqa: S608 - constants alone
        scope=Scope.SERVER,
    ),
)
