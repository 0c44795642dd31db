#!/bin/sh
# Compares the database with what is committed: its schema, assertions in SQL, and tests that print TAP. Or describes it.
# Usage: verify.sh SHARED_DIRECTORY RESULT_FILE WORKSPACE OUTPUT DIRECTORY MODE TIMEOUT SCHEMA ASSERTIONS TESTS
set -eu
step=verify dir=$1 result=$2 workspace=$3 output=$4 directory=$5 mode=$6 timeout=$7
shift 7
schema=$1 assertions=$2 tests=$3
# include steps/lease.sh
# include steps/sql.sh

describe() {
  found=$(
    sql -f - <<'SQL'
# include task/postgres-verify/0.1/steps/describe.sql
SQL
  ) || stop "the schema is not described (see psql's message above)"
  [ -n "$found" ] ||
    stop "no schema (got none that the lease may use in its search_path, expected one). Fix: see its role and search_path"
}

# Their order means nothing, nor do comments, empty lines and the number of blanks.
facts() {
  sed -e 's/[[:space:]]\{1,\}/ /g' -e 's/^ //' -e 's/ $//' -e '/^#/d' -e '/^$/d' -e "s/^/$1 /"
}

# A fact that stands on both sides is as expected; what is left stands on one.
compare() {
  { facts - <"$schema" && printf '%s\n' "$found" | facts +; } | sort -u | sort -k 2 | uniq -u -f 1
}

# Prints what the queries of a file return, then how many rows the last one did: still 1 when the file has no query.
ask() {
  sql -A -t -P 'null=(null)' -v verify_file="$1" -v verify_timeout="$timeout" -f - <<'SQL'
SET statement_timeout = :'verify_timeout';
BEGIN READ ONLY;
SELECT 1 AS verify_one \gset
\i :verify_file
\echo rows :ROW_COUNT
SQL
}

# Not in a READ ONLY transaction: pgTAP keeps its count in temporary tables.
test_file() {
  sql -A -t -v verify_file="$1" -v verify_timeout="$timeout" -f - <<'SQL'
SET statement_timeout = :'verify_timeout';
\i :verify_file
SQL
}

# Reads TAP and prints how many tests failed, how many ran, and how many were planned.
judge() {
  awk '
    /^(not )?ok/ { ran++ }
    /^not ok/ && !/# *[Tt][Oo][Dd][Oo]/ { failed++ }
    /^1\.\.[0-9]/ { planned = substr($0, 4) + 0; plan = 1 }
    /^Bail out!/ { plan = 0 }
    END { print failed + 0, ran + 0, plan ? planned : "none" }'
}

# differ NUMBER SUBJECT LINES: says what is not as expected; of many lines the first.
differ() {
  differences=$((differences + $1))
  echo "$2"
  printf '%s\n' "$3" | head -n 200
}

files_in() {
  for file in "$1"/*.sql; do
    [ -f "$file" ] || stop "no *.sql in $1 (got none, expected one at least). Fix: correct the parameter $2"
    need_utf8 "$file"
  done
}

verify_schema() {
  [ -f "$schema" ] ||
    stop "no $schema in $directory (got no such file, expected a description). Fix: commit what the mode describe prints"
  need_utf8 "$schema"
  describe
  different=$(compare)
  [ -z "$different" ] ||
    differ "$(printf '%s\n' "$different" | wc -l)" "$schema: expected (-) and found (+)" "$different"
}

verify_assertions() {
  files_in "$assertions" assertions
  for file in "$assertions"/*.sql; do
    answer=$(ask "$file") || stop "$file: not asked (see psql's message above). Fix: correct it, or use a lease that may ask it"
    case $answer in
      'rows 0') ;;
      'rows 1') stop "$file: it asks nothing (got no query, expected one that returns what is wrong). Fix: write one" ;;
      *)
        answer=${answer%"$newline"*}
        differ "$(printf '%s\n' "$answer" | wc -l)" "$file: expected no row and found" "$answer"
        ;;
    esac
  done
}

verify_tests() {
  files_in "$tests" tests
  for file in "$tests"/*.sql; do
    answer=$(test_file "$file") || stop "$file: it ends with an error (see psql's message above). Fix: correct it; \
pgTAP wants its extension in the search_path, and TEMPORARY on the database"
    verdict=$(printf '%s\n' "$answer" | judge)
    failed=${verdict%% *} counts=${verdict#* }
    if [ "$failed" -gt 0 ]; then
      differ "$failed" "$file: $failed tests failed" "$answer"
    elif [ "${counts% *}" != "${counts#* }" ]; then
      differ 1 "$file: not every test ran (got ${counts% *}, expected as planned ${counts#* })" "$answer"
    fi
  done
}

case $mode in
  verify | describe) ;;
  *) stop "unknown mode (got '$mode', expected verify or describe). Fix: correct the parameter" ;;
esac
export LC_ALL=C # the order of facts and files
newline='
'
if [ "$mode" = describe ]; then
  describe
  printf '%s\n' "$found"
  if [ -n "$output" ]; then
    mkdir -p "$(dirname "$output/$schema")"
    printf '%s\n' "$found" >"$output/$schema"
  fi
  exit
fi

[ -n "$schema$assertions$tests" ] ||
  stop "nothing to verify (got no schema, assertions or tests, expected one). Fix: set one of these parameters"
[ -n "$workspace" ] || stop "no workspace (got none, expected source with what is expected). Fix: bind it"
cd "$workspace/$directory" 2>/dev/null || stop "no directory $directory in the workspace. Fix: correct the parameter directory"
differences=0
[ -z "$schema" ] || verify_schema
[ -z "$assertions" ] || verify_assertions
[ -z "$tests" ] || verify_tests
printf '%s' "$differences" >"$result"
[ "$differences" -eq 0 ] ||
  stop "not as expected (got $differences difference(s) above, expected none). Fix: migrate, or commit what is right"
echo "verify: as expected"
