-- Checksums: over each event, snapshot and idempotency record, and over the order of events: a chain with a link per batch.
-- What was written before has none (an empty blob); `checked_after` says up to where.

ALTER TABLE events ADD COLUMN checksum BLOB NOT NULL DEFAULT x'';   -- 16 bytes over all that was decided
ALTER TABLE events ADD COLUMN chain BLOB NOT NULL DEFAULT x'';      -- the first of a batch: the link of the batch before

-- Where the log ends, as the last batch left it: a log that has lost its end, or got another, is noticed.
ALTER TABLE log ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log ADD COLUMN checked_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log ADD COLUMN chain BLOB NOT NULL DEFAULT x'';         -- the link of the last batch; empty before the first
ALTER TABLE log ADD COLUMN begun_as TEXT NOT NULL DEFAULT '';       -- the epoch the chain began with, if it was another
UPDATE log SET position = (SELECT coalesce(max(position), 0) FROM events);
UPDATE log SET checked_after = position;

ALTER TABLE snapshots ADD COLUMN checksum BLOB NOT NULL DEFAULT x'';
ALTER TABLE idempotency ADD COLUMN checksum BLOB NOT NULL DEFAULT x'';
