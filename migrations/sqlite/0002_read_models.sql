-- Where the read models stand, and their rows. Written by the server only, and never the truth: whatever is here can be built
-- from the log anew.
--
-- Every row belongs to a generation of its read model: a rebuild writes the next one beside the live one. Text is compared
-- byte by byte. Every index ends with the key, so that pages follow one another without a gap, and
-- is called by its other columns.

CREATE TABLE read_model_checkpoints (
    model      TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    live       INTEGER NOT NULL CHECK (live IN (0, 1)),
    position   INTEGER NOT NULL,            -- everything up to here is in the rows
    epoch      TEXT    NOT NULL,            -- of this log
    owner      TEXT    NOT NULL,            -- whoever finds another token here has been replaced
    PRIMARY KEY (model, generation)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX read_model_checkpoints_live ON read_model_checkpoints (model) WHERE live = 1;

-- Streams that are parked for a read model, from the event that it could not take in.
CREATE TABLE read_model_dead_letters (
    model      TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    stream     TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    PRIMARY KEY (model, generation, stream)
) STRICT, WITHOUT ROWID;

-- Rows with a document lie in the order in which they were written, since most keys are not: the large part of a row then
-- goes to the end of the table. Small rows lie in the order of their key.

CREATE TABLE current_orders (
    generation  INTEGER NOT NULL,
    order_id    TEXT    NOT NULL,
    customer_id TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,           -- microseconds since 1970, UTC
    total_cents INTEGER NOT NULL,
    doc         TEXT    NOT NULL,           -- the order as clients see it
    PRIMARY KEY (generation, order_id)
) STRICT;

CREATE INDEX current_orders_by_created_at
    ON current_orders (generation, created_at, order_id);
CREATE INDEX current_orders_by_customer_id_created_at
    ON current_orders (generation, customer_id, created_at, order_id);
CREATE INDEX current_orders_by_state_created_at
    ON current_orders (generation, state, created_at, order_id);
CREATE INDEX current_orders_by_total_cents
    ON current_orders (generation, total_cents, order_id);

CREATE TABLE current_order_products (
    generation INTEGER NOT NULL,
    product_id TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    order_id   TEXT    NOT NULL,
    PRIMARY KEY (generation, product_id, created_at, order_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_history (
    generation  INTEGER NOT NULL,
    order_id    TEXT    NOT NULL,
    customer_id TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    total_cents INTEGER NOT NULL,
    doc         TEXT    NOT NULL,
    PRIMARY KEY (generation, order_id)
) STRICT;

CREATE INDEX order_history_by_created_at
    ON order_history (generation, created_at, order_id);
CREATE INDEX order_history_by_customer_id_created_at
    ON order_history (generation, customer_id, created_at, order_id);
CREATE INDEX order_history_by_state_created_at
    ON order_history (generation, state, created_at, order_id);
CREATE INDEX order_history_by_total_cents
    ON order_history (generation, total_cents, order_id);

CREATE TABLE order_history_products (
    generation INTEGER NOT NULL,
    product_id TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    order_id   TEXT    NOT NULL,
    PRIMARY KEY (generation, product_id, created_at, order_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
    generation        INTEGER NOT NULL,
    customer_id       TEXT    NOT NULL,
    total_orders      INTEGER NOT NULL,
    active_orders     INTEGER NOT NULL,
    completed_orders  INTEGER NOT NULL,
    cancelled_orders  INTEGER NOT NULL,
    total_spent_cents INTEGER NOT NULL,
    first_order_at    INTEGER NOT NULL,
    last_order_at     INTEGER NOT NULL,
    PRIMARY KEY (generation, customer_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX customers_by_total_spent_cents
    ON customers (generation, total_spent_cents, customer_id);
CREATE INDEX customers_by_total_orders
    ON customers (generation, total_orders, customer_id);

CREATE TABLE customer_orders (
    generation  INTEGER NOT NULL,
    customer_id TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    order_id    TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    doc         TEXT    NOT NULL,
    PRIMARY KEY (generation, customer_id, created_at, order_id)
) STRICT;

CREATE TABLE inventory (
    generation         INTEGER NOT NULL,
    product_id         TEXT    NOT NULL,
    product_name       TEXT    NOT NULL,
    quantity_ordered   INTEGER NOT NULL,
    quantity_active    INTEGER NOT NULL,
    quantity_reserved  INTEGER NOT NULL,
    quantity_completed INTEGER NOT NULL,
    revenue_cents      INTEGER NOT NULL,
    order_count        INTEGER NOT NULL,
    PRIMARY KEY (generation, product_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX inventory_by_quantity_ordered
    ON inventory (generation, quantity_ordered, product_id);
CREATE INDEX inventory_by_revenue_cents
    ON inventory (generation, revenue_cents, product_id);
