//! What an error of the driver means for a statement that was sent.

use std::error::Error as _;

use tokio_postgres::{
    Error,
    error::{Severity, SqlState},
};

/// What became of an autocommitted statement that failed.
pub(super) enum Fate {
    /// Nothing of it was written, and the same again may go through.
    TryAgain,
    /// Nothing of it was written: a row stands where only this statement may put one.
    Occupied(String),
    /// Nothing of it was written.
    Refused,
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
            _ => Self::Refused,
        }
    }
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
