-- Where the read models stand, and their rows. Written by the server only, and never the truth: whatever is here can be built
-- from the log anew. A role that owns nothing needs
--   GRANT SELECT, INSERT, UPDATE, DELETE ON read_model_checkpoints, read_model_dead_letters, current_orders,
--     current_order_products, order_history, order_history_products, customers, customer_orders, inventory TO ordo_server;
--
-- Every row belongs to a generation of its read model: a rebuild writes the next one beside the live one. Text is compared
-- byte by byte. Every index ends with the key, so that pages follow one another without a gap, and is called by its other
-- columns. The free space lets changes that no index shows stay within their page (HOT).

CREATE TABLE read_model_checkpoints (
    model      text COLLATE "C" NOT NULL,
    generation bigint           NOT NULL,
    live       boolean          NOT NULL,
    position   bigint           NOT NULL,   -- everything up to here is in the rows
    epoch      uuid             NOT NULL,   -- of this log
    owner      uuid             NOT NULL,   -- whoever finds another token here has been replaced
    PRIMARY KEY (model, generation)
) WITH (fillfactor = 10);

CREATE UNIQUE INDEX read_model_checkpoints_live ON read_model_checkpoints (model) WHERE live;

-- Streams that are parked for a read model, from the event that it could not take in.
CREATE TABLE read_model_dead_letters (
    model      text COLLATE "C" NOT NULL,
    generation bigint           NOT NULL,
    stream     uuid             NOT NULL,
    version    bigint           NOT NULL,
    position   bigint           NOT NULL,
    reason     text             NOT NULL,
    attempts   bigint           NOT NULL,
    PRIMARY KEY (model, generation, stream)
);

CREATE TABLE current_orders (
    generation         bigint           NOT NULL,
    order_id           text COLLATE "C" NOT NULL,
    customer_id        text COLLATE "C" NOT NULL,
    state              text COLLATE "C" NOT NULL,
    created_at         bigint           NOT NULL, -- microseconds since 1970, UTC
    total_cents        bigint           NOT NULL,
    doc                text COLLATE "C" NOT NULL, -- the order as clients see it
    PRIMARY KEY (generation, order_id)
) WITH (fillfactor = 80);

CREATE INDEX current_orders_by_created_at
    ON current_orders (generation, created_at, order_id);
CREATE INDEX current_orders_by_customer_id_created_at
    ON current_orders (generation, customer_id, created_at, order_id);
CREATE INDEX current_orders_by_state_created_at
    ON current_orders (generation, state, created_at, order_id);
CREATE INDEX current_orders_by_total_cents
    ON current_orders (generation, total_cents, order_id);

CREATE TABLE current_order_products (
    generation         bigint           NOT NULL,
    product_id         text COLLATE "C" NOT NULL,
    created_at         bigint           NOT NULL,
    order_id           text COLLATE "C" NOT NULL,
    PRIMARY KEY (generation, product_id, created_at, order_id)
);

CREATE TABLE order_history (
    generation         bigint           NOT NULL,
    order_id           text COLLATE "C" NOT NULL,
    customer_id        text COLLATE "C" NOT NULL,
    state              text COLLATE "C" NOT NULL,
    created_at         bigint           NOT NULL,
    total_cents        bigint           NOT NULL,
    doc                text COLLATE "C" NOT NULL,
    PRIMARY KEY (generation, order_id)
) WITH (fillfactor = 80);

CREATE INDEX order_history_by_created_at
    ON order_history (generation, created_at, order_id);
CREATE INDEX order_history_by_customer_id_created_at
    ON order_history (generation, customer_id, created_at, order_id);
CREATE INDEX order_history_by_state_created_at
    ON order_history (generation, state, created_at, order_id);
CREATE INDEX order_history_by_total_cents
    ON order_history (generation, total_cents, order_id);

CREATE TABLE order_history_products (
    generation         bigint           NOT NULL,
    product_id         text COLLATE "C" NOT NULL,
    created_at         bigint           NOT NULL,
    order_id           text COLLATE "C" NOT NULL,
    PRIMARY KEY (generation, product_id, created_at, order_id)
);

CREATE TABLE customers (
    generation         bigint           NOT NULL,
    customer_id        text COLLATE "C" NOT NULL,
    total_orders       bigint           NOT NULL,
    active_orders      bigint           NOT NULL,
    completed_orders   bigint           NOT NULL,
    cancelled_orders   bigint           NOT NULL,
    total_spent_cents  bigint           NOT NULL,
    first_order_at     bigint           NOT NULL,
    last_order_at      bigint           NOT NULL,
    PRIMARY KEY (generation, customer_id)
) WITH (fillfactor = 80);

CREATE INDEX customers_by_total_spent_cents
    ON customers (generation, total_spent_cents, customer_id);
CREATE INDEX customers_by_total_orders
    ON customers (generation, total_orders, customer_id);

CREATE TABLE customer_orders (
    generation         bigint           NOT NULL,
    customer_id        text COLLATE "C" NOT NULL,
    created_at         bigint           NOT NULL,
    order_id           text COLLATE "C" NOT NULL,
    state              text COLLATE "C" NOT NULL,
    doc                text COLLATE "C" NOT NULL,
    PRIMARY KEY (generation, customer_id, created_at, order_id)
) WITH (fillfactor = 80);

CREATE TABLE inventory (
    generation         bigint           NOT NULL,
    product_id         text COLLATE "C" NOT NULL,
    product_name       text COLLATE "C" NOT NULL,
    quantity_ordered   bigint           NOT NULL,
    quantity_active    bigint           NOT NULL,
    quantity_reserved  bigint           NOT NULL,
    quantity_completed bigint           NOT NULL,
    revenue_cents      bigint           NOT NULL,
    order_count        bigint           NOT NULL,
    PRIMARY KEY (generation, product_id)
) WITH (fillfactor = 80);

CREATE INDEX inventory_by_quantity_ordered
    ON inventory (generation, quantity_ordered, product_id);
CREATE INDEX inventory_by_revenue_cents
    ON inventory (generation, revenue_cents, product_id);
