-- A change of data: the status becomes a set of known words.
UPDATE orders SET status = 'open' WHERE status NOT IN ('open', 'paid', 'sent');
ALTER TABLE orders ADD CHECK (status IN ('open', 'paid', 'sent'));
