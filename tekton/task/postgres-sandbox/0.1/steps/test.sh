#!/bin/sh
# Runs the test command in the sandbox.
# Usage: test.sh SHARED_DIRECTORY WORKSPACE DIRECTORY [COMMAND ARGUMENT...]
set -eu
step="test" dir=$1 workspace=$2 directory=$3
shift 3
# include steps/lease.sh

if [ -n "$workspace" ]; then
  cd "$workspace/$directory" 2>/dev/null || stop "no directory $directory in the workspace. Fix: correct the parameter directory"
fi
if [ "$#" -eq 0 ]; then
  echo "test: no command"
  exit
fi
"$@" 9>&-
