-- The same customers at every run.
INSERT INTO app.customer (email, name, country)
SELECT format('customer%s@example.test', n), format('Customer %s', n), (ARRAY['AT', 'CH', 'DE', 'FR'])[n % 4 + 1]
  FROM generate_series(1, 1000) AS n
    ON CONFLICT (email) DO NOTHING;
