#!/bin/sh
# Brings the rows of CSV files, and what SQL files do, into the database: in the order of their names, in one transaction.
# Usage: seed.sh SHARED_DIRECTORY CHANGED_FILE ROWS_FILE WORKSPACE DIRECTORY [KEY...]
set -eu
step=seed dir=$1 changed_file=$2 rows_file=$3 workspace=$4 directory=$5
shift 5
# include steps/lease.sh
# include steps/sql.sh

cd "$workspace/$directory" 2>/dev/null || stop "no directory $directory in the workspace. Fix: correct the parameter directory"
export LC_ALL=C # the order of the files
newline='
'

# psql reads one program, and says on fd 3 how far it is: `file NAME` at each beginning, and as the last line `stop REASON`
# or `done NUMBER ROWS`. That psql ends well is no proof: a file may COMMIT, or read the lines after it as its own input.
program() {
  begin
  number=0
  for file in *; do
    case $file in
      *.csv) part=csv_file ;;
      *.sql) part=sql_file ;;
      *) continue ;;
    esac
    number=$((number + 1))
    printf '%s\n' "\\set seed_file :file_$number" "\\set seed_header :header_$number"
    say "file :seed_file"
    $part
  done
  count
  say "file COMMIT"
  echo "COMMIT;"
  say "done :seed_changed :seed_rows"
}

say() {
  printf '%s\n' '\o | cat >&3' "\\qecho $1" '\o'
}

# A local setting lives as long as its transaction.
begin() {
  cat <<'SQL'
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL runlease.transaction = 'on';
SET LOCAL runlease.unchanged = '{}';
SELECT (
  SELECT format('no such unique index (got %s, expected names of some). Fix: correct the parameter keys', string_agg(key, ', '))
    FROM unnest(string_to_array(:'seed_keys', E'\n')) AS key
   WHERE NOT EXISTS (SELECT FROM pg_class JOIN pg_index ON oid = indexrelid WHERE relname = key AND indisunique)
  HAVING count(*) > 0) AS seed_refusal \gset
\if :{?seed_refusal}
  \o | cat >&3
  \qecho stop :seed_refusal
  \q
\endif
SQL
}

csv_file() {
  cat <<'SQL'
# include task/postgres-seed/0.1/steps/csv.sql
SQL
}

sql_file() {
  cat <<'SQL'
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) AS seed_before FROM pg_stat_xact_user_tables \gset
\i :seed_file
\set ON_ERROR_STOP on
SELECT CASE WHEN coalesce(current_setting('runlease.transaction', true), '') <> 'on' THEN
    'it ends the transaction (got COMMIT or ROLLBACK, expected neither). Fix: put right what it left, without them'
  END AS seed_refusal \gset
\if :{?seed_refusal}
  \o | cat >&3
  \qecho stop :seed_file: :seed_refusal
  \q
\endif
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) - :seed_before AS seed_changed FROM pg_stat_xact_user_tables \gset
\echo :seed_file: :seed_changed rows changed
SQL
}

# PostgreSQL's own count of what the transaction has done; a partition counts as its table. Results must be short.
count() {
  cat <<'SQL'
WITH counts AS (
  SELECT coalesce(pg_partition_root(relid), relid)::oid AS target, n_tup_ins AS ins, n_tup_upd AS upd, n_tup_del AS del, 0 AS same
    FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
  UNION ALL
  SELECT key::oid, 0, 0, 0, value::bigint FROM jsonb_each_text(current_setting('runlease.unchanged')::jsonb)
), summed AS (
  SELECT coalesce(nspname || '.' || relname, '*') AS name, coalesce(sum(ins + upd + del), 0) AS changed, jsonb_build_object(
      'inserted', sum(ins), 'updated', sum(upd), 'deleted', sum(del), 'unchanged', sum(same)) AS rows
    FROM counts JOIN pg_class ON pg_class.oid = target JOIN pg_namespace ON pg_namespace.oid = relnamespace
   GROUP BY GROUPING SETS ((nspname, relname), ())
), texts AS (
  SELECT max(changed) FILTER (WHERE name = '*') AS changed,
    jsonb_object_agg(name, rows) FILTER (WHERE name = '*')::text AS total,
    coalesce(jsonb_object_agg(name, rows) FILTER (WHERE name <> '*'), '{}')::text AS tables
    FROM summed
)
SELECT changed AS seed_changed, CASE WHEN length(tables) <= 2000 THEN tables ELSE total END AS seed_rows FROM texts \gset
SQL
}

keys=$(printf '%s\n' "$@")
set -- -v "seed_keys=$keys"
files=0
for file in *; do
  case $file in
    *.csv)
      need_utf8 "$file"
      # psql before 18 takes this line for the end of the file, and leaves out the rest.
      line=$(tr -d '\r' <"$file" | grep -n -x -m 1 '\\[.]') &&
        stop "$file: a line that hides what follows it (got \\. alone in line ${line%%:*}, expected a row). Fix: quote it"
      ;;
    *.sql) need_utf8 "$file" ;;
    *) continue ;;
  esac
  files=$((files + 1))
  set -- "$@" -v "file_$files=$file" -v "header_$files=$(head -n 1 <"$file")"
done
[ "$files" -gt 0 ] || stop "no *.csv and no *.sql in $directory (got none, expected one at least). Fix: set the parameter directory"

said=$(program | sql "$@" -f - 3>&1 >&4 4>&-) && code=0 || code=$?
said=${said##*"$newline"}
case $said in
  'done '*) ;;
  'stop '*) stop "${said#stop }" ;;
  'file '*)
    [ "$code" -ne 0 ] || stop "${said#file }: it ended psql (got its end, expected the next file). Fix: no \\prompt, no pstdin"
    stop "${said#file }: not seeded (see psql's message above), nor any other file. Fix: correct it, and run again"
    ;;
  *) stop "no session (see psql's message above). Fix: run again" ;;
esac
rows=${said#done * }
changed=${said#done }
changed=${changed%% *}
printf '%s' "$changed" >"$changed_file"
printf '%s' "$rows" >"$rows_file"
if [ "$changed" -eq 0 ]; then echo "seed: nothing to change: $rows"; else echo "seed: $changed rows changed: $rows"; fi
