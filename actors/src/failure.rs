//! Why a request got no answer.
//!
//! A failure of the store is told to every request of a batch, so it is cloned; the errors of the database drivers cannot be. Their
//! text is kept instead of them, here and in [`StoreError`], and neither has a source.

use crate::log::{
    event::{StreamId, Version},
    store::StoreError,
};

/// Why a request got no answer: the machinery, never the domain. Named by what the asker does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A queue is full. Nothing was done: try again a little later.
    #[error("too many requests are waiting")]
    Overloaded,
    /// Nothing was done: try again when the store is back.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It may or may not have been done: ask again with the same idempotency key, or look.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// Other writers were faster, again and again. Nothing was done.
    #[error("other writers changed the stream {0} times in a row")]
    Contended(u32),
    /// A stream written alongside was not as expected. Nothing was done: catch up with it and decide again.
    #[error("stream {stream} ends at version {actual}")]
    ExtraWriteConflict {
        /// Which stream.
        stream: StreamId,
        /// Where it ends.
        actual: Version,
    },
    /// The idempotency key was used for another request. Nothing was done.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The stream belongs to an aggregate of another type.
    #[error("the stream belongs to an aggregate of type {0}")]
    OtherType(String),
    /// The log holds something this code cannot read, or the reverse.
    #[error("the stream cannot be read: {0}")]
    Unreadable(String),
    /// The code that decides, or that reads an event back, panicked. Nothing was done.
    #[error("the decision panicked")]
    Panicked,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => Self::Unavailable(reason),
            StoreError::Unknown(reason) | StoreError::Broken(reason) => Self::Unknown(reason),
            StoreError::Corrupt(reason) => Self::Unreadable(reason),
        }
    }
}
