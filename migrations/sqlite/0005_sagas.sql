-- The sagas: a read model like the others, and the index in which those that are open are found again after a crash.

CREATE TABLE sagas (
    generation INTEGER NOT NULL,
    saga_id    TEXT    NOT NULL,
    order_id   TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    attention  INTEGER NOT NULL,            -- 0: an operator is needed, 1: goes on by itself, 2: has ended
    started_at INTEGER NOT NULL,            -- microseconds since 1970, UTC
    updated_at INTEGER NOT NULL,
    doc        TEXT    NOT NULL,            -- the saga as clients see it
    PRIMARY KEY (generation, saga_id)
) STRICT;

CREATE INDEX sagas_by_attention_updated_at
    ON sagas (generation, attention, updated_at, saga_id);
CREATE INDEX sagas_by_state_updated_at
    ON sagas (generation, state, updated_at, saga_id);
