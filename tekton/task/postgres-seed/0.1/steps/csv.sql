-- One CSV file, within the transaction of the whole seed. Variables: seed_file, seed_header, seed_keys.
SELECT regexp_replace(:'seed_file', '^[0-9]+[_-]|[.]csv$', '', 'g') AS seed_named \gset
SELECT coalesce(to_regclass(CASE
      WHEN :'seed_named' LIKE '%.%'
        THEN format('%I.%I', split_part(:'seed_named', '.', 1), regexp_replace(:'seed_named', '^[^.]*[.]', ''))
      ELSE format('%I', :'seed_named')
    END)::oid, 0) AS seed_target,
  ARRAY(
    SELECT replace(regexp_replace(field[2], '^"(.*)"$', '\1'), '""', '"')
      FROM regexp_matches(rtrim(:'seed_header', E'\r'), '(^|,)("(?:[^"]|"")*"|[^,]*)', 'g') WITH ORDINALITY AS header (field, n)
     ORDER BY n
  ) AS seed_names \gset

SELECT CASE
    WHEN :'seed_target' = '0' THEN format(
      'no table %s (got no such name in %s, expected one). Fix: name the file [<order>_][<schema>.]<table>.csv',
      :'seed_named', current_schemas(false))
    WHEN left(:'seed_header', 1) = chr(65279)
      THEN 'a byte order mark (got it at the beginning, expected the name of a column). Fix: save it as UTF-8 without one'
    WHEN unknown IS NOT NULL THEN format(
      'no such column in the table (got %s, expected some of %s). Fix: correct the header', unknown, known)
    WHEN missing IS NOT NULL THEN format(
      'a column is missing (got %s, expected also %s, which can be neither null nor left to a default). Fix: add it',
      array_to_string(:'seed_names'::text[], ', '), missing)
  END AS seed_refusal
  FROM (
    SELECT string_agg(attname, ', ' ORDER BY attnum) AS known,
      string_agg(attname, ', ' ORDER BY attnum) FILTER (
        WHERE attnotnull AND NOT atthasdef AND attidentity = '' AND typdefault IS NULL
          AND attname <> ALL (:'seed_names'::text[])) AS missing
      FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
     WHERE attrelid = :'seed_target' AND attnum > 0 AND NOT attisdropped
  ) AS columns, (
    SELECT string_agg(format('"%s"', name), ', ') AS unknown FROM unnest(:'seed_names'::text[]) AS name
     WHERE NOT EXISTS (SELECT FROM pg_attribute
                        WHERE attrelid = :'seed_target' AND attname = name AND attnum > 0 AND NOT attisdropped)
  ) AS header \gset
\if :{?seed_refusal}
  \o | cat >&3
  \qecho stop :seed_file: :seed_refusal
  \q
\endif

-- The key: what the parameter names, or else the primary key, or else a unique index, if the file has all its columns.
WITH fit AS (
  SELECT relname, key, rank() OVER (
      ORDER BY relname = ANY (string_to_array(:'seed_keys', E'\n')) DESC, indisprimary DESC) AS choice
    FROM pg_index JOIN pg_class ON oid = indexrelid
   CROSS JOIN LATERAL (
      SELECT array_agg(attname::text) FROM generate_series(0, indnkeyatts - 1) AS k
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[k]) AS columns (key)
   WHERE indrelid = :'seed_target' AND indisunique AND indimmediate AND indisvalid AND NOT indisexclusion
     AND indpred IS NULL AND indexprs IS NULL AND key <@ :'seed_names'::text[]
)
SELECT coalesce(min(key), '{}') AS seed_key, CASE
    WHEN count(*) = 0 THEN format(
      'no key (got the columns %s, expected all those of a primary key or unique index). Fix: add one, or its columns',
      array_to_string(:'seed_names'::text[], ', '))
    WHEN count(DISTINCT key) > 1 THEN format(
      'more than one key (got %s, expected one). Fix: name one in the parameter keys',
      string_agg(relname, ', ' ORDER BY relname))
  END AS seed_refusal
  FROM fit WHERE choice = 1 \gset
\if :{?seed_refusal}
  \o | cat >&3
  \qecho stop :seed_file: :seed_refusal
  \q
\endif

-- What the statements below are made of, quoted by the server.
SELECT :'seed_target'::regclass AS seed_table,
  string_agg(quoted, ', ' ORDER BY n) AS seed_columns,
  string_agg(quoted || '::text', ', ' ORDER BY n) AS seed_texts,
  string_agg(format('(fields->>%s)::%s AS %s', n - 1, type, quoted), ', ' ORDER BY n) AS seed_values,
  string_agg(quoted, ', ' ORDER BY n) FILTER (WHERE keyed) AS seed_key_columns,
  string_agg(quoted || ' IS NULL', ' OR ') FILTER (WHERE keyed) AS seed_keyless,
  coalesce('UPDATE SET '
    || string_agg(format('%s = excluded.%1$s', quoted), ', ') FILTER (WHERE NOT keyed)
    || format(' WHERE ROW (%s)::record *<> ROW (%s)::record',
         string_agg('target.' || quoted, ', ' ORDER BY n) FILTER (WHERE NOT keyed),
         string_agg('excluded.' || quoted, ', ' ORDER BY n) FILTER (WHERE NOT keyed)), 'NOTHING') AS seed_action
  FROM unnest(:'seed_names'::text[]) WITH ORDINALITY AS header (name, n)
  JOIN pg_attribute ON attrelid = :'seed_target' AND attname = name
 CROSS JOIN LATERAL (
    SELECT format('%I', name), format_type(atttypid, atttypmod), name = ANY (:'seed_key'::text[])
  ) AS facts (quoted, type, keyed) \gset

-- COPY has no ON CONFLICT, and a seeder can make no table to copy into. So the file is copied into its own table, with a
-- WHERE that keeps each row in settings of this transaction and lets none in: PostgreSQL reads the file, checks the
-- values, and names line and column. 128 rows in a setting: none is too long, and they are not too many.
SELECT format(regexp_replace($sql$\copy %s (%s) FROM '%s' WITH (FORMAT csv, HEADER match) WHERE
    CASE WHEN set_config('runlease.last', (current_setting('runlease.last')::int + 1)::text, true) <> '' THEN
      set_config('runlease.rows_' || current_setting('runlease.last')::int / 128, concat_ws(',',
        nullif(current_setting('runlease.rows_' || current_setting('runlease.last')::int / 128, true), ''),
        to_json(ARRAY[%s])), true) IS NULL
    END$sql$, '\s+', ' ', 'g'),
    :'seed_table', :'seed_columns', replace(:'seed_file', '''', ''''''), :'seed_texts') AS seed_copy,
  format($sql$SELECT part * 128 + n AS runlease_row, %s
    FROM generate_series(0, current_setting('runlease.last')::int / 128) AS part,
      json_array_elements(format('[%%s]', current_setting('runlease.rows_' || part, true))::json)
        WITH ORDINALITY AS row (fields, n)$sql$, :'seed_values') AS seed_rows \gset
SET LOCAL runlease.last = -1;
SET LOCAL runlease.rows_0 = '';
:seed_copy

WITH file_rows AS (:seed_rows), faults AS (
  SELECT runlease_row, format('row %s has no key (got null, expected a value of %s)', runlease_row, :'seed_key_columns') AS fault
    FROM file_rows WHERE :seed_keyless
  UNION ALL
  SELECT min(runlease_row), format('rows %s have one key (got %s, expected one row of each %s)',
      string_agg(runlease_row::text, ', ' ORDER BY runlease_row), ROW (:seed_key_columns), :'seed_key_columns')
    FROM file_rows GROUP BY :seed_key_columns HAVING count(*) > 1
)
SELECT (SELECT format('%s. Fix: correct the file', fault) FROM faults ORDER BY runlease_row LIMIT 1) AS seed_refusal \gset
\if :{?seed_refusal}
  \o | cat >&3
  \qecho stop :seed_file: :seed_refusal
  \q
\endif

WITH file_rows AS (:seed_rows)
INSERT INTO :seed_table AS target (:seed_columns) OVERRIDING SYSTEM VALUE
SELECT :seed_columns FROM file_rows ORDER BY runlease_row
    ON CONFLICT (:seed_key_columns) DO :seed_action;
\set seed_changed :ROW_COUNT
SELECT current_setting('runlease.last')::int + 1 AS seed_count,
  count(set_config('runlease.rows_' || part, '', true)) AS seed_ignored
  FROM generate_series(0, current_setting('runlease.last')::int / 128) AS part \gset
SELECT set_config('runlease.unchanged', (unchanged || jsonb_build_object(:'seed_target',
    coalesce(unchanged->>:'seed_target', '0')::bigint + :seed_count - :seed_changed))::text, true) AS seed_ignored
  FROM (SELECT current_setting('runlease.unchanged')::jsonb AS unchanged) AS setting \gset
\echo :seed_file: :seed_changed of :seed_count rows changed
