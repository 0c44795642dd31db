
DECLARE
  v_mark pg_catalog.text;
  v_until pg_catalog.timestamptz;
BEGIN
  -- First, before anything is looked up: the caller's search_path may hold planted types and functions.
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  -- The expiry is written out and read back: 'SQL' would spell its zone by a name that means several (IST).
  PERFORM set_config('DateStyle', 'ISO', true), set_config('TimeZone', 'UTC', true);
  IF p_login !~ @login_pattern@ THEN
    RAISE EXCEPTION 'runlease: login % is outside the name space run_…', quote_literal(p_login)
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT shobj_description(r.oid, 'pg_authid') INTO v_mark FROM pg_roles r WHERE r.rolname = p_login;
  IF v_mark IS NULL OR split_part(v_mark, ' ', 1) <> 'runlease' OR split_part(v_mark, ' ', 2) <> 'live'
     OR split_part(v_mark, ' ', 3) <> session_user::text THEN
    RAISE EXCEPTION 'runlease: login % is not a live login of %', quote_literal(p_login), session_user
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  v_until := p_until::timestamptz;
  IF v_until <= clock_timestamp()
     OR v_until > to_timestamp(split_part(v_mark, ' ', 5)::bigint + split_part(v_mark, ' ', 6)::bigint + @slack@) THEN
    RAISE EXCEPTION 'runlease: renewal of % to % passes its longest life', p_login, v_until
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  EXECUTE format('ALTER ROLE %I VALID UNTIL %L', p_login, v_until);
END
