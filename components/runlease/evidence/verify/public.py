"""What PUBLIC, that is every role of the server and so every lease, must not have."""

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Check, Scope

PUBLIC = (
    Check(
        "LV301",
        "public-database",
        Severity.MEDIUM,
        "The database is open to those alone that are named.",
        """
        SELECT %(dbname)s::text AS object, format('PUBLIC has %%s on it%%s', string_agg(a.privilege_type, ', '
                 ORDER BY a.privilege_type), CASE WHEN %(revoke)s THEN '' ELSE ', as public: keep says' END) AS detail,
               format('REVOKE ALL ON DATABASE %%I FROM PUBLIC;', d.datname) AS mend
          FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
         WHERE a.grantee = 0 AND d.datname = %(dbname)s GROUP BY d.datname
        """,
    ),
    Check(
        "LV302",
        "other-database-open",
        Severity.LOW,
        "The logins of leases can connect to no other database of the server.",
        """
        SELECT d.datname::text AS object, 'every login can connect to it, those of leases too' AS detail,
               format('REVOKE CONNECT, TEMPORARY ON DATABASE %%I FROM PUBLIC;', d.datname) AS mend
          FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
         WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT' AND d.datname <> %(dbname)s AND d.datallowconn
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV303",
        "public-schema",
        Severity.MEDIUM,
        "PUBLIC has no schema, but for schema public where the settings keep it.",
        """
        SELECT n.name AS object, format('PUBLIC has %%s on it', a.privilege_type) AS detail,
               format('REVOKE %%s ON SCHEMA %%I FROM PUBLIC;', a.privilege_type, n.nspname) AS mend
          FROM user_schema n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
         WHERE a.grantee = 0 AND a.privilege_type <> 'CREATE' AND NOT (n.name = 'public' AND NOT %(revoke)s)
        """,
    ),
    Check(
        "LV304",
        "public-creates",
        Severity.CRITICAL,
        "PUBLIC makes nothing: what it makes can be taken for what somebody else meant to call.",
        """
        SELECT format('schema %%s', n.nspname) AS object, 'PUBLIC has CREATE on it' AS detail,
               format('REVOKE CREATE ON SCHEMA %%I FROM PUBLIC;', n.nspname) AS mend
          FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
         WHERE a.grantee = 0 AND a.privilege_type = 'CREATE' AND (SELECT so FROM entered)
        """,
        scope=Scope.EVERY,
    ),
    Check(
        "LV305",
        "public-table",
        Severity.CRITICAL,
        "PUBLIC has no table, view, sequence or column.",
        """
        SELECT c.oid::regclass::text AS object, format('PUBLIC has %%s on it', a.privilege_type) AS detail,
               format('REVOKE %%s ON %%s%%s FROM PUBLIC;', a.privilege_type,
                      CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END, c.oid::regclass) AS mend
          FROM pg_class c JOIN user_schema n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) a
         WHERE a.grantee = 0 AND (SELECT so FROM entered)
           AND NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
        UNION ALL
        SELECT format('%%s.%%s', c.oid::regclass, quote_ident(t.attname)), format('PUBLIC has %%s on it',
            a.privilege_type),
               format('REVOKE %%s (%%I) ON %%s FROM PUBLIC;', a.privilege_type, t.attname, c.oid::regclass)
          FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN user_schema n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL aclexplode(t.attacl) a WHERE a.grantee = 0 AND (SELECT so FROM entered)
           AND NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
        """,
        scope=Scope.EVERY,
    ),
    Check(
        "LV306",
        "public-function",
        Severity.MEDIUM,
        "PUBLIC calls no function of the declared schemas.",
        """
        SELECT p.oid::regprocedure::text AS object, 'PUBLIC can call it' AS detail,
               format('REVOKE EXECUTE ON ROUTINE %%s FROM PUBLIC;', p.oid::regprocedure) AS mend
          FROM pg_proc p JOIN declared n ON n.oid = p.pronamespace
         CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
         WHERE a.grantee = 0 AND %(revoke)s
           AND NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
        """,
    ),
    Check(
        "LV307",
        "public-large-objects",
        Severity.MEDIUM,
        "PUBLIC makes no large object: one that a login owns keeps the login from being dropped.",
        """
        SELECT current_database()::text AS object, format('PUBLIC can call %%s', string_agg(p.proname, ', '
                 ORDER BY p.proname)) AS detail,
               format('REVOKE EXECUTE ON FUNCTION %%s FROM PUBLIC;', string_agg(p.oid::regprocedure::text, ', '
                 ORDER BY p.proname)) AS mend
          FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
         WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.grantee = 0 AND (SELECT so FROM entered)
           AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import')
        HAVING count(*) > 0
        """,
        scope=Scope.EVERY,
    ),
    Check(
        "LV308",
        "public-large-object",
        Severity.HIGH,
        "PUBLIC reads no large object.",
        """
        SELECT format('large object %%s', l.oid) AS object, format('PUBLIC has %%s on it', a.privilege_type) AS detail,
               format('REVOKE %%s ON LARGE OBJECT %%s FROM PUBLIC;', a.privilege_type, l.oid) AS mend
          FROM pg_largeobject_metadata l CROSS JOIN LATERAL aclexplode(l.lomacl) a
         WHERE a.grantee = 0 AND (SELECT so FROM entered)
        """,
        scope=Scope.EVERY,
    ),
    Check(
        "LV309",
        "public-default",
        Severity.MEDIUM,
        "What the owner will make is not PUBLIC's: a new function is, unless a default of all schemas takes it away.",
        """
        SELECT %(owner)s::text AS object, 'PUBLIC can call each function that it will make' AS detail,
               format('ALTER DEFAULT PRIVILEGES FOR ROLE %%I REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;',
                      %(owner)s::text) AS mend
         WHERE %(revoke)s
           AND NOT EXISTS (SELECT FROM pg_default_acl d WHERE pg_get_userbyid(d.defaclrole) = %(owner)s
                              AND d.defaclnamespace = 0 AND d.defaclobjtype = 'f'
                              AND NOT EXISTS (SELECT FROM aclexplode(d.defaclacl) a WHERE a.grantee = 0))
        """,
    ),
    Check(
        "LV310",
        "public-foreign",
        Severity.CRITICAL,
        "PUBLIC uses no foreign server, foreign-data wrapper or untrusted language.",
        """
        SELECT format('foreign server %%s', s.srvname) AS object, 'PUBLIC has USAGE on it' AS detail,
               format('REVOKE USAGE ON FOREIGN SERVER %%I FROM PUBLIC;', s.srvname) AS mend
          FROM pg_foreign_server s CROSS JOIN LATERAL aclexplode(s.srvacl) a WHERE a.grantee = 0
        UNION ALL
        SELECT format('foreign-data wrapper %%s', w.fdwname), 'PUBLIC has USAGE on it',
               format('REVOKE USAGE ON FOREIGN DATA WRAPPER %%I FROM PUBLIC;', w.fdwname)
          FROM pg_foreign_data_wrapper w CROSS JOIN LATERAL aclexplode(w.fdwacl) a WHERE a.grantee = 0
        """,
        scope=Scope.EVERY,
    ),
    Check(
        "LV311",
        "public-broker",
        Severity.CRITICAL,
        "Vault's logins alone reach the broker's schema and functions, and a declared sweeper as far as it sweeps.",
        """
        SELECT format('schema %%s', n.nspname) AS object, format('%%s has %%s on it', h.who, a.privilege_type)
            AS detail,
               format('REVOKE %%s ON SCHEMA %%I FROM %%s;', a.privilege_type, n.nspname, h.quoted) AS mend
          FROM pg_namespace n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
         CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END
             AS who,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS quoted) h
         WHERE n.nspname = %(broker_schema)s AND a.grantee <> n.nspowner
           AND NOT (h.who = ANY(%(vault)s::text[] || %(sweepers)s::text[]) AND a.privilege_type = 'USAGE')
        UNION ALL
        SELECT p.oid::regprocedure::text, format('%%s can call it', h.who),
               format('REVOKE EXECUTE ON ROUTINE %%s FROM %%s;', p.oid::regprocedure, h.quoted)
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
         CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END
             AS who,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS quoted) h
         WHERE n.nspname = %(broker_schema)s AND a.grantee <> p.proowner AND h.who <> ALL(%(vault)s::text[])
           AND NOT (h.who = ANY(%(sweepers)s::text[]) AND p.proname = ANY(%(sweeps)s::text[]))
        """,
    ),
)
