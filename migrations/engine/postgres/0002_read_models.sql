-- Where the read models of an application stand; their rows are in tables of its own. Never the truth: whatever is here can
-- be built from the log anew. A role that owns nothing needs
--   GRANT SELECT, INSERT, UPDATE, DELETE ON read_model_checkpoints, read_model_dead_letters TO ordo_server;
-- and the same for the application's tables.
--
-- Every row belongs to a generation of its read model: a rebuild writes the next one beside the live one. The free space lets
-- changes that no index shows stay within their page (HOT).

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
