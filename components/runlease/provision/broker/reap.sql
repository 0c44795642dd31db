
DECLARE
  v_pid pg_catalog.int4;
  v_oid pg_catalog.oid;
  v_ended pg_catalog.int4;
BEGIN
  -- First, before anything is looked up: the caller's search_path may hold planted types and functions.
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  -- A transaction keeps the first list of sessions that it saw.
  PERFORM pg_stat_clear_snapshot();
  v_ended := 0;
  -- Who slipped in before the drop committed outlives the role or its quarantine, and keeps an owner that it became.
  FOR v_pid, v_oid IN
    SELECT a.pid, a.usesysid FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.usesysid <> 0
       AND (NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.usesysid)
            OR shobj_description(a.usesysid, 'pg_authid') LIKE 'runlease quarantined %')
  LOOP
    BEGIN
      IF pg_terminate_backend(v_pid) THEN
        v_ended := v_ended + 1;
        RAISE LOG 'runlease ledger: event=reap oid=% database=% pid=% caller=% outcome=ended',
          v_oid, current_database(), v_pid, session_user;
      END IF;
    EXCEPTION WHEN insufficient_privilege THEN
      RAISE WARNING 'runlease: session % outlives its login, and ending it needs pg_signal_backend', v_pid;
    END;
  END LOOP;
  RETURN v_ended;
END
