//! Whether appends go through: the last that did not, and a write that finds out whether the next would.

use std::time::Duration;

use crate::log::store::StoreError;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    readers::{Reader, Readers},
    server_error::nothing_done,
};

/// How often a write is tried to find out.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Takes what an append takes, in the same order: the head, and room for a row that fits no page there is.
const TRY_HEAD: &str = "SELECT FROM log_head FOR UPDATE";
const TRY_ROOM: &str = "INSERT INTO log_writers (writer, batch, used_at, head, outcomes, bases) VALUES (gen_random_uuid(), 0, now(), \
    0, '{}', ARRAY(SELECT (random() * 9e18)::bigint FROM generate_series(1, 2000)))";

/// What is known of it; one per writer.
#[derive(Default)]
pub(super) struct Writability(Mutex<Option<Refused>>);

#[derive(Clone)]
struct Refused {
    reason: String,
    tried: Instant,
}

impl Writability {
    /// Takes down how an append ended.
    pub(super) fn note(&self, error: Option<&StoreError>) {
        let reason = match error {
            Some(StoreError::Unavailable(reason) | StoreError::Unknown(reason)) => reason.clone(),
            Some(StoreError::Broken(_) | StoreError::Corrupt(_)) | None => return self.forget(),
        };
        *self.0.lock() = Some(Refused { reason, tried: Instant::now() });
    }

    fn forget(&self) {
        *self.0.lock() = None;
    }

    /// After an append that was refused: tries a write, at most once a second, and takes it back.
    pub(super) async fn ask(&self, readers: &Readers) -> Result<(), StoreError> {
        let Some(refused) = self.0.lock().clone() else { return Ok(()) };
        if refused.tried.elapsed() < TRY_EVERY {
            return Err(StoreError::Unavailable(refused.reason));
        }
        let tried = readers.transact(|reader| Box::pin(try_to_write(reader))).await;
        if tried.is_ok() {
            self.forget();
        } else {
            self.note(tried.as_ref().err());
        }
        tried
    }
}

/// Writes nothing that stays.
async fn try_to_write(reader: &mut Reader) -> Result<((), bool), StoreError> {
    reader.client().batch_execute(TRY_HEAD).await.map_err(nothing_done)?;
    reader.client().batch_execute(TRY_ROOM).await.map_err(nothing_done)?;
    Ok(((), false))
}
