-- Who has decided that a read model does without a parked stream; all three or none.
ALTER TABLE read_model_dead_letters
    ADD COLUMN skipped_by  text,
    ADD COLUMN skip_reason text,
    ADD COLUMN skipped_at  timestamptz,
    ADD CONSTRAINT read_model_dead_letters_skip
        CHECK (num_nonnulls(skipped_by, skip_reason, skipped_at) IN (0, 3));
