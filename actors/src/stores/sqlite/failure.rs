//! What an error of SQLite means to the caller. No text of a statement ever gets into the answer.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::log::store::{DAMAGED, DISK_FULL, LOCKED, READ_ONLY, StoreError};
use parking_lot::Mutex;
use rusqlite::{Error, ErrorCode, ffi};

/// The pause between two attempts to find out whether the file can be written again.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Whether the store may still be used. Once broken it stays broken: only a new process reads the file afresh.
#[derive(Debug, Default)]
pub struct Health {
    broken: OnceLock<String>,
    /// When the last write failed and why, as long as none has succeeded since.
    refused: Mutex<Option<(Instant, String)>>,
}

/// Whether the last write failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It succeeded.
    No,
    /// It failed a moment ago.
    Lately(String),
    /// It failed so long ago that another one may succeed.
    LongAgo,
}

impl Health {
    /// Refuses when the store has broken.
    pub fn check(&self) -> Result<(), StoreError> {
        self.broken.get().map_or(Ok(()), |reason| Err(StoreError::Broken(reason.clone())))
    }

    /// Remembers the first failure after which nothing in memory can be trusted, and passes every error on.
    pub fn note(&self, error: StoreError) -> StoreError {
        if let StoreError::Broken(reason) = &error {
            self.broken.get_or_init(|| reason.clone());
        }
        error
    }

    /// Remembers that a write failed, and passes the error on as [`Self::note`] does.
    pub fn refuse(&self, error: StoreError) -> StoreError {
        if let StoreError::Unavailable(reason) | StoreError::Corrupt(reason) = &error {
            *self.refused.lock() = Some((Instant::now(), reason.clone()));
        }
        self.note(error)
    }

    /// Remembers that a write succeeded.
    pub fn wrote(&self) {
        *self.refused.lock() = None;
    }

    /// Whether the last write failed.
    pub fn refused(&self) -> Refused {
        match &*self.refused.lock() {
            None => Refused::No,
            Some((at, reason)) if at.elapsed() < PROBE_EVERY => Refused::Lately(reason.clone()),
            Some(_) => Refused::LongAgo,
        }
    }

    /// Whether the store has broken.
    pub fn is_broken(&self) -> bool {
        self.broken.get().is_some()
    }
}

/// An error while reading: nothing was at stake.
#[must_use]
pub fn reading(error: &Error) -> StoreError {
    match cause(error) {
        Cause::Damage => StoreError::Corrupt(describe(error)),
        Cause::Passing | Cause::DiskWrite | Cause::Unclear => StoreError::Unavailable(describe(error)),
    }
}

/// An error within a transaction before its COMMIT, whose rollback went through.
///
/// A failed write or fsync ends the store even here: the kernel may have forgotten pages it reported as written, so a later
/// fsync proves nothing about them.
#[must_use]
pub fn writing(error: &Error) -> StoreError {
    match cause(error) {
        Cause::Damage => StoreError::Corrupt(describe(error)),
        Cause::DiskWrite => StoreError::Broken(describe(error)),
        Cause::Passing | Cause::Unclear => StoreError::Unavailable(describe(error)),
    }
}

/// An error of COMMIT itself. Only a full or busy disk is known to have kept the commit out of the log.
#[must_use]
pub fn committing(error: &Error, rolled_back: bool) -> StoreError {
    match cause(error) {
        Cause::Passing if rolled_back => StoreError::Unavailable(describe(error)),
        Cause::Passing | Cause::DiskWrite | Cause::Unclear | Cause::Damage => StoreError::Broken(describe(error)),
    }
}

enum Cause {
    /// Space, a lock, a right: nothing is wrong with what is stored.
    Passing,
    /// The disk did not take what was written.
    DiskWrite,
    /// What is stored is not what was written, or not what this code would have written.
    Damage,
    /// Anything else.
    Unclear,
}

fn cause(error: &Error) -> Cause {
    let Some(code) = error.sqlite_error() else {
        return match error {
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnType(..)
            | Error::QueryReturnedNoRows => Cause::Damage,
            _ => Cause::Unclear,
        };
    };
    match code.code {
        ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::ReadOnly => {
            Cause::Passing
        }
        ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch => Cause::Damage,
        ErrorCode::SystemIoFailure if is_harmless(code.extended_code) => Cause::Unclear,
        ErrorCode::SystemIoFailure => Cause::DiskWrite,
        _ => Cause::Unclear,
    }
}

/// I/O errors that say nothing about what was written: failed reads, and memory that ran out on the way to the disk.
fn is_harmless(extended_code: i32) -> bool {
    matches!(
        extended_code,
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_FSTAT | ffi::SQLITE_IOERR_NOMEM
    )
}

/// A sentence for the log: what may be told to anybody, the library's own words for the code, and the code.
fn describe(error: &Error) -> String {
    match error.sqlite_error() {
        Some(code) => {
            let words = match code.code {
                ErrorCode::DiskFull => Some(DISK_FULL),
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(LOCKED),
                ErrorCode::ReadOnly => Some(READ_ONLY),
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(DAMAGED),
                _ => None,
            };
            let words = words.map(|words| format!("{words}: ")).unwrap_or_default();
            format!("{words}{} (SQLite {})", ffi::code_to_str(code.extended_code), code.extended_code)
        }
        None => match error {
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnType(..) => "a stored value is not of its kind".to_owned(),
            Error::QueryReturnedNoRows => "a row that must exist is missing".to_owned(),
            _ => "SQLite was used wrongly".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), Some("INSERT INTO events ...".to_owned()))
    }

    #[test]
    fn a_full_disk_before_the_commit_is_a_matter_of_time() {
        assert!(matches!(writing(&sqlite(ffi::SQLITE_FULL)), StoreError::Unavailable(_)));
    }

    #[test]
    fn a_full_disk_at_the_commit_is_a_matter_of_time_only_when_it_was_rolled_back() {
        assert!(matches!(committing(&sqlite(ffi::SQLITE_FULL), true), StoreError::Unavailable(_)));
        assert!(matches!(committing(&sqlite(ffi::SQLITE_FULL), false), StoreError::Broken(_)));
    }

    #[test]
    fn a_failed_fsync_breaks_the_store_wherever_it_happens() {
        let fsync = sqlite(ffi::SQLITE_IOERR_FSYNC);
        assert!(matches!(committing(&fsync, true), StoreError::Broken(_)));
        assert!(matches!(writing(&fsync), StoreError::Broken(_)));
    }

    #[test]
    fn any_io_error_of_the_commit_breaks_the_store() {
        assert!(matches!(committing(&sqlite(ffi::SQLITE_IOERR_READ), true), StoreError::Broken(_)));
        assert!(matches!(writing(&sqlite(ffi::SQLITE_IOERR_READ)), StoreError::Unavailable(_)));
    }

    #[test]
    fn damage_is_told_apart_from_trouble() {
        assert!(matches!(reading(&sqlite(ffi::SQLITE_CORRUPT)), StoreError::Corrupt(_)));
        assert!(matches!(reading(&Error::IntegralValueOutOfRange(0, -1)), StoreError::Corrupt(_)));
        assert!(matches!(reading(&sqlite(ffi::SQLITE_IOERR_READ)), StoreError::Unavailable(_)));
    }

    #[test]
    fn statements_stay_out_of_the_sentence() {
        assert!(!writing(&sqlite(ffi::SQLITE_FULL)).to_string().contains("INSERT"));
    }

    #[test]
    fn a_broken_store_stays_broken() {
        let health = Health::default();
        health.note(StoreError::Unavailable("full".to_owned()));
        assert!(health.check().is_ok());
        health.note(StoreError::Broken("fsync".to_owned()));
        assert!(matches!(health.check(), Err(StoreError::Broken(reason)) if reason == "fsync"));
    }
}
