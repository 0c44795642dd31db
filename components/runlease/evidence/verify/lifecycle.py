"""What leased logins must never be, have or leave behind."""

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Check, Scope

_REVOKE = "revoke its lease in Vault, or run `runlease sweep`"

LIFECYCLE = (
    Check(
        "LV101",
        "expired-login",
        Severity.HIGH,
        "A leased login is dropped when its lease ends.",
        """
        SELECT name AS object, format('expired at %%s and was not dropped', rolvaliduntil) AS detail,
               format('SET SESSION AUTHORIZATION %%I; SELECT %%I.drop_login(%%L); RESET SESSION AUTHORIZATION;',
                      split_part(shobj_description(oid, 'pg_authid'), ' ', 3), %(broker_schema)s::text, name) AS mend
          FROM leased WHERE NOT quarantined AND rolvaliduntil < now() - interval '2 minutes'
        """,
        _REVOKE,
        Scope.SERVER,
    ),
    Check(
        "LV102",
        "login-without-expiry",
        Severity.HIGH,
        "Every leased login has an expiry.",
        """
        SELECT name AS object, 'has no VALID UNTIL' AS detail, format('ALTER ROLE %%I VALID UNTIL ''now'';', name)
            AS mend
          FROM leased WHERE rolcanlogin AND NOT quarantined AND coalesce(rolvaliduntil, 'infinity') = 'infinity'
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV103",
        "orphan-backend",
        Severity.CRITICAL,
        "No session outlives its role: one that became the owner keeps the owner's rights.",
        """
        SELECT format('pid %%s', a.pid) AS object,
               format('a session in database %%s of a role that was dropped (oid %%s)', a.datname, a.usesysid)
                   AS detail,
               format('SELECT pg_terminate_backend(%%s);', a.pid) AS mend
          FROM pg_stat_activity a
         WHERE a.usesysid <> 0 AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.usesysid)
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV104",
        "session-past-expiry",
        Severity.HIGH,
        "No session outlives its login's expiry.",
        """
        SELECT format('pid %%s', a.pid) AS object, format('session of %%s, which expired at %%s', l.name,
            l.rolvaliduntil)
               AS detail, format('SELECT pg_terminate_backend(%%s);', a.pid) AS mend
          FROM pg_stat_activity a JOIN leased l ON l.oid = a.usesysid
         WHERE l.rolvaliduntil < now() - interval '2 minutes'
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV105",
        "login-attribute",
        Severity.CRITICAL,
        "A leased login has no attribute.",
        """
        SELECT name AS object, format('has %%s', w.words) AS detail,
               format('ALTER ROLE %%I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;', name) AS mend
          FROM leased CROSS JOIN LATERAL (SELECT concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' END,
                 CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
                 CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END)
               AS words) w
         WHERE w.words <> ''
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV106",
        "no-connection-limit",
        Severity.LOW,
        "A leased login has a connection limit.",
        """
        SELECT name AS object, 'has no CONNECTION LIMIT' AS detail, format('ALTER ROLE %%I CONNECTION LIMIT 4;',
            name) AS mend
          FROM leased WHERE rolcanlogin AND rolconnlimit < 0
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV107",
        "login-owns",
        Severity.HIGH,
        "A leased login owns nothing outside its own sandbox schema.",
        """
        SELECT name AS object, format('owns %%s of %%s in database %%s', count(*), kind, place) AS detail,
               format('REASSIGN OWNED BY %%I TO %%I;', name, %(owner)s::text) AS mend
          FROM (SELECT l.name, s.classid::regclass::text AS kind, coalesce(d.datname::text, '(shared)') AS place
                  FROM pg_shdepend s JOIN leased l ON l.oid = s.refobjid LEFT JOIN pg_database d ON d.oid = s.dbid
                 CROSS JOIN LATERAL pg_identify_object(CASE WHEN d.datname = current_database() THEN s.classid END,
                                                       s.objid, s.objsubid) o
                 WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
                   AND o.schema IS DISTINCT FROM l.name) one
         GROUP BY name, kind, place
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV108",
        "login-grant",
        Severity.MEDIUM,
        "A leased login has rights by membership alone.",
        """
        SELECT l.name AS object, format('is named in the privileges of %%s', CASE WHEN d.datname = current_database() OR
                 s.dbid = 0 THEN pg_describe_object(s.classid, s.objid, s.objsubid)
                 ELSE format('an object of database %%s', d.datname) END) AS detail,
               format('DROP OWNED BY %%I;', l.name) AS mend
          FROM pg_shdepend s JOIN leased l ON l.oid = s.refobjid LEFT JOIN pg_database d ON d.oid = s.dbid
         CROSS JOIN LATERAL pg_identify_object(CASE WHEN d.datname = current_database() THEN s.classid END,
                                               s.objid, s.objsubid) o
         WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'a'
           AND l.name IS DISTINCT FROM o.schema
           AND NOT coalesce(o.type = 'schema' AND o.name = quote_ident(l.name), false)
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV109",
        "login-membership",
        Severity.CRITICAL,
        "A leased login is a member of its profile's role, of the mark that pg_hba knows it by, and of nothing else.",
        """
        SELECT l.name AS object, format('is a member of %%s', g.role) AS detail,
               format('REVOKE %%I FROM %%I%%s;', g.role, l.name, g.by) AS mend
          FROM leased l JOIN given g ON g.member = l.oid
         WHERE l.quarantined OR NOT (g.role = %(marker)s OR g.role = %(key)s::text || '_' || l.profile
                                     OR l.profile IS NULL AND g.role = ANY(%(groups)s::text[]))
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV110",
        "login-held",
        Severity.HIGH,
        "Nobody but the broker holds a leased login: a member ends its sessions and becomes it.",
        """
        SELECT l.name AS object, format('%%s is a member of it', g.holder) AS detail,
               format('REVOKE %%I FROM %%I%%s;', l.name, g.holder, g.by) AS mend
          FROM leased l JOIN given g ON g.roleid = l.oid WHERE g.holder <> %(broker)s
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV111",
        "login-outlives-profile",
        Severity.HIGH,
        "A leased login expires within the longest life of its profile.",
        """
        SELECT name AS object, format('expires at %%s, later than it may', rolvaliduntil) AS detail,
               format('ALTER ROLE %%I VALID UNTIL %%L;', name, to_timestamp(made + longest)) AS mend
          FROM leased WHERE rolvaliduntil <> 'infinity' AND rolvaliduntil > to_timestamp(made + longest + 61)
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV112",
        "quarantined-login",
        Severity.MEDIUM,
        "No login is quarantined.",
        """
        SELECT name AS object, format('could not be dropped: %%s',
                 coalesce((SELECT string_agg(format('%%s of %%s in database %%s', s.n, s.kind, s.place), ', ')
                    FROM (SELECT count(*) AS n, classid::regclass::text AS kind, coalesce(datname::text,
                        '(shared)') AS place
                            FROM pg_shdepend LEFT JOIN pg_database d ON d.oid = dbid
                           WHERE refclassid = 'pg_authid'::regclass AND refobjid = l.oid GROUP BY 2, 3) s),
                   'nothing keeps it any more')) AS detail, '' AS mend
          FROM leased l WHERE quarantined
        """,
        "as a superuser, in each database named: REASSIGN OWNED or DROP OWNED BY it; then DROP ROLE",
        Scope.SERVER,
    ),
    Check(
        "LV113",
        "quarantine-broken",
        Severity.CRITICAL,
        "A quarantined login cannot log in.",
        """
        SELECT name AS object, 'is quarantined and may log in' AS detail,
               format('ALTER ROLE %%I NOLOGIN CONNECTION LIMIT 0 PASSWORD NULL;', name) AS mend
          FROM leased WHERE quarantined AND rolcanlogin
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV114",
        "login-not-ours",
        Severity.HIGH,
        "The names run_… are the brokers' alone, and the mark of a login is theirs to give.",
        """
        SELECT r.rolname::text AS object, 'is named or marked like a leased login, and no broker made it' AS detail,
               CASE WHEN r.rolname ~ '^run_' THEN format('DROP ROLE %%I;', r.rolname)
                    ELSE format('REVOKE %%I FROM %%I;', %(marker)s::text, r.rolname) END AS mend
          FROM pg_roles r LEFT JOIN mark k ON k.oid = r.oid
         WHERE r.rolname ~ '^run_' AND k.caller IS NULL AND r.rolcanlogin
            OR k.caller IS NULL AND r.oid IN (SELECT oid FROM leased)
            OR k.caller = ANY(%(vault)s::text[]) AND r.rolname !~ '^run_'
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV115",
        "login-setting",
        Severity.LOW,
        "A leased login carries no setting but the broker's and its run's name.",
        """
        SELECT l.name AS object, format('sets %%s', o.option_name) AS detail,
               format('ALTER ROLE %%I%%s RESET %%s;', l.name, ' IN DATABASE ' || quote_ident(d.datname),
                      quote_ident(o.option_name)) AS mend
          FROM pg_db_role_setting s JOIN leased l ON l.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
         CROSS JOIN LATERAL pg_options_to_table(s.setconfig) o
         WHERE o.option_name NOT IN ('application_name', 'statement_timeout', 'idle_in_transaction_session_timeout')
        """,
        scope=Scope.SERVER,
    ),
    Check(
        "LV116",
        "schema-without-login",
        Severity.MEDIUM,
        "A sandbox schema goes with its login.",
        """
        SELECT n.name AS object, 'is a sandbox schema, and its login is gone' AS detail,
               format('DROP SCHEMA %%I CASCADE;', n.name) AS mend
          FROM user_schema n
         WHERE n.name ~ '^run_' AND pg_get_userbyid(n.nspowner) = %(broker)s
           AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n.nspname)
        """,
    ),
    Check(
        "LV117",
        "mark-without-membership",
        Severity.MEDIUM,
        "A live leased login carries the mark that pg_hba knows it by.",
        """
        SELECT l.name AS object, format('is no member of %%s', %(marker)s::text) AS detail, '' AS mend
          FROM leased l WHERE NOT quarantined
           AND NOT EXISTS (SELECT FROM given g WHERE g.member = l.oid AND g.role = %(marker)s)
        """,
        _REVOKE,
        Scope.SERVER,
    ),
)
