#!/bin/sh
# Waits for the lease and proves it before any other step works: TLS, the login, the role of the session.
# Usage: check.sh SHARED_DIRECTORY
set -eu
step=check dir=$1
# include steps/lease.sh

# As its owner role a session may not see its own row of pg_stat_ssl: it looks as the login. The name of the PipelineRun
# becomes a setting of the login, gone with it, by which the Task lease-audit finds what a run has left.
verdict=$(
  psql -X -q -A -t -v ON_ERROR_STOP=1 -v lease="$(cat "$dir/lease.json")" "service=runlease" 9>&- <<'SQL'
SELECT current_user AS role \gset
SET ROLE NONE;
SELECT format('ALTER ROLE %I SET application_name = %L', session_user, l->>'run')
  FROM (SELECT :'lease'::json AS l) AS file WHERE l->>'username' = session_user AND l->>'run' <> '' \gexec
SELECT CASE
    WHEN tls.ssl IS NOT TRUE
      THEN 'no TLS (got a plain connection, expected TLS). Fix: a hostssl line in pg_hba.conf'
    WHEN session_user <> lease.login
      THEN format('not the leased login (got %s, expected %s). Fix: connect without a pooler', session_user, lease.login)
    WHEN :'role' <> lease.role
      THEN format('not the lease''s role (got %s, expected %s). Fix: deploy the installation', :'role', lease.role)
    ELSE format('ok: %s as %s over %s', session_user, :'role', tls.version)
  END
FROM (SELECT l->>'username' AS login, coalesce(nullif(l->>'role', ''), l->>'username') AS role
        FROM (SELECT :'lease'::json AS l) AS file) AS lease
LEFT JOIN (SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls ON true;
SQL
) || stop "no session (see psql's message above). Fix: check the database's address, CA and pg_hba.conf"
case $verdict in
  ok:*) echo "check: $verdict" ;;
  *) stop "$verdict" ;;
esac
