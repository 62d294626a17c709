//! What ends an import. A single bad line does not: it becomes a [`Reject`](super::Reject).

use std::{io, path::PathBuf};

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading or unpacking broke off: a damaged or cut archive, a failing disk, one record without an end.
    #[error("reading stopped at line {line}")]
    Read {
        /// The line that was about to be read, from 1.
        line: u64,
        /// What the system or the unpacker said.
        source: io::Error,
    },
    /// The CSV header lacks a column that the map names.
    #[error("the file has no column {wanted:?}; it has: {found}")]
    MissingColumn {
        /// The name in the map.
        wanted: String,
        /// The names in the header.
        found: String,
    },
    /// The file holds more than is gathered in memory. Split it between two orders.
    #[error("more than {limit} {what} in one file: split it between two orders")]
    TooMany {
        /// Orders or order lines.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// The file of rejects could not be written.
    #[error("cannot write the rejects")]
    Rejects(#[source] io::Error),
}
