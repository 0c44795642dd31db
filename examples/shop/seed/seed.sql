-- A few thousand rows, the same at every run: what is there already is left as it is.
\set ON_ERROR_STOP on
BEGIN;
INSERT INTO app.customer (email, name, country)
SELECT format('customer%s@example.test', n), format('Customer %s', n), (ARRAY['AT', 'CH', 'DE', 'FR'])[n % 4 + 1]
  FROM generate_series(1, 1000) AS n
    ON CONFLICT (email) DO NOTHING;

INSERT INTO app.product (sku, name, price_cents)
SELECT format('SKU-%s', lpad(n::text, 4, '0')), format('Product %s', n), 100 + n * 37 % 9900
  FROM generate_series(1, 300) AS n
    ON CONFLICT (sku) DO NOTHING;

INSERT INTO app.orders (customer_id, placed_at, status)
SELECT c.customer_id, timestamptz '2026-01-01 00:00+00' + n * interval '37 minutes', (ARRAY['open', 'paid', 'sent'])[n % 3 + 1]
  FROM generate_series(1, 3000) AS n
  JOIN app.customer c ON c.email = format('customer%s@example.test', n % 1000 + 1)
 WHERE NOT EXISTS (SELECT FROM app.orders);

INSERT INTO app.order_line (order_id, product_id, quantity)
SELECT o.order_id, p.product_id, 1 + o.order_id % 3
  FROM app.orders o
  JOIN app.product p ON p.sku = format('SKU-%s', lpad((o.order_id % 300 + 1)::text, 4, '0'))
    ON CONFLICT DO NOTHING;
COMMIT;
SELECT (SELECT count(*) FROM app.customer) AS customers,
       (SELECT count(*) FROM app.product) AS products,
       (SELECT count(*) FROM app.orders) AS orders,
       (SELECT count(*) FROM app.order_line) AS order_lines;
