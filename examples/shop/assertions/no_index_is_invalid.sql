-- What CREATE INDEX CONCURRENTLY leaves behind when it fails.
SELECT indexrelid::regclass FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
 WHERE relnamespace = 'app'::regnamespace AND NOT indisvalid;
