#!/bin/sh
# Asks the guard to give the lease back, and ends well only with the evidence that it is revoked.
# Usage: release.sh SHARED_DIRECTORY
set -eu
dir=$1

: >"$dir/release"
tries=0
until [ -s "$dir/revoked" ]; do
  if [ -s "$dir/failed" ]; then
    echo "release: $(cat "$dir/failed")" >&2
    exit 1
  fi
  tries=$((tries + 1))
  if [ "$tries" -gt 150 ]; then
    echo "release: not proven (got no evidence in 30 s, expected $dir/revoked). Fix: see the guard's log" >&2
    exit 1
  fi
  sleep 0.2
done
cat "$dir/revoked"
