#!/bin/sh
# Made by runlease wrap: the lines before the mark hold the lease for this step. Edit the Task that was wrapped.
# Usage: wrapped.sh SHARED_DIRECTORY STEP CONNECTIONS [COMMAND] [ARGUMENT...]
# shellcheck disable=SC2317 # what stands before the last exit is reached: a trap says the farewell
set -eu
dir=$1 step=$2 connections=$3
shift 3
# include steps/lease.sh
# include steps/connection.sh

# The step's own script stands below the mark; a step with a command has none, and the arguments begin with it.
own_script() (
  below=
  while IFS= read -r line || [ -n "$line" ]; do
    [ -z "$below" ] || printf '%s\n' "$line"
    [ "$line" != '# runlease wrap: the script of the step' ] || below=yes
  done <"$0"
)
own_script >"$dir/step-$step"
if [ -s "$dir/step-$step" ]; then
  chmod 700 "$dir/step-$step"
  set -- "$dir/step-$step" "$@"
else
  rm -f "$dir/step-$step"
fi

# A child, so that its traps and its exec are its own. This shell holds the line, waits, and says the farewell.
"$@" 9>&-
exit
