//! What an error of the driver means for a statement that was sent.

use std::error::Error as _;

use crate::log::store::{DISK_FULL, READ_ONLY, StoreError};
use tokio_postgres::{
    Error,
    error::{Severity, SqlState},
};

use super::server::POOLED;

/// What became of an autocommitted statement that failed.
pub(super) enum Fate {
    /// Nothing of it was written, and the same again may go through.
    TryAgain,
    /// Nothing of it was written: a row stands where only this statement may put one.
    Occupied(String),
    /// Nothing of it was written: there was no time, no room or no right server for it. Later there may be.
    Refused,
    /// Nothing of it was written, and never will be: the statement or its values do not fit what is in the database.
    Unfit,
    /// Nothing of it was written: the session has another server process than the one it prepared its statements in.
    Pooled,
    /// The session is gone: it may have been written.
    Unknown,
}

impl Fate {
    /// An `ERROR` aborts the transaction. A `FATAL` ends the session and may come after the commit, like a broken socket.
    pub(super) fn of(error: &Error) -> Self {
        let Some(db) = error.as_db_error() else { return Self::Unknown };
        if db.parsed_severity() != Some(Severity::Error) {
            return Self::Unknown;
        }
        match db.code() {
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => Self::TryAgain,
            &SqlState::UNIQUE_VIOLATION => Self::Occupied(db.constraint().unwrap_or("a unique index").to_owned()),
            &SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT => Self::Pooled,
            code if UNFIT.contains(&&code.code()[..2]) => Self::Unfit,
            _ => Self::Refused,
        }
    }
}

/// Classes of SQLSTATE that asking again does not change: unsupported features, values out of range or without an encoding,
/// broken constraints, missing tables or rights, and damaged data.
const UNFIT: &[&str] = &["0A", "22", "23", "42", "XX"];

/// A read or a write of rows that failed with nothing changed.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn nothing_done(error: Error) -> StoreError {
    match Fate::of(&error) {
        Fate::Unfit => StoreError::Corrupt(describe(&error)),
        Fate::Pooled => StoreError::Unavailable(format!("{}: {POOLED}", describe(&error))),
        Fate::TryAgain | Fate::Occupied(_) | Fate::Refused | Fate::Unknown => StoreError::Unavailable(told(&error)),
    }
}

/// The same as [`describe`], after the word that clients are told where there is one.
pub(super) fn told(error: &Error) -> String {
    let words = match error.code() {
        Some(&SqlState::DISK_FULL) => DISK_FULL,
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => READ_ONLY,
        _ => return describe(error),
    };
    format!("{words}: {}", describe(error))
}

/// What the driver says of a server that is there and takes no writes, a standby for one.
const NO_WRITES: &str = "does not allow writes";

/// Why there is no session, after the word that clients are told.
pub(super) fn not_connected(words: &str, reason: &str) -> String {
    let words = if reason.contains(NO_WRITES) { READ_ONLY } else { words };
    format!("{words}: {reason}")
}

/// One line for logs and answers: the server's words, or the driver's down to the cause.
pub(super) fn describe(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
