#!/bin/sh
# Looks for what is left of the PipelineRun, until nothing is or the patience is over.
# Usage: audit.sh SHARED_DIRECTORY RESULT_FILE PATIENCE
set -eu
step=audit dir=$1 result=$2 patience=$3
# include steps/lease.sh

# A leased login bears the broker's comment: runlease, live or quarantined, Vault's login that made it, … Those of this
# database were made by the two logins of its tiers. The step check of each Task wrote the run's name on its login.
# What has lost its login bears no name any more, so it is reported whichever run it is of.
look() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 -v lease="$(cat "$dir/lease.json")" "service=runlease" 9>&- <<'SQL'
WITH leased AS (
  SELECT oid, rolname, rolvaliduntil, string_to_array(shobj_description(oid, 'pg_authid'), ' ') AS mark FROM pg_roles
   WHERE shobj_description(oid, 'pg_authid') LIKE 'runlease %'
), own AS (
  SELECT oid, regexp_replace(mark[3], '_migrator$', '') AS maker FROM leased WHERE rolname = session_user
), of_run AS (
  SELECT leased.* FROM leased, own
   WHERE leased.oid <> own.oid AND regexp_replace(leased.mark[3], '_migrator$', '') = own.maker
     AND EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = leased.oid AND setdatabase = 0
       AND 'application_name=' || (:'lease'::json->>'run') = ANY (setconfig))
)
SELECT format('login %s, %s, valid until %s', rolname, mark[2], rolvaliduntil) FROM of_run
UNION ALL
SELECT format('session %s of login %s in database %s', pid, rolname, datname)
  FROM pg_stat_activity JOIN of_run ON of_run.oid = usesysid
UNION ALL
SELECT format('schema %s', nspname) FROM pg_namespace JOIN of_run ON nspname = rolname
UNION ALL
SELECT format('objects of login %s in %s: %s', rolname, coalesce('database ' || datname, 'the server'), count(*))
  FROM pg_shdepend JOIN of_run ON of_run.oid = refobjid LEFT JOIN pg_database d ON d.oid = dbid
 WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o' GROUP BY rolname, datname
UNION ALL
SELECT format('session %s of a login that is gone, application_name %s', pid, application_name) FROM pg_stat_activity
 WHERE datname = current_database() AND usesysid <> 0 AND NOT EXISTS (SELECT FROM pg_roles WHERE oid = usesysid)
UNION ALL
SELECT format('schema %s of a login that is gone', nspname) FROM pg_namespace
 WHERE nspname ~ '^run_[a-z0-9][a-z0-9_-]{8,58}$' AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = nspname)
UNION ALL
SELECT format('%s of a role that is gone, %s', classid::regclass, refobjid) FROM pg_shdepend
 WHERE refclassid = 'pg_authid'::regclass AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND NOT EXISTS (SELECT FROM pg_roles WHERE oid = refobjid);
SQL
}

case $patience in
  '' | *[!0-9]*) stop "patience is no number of seconds (got '$patience', expected e.g. 40). Fix: correct the parameter" ;;
esac
run=$(sed -n 's/.*"run": "\([^"]*\)".*/\1/p' "$dir/lease.json")
[ -n "$run" ] || stop "no PipelineRun (got no label tekton.dev/pipelineRun). Fix: use the Task in a Pipeline's finally"
waited=0
left=$(look) || stop "no answer (see psql's message above). Fix: use a lease of the profile verifier"
while [ -n "$left" ] && [ "$waited" -lt "$patience" ]; do
  [ "$waited" -gt 0 ] || printf '%s\n' "audit: waiting up to $patience s for" "$left"
  sleep 1
  waited=$((waited + 1))
  left=$(look) || stop "no answer (see psql's message above). Fix: look into it"
done
count=$(printf '%s' "$left" | grep -c '' || :)
printf '%s' "$count" >"$result"
if [ "$count" -gt 0 ]; then
  printf '%s\n' "audit: after $waited s" "$left"
  stop "something of $run is left (got $count, expected nothing; the list stands above). Fix: see docs/recovery.md"
fi
echo "audit: nothing of $run is left in the database"
