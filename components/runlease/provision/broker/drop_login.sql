
DECLARE
  v_oid pg_catalog.oid;
  v_mark pg_catalog.text;
  v_group pg_catalog.text;
  v_expires pg_catalog.timestamptz;
  v_outcome pg_catalog.text;
  v_detail pg_catalog.text;
  v_message pg_catalog.text;
  v_run pg_catalog.text;
  v_sweeper pg_catalog.bool;
BEGIN
  -- First, before anything is looked up: the caller's search_path may hold planted types and functions.
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  PERFORM set_config('lock_timeout', '10s', true);
  IF p_login !~ @login_pattern@ THEN
    RAISE EXCEPTION 'runlease: login % is outside the name space run_…', quote_literal(p_login)
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM @schema@.reap();
  SELECT r.oid, r.rolvaliduntil, shobj_description(r.oid, 'pg_authid') INTO v_oid, v_expires, v_mark
    FROM pg_roles r WHERE r.rolname = p_login;
  IF NOT FOUND THEN
    -- One look at both: a login that is just being made has its role and its schema in the same moment.
    IF EXISTS (SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
                WHERE n.nspname = p_login AND r.rolname = current_user
                  AND NOT EXISTS (SELECT FROM pg_roles l WHERE l.rolname = p_login)) THEN
      EXECUTE format('DROP SCHEMA %I CASCADE', p_login);
      RAISE LOG 'runlease ledger: event=schema login=% database=% caller=% outcome=dropped',
        p_login, current_database(), session_user;
      RETURN 'dropped';
    END IF;
    RETURN 'absent';
  END IF;
  -- A sweeper is a member of its group by the broker's own hand, and drops what Vault's logins of this database made.
  v_sweeper := split_part(v_mark, ' ', 3) IN (@makers@)
    AND EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles s ON s.oid = m.member
                 WHERE g.rolname = @sweeper@ AND s.rolname = session_user);
  IF v_mark IS NULL OR split_part(v_mark, ' ', 1) <> 'runlease'
     OR (split_part(v_mark, ' ', 3) <> session_user::text AND NOT v_sweeper) THEN
    RAISE EXCEPTION 'runlease: login % was not made by %', quote_literal(p_login), session_user
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  -- Vault and a sweep may drop the same login at once. A comment locks the role: whoever comes second waits here.
  BEGIN
    EXECUTE format('COMMENT ON ROLE %I IS %L', p_login, v_mark);
  EXCEPTION WHEN undefined_object THEN
    RETURN 'absent';
  END;
  -- Membership lets the broker end the login's sessions and drop what it owns; it goes with the role.
  EXECUTE format('GRANT %I TO %I', p_login, current_user)
          || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
  -- A login may always change its own password, and so hold its row in a transaction that it never ends: its sessions
  -- go first, and again where one came back in the meantime.
  FOR v_try IN 1 .. 10 LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.usesysid = v_oid;
    BEGIN
      PERFORM set_config('lock_timeout', '1s', true);
      EXECUTE format('ALTER ROLE %I NOLOGIN CONNECTION LIMIT 0 PASSWORD NULL', p_login);
      EXIT;
    -- internal_error: "tuple concurrently updated", where it changed its password a moment before.
    EXCEPTION WHEN lock_not_available OR internal_error THEN
      IF v_try = 10 THEN
        RAISE;
      END IF;
    END;
  END LOOP;
  PERFORM set_config('lock_timeout', '10s', true);
  PERFORM pg_stat_clear_snapshot();
  PERFORM pg_terminate_backend(a.pid, 3000) FROM pg_stat_activity a WHERE a.usesysid = v_oid;
  BEGIN
    IF EXISTS (SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
                WHERE n.nspname = p_login AND r.rolname = current_user) THEN
      EXECUTE format('DROP SCHEMA %I CASCADE', p_login);
    END IF;
    EXECUTE format('DROP OWNED BY %I', p_login);
    EXECUTE format('DROP ROLE %I', p_login);
    v_outcome := 'dropped';
  -- Whatever it is: an error here would leave the login alive until it expires. OTHERS is without query_canceled.
  EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL, v_message = MESSAGE_TEXT;
    v_outcome := 'quarantined';
    FOR v_group IN SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = v_oid LOOP
      EXECUTE format('REVOKE %I FROM %I', v_group, p_login);
    END LOOP;
    -- The name of its run stays, for who finds it: a Task's first step has written it, and nothing trusts it.
    SELECT o.option_value INTO v_run FROM pg_db_role_setting s, pg_options_to_table(s.setconfig) o
     WHERE s.setrole = v_oid AND s.setdatabase = 0 AND o.option_name = 'application_name';
    EXECUTE format('ALTER ROLE %I RESET ALL', p_login);
    IF v_run IS NOT NULL THEN
      EXECUTE format('ALTER ROLE %I SET application_name = %L', p_login, v_run);
    END IF;
    EXECUTE format('COMMENT ON ROLE %I IS %L', p_login, regexp_replace(v_mark, '^runlease live', 'runlease quarantined'));
    RAISE WARNING 'runlease: login % is quarantined (no login, no password, no membership): %', p_login,
      replace(coalesce(nullif(v_detail, ''), v_message), E'\n', '; ');
  END;
  -- Once more, on a new list: who authenticated since the first sweep. The role may be gone, so by oid.
  PERFORM pg_stat_clear_snapshot();
  BEGIN
    PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.usesysid = v_oid;
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'runlease: a session of % outlives it, and ending it needs pg_signal_backend', p_login;
  END;
  RAISE LOG 'runlease ledger: event=drop login=% oid=% database=% profile=% caller=% expires=% outcome=%',
    p_login, v_oid, current_database(), split_part(v_mark, ' ', 4), session_user,
    to_char(v_expires AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), v_outcome;
  RETURN v_outcome;
END
