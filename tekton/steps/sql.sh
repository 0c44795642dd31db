#!/bin/sh
# What the steps that run SQL files share. A step includes it after steps/lease.sh, which it wants.

exec 4>&1 # where a psql writes whose fd 3 is caught for its verdict

# One session. Children do not hold the line: it is this shell's.
sql() {
  psql -X -q -v ON_ERROR_STOP=1 "$@" "service=runlease" 9>&-
}

# need_utf8 FILE: stops unless it is UTF-8, before anything of it runs. Only line ends and what is not ASCII is looked at.
need_utf8() {
  [ -f "$1" ] || stop "${1#./}: no such file (got none, expected one in $PWD). Fix: correct the name or the directory"
  wrong=$(
    LC_ALL=C tr '\001-\011\013-\177' ' ' <"$1" | LC_ALL=C tr -s ' ' | od -An -v -tu1 | awk '
      BEGIN { line = 1 }
      {
        for (i = 1; i <= NF; i++) {
          byte = $i + 0
          if (more > 0) {
            if (byte < low || byte > high) { exit }
            more--; low = 128; high = 191
          } else if (byte == 10) { line++ } else if (byte != 32) {
            more = byte >= 240 ? 3 : byte >= 224 ? 2 : 1
            low = byte == 224 ? 160 : byte == 240 ? 144 : 128
            high = byte == 237 ? 159 : byte == 244 ? 143 : 191
            if (byte < 194 || byte > 244) { more = 1; exit }
          }
        }
      }
      END { if (more > 0) print line }'
  )
  [ -z "$wrong" ] ||
    stop "${1#./}: not UTF-8 (got another byte in line $wrong, expected UTF-8). Fix: iconv -f LATIN1 -t UTF-8"
}

# run_files TRANSACTION FILE...: one session, and with `on` one transaction. That psql ends well is no proof: a file may
# COMMIT, leave a transaction open, or read the lines below as its own input. So the last of them is waited for.
# A local setting lives as long as its transaction.
run_files() {
  transaction=$1
  shift
  for file; do
    need_utf8 "$file"
    set -- "$@" -f "$file"
    shift
  done
  if [ "$transaction" = on ]; then set -- -c "BEGIN" -c "SET LOCAL runlease.transaction = 'on'" "$@"; fi
  verdict=$(
    sql -v runlease_transaction="$transaction" "$@" -f - 3>&1 >&4 4>&- <<'SQL'
\set ON_ERROR_STOP on
SELECT CASE
    WHEN :'runlease_transaction' = 'off' AND now() <> statement_timestamp()
      THEN 'a transaction is left open (got BEGIN, expected its end). Fix: end it in the SQL'
    WHEN :'runlease_transaction' = 'on' AND coalesce(current_setting('runlease.transaction', true), '') <> 'on'
      THEN 'the SQL ends its own transaction (got COMMIT or ROLLBACK, expected neither). Fix: put right what it left, without them'
    ELSE 'done'
  END AS runlease_verdict \gset
SELECT :'runlease_transaction' = 'on' AND :'runlease_verdict' = 'done' AS runlease_commits \gset
\if :runlease_commits
  COMMIT;
\endif
\o | cat >&3
\qecho :runlease_verdict
SQL
  ) || stop "the SQL ended with an error (see psql's message above), and what was not committed is undone"
  [ -n "$verdict" ] || stop "the SQL ended psql (got its end, expected the next line). Fix: no \\prompt, no \\copy from pstdin"
  [ "$verdict" = "done" ] || stop "$verdict"
}
