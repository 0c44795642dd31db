#!/bin/sh
# The beginning of every step that works under a lease: it waits for the lease, and holds the dead-man line.
# A step includes it. It wants `step`, the step's name in messages, and `dir`, what the guard shares with the steps;
# it gives `stop MESSAGE...`, libpq's settings, and the line as fd 9, which children do not keep (`command 9>&-`).

# Where the guard has failed, its reason is the one to read; say_farewell says it.
stop() {
  [ -s "$dir/failed" ] || echo "$step: $*" >&2
  exit 1
}

say_farewell() {
  status=$?
  trap '' PIPE
  if [ "$status" -eq 0 ]; then word=handover; else word=failed; fi
  { echo "$word" >&9; } 2>/dev/null || :
  [ "$status" -eq 0 ] || [ ! -s "$dir/failed" ] || echo "$step: $(cat "$dir/failed")" >&2
}
trap say_farewell EXIT

# The guard answers within 20 s of its start; a step does not begin before the guard's image is there.
tries=0
until [ -e "$dir/ready" ]; do
  [ ! -s "$dir/failed" ] || stop failed
  [ ! -s "$dir/revoked" ] || stop "the lease is given back already (got $(cat "$dir/revoked")). Fix: see the guard's log"
  tries=$((tries + 1))
  [ "$tries" -le 300 ] || stop "no lease (got no answer of the guard in 60 s, expected $dir/ready). Fix: see the guard's log"
  sleep 0.2
done

# The dead-man line: the kernel closes it however this step dies. Opening blocks when the guard is gone.
(sleep 10 >/dev/null 2>&1 && echo "$step: nobody listens on $dir/line (the guard is gone)" >&2 && kill "$$") &
watchdog=$!
exec 9>"$dir/line"
kill "$watchdog" 2>/dev/null || :
trap 'exit 143' HUP INT TERM # not before: the watchdog is born with the traps of this shell, and could miss its end
echo "$step" >&9

# In libpq, what the service says wins over every other PG… variable.
export PGSERVICEFILE="$dir/pg_service.conf" PGPASSFILE="$dir/pgpass" PGSERVICE=runlease PGCLIENTENCODING=UTF8
