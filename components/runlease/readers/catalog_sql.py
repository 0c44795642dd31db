"""What the catalogs are asked. Everybody may read them: no attribute, no membership and no grant but CONNECT.

Each object's privileges are those of its own list, or where it has none, those that PostgreSQL means by that
(`usual`). What the server itself or an extension came with is left out as long as nobody changed it.
"""

ROLES = """
SELECT r.rolname::text AS name, r.rolcanlogin AS login, r.rolinherit AS inherit, r.rolsuper AS superuser,
       r.rolcreaterole AS createrole, r.rolcreatedb AS createdb, r.rolbypassrls AS bypassrls,
       r.rolreplication AS replication,
       coalesce(r.rolname ~ '^run_[a-z0-9_-]+$'
                AND shobj_description(r.oid, 'pg_authid') ~ '^runlease (live|quarantined) '
                AND EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                             WHERE m.member = r.oid AND g.rolname ~ '^runlease_.+_login$'), false) AS leased
  FROM pg_roles r
"""
"""Leased: named, remarked and marked as the broker does it, which nobody else can do together."""

MEMBERSHIPS_15 = """
SELECT g.rolname::text AS role, r.rolname::text AS member, m.admin_option AS admin, r.rolinherit AS inherits,
       true AS becomes
  FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
"""
MEMBERSHIPS = """
SELECT g.rolname::text AS role, r.rolname::text AS member, bool_or(m.admin_option) AS admin,
       bool_or(m.inherit_option) AS inherits, bool_or(m.set_option) AS becomes
  FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
 GROUP BY 1, 2
"""
"""From 16 on a membership may be given several times, each time with other options."""

_OBJECTS = """
WITH object AS (
SELECT 'DATABASE' AS kind, '' AS schema, datname::text AS name, datdba AS owner, datacl AS acl,
       acldefault('d', datdba) AS usual, 'pg_database'::regclass AS class, oid
  FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT 'SCHEMA', nspname, nspname, nspowner, nspacl, acldefault('n', nspowner), 'pg_namespace'::regclass, oid
  FROM pg_namespace
UNION ALL
SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, relowner, relacl,
       acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner), 'pg_class'::regclass, c.oid
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT 'FUNCTION', n.nspname,
       CASE count(*) OVER (PARTITION BY n.oid, p.proname) WHEN 1 THEN p.proname::text
            ELSE p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' END,
       proowner, proacl, acldefault('f', proowner), 'pg_proc'::regclass, p.oid
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
), known AS (
SELECT o.*, i.initprivs,
       o.schema IN ('pg_catalog', 'information_schema')
       OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e') AS given
  FROM object o LEFT JOIN pg_init_privs i ON (i.classoid, i.objoid, i.objsubid) = (o.class, o.oid, 0)
 WHERE o.schema !~ '^pg_(toast|temp)'
)
"""

OBJECTS = f"""{_OBJECTS}
SELECT kind, schema, name, pg_get_userbyid(owner)::text AS owner FROM known WHERE NOT given
"""  # noqa: S608 - constants alone

PRIVILEGES = f"""{_OBJECTS}
SELECT kind, schema, name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS grantee,
       a.privilege_type AS privilege, bool_or(a.is_grantable) AS grantable, bool_and(k.acl IS NULL) AS usual,
       '' AS column
  FROM known k CROSS JOIN LATERAL aclexplode(coalesce(k.acl, k.usual)) a
 WHERE a.grantee <> k.owner AND (k.acl IS NOT NULL OR NOT k.given)
   AND NOT EXISTS (SELECT FROM aclexplode(CASE WHEN k.given THEN coalesce(k.initprivs, k.usual) END) b
                    WHERE (b.grantee, b.privilege_type, b.is_grantable)
                        = (a.grantee, a.privilege_type, a.is_grantable))
 GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 - constants alone

OF_COLUMNS = """
UNION ALL
SELECT 'COLUMN', n.nspname, c.relname, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END,
       a.privilege_type, bool_or(a.is_grantable), false, t.attname
  FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL aclexplode(t.attacl) a
 WHERE a.grantee <> c.relowner AND NOT t.attisdropped AND n.nspname !~ '^pg_(toast|temp)'
   AND NOT EXISTS (SELECT FROM pg_init_privs i CROSS JOIN LATERAL aclexplode(i.initprivs) b
                    WHERE (i.objoid, i.classoid, i.objsubid) = (c.oid, 'pg_class'::regclass, t.attnum)
                      AND (b.grantee, b.privilege_type, b.is_grantable)
                        = (a.grantee, a.privilege_type, a.is_grantable))
 GROUP BY 1, 2, 3, 4, 5, 8
"""
"""After PRIVILEGES: a table's own list says nothing of its columns'."""

DEFAULTS = """
SELECT pg_get_userbyid(d.defaclrole)::text AS owner, coalesce(n.nspname, '*')::text AS schema, d.defaclobjtype AS kind,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS grantee,
       a.privilege_type AS privilege, bool_or(a.is_grantable) AS grantable, false AS usual
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
 CROSS JOIN LATERAL aclexplode(d.defaclacl) a
 WHERE a.grantee <> d.defaclrole
 GROUP BY 1, 2, 3, 4, 5
UNION ALL
SELECT r.rolname::text, '*', 'f', 'PUBLIC', 'EXECUTE', false, true
  FROM pg_roles r
 WHERE r.rolname = %s
   AND NOT EXISTS (SELECT FROM pg_default_acl d
                    WHERE (d.defaclrole, d.defaclnamespace, d.defaclobjtype) = (r.oid, 0, 'f'))
"""
"""Without a list of its own an owner's functions are everybody's."""

OTHERS = """
SELECT format('row security of %%s.%%s', n.nspname, c.relname) AS thing, 'rows' AS kind
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relrowsecurity
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE (d.classid, d.objid, d.deptype) = ('pg_class'::regclass, c.oid, 'e'))
UNION ALL
SELECT format('%%s %%s', kind, name), kind || 's'
  FROM (SELECT 'type', typname::text, oid, 'pg_type'::regclass, typowner, typacl, acldefault('T', typowner) FROM pg_type
        UNION ALL
        SELECT 'language', lanname, oid, 'pg_language'::regclass, lanowner, lanacl, acldefault('l', lanowner)
          FROM pg_language
        UNION ALL
        SELECT 'foreign server', srvname, oid, 'pg_foreign_server'::regclass, srvowner, srvacl,
               acldefault('S', srvowner)
          FROM pg_foreign_server
        UNION ALL
        SELECT 'foreign-data wrapper', fdwname, oid, 'pg_foreign_data_wrapper'::regclass, fdwowner, fdwacl,
               acldefault('F', fdwowner)
          FROM pg_foreign_data_wrapper
        UNION ALL
        SELECT 'large object', oid::text, oid, 'pg_largeobject'::regclass, lomowner, lomacl, acldefault('L', lomowner)
          FROM pg_largeobject_metadata
        UNION ALL
        SELECT 'server setting', parname, oid, 'pg_parameter_acl'::regclass, 10, paracl, acldefault('p', 10)
          FROM pg_parameter_acl
       ) AS one (kind, name, oid, class, owner, acl, usual)
 WHERE EXISTS (SELECT FROM aclexplode(one.acl) a
                WHERE a.grantee <> one.owner
                  AND NOT EXISTS (SELECT FROM pg_init_privs i CROSS JOIN LATERAL aclexplode(i.initprivs) b
                                   WHERE (i.objoid, i.classoid) = (one.oid, one.class)
                                     AND (b.grantee, b.privilege_type) = (a.grantee, a.privilege_type))
                  AND NOT EXISTS (SELECT FROM aclexplode(one.usual) b
                                   WHERE (b.grantee, b.privilege_type) = (a.grantee, a.privilege_type)))
UNION ALL
SELECT format('function %%s.%%s', n.nspname, p.proname), 'definer'
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT (n.nspname = %s AND pg_get_userbyid(p.proowner) = %s)
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE (d.classid, d.objid, d.deptype) = ('pg_proc'::regclass, p.oid, 'e'))
"""
"""What is granted and not followed, what narrows a grant to some rows, and what runs as its owner."""

BROKER = """
SELECT p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.proname = 'create_login' AND n.nspname = %s AND pg_get_userbyid(p.proowner) = %s
"""
