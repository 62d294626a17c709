-- The log, and the one function that writes it.
--
-- Whoever appends locks the single row of log_head first and keeps it until its transaction has ended. So batches of all
-- nodes follow one another: a batch sees everything before it, its positions follow the last committed one without a hole,
-- and no position becomes visible before a smaller one. A rolled back batch gives its positions back.
--
-- The server may run as a role that owns nothing and cannot rewrite history:
--   GRANT SELECT, INSERT ON events, event_kinds TO ordo_server;
--   GRANT SELECT, INSERT, UPDATE ON log_head, log_zones, log_writers, snapshots TO ordo_server;
--   GRANT SELECT, INSERT, DELETE ON idempotency TO ordo_server;
--   GRANT DELETE ON log_writers TO ordo_server;
--   GRANT SELECT ON refinery_schema_history TO ordo_server;
-- Migrations are then applied by the owner: by starting the server once as that role.

-- Invariant: exactly one row. The free space keeps its updates within one page (HOT).
CREATE TABLE log_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    uuid   NOT NULL,
    position bigint NOT NULL CHECK (position >= 0)
) WITH (fillfactor = 10);
INSERT INTO log_head (epoch, position) VALUES (gen_random_uuid(), 0);

-- json, not jsonb: what was written comes back byte for byte, and appending costs a fifth less or better.
CREATE TABLE events (
    position       bigint      PRIMARY KEY,
    version        bigint      NOT NULL CHECK (version > 0),
    event_id       uuid        NOT NULL,
    aggregate_id   uuid        NOT NULL,
    timestamp      timestamptz NOT NULL,
    schema_version integer     NOT NULL,
    event_type     text        NOT NULL,
    aggregate_type text        NOT NULL,
    metadata       json        NOT NULL,
    payload        json        NOT NULL,
    CONSTRAINT events_stream_version UNIQUE (aggregate_id, version)
);

CREATE FUNCTION ordo_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are final: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER events_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION ordo_refuse_change();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_final;

-- What occurs in every 1,024 positions: lets a read for one type or time skip the zones that cannot hold it, for one small
-- update per batch instead of an index entry per event. May name more than there is, never less.
CREATE TABLE log_zones (
    zone            bigint      PRIMARY KEY, -- (position - 1) / 1024
    earliest        timestamptz NOT NULL,
    latest          timestamptz NOT NULL,
    event_types     text[]      NOT NULL,
    aggregate_types text[]      NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE event_kinds (
    aggregate_type text    NOT NULL,
    event_type     text    NOT NULL,
    schema_version integer NOT NULL,
    PRIMARY KEY (aggregate_type, event_type, schema_version)
);

CREATE TABLE snapshots (
    aggregate_id uuid    PRIMARY KEY,
    version      bigint  NOT NULL,
    position     bigint  NOT NULL,
    schema       bigint  NOT NULL,
    state        json    NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE idempotency (
    scope       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
    answer      bytea       NOT NULL,
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_recorded_at ON idempotency (recorded_at);

-- The last batch of every writer, written in the batch's own transaction: a writer that lost its connection reads here
-- whether the batch it had sent was committed, and what became of each commit.
CREATE TABLE log_writers (
    writer   uuid        PRIMARY KEY,
    batch    bigint      NOT NULL,
    used_at  timestamptz NOT NULL,
    head     bigint      NOT NULL,
    outcomes integer[]   NOT NULL,
    bases    bigint[]    NOT NULL
) WITH (fillfactor = 20);

-- Appends a batch of commits. Runs in READ COMMITTED: after the lock every statement sees all earlier batches.
-- Arrays belong together by prefix: commit_* has an element per commit, write_* per stream write, and so on; numbers that
-- point into another group count from 1, zero is none. The commits' writes stand one after the other in write_*.
--
-- head:     the last position before this batch
-- outcomes: per commit, 0 appended, -1 its idempotency key had been used, n > 0 its write n found another version
-- bases:    per write, the version its stream ended at when it was looked at; 0 where it was not
CREATE FUNCTION ordo_append(
    writer_id                uuid,
    batch_number             bigint,
    batch_earliest           timestamptz,
    batch_latest             timestamptz,
    batch_event_types        text[],
    batch_aggregate_types    text[],
    batch_may_hold_new_kinds boolean,
    stream_ids               uuid[],        -- every stream the batch touches, once
    commit_writes            integer[],     -- how many writes it has
    commit_records           integer[],     -- its idempotency record
    write_streams            integer[],
    write_expected           bigint[],      -- the version demanded, or -1; -2 - it when the commit before must not have lost
    write_events             integer[],     -- how many events it has
    event_writes             integer[],
    event_numbers            integer[],     -- 1, 2, ... within its write
    event_ids                uuid[],
    event_types              text[],
    event_schemas            integer[],
    event_aggregate_types    text[],
    event_times              timestamptz[],
    event_metadata           text[],
    event_payloads           text[],
    record_twins             integer[],     -- the first record of the batch with the same key: mostly itself
    record_scopes            text[],
    record_keys              text[],
    record_fingerprints      bytea[],
    record_answers           bytea[],
    record_times             timestamptz[],
    snapshot_writes          integer[],
    snapshot_versions        bigint[],
    snapshot_schemas         bigint[],
    snapshot_states          text[],
    OUT head                 bigint,
    OUT outcomes             integer[],
    OUT bases                bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    tail             bigint;
    versions         bigint[];
    key_used         boolean[];
    starts           bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(write_streams)]);
    record_positions bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(record_keys)]);
    first_write      integer;
    last_write       integer := 0;
    r                integer;
    outcome          integer;
BEGIN
    SELECT h.position INTO STRICT head FROM log_head h FOR UPDATE;
    tail := head;

    versions := ARRAY(
        SELECT coalesce((SELECT e.version FROM events e WHERE e.aggregate_id = s.id ORDER BY e.version DESC LIMIT 1), 0)
        FROM unnest(stream_ids) WITH ORDINALITY AS s(id, n) ORDER BY s.n);
    IF cardinality(record_keys) > 0 THEN
        key_used := ARRAY(
            SELECT coalesce((SELECT true FROM idempotency i WHERE i.scope = r.scope AND i.key = r.key LIMIT 1), false)
            FROM unnest(record_scopes, record_keys) WITH ORDINALITY AS r(scope, key, n) ORDER BY r.n);
    END IF;

    outcomes := array_fill(0, ARRAY[cardinality(commit_writes)]);
    bases := array_fill(0::bigint, ARRAY[cardinality(write_streams)]);
    FOR c IN 1..cardinality(commit_writes) LOOP
        first_write := last_write + 1;
        last_write := last_write + commit_writes[c];
        r := commit_records[c];
        outcome := 0;
        IF r > 0 AND key_used[record_twins[r]] THEN
            outcome := -1;
        ELSE
            FOR w IN first_write..last_write LOOP
                bases[w] := versions[write_streams[w]];
                IF write_expected[w] >= 0 AND write_expected[w] <> bases[w]
                    OR write_expected[w] < -1 AND (-2 - write_expected[w] <> bases[w] OR outcomes[c - 1] <> 0) THEN
                    outcome := w;
                    EXIT;
                END IF;
            END LOOP;
        END IF;
        IF outcome <> 0 THEN
            outcomes[c] := outcome;
            CONTINUE;
        END IF;
        FOR w IN first_write..last_write LOOP
            starts[w] := tail;
            tail := tail + write_events[w];
            versions[write_streams[w]] := bases[w] + write_events[w];
        END LOOP;
        IF r > 0 THEN
            key_used[record_twins[r]] := true;
            record_positions[r] := tail;
        END IF;
    END LOOP;

    IF tail > head THEN
        INSERT INTO events (position, version, event_id, aggregate_id, timestamp, schema_version, event_type,
                            aggregate_type, metadata, payload)
        SELECT starts[e.write] + e.number, bases[e.write] + e.number, e.id, stream_ids[write_streams[e.write]], e.at,
               e.schema, e.type, e.aggregate_type, e.metadata::json, e.payload::json
        FROM unnest(event_writes, event_numbers, event_ids, event_types, event_schemas, event_aggregate_types,
                    event_times, event_metadata, event_payloads)
            AS e(write, number, id, type, schema, aggregate_type, at, metadata, payload)
        WHERE starts[e.write] IS NOT NULL;

        UPDATE log_head SET position = tail;

        INSERT INTO log_zones AS z (zone, earliest, latest, event_types, aggregate_types)
        SELECT zone, batch_earliest, batch_latest, batch_event_types, batch_aggregate_types
        FROM generate_series(head / 1024, (tail - 1) / 1024) AS zone
        ON CONFLICT (zone) DO UPDATE SET
            earliest = least(z.earliest, excluded.earliest),
            latest = greatest(z.latest, excluded.latest),
            event_types = CASE WHEN z.event_types @> excluded.event_types THEN z.event_types
                ELSE ARRAY(SELECT DISTINCT unnest(z.event_types || excluded.event_types)) END,
            aggregate_types = CASE WHEN z.aggregate_types @> excluded.aggregate_types THEN z.aggregate_types
                ELSE ARRAY(SELECT DISTINCT unnest(z.aggregate_types || excluded.aggregate_types)) END;

        IF batch_may_hold_new_kinds THEN
            INSERT INTO event_kinds (aggregate_type, event_type, schema_version)
            SELECT DISTINCT e.aggregate_type, e.type, e.schema
            FROM unnest(event_writes, event_aggregate_types, event_types, event_schemas)
                AS e(write, aggregate_type, type, schema)
            WHERE starts[e.write] IS NOT NULL
            ON CONFLICT DO NOTHING;
        END IF;
    END IF;

    IF cardinality(snapshot_writes) > 0 THEN
        INSERT INTO snapshots AS old (aggregate_id, version, position, schema, state)
        SELECT DISTINCT ON (e.aggregate_id) e.aggregate_id, e.version, e.position, s.schema, s.state::json
        FROM unnest(snapshot_writes, snapshot_versions, snapshot_schemas, snapshot_states) WITH ORDINALITY
            AS s(write, version, schema, state, n)
        JOIN events e ON e.aggregate_id = stream_ids[write_streams[s.write]] AND e.version = s.version
        WHERE starts[s.write] IS NOT NULL
        ORDER BY e.aggregate_id, e.version DESC, s.n DESC
        ON CONFLICT (aggregate_id) DO UPDATE SET
            version = excluded.version, position = excluded.position, schema = excluded.schema, state = excluded.state
        WHERE old.version <= excluded.version;
    END IF;

    IF cardinality(record_keys) > 0 THEN
        INSERT INTO idempotency (scope, key, fingerprint, answer, position, recorded_at)
        SELECT r.scope, r.key, r.fingerprint, r.answer, r.position, r.at
        FROM unnest(record_scopes, record_keys, record_fingerprints, record_answers, record_times, record_positions)
            AS r(scope, key, fingerprint, answer, at, position)
        WHERE r.position IS NOT NULL;
    END IF;

    INSERT INTO log_writers AS mine (writer, batch, used_at, head, outcomes, bases)
    VALUES (writer_id, batch_number, now(), ordo_append.head, ordo_append.outcomes, ordo_append.bases)
    ON CONFLICT (writer) DO UPDATE SET
        batch = excluded.batch, used_at = excluded.used_at, head = excluded.head, outcomes = excluded.outcomes,
        bases = excluded.bases;
END $$;
