-- Where the read models of an application stand; their rows are in tables of its own. Never the truth: whatever is here can
-- be built from the log anew.
--
-- Every row belongs to a generation of its read model: a rebuild writes the next one beside the live one.

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
