
DECLARE
  v_until pg_catalog.timestamptz;
  v_group pg_catalog.text;
  v_longest pg_catalog.int4;
  v_connections pg_catalog.int4;
  v_owner pg_catalog.bool;
  v_schema pg_catalog.bool;
  v_16 pg_catalog.bool;
  v_oid pg_catalog.oid;
  v_forgotten pg_catalog.text;
BEGIN
  -- First, before anything is looked up: the caller's search_path may hold planted types and functions.
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  -- The expiry is written out and read back: 'SQL' would spell its zone by a name that means several (IST).
  PERFORM set_config('DateStyle', 'ISO', true), set_config('TimeZone', 'UTC', true);
  IF p_login !~ @login_pattern@ THEN
    RAISE EXCEPTION 'runlease: login % is outside the name space run_…', quote_literal(p_login)
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF p_verifier !~ '^SCRAM-SHA-256[$][0-9]{4,7}:[A-Za-z0-9+/=]{16,64}[$][A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}$' THEN
    RAISE EXCEPTION 'runlease: only a SCRAM-SHA-256 verifier is accepted. Fix: password_authentication=scram-sha-256'
      USING ERRCODE = 'invalid_password';
  END IF;
  SELECT a.group_role, a.longest, a.connections, a.runs_as_owner, a.own_schema
    INTO v_group, v_longest, v_connections, v_owner, v_schema
    FROM (VALUES @allow_list@) AS a (caller, profile, group_role, longest, connections, runs_as_owner, own_schema)
   WHERE a.caller = session_user::text AND a.profile = p_profile;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'runlease: profile % is unknown or not for %', quote_literal(p_profile), session_user
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  v_until := p_until::timestamptz;
  IF v_until <= clock_timestamp() OR v_until > clock_timestamp() + make_interval(secs => v_longest + @slack@) THEN
    RAISE EXCEPTION 'runlease: expiry % is not within the next % seconds', v_until, v_longest
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM @schema@.reap();
  -- Vault forgets a login when it, or who asked it, dies between making it and keeping its lease. No timer runs here,
  -- so the next lease drops such logins: a few, one caller at a time, and never at the cost of the new one.
  IF pg_try_advisory_xact_lock(hashtext('runlease forgotten logins')) THEN
    FOR v_forgotten IN
      SELECT r.rolname FROM pg_roles r
       WHERE r.rolname ~ @login_pattern@ AND r.rolvaliduntil < clock_timestamp() - make_interval(secs => @slack@)
         AND starts_with(shobj_description(r.oid, 'pg_authid'), format('runlease live %s ', session_user)) LIMIT 5
    LOOP
      BEGIN
        PERFORM @schema@.drop_login(v_forgotten);
      EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'runlease: the expired login % stays: %', v_forgotten, replace(SQLERRM, E'\n', '; ');
      END;
    END LOOP;
  END IF;
  v_16 := current_setting('server_version_num')::int >= 160000;
  -- PASSWORD stands last: pgaudit redacts everything after it.
  EXECUTE format('CREATE ROLE %I LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS '
                 'CONNECTION LIMIT %s VALID UNTIL %L PASSWORD %L', p_login, v_connections, v_until, p_verifier);
  SELECT r.oid INTO v_oid FROM pg_roles r WHERE r.rolname = p_login;
  EXECUTE format('COMMENT ON ROLE %I IS %L', p_login,
                 format('runlease live %s %s %s %s', session_user, p_profile,
                        floor(extract(epoch FROM clock_timestamp()))::bigint, v_longest));
  EXECUTE format('GRANT %I TO %I', @marker@, p_login)
          || CASE WHEN v_16 THEN ' WITH INHERIT FALSE, SET FALSE' ELSE '' END;
  -- From 16 on a login may become its group only where the group leads on to the owner.
  EXECUTE format('GRANT %I TO %I', v_group, p_login)
          || CASE WHEN NOT v_16 THEN '' WHEN v_owner THEN ' WITH INHERIT TRUE, SET TRUE'
                  ELSE ' WITH INHERIT TRUE, SET FALSE' END;
  IF v_schema THEN
    -- The broker owns the schema, so that the login can neither give it away nor keep it.
    EXECUTE format('CREATE SCHEMA %I', p_login);
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', p_login, p_login);
    -- Defaults and not limits: a session may set its own.
    EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', p_login, '5min');
    EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', p_login, '1min');
  END IF;
  RAISE LOG 'runlease ledger: event=create login=% oid=% database=% profile=% caller=% expires=% outcome=live',
    p_login, v_oid, current_database(), p_profile, session_user,
    to_char(v_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
END
