"""How the server must be set, so that nobody listens, guesses or goes unrecorded."""

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Check, Scope


def _setting(number: int, name: str, severity: Severity, sentence: str, wrong: str, mend: str) -> Check:
    """A check of settings: `wrong` is a condition on pg_settings, `mend` the value to set. All are constants here."""
    return Check(
        f"LV{number}",
        name,
        severity,
        sentence,
        f"""
        SELECT name AS object, format('is %%s', quote_literal(setting)) AS detail,
               format('ALTER SYSTEM SET %%I = %%L; SELECT pg_reload_conf();', name, '{mend}'::text) AS mend
          FROM pg_settings WHERE {wrong}
        """,  # noqa: S608 - constants alone
        scope=Scope.SERVER,
    )


_PREFIX = "%%m [%%p] %%q[user=%%u,db=%%d,app=%%a,client=%%h,sess=%%c] "
_HBA = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {login};"

SERVER = (
    _setting(
        601,
        "no-tls",
        Severity.CRITICAL,
        "The server speaks TLS.",
        "name = 'ssl' AND setting <> 'on'",
        "on",
    ),
    _setting(
        602,
        "old-tls",
        Severity.HIGH,
        "TLS is 1.2 or later.",
        "name = 'ssl_min_protocol_version' AND setting NOT IN ('TLSv1.2', 'TLSv1.3')",
        "TLSv1.2",
    ),
    _setting(
        603,
        "connections-not-logged",
        Severity.HIGH,
        "Each connection is logged with who made it.",
        "name = 'log_connections' AND setting NOT IN ('on', 'all', 'true', 'yes', '1')"
        " AND NOT (setting ~ 'authentication' AND setting ~ 'authorization')",
        "on",
    ),
    _setting(
        604,
        "disconnections-not-logged",
        Severity.HIGH,
        "The end of each session is logged.",
        "name = 'log_disconnections' AND setting <> 'on'",
        "on",
    ),
    _setting(
        605,
        "log-line-prefix",
        Severity.HIGH,
        "Each line of the log says when, which process, which login, which database, from where, in which session.",
        "name = 'log_line_prefix' AND NOT (setting ~ '%%[mn]' AND setting ~ '%%p' AND setting ~ '%%u'"
        " AND setting ~ '%%d' AND setting ~ '%%h' AND setting ~ '%%c')"
        " AND current_setting('log_destination') ~ 'stderr|syslog'",
        _PREFIX,
    ),
    _setting(
        606,
        "weak-passwords",
        Severity.HIGH,
        "Passwords are stored as SCRAM verifiers.",
        "name = 'password_encryption' AND setting <> 'scram-sha-256'",
        "scram-sha-256",
    ),
    _setting(
        607,
        "row-security-setting",
        Severity.HIGH,
        "Row security is on.",
        "name = 'row_security' AND setting <> 'on'",
        "on",
    ),
    _setting(
        608,
        "large-objects-unchecked",
        Severity.CRITICAL,
        "Privileges on large objects are checked.",
        "name = 'lo_compat_privileges' AND setting <> 'off'",
        "off",
    ),
    _setting(
        609,
        "ledger-not-logged",
        Severity.HIGH,
        "The log has what the broker writes into it.",
        "name = 'log_min_messages' AND setting IN ('fatal', 'panic')",
        "warning",
    ),
    _setting(
        610,
        "activity-hidden",
        Severity.MEDIUM,
        "The server tracks what sessions do.",
        "name = 'track_activities' AND setting <> 'on'",
        "on",
    ),
    _setting(
        611,
        "triggers-passed-by",
        Severity.HIGH,
        "Sessions run triggers and check keys.",
        "name = 'session_replication_role' AND setting = 'replica'",
        "origin",
    ),
    Check(
        "LV612",
        "statements-not-logged",
        Severity.MEDIUM,
        "What leased logins write is logged, by pgaudit or by log_statement = mod or all.",
        """
        SELECT %(dbname)s::text AS object, format('pgaudit.log is %%s and log_statement is %%s',
                 coalesce(quote_literal(a.value), 'not there'), quote_literal(current_setting('log_statement')))
                     AS detail,
               format('ALTER DATABASE %%I SET log_statement = ''mod'';', %(dbname)s::text) AS mend
          FROM (SELECT current_setting('pgaudit.log', true) AS value) a
         WHERE coalesce(a.value, '') IN ('', 'none') AND current_setting('log_statement') NOT IN ('mod', 'all')
        """,
    ),
    Check(
        "LV613",
        "weak-access-rule",
        Severity.CRITICAL,
        "No line of pg_hba.conf lets anybody in without TLS and SCRAM, a certificate or the like.",
        """
        SELECT format('pg_hba line %%s', line_number) AS object,
               concat_ws(' ', type, array_to_string(database, ','), array_to_string(user_name, ','), address, netmask,
                         auth_method) AS detail, '' AS mend
          FROM pg_hba_file_rules()
         WHERE error IS NULL AND auth_method <> 'reject'
           AND (auth_method IN ('trust', 'password', 'md5', 'ident') OR type IN ('host', 'hostnossl'))
        """,
        "make it hostssl with scram-sha-256, or take it out; then SELECT pg_reload_conf()",
        Scope.SERVER,
        needs=_HBA,
    ),
    Check(
        "LV614",
        "broken-access-rule",
        Severity.HIGH,
        "Every line of pg_hba.conf can be read: with one that cannot, no reload takes effect.",
        """
        SELECT format('pg_hba line %%s', line_number) AS object, error AS detail, '' AS mend
          FROM pg_hba_file_rules() WHERE error IS NOT NULL
        """,
        "correct the line; then SELECT pg_reload_conf()",
        Scope.SERVER,
        needs=_HBA,
    ),
    Check(
        "LV616",
        "preloaded-library",
        Severity.HIGH,
        "No library but pgaudit and auto_explain is loaded into sessions.",
        """
        SELECT name AS object, format('is %%s', quote_literal(current_setting(name))) AS detail,
               format('ALTER SYSTEM RESET %%I; SELECT pg_reload_conf();', name) AS mend
          FROM (VALUES ('session_preload_libraries'), ('local_preload_libraries')) AS one (name)
         WHERE regexp_replace(current_setting(name), 'pgaudit|auto_explain|[, "]', '', 'g') <> ''
        """,
        scope=Scope.SERVER,
        needs="GRANT pg_read_all_settings TO {login};",
    ),
    Check(
        "LV617",
        "prepared-transactions",
        Severity.HIGH,
        "No transaction outlives its session, and so no lock outlives a lease.",
        """
        SELECT name AS object, format('is %%s', setting) AS detail,
               'ALTER SYSTEM SET max_prepared_transactions = 0; -- then restart the server' AS mend
          FROM pg_settings WHERE name = 'max_prepared_transactions' AND setting <> '0'
        """,
        scope=Scope.SERVER,
    ),
)
