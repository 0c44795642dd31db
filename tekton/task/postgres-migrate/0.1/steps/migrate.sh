#!/bin/sh
# Applies ordered SQL files, each once, or runs a migration command of the user's own, as the lease's owner role.
# Usage: migrate.sh SHARED_DIRECTORY APPLIED_FILE PENDING_FILE MODE WORKSPACE DIRECTORY [COMMAND ARGUMENT...]
set -eu
step=migrate dir=$1 applied_file=$2 pending_file=$3 mode=$4 workspace=$5 directory=$6
shift 6
# include steps/lease.sh
# include steps/sql.sh

case $mode in
  apply | plan) ;;
  *) stop "unknown mode (got '$mode', expected apply or plan). Fix: correct the parameter" ;;
esac
if [ -n "$workspace" ]; then
  cd "$workspace/$directory" 2>/dev/null || stop "no directory $directory in the workspace. Fix: correct the parameter directory"
fi
if [ "$#" -gt 0 ]; then
  [ "$mode" = apply ] || stop "a command cannot be planned (got plan, expected apply). Fix: let the command itself plan"
  "$@" 9>&-
  exit
fi
[ -n "$workspace" ] || stop "no workspace (got none, expected source with SQL files, or a command). Fix: bind it"
export LC_ALL=C # the order of the files
newline='
'

# The owner keeps the record in the first schema of its search_path. Prints a line for each file: sha256/applied/file.
read_record() {
  sql -A -t -F / <<'SQL'
SELECT current_user = session_user OR current_schema() IS NULL AS runlease_homeless,
  to_regclass(format('%I.runlease_migration', current_schema())) IS NOT NULL AS runlease_recorded \gset
\if :runlease_homeless
  \echo homeless
\elif :runlease_recorded
  SELECT sha256, applied_at IS NOT NULL, file FROM runlease_migration;
\endif
SQL
}

# The advisory lock serves two first runs at once.
make_record() {
  sql <<'SQL'
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
SQL
}

# apply PATH SHA256 TRANSACTION: one session per file, so that nothing of a file reaches the next. The table lock makes
# two runs take turns; what the run knew before it is asked again under it. A file and its record are one transaction. A
# file without a transaction is recorded as begun before it and as applied after it. A run that finds it begun by another
# login stops while that login exists; once it is gone, so is its run, and the file is applied again.
# Prints `applied`, `there` when another run was quicker, or why not. That psql ends well is no proof: see run_files.
apply() {
  sql -v runlease_path="$1" -v runlease_file="${1#./}" -v runlease_sha256="$2" -v runlease_transaction="$3" \
    3>&1 >&4 4>&- <<'SQL'
SELECT current_schema() AS runlease_schema \gset
BEGIN ISOLATION LEVEL READ COMMITTED;
LOCK TABLE :"runlease_schema".runlease_migration IN SHARE ROW EXCLUSIVE MODE;
SELECT clock_timestamp() AS runlease_begun,
  max(CASE
    WHEN applied_at IS NOT NULL AND sha256 = :'runlease_sha256' THEN 'there'
    WHEN applied_at IS NOT NULL
      THEN 'another run applied it otherwise (got two contents, expected one). Fix: put the change into a new file'
    WHEN applied_by <> session_user AND EXISTS (SELECT FROM pg_roles WHERE rolname = applied_by) THEN format(
      'another run is applying it (got login %s, expected none). Fix: wait for the end of its lease', applied_by)
    END) AS runlease_verdict
FROM :"runlease_schema".runlease_migration WHERE file = :'runlease_file' \gset
\if :{?runlease_verdict}
\else
  \if :runlease_transaction
    SET LOCAL runlease.transaction = 'on';
  \else
    INSERT INTO :"runlease_schema".runlease_migration VALUES (:'runlease_file', :'runlease_sha256', NULL, session_user)
      ON CONFLICT (file) DO UPDATE SET sha256 = excluded.sha256, applied_by = excluded.applied_by;
    COMMIT;
  \endif
  \i :runlease_path
  \set ON_ERROR_STOP on
  SELECT CASE
      WHEN :'runlease_transaction' = 'on' AND coalesce(current_setting('runlease.transaction', true), '') <> 'on'
        THEN 'it ends its own transaction (got COMMIT or ROLLBACK, expected neither). Fix: put right what it left, without them'
      WHEN :'runlease_transaction' = 'off' AND now() <> statement_timestamp()
        THEN 'it leaves a transaction open (got BEGIN, expected its end). Fix: end it in the file'
      ELSE 'applied'
    END AS runlease_verdict \gset
  SELECT :'runlease_verdict' = 'applied' AS runlease_applied \gset
  \if :runlease_applied
    INSERT INTO :"runlease_schema".runlease_migration
      VALUES (:'runlease_file', :'runlease_sha256', clock_timestamp(), session_user)
      ON CONFLICT (file) DO UPDATE
        SET sha256 = excluded.sha256, applied_at = excluded.applied_at, applied_by = excluded.applied_by;
    SELECT round(extract(epoch FROM clock_timestamp() - :'runlease_begun'), 2) AS runlease_seconds \gset
    \if :runlease_transaction
      COMMIT;
    \endif
    \echo applied :runlease_file (:runlease_seconds s)
  \endif
\endif
\o | cat >&3
\qecho :runlease_verdict
SQL
}

# What is wrong with any file is said before the first is applied. A file's number is its leading digits.
record=$newline$(read_record)$newline || stop "no record of migrations (see psql's message above). Fix: look into it"
[ "$record" != "${newline}homeless$newline" ] ||
  stop "no owner role, or no schema in its search_path. Fix: use a lease of the profile migrator"
files=0 last=-1 last_name=
for path in ./*.sql; do
  [ -f "$path" ] || stop "no *.sql in $directory (got none, expected one at least). Fix: correct the parameter directory"
  files=$((files + 1))
  name=${path#./}
  number=${name%%[!0-9]*}
  if [ -n "$number" ]; then
    [ "${#number}" -le 18 ] || stop "$name: its number is too long (got ${#number} digits, expected at most 18). Fix: rename it"
    number=${number#"${number%%[!0]*}"}
    number=${number:-0}
    [ "$number" -ne "$last" ] || stop "$name: two files with one number (got $last_name as well). Fix: rename the later one"
    [ "$number" -gt "$last" ] ||
      stop "$name: its number and its name disagree (got it after $last_name, expected before). Fix: as many digits for all"
    last=$number last_name=$name
  fi
  sha256=$(sha256sum <"$path")
  sha256=${sha256%% *}
  case $record in
    *"$newline$sha256/t/$name$newline"*) continue ;;
    *"/t/$name$newline"*)
      was=${record%%"/t/$name$newline"*}
      stop "$name: changed after it was applied (got sha256 $sha256, expected ${was##*"$newline"})." \
        "Fix: restore it, and put the change into a new file"
      ;;
  esac
  need_utf8 "$path"
  IFS= read -r first <"$path" || :
  case $first in
    '-- runlease: no-transaction') transaction=off ;;
    '-- runlease:'*) stop "$name: unknown first line (got '$first', expected '-- runlease: no-transaction'). Fix: correct it" ;;
    *) transaction=on ;;
  esac
  set -- "$@" "$path" "$sha256" "$transaction"
done

pending=$(($# / 3))
if [ "$mode" = plan ]; then
  while [ "$#" -gt 0 ]; do
    echo "would apply ${1#./}"
    shift 3
  done
fi
[ "$#" -eq 0 ] || make_record || stop "no record of migrations (see psql's message above). Fix: look into it"
applied=0
while [ "$#" -gt 0 ]; do
  name=${1#./}
  verdict=$(apply "$1" "$2" "$3") ||
    stop "$name: not applied (see psql's message above), nor what follows it. Fix: correct the file, and run again"
  case $verdict in
    applied) applied=$((applied + 1)) ;;
    there) ;;
    *) stop "$name: ${verdict:-it ended psql (got its end, expected the next file). Fix: no \\prompt, no \\copy from pstdin}" ;;
  esac
  pending=$((pending - 1))
  shift 3
done
printf '%s' "$applied" >"$applied_file"
printf '%s' "$pending" >"$pending_file"
if [ "$mode" = plan ]; then
  echo "migrate: plan: $pending of $files files would be applied"
else
  echo "migrate: applied $applied of $files files"
fi
