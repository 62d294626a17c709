//! What `ordo_append` answered, as verdicts.

use std::{collections::HashMap, sync::Arc};

use crate::log::{
    checksum::usable_record,
    event::{Position, Version},
    store::{Commit, IdempotencyKey, IdempotencyRecord, Verdict},
};
use tokio_postgres::Row;

/// The value of an outcome for a commit that was appended, and for one whose idempotency key had been used. What is left
/// is the number of the write that found another version, counted over the whole batch from 1.
const APPENDED: i32 = 0;
const DUPLICATE: i32 = -1;

/// Where the log ended before the batch, what became of each commit, and at which version each write found its stream.
pub(super) struct Outcome {
    head: Position,
    outcomes: Vec<i32>,
    bases: Vec<Version>,
}

impl Outcome {
    /// Reads the columns head, outcomes, bases.
    pub(super) fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let head: i64 = row.try_get("head")?;
        let bases: Vec<i64> = row.try_get("bases")?;
        Ok(Self {
            head: Position(head.cast_unsigned()),
            outcomes: row.try_get("outcomes")?,
            bases: bases.into_iter().map(|base| Version(base.cast_unsigned())).collect(),
        })
    }

    /// The keys of the commits that turned out to be repetitions.
    pub(super) fn used_keys<'a>(&self, commits: &'a [Commit]) -> Vec<&'a IdempotencyKey> {
        let repeated = commits.iter().zip(&self.outcomes).filter(|(_, outcome)| **outcome == DUPLICATE);
        repeated.filter_map(|(commit, _)| commit.idempotency.as_ref()).map(|record| &record.key).collect()
    }

    /// One verdict per commit. `used` holds the records of [`Self::used_keys`]; `None` when one is missing, or the
    /// answer is not about these commits.
    pub(super) fn into_verdicts(
        self,
        commits: Vec<Commit>,
        used: &HashMap<IdempotencyKey, IdempotencyRecord>,
    ) -> Option<Vec<Verdict>> {
        if self.outcomes.len() != commits.len() {
            return None;
        }
        let mut tail = self.head;
        let mut first_write = 0;
        let mut verdicts = Vec::with_capacity(commits.len());
        for (mut commit, outcome) in commits.into_iter().zip(self.outcomes) {
            let bases = self.bases.get(first_write..first_write + commit.writes.len())?;
            verdicts.push(match outcome {
                APPENDED => {
                    let events: Vec<_> = commit.take_envelopes(bases, tail).into_iter().map(Arc::new).collect();
                    tail = tail.plus(events.len() as u64);
                    Verdict::Appended { events, position: tail }
                }
                DUPLICATE => Verdict::Duplicate(used.get(&commit.idempotency.as_ref()?.key)?.clone()),
                write => {
                    let index = usize::try_from(write).ok()?.checked_sub(first_write + 1)?;
                    Verdict::Conflict { stream: commit.writes.get(index)?.stream, actual: *bases.get(index)? }
                }
            });
            first_write += bases.len();
        }
        Some(verdicts)
    }
}

/// A record as it may be used, from those columns and checksum.
pub(super) fn usable_record_from_row(row: &Row) -> Result<IdempotencyRecord, tokio_postgres::Error> {
    Ok(usable_record(record_from_row(row)?, row.try_get("checksum")?))
}

/// An idempotency record from the columns scope, key, fingerprint, answer, position, `recorded_at`.
pub(super) fn record_from_row(row: &Row) -> Result<IdempotencyRecord, tokio_postgres::Error> {
    let position: i64 = row.try_get("position")?;
    let fingerprint: Vec<u8> = row.try_get("fingerprint")?;
    Ok(IdempotencyRecord {
        key: IdempotencyKey { scope: row.try_get("scope")?, key: row.try_get("key")? },
        // One that has another length is nobody's digest: it equals none.
        fingerprint: fingerprint.try_into().unwrap_or_default(),
        answer: row.try_get("answer")?,
        position: Position(position.cast_unsigned()),
        recorded_at: row.try_get("recorded_at")?,
    })
}
