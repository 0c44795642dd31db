#!/bin/sh
# Shows the schema that came with the lease, and fills it from SQL files.
# Usage: prepare.sh SHARED_DIRECTORY RESULT_FILE WORKSPACE DIRECTORY [FILE...]
set -eu
step=prepare dir=$1 result=$2 workspace=$3 directory=$4
shift 4
# include steps/lease.sh
# include steps/sql.sh

schema=$(
  sql -A -t <<'SQL'
SELECT session_user WHERE current_user = session_user AND current_schema() = session_user
  AND has_schema_privilege(current_schema(), 'CREATE');
SQL
) || stop "no session (see psql's message above). Fix: look into it"
[ -n "$schema" ] ||
  stop "no schema of its own (got a lease without one, expected one of the profile sandbox). Fix: correct the parameter lease"
printf '%s' "$schema" >"$result"
sql -A -t <<'SQL'
SELECT format('prepare: schema %s, dropped with its login by %s', rolname, rolvaliduntil) FROM pg_roles
 WHERE rolname = current_user;
SELECT format('prepare: at most %s sessions', rolconnlimit) FROM pg_roles WHERE rolname = current_user;
SELECT format('prepare: %s %s, unless a session sets its own', name, current_setting(name))
  FROM unnest(ARRAY['statement_timeout', 'idle_in_transaction_session_timeout']) AS name;
SQL

[ "$#" -gt 0 ] || exit 0
[ -n "$workspace" ] || stop "files without a workspace (got none, expected source). Fix: bind it"
cd "$workspace/$directory" 2>/dev/null || stop "no directory $directory in the workspace. Fix: correct the parameter directory"
run_files off "$@"
echo "prepare: ran $# files"
