-- Orders have no key but their number, so they are made once: where there are none.
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
