-- The log, and what is written in the same transactions as its events.

-- Which log this is: one row, drawn when the file is created.
CREATE TABLE log (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL
) STRICT;

CREATE TABLE events (
    position       INTEGER PRIMARY KEY,     -- 1, 2, ... without a hole, in commit order
    aggregate_id   BLOB    NOT NULL,        -- the 16 bytes of a UUID
    version        INTEGER NOT NULL,        -- 1, 2, ... without a hole within aggregate_id
    event_id       BLOB    NOT NULL,
    event_type     TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    aggregate_type TEXT    NOT NULL,
    timestamp      INTEGER NOT NULL,        -- microseconds since 1970, UTC
    payload        TEXT    NOT NULL,        -- a JSON object
    metadata       TEXT    NOT NULL,        -- a JSON object
    UNIQUE (aggregate_id, version)
) STRICT;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

-- INSERT OR REPLACE deletes without asking the trigger above, so insertion is refused as well: the function exists on
-- the store's own writing connection only. Anyone else is told that there is no such function.
CREATE TRIGGER events_are_only_appended_by_the_store BEFORE INSERT ON events WHEN NOT only_the_store_may_append()
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

-- Every kind of event that has ever been appended.
CREATE TABLE event_kinds (
    kind           INTEGER PRIMARY KEY,
    aggregate_type TEXT    NOT NULL,
    event_type     TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    UNIQUE (aggregate_type, event_type, schema_version)
) STRICT;

-- What each run of about a thousand positions holds: which kinds (bit kind - 1, the last bit for all from the 63rd on)
-- and the span of timestamps. Searches by type or time skip the runs that cannot match, at a fraction of what indexes on
-- the events would cost each append. The last row is the open run, which may hold anything.
CREATE TABLE event_blocks (
    first  INTEGER PRIMARY KEY,
    last   INTEGER NOT NULL,
    kinds  INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL
) STRICT;

INSERT INTO event_blocks (first, last, kinds, oldest, newest)
VALUES (1, 9223372036854775807, -1, -9223372036854775808, 9223372036854775807);

CREATE TABLE snapshots (
    aggregate_id BLOB    PRIMARY KEY,
    version      INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    schema       INTEGER NOT NULL,
    state        TEXT    NOT NULL
) STRICT;

CREATE TABLE idempotency (
    id          INTEGER PRIMARY KEY,
    scope       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    answer      BLOB    NOT NULL,
    position    INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,           -- microseconds since 1970, UTC
    UNIQUE (scope, key)
) STRICT;

CREATE INDEX idempotency_by_age ON idempotency (recorded_at);

-- For people: where the log ends, and the events with readable ids and times.
CREATE VIEW log_head AS
SELECT epoch, (SELECT coalesce(max(position), 0) FROM events) AS position FROM log;

CREATE VIEW readable_events AS
SELECT position, event_type, schema_version, aggregate_type,
       lower(substr(hex(aggregate_id), 1, 8) || '-' || substr(hex(aggregate_id), 9, 4) || '-'
          || substr(hex(aggregate_id), 13, 4) || '-' || substr(hex(aggregate_id), 17, 4) || '-'
          || substr(hex(aggregate_id), 21)) AS aggregate_id,
       version, strftime('%Y-%m-%dT%H:%M:%fZ', timestamp / 1e6, 'unixepoch') AS at, payload, metadata
FROM events;
