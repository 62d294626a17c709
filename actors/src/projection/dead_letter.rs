//! Streams that a read model has parked.

use chrono::{DateTime, Utc};

use crate::log::event::{Position, StreamId, Version};

/// An event that a read model could not take in. Its stream is parked from there on, for this read model alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stream.
    pub stream: StreamId,
    /// The first event of it that is not in the rows.
    pub version: Version,
    /// Its position.
    pub position: Position,
    /// Why, without NUL: see [`of`](Self::of).
    pub reason: String,
    /// How often it has been tried.
    pub attempts: u32,
    /// Set once an operator has decided that the read model does without it.
    pub skipped: Option<Skip>,
}

/// An operator's decision that a read model does without the rest of a stream. The stream stays parked, and can still be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, in microseconds.
    pub at: DateTime<Utc>,
}

impl DeadLetter {
    /// Most characters of a reason; what comes after them is cut off.
    pub const MAX_REASON_CHARS: usize = 2000;

    /// A stream parked for the first time.
    #[must_use]
    pub fn of(stream: StreamId, version: Version, position: Position, reason: &str) -> Self {
        Self { stream, version, position, reason: storable(reason), attempts: 1, skipped: None }
    }

    /// The same stream, tried once more in vain. The first event that is missing stays the same, whichever event cannot be taken in now.
    #[must_use]
    pub fn tried_again(self, reason: &str) -> Self {
        Self { reason: storable(reason), attempts: self.attempts.saturating_add(1), ..self }
    }
}

/// A reason may quote anything; PostgreSQL keeps no text with a NUL in it.
fn storable(reason: &str) -> String {
    let shown = |character| if character == '\0' { char::REPLACEMENT_CHARACTER } else { character };
    reason.chars().map(shown).take(DeadLetter::MAX_REASON_CHARS).collect()
}
