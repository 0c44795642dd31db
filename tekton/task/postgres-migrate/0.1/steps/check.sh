#!/bin/sh
# Waits for the lease and proves it before any other step works: TLS, the login, the role of the session.
# Usage: check.sh SHARED_DIRECTORY
set -eu
dir=$1
export PGSERVICEFILE="$dir/pg_service.conf" PGPASSFILE="$dir/pgpass" PGCLIENTENCODING=UTF8

stop() {
  echo "check: $1" >&2
  exit 1
}

# The guard answers within 20 s of its start; a step does not begin before the guard's image is there.
tries=0
until [ -e "$dir/ready" ]; do
  [ ! -s "$dir/failed" ] || stop "$(cat "$dir/failed")"
  tries=$((tries + 1))
  [ "$tries" -le 300 ] || stop "no lease (got no answer of the guard in 60 s, expected $dir/ready). Fix: see the guard's log"
  sleep 0.2
done

# The dead-man line: the kernel closes it however this step dies. Opening blocks when the guard is gone.
(sleep 10 >/dev/null 2>&1 && echo "check: nobody listens on $dir/line (the guard is gone)" >&2 && kill "$$") &
watchdog=$!
exec 9>"$dir/line"
kill "$watchdog" 2>/dev/null || :
say_farewell() {
  status=$?
  trap '' PIPE
  if [ "$status" -eq 0 ]; then word=handover; else word=failed; fi
  { echo "$word" >&9; } 2>/dev/null || :
}
trap say_farewell EXIT
trap 'exit 143' HUP INT TERM
echo check >&9

# As its owner role a session may not see its own row of pg_stat_ssl: it looks as the login.
verdict=$(
  psql -X -q -A -t -v ON_ERROR_STOP=1 -v lease="$(cat "$dir/lease.json")" "service=runlease" 9>&- <<'SQL'
SELECT current_user AS role \gset
SET ROLE NONE;
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
