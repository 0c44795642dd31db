"""Whether the broker in the database is the broker that this version renders for the settings."""

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Check, Scope

_UP = "pulumi up: the functions are resources of the stack"
_FUNCTIONS = """
, function AS (
  SELECT e.name, e.body, e.result, p.oid, p.prosrc, p.proowner, p.prosecdef, p.proisstrict, p.proconfig,
         p.proleakproof, p.prokind, p.prorettype, l.lanname
    FROM unnest(%(function_names)s::text[], %(function_arguments)s::text[], %(function_results)s::text[],
                %(function_bodies)s::text[]) AS e (name, arguments, result, body)
    LEFT JOIN pg_namespace n ON n.nspname = %(broker_schema)s
    LEFT JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = e.name
                       AND pg_get_function_identity_arguments(p.oid) = e.arguments
    LEFT JOIN pg_language l ON l.oid = p.prolang)
"""

BROKER = (
    Check(
        "LV401",
        "broker-missing",
        Severity.HIGH,
        "The four functions of the broker are there.",
        f"""{_FUNCTIONS}
        SELECT name AS object, 'is not there, with the arguments that leases call it with' AS detail, '' AS mend
          FROM function WHERE oid IS NULL
        """,  # noqa: S608 - constants alone
        _UP,
    ),
    Check(
        "LV402",
        "broker-replaced",
        Severity.CRITICAL,
        "The bodies of the broker's functions are those of this version for these settings.",
        f"""{_FUNCTIONS}
        SELECT name AS object, 'its body is another than the settings and this version make' AS detail, '' AS mend
          FROM function WHERE prosrc <> body
        """,  # noqa: S608 - constants alone
        _UP + ". Where it changes nothing, somebody replaced the body: compare it, and look for what it did",
    ),
    Check(
        "LV403",
        "broker-changed",
        Severity.CRITICAL,
        "The broker's functions are the broker's own, SECURITY DEFINER, STRICT, in plpgsql, and carry no setting.",
        f"""{_FUNCTIONS}
        SELECT name AS object, concat_ws(', ',
                 CASE WHEN pg_get_userbyid(proowner) <> %(broker)s THEN format('owned by %%s',
                     pg_get_userbyid(proowner)) END,
                 CASE WHEN NOT prosecdef THEN 'not SECURITY DEFINER' END,
                     CASE WHEN NOT proisstrict THEN 'not STRICT' END,
                 CASE WHEN lanname <> 'plpgsql' THEN format('in %%s', lanname) END,
                 CASE WHEN proconfig IS NOT NULL THEN format('sets %%s', array_to_string(proconfig, ', ')) END)
                     AS detail,
               CASE WHEN pg_get_userbyid(proowner) <> %(broker)s
                    THEN format('ALTER FUNCTION %%s OWNER TO %%I;', oid::regprocedure, %(broker)s::text)
                    ELSE format('ALTER FUNCTION %%s SECURITY DEFINER STRICT RESET ALL;', oid::regprocedure) END AS mend
          FROM function
         WHERE oid IS NOT NULL AND (pg_get_userbyid(proowner) <> %(broker)s OR NOT prosecdef OR NOT proisstrict
                                    OR lanname <> 'plpgsql' OR proconfig IS NOT NULL)
        """,  # noqa: S608 - constants alone
        _UP,
    ),
    Check(
        "LV404",
        "broker-schema",
        Severity.CRITICAL,
        "The broker owns its schema, and nothing stands in it but its four functions.",
        f"""{_FUNCTIONS}
        SELECT format('schema %%s', nspname) AS object, format('owned by %%s', pg_get_userbyid(nspowner)) AS detail,
               format('ALTER SCHEMA %%I OWNER TO %%I;', nspname, %(broker)s::text) AS mend
          FROM pg_namespace WHERE nspname = %(broker_schema)s AND pg_get_userbyid(nspowner) <> %(broker)s
        UNION ALL
        SELECT p.oid::regprocedure::text, 'no function of the broker''s',
               format('DROP ROUTINE %%s;', p.oid::regprocedure)
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = %(broker_schema)s AND p.oid NOT IN (SELECT f.oid FROM function f WHERE f.oid IS NOT NULL)
        UNION ALL
        SELECT format('%%s in schema %%s', o.kind, n.nspname), 'nothing of the broker''s', ''
          FROM pg_namespace n
          JOIN (SELECT 'relation ' || quote_ident(relname) AS kind, relnamespace AS place FROM pg_class
                UNION ALL SELECT 'type ' || quote_ident(typname), typnamespace FROM pg_type WHERE typrelid = 0
                   AND typelem = 0
                UNION ALL SELECT 'operator ' || oprname, oprnamespace FROM pg_operator) o ON o.place = n.oid
         WHERE n.nspname = %(broker_schema)s
        """,  # noqa: S608 - constants alone
        "look at it, and drop it",
    ),
    Check(
        "LV405",
        "broker-not-callable",
        Severity.HIGH,
        "Vault's logins can call the broker's functions: without that no lease is given, and none is ended.",
        f"""{_FUNCTIONS}
        SELECT f.name AS object, format('%%s cannot call it', o.name) AS detail,
               format('GRANT EXECUTE ON FUNCTION %%s TO %%I; GRANT USAGE ON SCHEMA %%I TO %%I;', f.oid::regprocedure,
                      o.name, %(broker_schema)s::text, o.name) AS mend
          FROM function f CROSS JOIN own o
         WHERE f.oid IS NOT NULL AND o.name = ANY(%(vault)s::text[])
           AND NOT (has_function_privilege(o.oid, f.oid, 'EXECUTE')
                    AND has_schema_privilege(o.oid, %(broker_schema)s, 'USAGE')
                    AND has_database_privilege(o.oid, %(dbname)s, 'CONNECT'))
        """,  # noqa: S608 - constants alone
    ),
    Check(
        "LV406",
        "broker-cannot-signal",
        Severity.MEDIUM,
        "The broker can end a session whose role is gone.",
        """
        SELECT %(broker)s::text AS object, 'is no member of pg_signal_backend' AS detail,
               format('GRANT pg_signal_backend TO %%I;', %(broker)s::text) AS mend
         WHERE NOT %(managed)s
           AND NOT EXISTS (SELECT FROM given WHERE holder = %(broker)s AND role = 'pg_signal_backend')
        """,
        scope=Scope.SERVER,
    ),
)
