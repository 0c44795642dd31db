#!/bin/sh
# The connection for tools that do not read libpq's service file. A step of a wrapped Task includes it after lease.sh.
# It wants `connections`, some of: service, variables, libpq-url=NAME, jdbc-url=NAME. The password stands in PGPASSFILE
# alone, never in a variable. What runs in a subshell changes no variable that is the step's own.

# setting KEY: its value in the service file.
setting() (
  while IFS= read -r line; do
    case $line in "$1="*) printf %s "${line#*=}" ;; esac
  done <"$dir/pg_service.conf"
)

encoded() (
  LC_ALL=C # elsewhere é may stand between A and z
  case $1 in
    *[!A-Za-z0-9._/-]*) for byte in $(printf %s "$1" | od -A n -v -t x1); do printf '%%%s' "$byte"; done ;;
    *) printf %s "$1" ;;
  esac
)

# query KEY=NAME...: the settings that there are, each under the name that the driver gives it.
query() (
  mark='?'
  for pair; do
    value=$(setting "${pair%%=*}")
    [ -n "$value" ] || continue
    printf '%s%s=%s' "$mark" "${pair#*=}" "$(encoded "$value")"
    mark='&'
  done
)

place() (
  printf '%s:%s/%s' "$(setting host)" "$(setting port)" "$(encoded "$(setting dbname)")"
)

# Go's lib/pq takes channel_binding in a URL for a setting of the server: it stands in PGCHANNELBINDING.
libpq_url() (
  printf 'postgresql://%s@%s' "$(encoded "$(setting user)")" "$(place)"
  query sslmode=sslmode sslrootcert=sslrootcert application_name=application_name options=options
)

# pgjdbc reads neither libpq's names in a service file nor `system`.
jdbc_url() (
  root=sslrootcert=sslrootcert
  [ "$(setting sslrootcert)" != system ] || root=
  printf 'jdbc:postgresql://%s' "$(place)"
  # shellcheck disable=SC2086 # one word or none
  query user=user sslmode=sslmode $root channel_binding=channelBinding application_name=ApplicationName options=options
  [ -n "$root" ] || printf '&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory'
)

for runlease_connection in $connections; do
  case $runlease_connection in
    *-url=*)
      command -v od >/dev/null || stop "no od in the step's image (it encodes the URL). Fix: use an image with coreutils or busybox"
      PGCHANNELBINDING=$(setting channel_binding)
      export PGCHANNELBINDING
      ;;
  esac
  case $runlease_connection in
    libpq-url=*) runlease_value=$(libpq_url) && export "${runlease_connection#*=}=$runlease_value" ;;
    jdbc-url=*) runlease_value=$(jdbc_url) && export "${runlease_connection#*=}=$runlease_value" ;;
    variables)
      PGHOST=$(setting host) PGPORT=$(setting port) PGDATABASE=$(setting dbname) PGUSER=$(setting user)
      PGSSLMODE=$(setting sslmode) PGSSLROOTCERT=$(setting sslrootcert) PGCHANNELBINDING=$(setting channel_binding)
      PGAPPNAME=$(setting application_name) PGOPTIONS=$(setting options)
      export PGHOST PGPORT PGDATABASE PGUSER PGSSLMODE PGSSLROOTCERT PGCHANNELBINDING PGAPPNAME PGOPTIONS
      ;;
  esac
done
# Drivers that know no service file stop at these two: Go's lib/pq before 2026.
case " $connections " in
  *' service '*) ;;
  *) unset PGSERVICE PGSERVICEFILE ;;
esac
