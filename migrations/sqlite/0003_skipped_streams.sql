-- Who has decided that a read model does without a parked stream; all three or none.
ALTER TABLE read_model_dead_letters ADD COLUMN skipped_by TEXT;
ALTER TABLE read_model_dead_letters ADD COLUMN skip_reason TEXT;
ALTER TABLE read_model_dead_letters ADD COLUMN skipped_at INTEGER; -- microseconds since 1970, UTC
