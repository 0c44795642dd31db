#!/bin/sh
# Runs SQL, given as text or as files, or a command of the user's own, under the lease.
# Usage: run.sh SHARED_DIRECTORY RESULT_FILE WORKSPACE DIRECTORY TRANSACTION SQL [FILE...] -- [COMMAND ARGUMENT...]
set -eu
step=run dir=$1 result=$2 workspace=$3 directory=$4 transaction=$5 text=$6
shift 6
# include steps/lease.sh
# include steps/sql.sh

files=0
for argument; do
  [ "$argument" != -- ] || break
  files=$((files + 1))
done
given=${text:+sql}
[ "$files" -eq 0 ] || given="${given:+$given and }files"
[ "$#" -eq "$((files + 1))" ] || given="${given:+$given and }command"
case $given in
  '') stop "nothing to run (got no sql, no files and no command, expected one). Fix: set one of these parameters" ;;
  *' and '*) stop "too much to run (got $given, expected one). Fix: set one of these parameters" ;;
esac
case $transaction in
  on | off) ;;
  *) stop "unknown transaction (got '$transaction', expected on or off). Fix: correct the parameter" ;;
esac
if [ -n "$workspace" ]; then
  cd "$workspace/$directory" 2>/dev/null || stop "no directory $directory in the workspace. Fix: correct the parameter directory"
elif [ "$given" = files ]; then
  stop "files without a workspace (got none, expected source). Fix: bind it"
fi

sed -n 's/.*"username": "\([^"]*\)".*/\1/p' "$dir/lease.json" | tr -d '\n' >"$result"
case $given in
  sql)
    file=${TMPDIR:-/tmp}/sql
    printf '%s\n' "$text" >"$file"
    run_files "$transaction" "$file"
    ;;
  files)
    while [ "$1" != -- ]; do
      set -- "$@" "$1"
      shift
    done
    shift
    run_files "$transaction" "$@"
    ;;
  command)
    shift
    "$@" 9>&-
    ;;
esac
echo "run: done"
