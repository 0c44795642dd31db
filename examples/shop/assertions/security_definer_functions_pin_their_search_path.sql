SELECT pg_proc.oid::regprocedure FROM pg_proc
 WHERE pronamespace = 'app'::regnamespace AND prosecdef
   AND NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%');
