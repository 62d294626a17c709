//! Why a file is not opened. Every sentence says what to do.

use std::{io, path::PathBuf};

/// Why a file could not be opened as a log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has it open, by whatever name.
    #[error("{} is in use by another process: one process per file; stop that one, or name another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It holds something else than a log.
    #[error("{} is not a log of this program: it is left untouched", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file or directory cannot be made or opened.
    #[error("{} cannot be opened", path.display())]
    File {
        /// Which one: the database, its lock or their directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name is a link to something that is not there.
    #[error("{} is a link to a file that is not there: mount or restore what it points to, or remove the link", path.display())]
    Dangling {
        /// The link.
        path: PathBuf,
    },
    /// The database is not there, but what lies beside one is.
    #[error(
        "{} is not there, but {} is: the log that belongs to it was moved or deleted; put it back, or remove {} to begin a new log",
        path.display(), left.display(), left.display()
    )]
    Gone {
        /// Where the database was.
        path: PathBuf,
        /// What is left of it.
        left: PathBuf,
    },
    /// The file is shorter than it says of itself.
    #[error("{} has been cut off: restore a backup, or save what is left with `sqlite3 FILE .recover`", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// SQLite finds the file damaged.
    #[error(
        "{} is damaged: restore a backup, or save what is left with `sqlite3 FILE .recover`", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// What was confirmed last is not there: the file goes on in a write-ahead log that is missing or damaged.
    #[error(
        "{} {how}: what was confirmed after position {position}, or a part of it, is lost; put the file back if you have it, else look with \
         `ordo verify`, and go on without what is lost with `ordo serve --accept-lost-tail`",
        wal.display()
    )]
    LostTail {
        /// The write-ahead log.
        wal: PathBuf,
        /// What is wrong with it.
        how: &'static str,
        /// Where the log ends without it.
        position: u64,
    },
    /// What was confirmed last cannot be read where nothing can be written.
    #[error(
        "{} holds what was confirmed last, and SQLite cannot read it in a directory that cannot be written: copy the \
         database and this file to one that can",
        wal.display()
    )]
    Unreadable {
        /// The write-ahead log.
        wal: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// It is not of this version, and nothing can be written.
    #[error(
        "{} has the schema of another version and cannot be brought up to date where nothing can be written: copy it to a \
         directory that can",
        path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
    },
    /// The log ends before a position that is known elsewhere in the file.
    #[error(
        "the log in {} ends at position {head}, and {known} is known in it: events are missing; restore a backup",
        path.display()
    )]
    Shorter {
        /// The file.
        path: PathBuf,
        /// Where the log ends.
        head: u64,
        /// Where it ended once.
        known: u64,
    },
    /// The file has further names, and another one is its own.
    #[error(
        "{} is a second name (hard link) of {}: open it by that name, or remove one of the two names",
        path.display(), known_as
    )]
    OtherName {
        /// The name it was to be opened by.
        path: PathBuf,
        /// The name under which its write-ahead log lies.
        known_as: String,
    },
    /// Others may read it, and that cannot be changed.
    #[error("{} can be read by others (mode {mode:o}) and its mode cannot be changed: make it 0600", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Why not.
        source: io::Error,
    },
    /// Its schema cannot be brought up to date: it was written by a newer version, or changed by hand.
    #[error("the schema of {} cannot be brought up to date", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Which migration, and why.
        source: Box<refinery::Error>,
    },
    /// SQLite refused.
    #[error("{} cannot be used", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// Whether the file or what lies beside it may not be written.
    #[must_use]
    pub fn is_for_want_of_rights(&self) -> bool {
        match self {
            Self::File { source, .. } | Self::Readable { source, .. } => {
                matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
            }
            Self::InUse { .. }
            | Self::Foreign { .. }
            | Self::Dangling { .. }
            | Self::Gone { .. }
            | Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::LostTail { .. }
            | Self::Unreadable { .. }
            | Self::OtherVersion { .. }
            | Self::Shorter { .. }
            | Self::OtherName { .. }
            | Self::Schema { .. }
            | Self::Sqlite { .. } => false,
        }
    }
}
