CREATE TABLE orders (
    order_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customer,
    placed_at   timestamptz NOT NULL,
    status      text NOT NULL DEFAULT 'open'
);

CREATE TABLE order_line (
    order_id    bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    product_id  bigint NOT NULL REFERENCES product,
    quantity    integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product_id)
);
