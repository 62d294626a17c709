-- The sagas: a read model like the others, and the index in which those that are open are found again after a crash. A role
-- that owns nothing needs
--   GRANT SELECT, INSERT, UPDATE, DELETE ON sagas TO ordo_server;

CREATE TABLE sagas (
    generation bigint           NOT NULL,
    saga_id    text COLLATE "C" NOT NULL,
    order_id   text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    state      text COLLATE "C" NOT NULL,
    attention  bigint           NOT NULL, -- 0: an operator is needed, 1: goes on by itself, 2: has ended
    started_at bigint           NOT NULL, -- microseconds since 1970, UTC
    updated_at bigint           NOT NULL,
    doc        text COLLATE "C" NOT NULL, -- the saga as clients see it
    PRIMARY KEY (generation, saga_id)
) WITH (fillfactor = 80);

CREATE INDEX sagas_by_attention_updated_at
    ON sagas (generation, attention, updated_at, saga_id);
CREATE INDEX sagas_by_state_updated_at
    ON sagas (generation, state, updated_at, saga_id);
