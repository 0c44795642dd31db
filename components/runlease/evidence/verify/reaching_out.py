"""What reaches out of a database: extensions, languages, foreign servers, publications and subscriptions."""

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Check

REACHING_OUT = (
    Check(
        "LV515",
        "dangerous-extension",
        Severity.HIGH,
        "No extension that nobody declared reaches out of the database.",
        """
        SELECT extname::text AS object, 'reaches the server''s files, programs, network or other databases' AS detail,
               format('DROP EXTENSION %%I;', extname) AS mend
          FROM pg_extension
         WHERE extname IN ('adminpack', 'dblink', 'file_fdw', 'http', 'lo', 'pg_background', 'pg_cron', 'pg_net',
                           'plperlu', 'plpython2u', 'plpython3u', 'plsh', 'pltclu', 'postgres_fdw')
           AND extname <> ALL(%(extensions)s::text[])
        """,
    ),
    Check(
        "LV516",
        "untrusted-language",
        Severity.HIGH,
        "No language is there that does what the server's own user may.",
        """
        SELECT lanname::text AS object, 'is an untrusted language' AS detail, format('DROP LANGUAGE %%I;',
            lanname) AS mend
          FROM pg_language WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c')
        """,
    ),
    Check(
        "LV517",
        "foreign-server",
        Severity.HIGH,
        "No foreign server is there.",
        """
        SELECT srvname::text AS object, format('foreign server, owned by %%s', pg_get_userbyid(srvowner)) AS detail,
               format('DROP SERVER %%I CASCADE;', srvname) AS mend
          FROM pg_foreign_server
        """,
    ),
    Check(
        "LV518",
        "user-mapping",
        Severity.HIGH,
        "No user mapping is there: it holds a password for elsewhere.",
        """
        SELECT format('%%s on %%s', usename, srvname) AS object, 'user mapping' AS detail,
               format('DROP USER MAPPING FOR %%s SERVER %%I;',
                      CASE umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(usename) END, srvname) AS mend
          FROM pg_user_mappings
        """,
    ),
    Check(
        "LV519",
        "publication",
        Severity.MEDIUM,
        "Nothing is published to other servers.",
        """
        SELECT pubname::text AS object, format('publication, owned by %%s', pg_get_userbyid(pubowner)) AS detail,
               format('DROP PUBLICATION %%I;', pubname) AS mend
          FROM pg_publication
        """,
    ),
    Check(
        "LV520",
        "subscription",
        Severity.HIGH,
        "Nothing of other servers is written here.",
        """
        SELECT subname::text AS object, format('subscription, owned by %%s', pg_get_userbyid(subowner)) AS detail,
               format('DROP SUBSCRIPTION %%I;', subname) AS mend
          FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
        """,
    ),
)
