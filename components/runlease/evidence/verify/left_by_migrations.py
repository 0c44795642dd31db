"""What a migration, which runs as the owner, or a superuser can leave in a database: code and rights that stay."""

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Check, Scope

_NOT_OF_EXTENSION = """
           AND NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
"""
_DEFINERS = f"""
          FROM pg_proc p JOIN user_schema n ON n.oid = p.pronamespace
         WHERE p.prosecdef
           AND NOT (n.name = %(broker_schema)s AND pg_get_userbyid(p.proowner) = %(broker)s){_NOT_OF_EXTENSION}
"""

LEFT_BY_MIGRATIONS = (
    Check(
        "LV501",
        "security-definer",
        Severity.MEDIUM,
        "No function but the broker's does what its owner may, whoever calls it.",
        f"""
        SELECT p.oid::regprocedure::text AS object, format('SECURITY DEFINER, owned by %%s',
            pg_get_userbyid(p.proowner))
               AS detail, format('ALTER ROUTINE %%s SECURITY INVOKER;', p.oid::regprocedure) AS mend {_DEFINERS}
        """,
    ),
    Check(
        "LV502",
        "security-definer-public",
        Severity.CRITICAL,
        "PUBLIC calls no SECURITY DEFINER function.",
        f"""
        SELECT p.oid::regprocedure::text AS object, format('PUBLIC does with it what %%s may',
            pg_get_userbyid(p.proowner))
               AS detail, format('REVOKE EXECUTE ON ROUTINE %%s FROM PUBLIC;', p.oid::regprocedure) AS mend {_DEFINERS}
           AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
           AND (SELECT so FROM entered)
        """,  # noqa: S608 - constants alone
        scope=Scope.EVERY,
    ),
    Check(
        "LV503",
        "security-definer-path",
        Severity.HIGH,
        "A SECURITY DEFINER function says where it looks names up; otherwise its caller does.",
        f"""
        SELECT p.oid::regprocedure::text AS object, 'SECURITY DEFINER without a search_path of its own' AS detail,
               format('ALTER ROUTINE %%s SET search_path = pg_catalog, pg_temp;', p.oid::regprocedure)
                   AS mend {_DEFINERS}
           AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c ~ '^search_path=')
        """,  # noqa: S608 - constants alone
    ),
    Check(
        "LV504",
        "wrong-owner",
        Severity.HIGH,
        "Everything in the declared schemas, and the schemas, belong to the declared owner.",
        """
        SELECT o.object, format('owned by %%s, not %%s', pg_get_userbyid(o.owner), %(owner)s::text) AS detail,
               format('ALTER %%s OWNER TO %%I;', o.object, %(owner)s::text) AS mend
          FROM (SELECT format('SCHEMA %%I', n.nspname) AS object, n.nspowner AS owner FROM declared n
                UNION ALL
                SELECT format('%%s %%s', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                         WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, c.oid::regclass),
                       c.relowner
                  FROM pg_class c JOIN declared n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
                   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                                      AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype IN ('a', 'i')))
                UNION ALL
                SELECT format('ROUTINE %%s', p.oid::regprocedure), p.proowner
                  FROM pg_proc p JOIN declared n ON n.oid = p.pronamespace
                 WHERE NOT EXISTS (SELECT FROM of_extension e
                        WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
                UNION ALL
                SELECT format('TYPE %%s', t.oid::regtype), t.typowner
                  FROM pg_type t JOIN declared n ON n.oid = t.typnamespace
                 WHERE t.typrelid = 0 AND t.typelem = 0 AND t.typtype <> 'm' AND NOT EXISTS (SELECT FROM of_extension e
                        WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)) o
         WHERE pg_get_userbyid(o.owner) <> %(owner)s
        """,
    ),
    Check(
        "LV505",
        "default-privileges",
        Severity.HIGH,
        "What will be made is granted to the declared profiles alone.",
        """
        SELECT format('%%s will make %%s in %%s', pg_get_userbyid(d.defaclrole),
                 CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                   WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
                 coalesce(n.nspname::text, 'every schema')) AS object,
               format('%%s goes to %%s', a.privilege_type, coalesce(r.rolname::text, 'PUBLIC')) AS detail,
               format('ALTER DEFAULT PRIVILEGES FOR ROLE %%I%%s REVOKE %%s ON %%s FROM %%s;',
                 pg_get_userbyid(d.defaclrole), coalesce(' IN SCHEMA ' || quote_ident(n.nspname), ''), a.privilege_type,
                 CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                   WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
                 coalesce(quote_ident(r.rolname), 'PUBLIC')) AS mend
          FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
          LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
         WHERE a.grantee <> d.defaclrole
           AND NOT (coalesce(r.rolname = ANY(%(groups)s::text[]), false) AND pg_get_userbyid(d.defaclrole) = %(owner)s)
        """,
    ),
    Check(
        "LV506",
        "foreign-trigger",
        Severity.HIGH,
        "A trigger runs a function of the table's own owner.",
        """
        SELECT format('%%I on %%s', t.tgname, t.tgrelid::regclass) AS object,
               format('runs %%s, owned by %%s', p.oid::regprocedure, pg_get_userbyid(p.proowner)) AS detail,
               format('DROP TRIGGER %%I ON %%s;', t.tgname, t.tgrelid::regclass) AS mend
          FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
          JOIN user_schema n ON n.oid = c.relnamespace
         WHERE NOT t.tgisinternal AND p.proowner <> c.relowner AND p.oid >= 16384
        """,
    ),
    Check(
        "LV507",
        "trigger-disabled",
        Severity.MEDIUM,
        "No trigger or rule of the declared schemas is disabled.",
        """
        SELECT format('%%I on %%s', t.tgname, t.tgrelid::regclass) AS object, 'is disabled' AS detail,
               format('ALTER TABLE %%s ENABLE TRIGGER %%I;', t.tgrelid::regclass, t.tgname) AS mend
          FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN declared n ON n.oid = c.relnamespace
         WHERE t.tgenabled = 'D'
        """,
    ),
    Check(
        "LV508",
        "rewrite-rule",
        Severity.MEDIUM,
        "No rule turns a statement on a table into another one.",
        """
        SELECT format('%%I on %%s', w.rulename, w.ev_class::regclass) AS object, 'rewrites statements' AS detail,
               format('DROP RULE %%I ON %%s;', w.rulename, w.ev_class::regclass) AS mend
          FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN user_schema n ON n.oid = c.relnamespace
         WHERE w.rulename <> '_RETURN' AND NOT EXISTS (SELECT FROM of_extension e
                WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
        """,
    ),
    Check(
        "LV509",
        "event-trigger",
        Severity.HIGH,
        "No event trigger runs code in the sessions of others.",
        """
        SELECT evtname::text AS object, format('runs %%s at %%s', evtfoid::regprocedure, evtevent) AS detail,
               format('DROP EVENT TRIGGER %%I;', evtname) AS mend
          FROM pg_event_trigger v WHERE NOT EXISTS (SELECT FROM of_extension e
                WHERE e.classid = 'pg_event_trigger'::regclass AND e.objid = v.oid)
        """,
    ),
    Check(
        "LV510",
        "row-security-off",
        Severity.HIGH,
        "Where a table has policies, row security is on.",
        """
        SELECT c.oid::regclass::text AS object, 'has policies, and row security is switched off' AS detail,
               format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY;', c.oid::regclass) AS mend
          FROM pg_class c JOIN declared n ON n.oid = c.relnamespace
         WHERE NOT c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
        """,
    ),
    Check(
        "LV511",
        "row-security-not-forced",
        Severity.MEDIUM,
        "Row security holds for the owner, and so for migrations, too.",
        """
        SELECT c.oid::regclass::text AS object, 'has row security, and the owner passes it by' AS detail,
               format('ALTER TABLE %%s FORCE ROW LEVEL SECURITY;', c.oid::regclass) AS mend
          FROM pg_class c JOIN declared n ON n.oid = c.relnamespace WHERE c.relrowsecurity AND NOT c.relforcerowsecurity
        """,
    ),
    Check(
        "LV512",
        "column-grant",
        Severity.MEDIUM,
        "Nobody has a privilege on a column: no profile grants one.",
        """
        SELECT format('%%s.%%s', c.oid::regclass, quote_ident(t.attname)) AS object,
               format('%%s has %%s on it', r.rolname, a.privilege_type) AS detail,
               format('REVOKE %%s (%%I) ON %%s FROM %%I;', a.privilege_type, t.attname, c.oid::regclass,
                   r.rolname) AS mend
          FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN declared n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL aclexplode(t.attacl) a JOIN pg_roles r ON r.oid = a.grantee WHERE a.grantee <> c.relowner
        """,
    ),
    Check(
        "LV513",
        "privilege-list-full",
        Severity.MEDIUM,
        "No list of privileges is near the 8,160 bytes of a row of pg_class, beyond which nothing more can be granted.",
        """
        SELECT coalesce(c.oid::regclass::text || '.' || quote_ident(t.attname), c.oid::regclass::text) AS object,
               format('its list of privileges takes %%s bytes, %%s %%%% of 8160', s.bytes, s.bytes * 100 / 8160)
                   AS detail,
               '' AS mend
          FROM (SELECT oid, 0 AS column, pg_column_size(relacl) AS bytes FROM pg_class WHERE relacl IS NOT NULL
                UNION ALL SELECT attrelid, attnum, pg_column_size(attacl) FROM pg_attribute WHERE attacl IS NOT NULL) s
          JOIN pg_class c ON c.oid = s.oid
          LEFT JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum = s.column AND s.column <> 0
         WHERE s.bytes > 8160 * 0.6
        """,
        "grant to group roles in the place of logins, and revoke the logins' own grants",
    ),
    Check(
        "LV514",
        "in-pg-catalog",
        Severity.CRITICAL,
        "Nothing was added to pg_catalog, which every session looks names up in first, or made SECURITY DEFINER there.",
        """
        SELECT p.oid::regprocedure::text AS object, CASE WHEN p.oid >= 16384
                 THEN 'stands in pg_catalog and did not come with the server' ELSE 'is SECURITY DEFINER' END AS detail,
               format(CASE WHEN p.oid >= 16384 THEN 'DROP ROUTINE %%s;' ELSE 'ALTER ROUTINE %%s SECURITY INVOKER;' END,
                      p.oid::regprocedure) AS mend
          FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (p.oid >= 16384 OR p.prosecdef)
           AND NOT EXISTS (SELECT FROM of_extension e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
        """,
    ),
)
