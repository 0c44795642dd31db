#!/bin/sh
# Applies ordered SQL files, each once, or runs a migration command of the user's own, as the lease's owner role.
# Usage: migrate.sh SHARED_DIRECTORY RESULT_FILE SQL_DIRECTORY [COMMAND ARGUMENT...]
set -eu
export LC_ALL=C
step=migrate dir=$1 result=$2 directory=$3
shift 3
# include steps/lease.sh

cd "$directory" || stop "no directory $directory. Fix: set the parameter directory"
if [ "$#" -gt 0 ]; then
  "$@" 9>&-
  exit
fi

# Children do not hold the line: it is this shell's.
sql() {
  psql -X -q -v ON_ERROR_STOP=1 "$@" "service=runlease" 9>&-
}

# The owner keeps the record in the first schema of its search_path; the advisory lock serves two first runs at once.
prepare() {
  sql <<'SQL'
SELECT current_user = session_user OR current_schema() IS NULL AS runlease_homeless \gset
\if :runlease_homeless
  \set SHOW_CONTEXT never
  DO 'BEGIN RAISE EXCEPTION ''no owner role, or no schema in its search_path. Fix: use a lease of the profile migrator''; END';
\endif
SELECT to_regclass(format('%I.runlease_migration', current_schema())) IS NULL AS runlease_missing \gset
\if :runlease_missing
  BEGIN;
  SELECT pg_advisory_xact_lock(hashtext('runlease_migration')) AS runlease_ignored \gset
  SET LOCAL client_min_messages = warning;
  CREATE TABLE IF NOT EXISTS runlease_migration (
    file text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz,  -- NULL: begun without a transaction, and not ended
    applied_by name NOT NULL
  );
  COMMIT;
\endif
SQL
}

# One session per file, so that nothing of a file reaches the next. The table lock makes two runs take turns; what the
# run knew before it is asked again under it. A file and its record are one transaction. A file without a transaction
# is recorded as begun before it and as applied after it. A run that finds it begun by another login stops while that
# login exists; once it is gone, so is its run, and the file is applied again.
apply() {
  sql -v runlease_path="$1" -v runlease_file="$2" -v runlease_sha256="$3" -v runlease_transaction="$4" <<'SQL'
SELECT current_schema() AS runlease_schema \gset
BEGIN ISOLATION LEVEL READ COMMITTED;
LOCK TABLE :"runlease_schema".runlease_migration IN SHARE ROW EXCLUSIVE MODE;
SELECT clock_timestamp() AS runlease_begun,
  coalesce(bool_or(applied_at IS NOT NULL AND sha256 = :'runlease_sha256'), false) AS runlease_done,
  max(CASE
    WHEN applied_at IS NOT NULL AND sha256 <> :'runlease_sha256' THEN format(
      '%s: changed after it was applied (got sha256 %s, expected %s). Fix: restore it, and put the change into a new file',
      file, :'runlease_sha256', sha256)
    WHEN applied_at IS NULL AND applied_by <> session_user AND EXISTS (SELECT FROM pg_roles WHERE rolname = applied_by) THEN format(
      '%s: another run is applying it (got login %s, expected none). Fix: wait for the end of its lease', file, applied_by)
    END) AS runlease_refusal
FROM :"runlease_schema".runlease_migration WHERE file = :'runlease_file' \gset
\if :runlease_done
  \quit
\endif
\if :{?runlease_refusal}
  SELECT set_config('runlease.refusal', :'runlease_refusal', false) AS runlease_ignored \gset
  \set SHOW_CONTEXT never
  DO 'BEGIN RAISE EXCEPTION ''%'', current_setting(''runlease.refusal''); END';
\endif
SELECT pg_current_xact_id() AS runlease_xact \gset
\if :runlease_transaction
\else
  INSERT INTO :"runlease_schema".runlease_migration VALUES (:'runlease_file', :'runlease_sha256', NULL, session_user)
    ON CONFLICT (file) DO UPDATE SET sha256 = excluded.sha256, applied_by = excluded.applied_by;
  COMMIT;
\endif
\i :runlease_path
\set ON_ERROR_STOP on
SELECT CASE
    WHEN :'runlease_transaction' = 'on' AND pg_current_xact_id_if_assigned() IS DISTINCT FROM :'runlease_xact'::xid8 THEN format(
      '%s: it ends its own transaction (got COMMIT or ROLLBACK, expected neither). Fix: put right what it left, and take them out',
      :'runlease_file')
    WHEN :'runlease_transaction' = 'off' AND now() <> statement_timestamp() THEN format(
      '%s: it leaves a transaction open (got BEGIN, expected its end). Fix: end it in the file', :'runlease_file')
  END AS runlease_refusal \gset
\if :{?runlease_refusal}
  SELECT set_config('runlease.refusal', :'runlease_refusal', false) AS runlease_ignored \gset
  \set SHOW_CONTEXT never
  DO 'BEGIN RAISE EXCEPTION ''%'', current_setting(''runlease.refusal''); END';
\endif
INSERT INTO :"runlease_schema".runlease_migration
  VALUES (:'runlease_file', :'runlease_sha256', clock_timestamp(), session_user)
  ON CONFLICT (file) DO UPDATE SET sha256 = excluded.sha256, applied_at = excluded.applied_at, applied_by = excluded.applied_by;
SELECT round(extract(epoch FROM clock_timestamp() - :'runlease_begun'), 2) AS runlease_seconds \gset
\if :runlease_transaction
  COMMIT;
\endif
\echo applied :runlease_file (:runlease_seconds s)
SQL
}

prepare || stop "no record of migrations (see psql's message above). Fix: check the lease's role and search_path"
newline='
'
recorded=$(sql -A -t -F ' ' -c "SELECT sha256, file FROM runlease_migration WHERE applied_at IS NOT NULL")
files=0
for path in ./*.sql; do
  [ -f "$path" ] || stop "no *.sql in $directory (got none, expected one at least). Fix: set the parameter directory"
  files=$((files + 1))
  name=${path#./}
  sha256=$(sha256sum <"$path")
  sha256=${sha256%% *}
  case "$newline$recorded$newline" in
    *"$newline$sha256 $name$newline"*) continue ;;
  esac
  IFS= read -r first <"$path" || :
  case $first in
    '-- runlease: no-transaction') transaction=off ;;
    '-- runlease:'*) stop "$name: unknown first line (got '$first', expected '-- runlease: no-transaction'). Fix: correct it" ;;
    *) transaction=on ;;
  esac
  apply "$path" "$name" "$sha256" "$transaction" ||
    stop "$name: not applied (see psql's message above), nor what follows it. Fix: correct the file, and run again"
done

applied=$(sql -A -t -c "SELECT count(*) FROM runlease_migration WHERE applied_by = session_user AND applied_at IS NOT NULL")
printf '%s' "$applied" >"$result"
echo "migrate: applied $applied of $files files"
