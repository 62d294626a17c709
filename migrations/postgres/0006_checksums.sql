-- Checksums: over each event, snapshot and idempotency record, and over the order of events: a chain with a link per batch.
-- What was written before has none; `checked_after` says up to where.

-- The head first: who is appending holds it, and whoever comes next waits until all is in place.
ALTER TABLE log_head
    ADD COLUMN checked_after bigint NOT NULL DEFAULT 0,
    ADD COLUMN chain         bytea  NOT NULL DEFAULT ''; -- the link of the last batch
UPDATE log_head SET
    checked_after = position,
    chain = substring(sha256(uuid_send(epoch) || int8send(position)) FROM 1 FOR 16);

-- Empty, not null: a row without nulls is eight bytes shorter.
ALTER TABLE events
    ADD COLUMN checksum bytea NOT NULL DEFAULT '',       -- 16 bytes over all that was decided
    ADD COLUMN chain    bytea NOT NULL DEFAULT '';       -- the first of a batch: the link of the batch before
-- No default for what comes now: a batch that an earlier version of ordo_append has begun and that waits for the head is
-- refused whole, instead of being appended without a link.
ALTER TABLE events ALTER COLUMN checksum DROP DEFAULT, ALTER COLUMN chain DROP DEFAULT;
ALTER TABLE snapshots ADD COLUMN checksum bytea NOT NULL DEFAULT '';
ALTER TABLE idempotency ADD COLUMN checksum bytea NOT NULL DEFAULT '';

-- The checksum of something whose position is known only here.
CREATE FUNCTION ordo_checksum_at(checksum bytea, at bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN octet_length(checksum) > 0 THEN substring(sha256(checksum || int8send(at)) FROM 1 FOR 16) ELSE '' END
$$;

DROP FUNCTION ordo_append;

-- Appends a batch of commits, as before, with the checksums of what it appends. The parameters for them come last and may be
-- left out: a server of an earlier version that is still running goes on appending, and what it appends has no checksum of its
-- own but is part of the chain. Runs in READ COMMITTED: after the lock every statement sees all earlier batches.
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
    event_checksums          bytea[] DEFAULT '{}',
    record_checksums         bytea[] DEFAULT '{}',
    snapshot_checksums       bytea[] DEFAULT '{}',
    OUT head                 bigint,
    OUT outcomes             integer[],
    OUT bases                bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    tail             bigint;
    link             bytea;
    next_link        bytea;
    versions         bigint[];
    key_used         boolean[];
    starts           bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(write_streams)]);
    record_positions bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(record_keys)]);
    first_write      integer;
    last_write       integer := 0;
    r                integer;
    outcome          integer;
BEGIN
    SELECT h.position, h.chain INTO STRICT head, link FROM log_head h FOR UPDATE;
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
        SELECT substring(sha256(link || int8send(head)
            || string_agg(int8send(bases[e.write] + e.number) || coalesce(e.checksum, ''), '' ORDER BY e.write, e.number)
            || int8send(tail)) FROM 1 FOR 16)
        INTO STRICT next_link
        FROM unnest(event_writes, event_numbers, event_checksums) AS e(write, number, checksum)
        WHERE starts[e.write] IS NOT NULL;

        INSERT INTO events (position, version, event_id, aggregate_id, timestamp, schema_version, event_type,
                            aggregate_type, metadata, payload, checksum, chain)
        SELECT starts[e.write] + e.number, bases[e.write] + e.number, e.id, stream_ids[write_streams[e.write]], e.at,
               e.schema, e.type, e.aggregate_type, e.metadata::json, e.payload::json, coalesce(e.checksum, ''),
               CASE WHEN starts[e.write] + e.number = head + 1 THEN link ELSE '' END
        FROM unnest(event_writes, event_numbers, event_ids, event_types, event_schemas, event_aggregate_types,
                    event_times, event_metadata, event_payloads, event_checksums)
            AS e(write, number, id, type, schema, aggregate_type, at, metadata, payload, checksum)
        WHERE starts[e.write] IS NOT NULL;

        UPDATE log_head SET position = tail, chain = next_link;

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
        INSERT INTO snapshots AS old (aggregate_id, version, position, schema, state, checksum)
        SELECT DISTINCT ON (e.aggregate_id) e.aggregate_id, e.version, e.position, s.schema, s.state::json,
               ordo_checksum_at(s.checksum, e.position)
        FROM unnest(snapshot_writes, snapshot_versions, snapshot_schemas, snapshot_states, snapshot_checksums)
            WITH ORDINALITY AS s(write, version, schema, state, checksum, n)
        JOIN events e ON e.aggregate_id = stream_ids[write_streams[s.write]] AND e.version = s.version
        WHERE starts[s.write] IS NOT NULL
        ORDER BY e.aggregate_id, e.version DESC, s.n DESC
        ON CONFLICT (aggregate_id) DO UPDATE SET
            version = excluded.version, position = excluded.position, schema = excluded.schema, state = excluded.state,
            checksum = excluded.checksum
        WHERE old.version <= excluded.version;
    END IF;

    IF cardinality(record_keys) > 0 THEN
        INSERT INTO idempotency (scope, key, fingerprint, answer, position, recorded_at, checksum)
        SELECT r.scope, r.key, r.fingerprint, r.answer, r.position, r.at, ordo_checksum_at(r.checksum, r.position)
        FROM unnest(record_scopes, record_keys, record_fingerprints, record_answers, record_times, record_positions,
                    record_checksums)
            AS r(scope, key, fingerprint, answer, at, position, checksum)
        WHERE r.position IS NOT NULL;
    END IF;

    INSERT INTO log_writers AS mine (writer, batch, used_at, head, outcomes, bases)
    VALUES (writer_id, batch_number, now(), ordo_append.head, ordo_append.outcomes, ordo_append.bases)
    ON CONFLICT (writer) DO UPDATE SET
        batch = excluded.batch, used_at = excluded.used_at, head = excluded.head, outcomes = excluded.outcomes,
        bases = excluded.bases;
END $$;
