//! Why the store cannot be opened.

use std::fmt;

use super::{server::POOLED, url::UrlError};

/// A sentence for the operator. Never holds the password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// No session, or it broke.
    #[error("PostgreSQL at {server} cannot be used: {reason}")]
    Unusable {
        /// Host, port and database.
        server: String,
        /// What the server or the network said.
        reason: String,
    },
    /// Locks and prepared statements of a session do not hold.
    #[error("PostgreSQL at {server} cannot be used like this: {POOLED}")]
    Pooled {
        /// Host, port and database.
        server: String,
    },
    /// The server may lose what it has confirmed.
    #[error(
        "PostgreSQL at {server} may lose confirmed orders: {setting}; set it right or pass --allow-unsafe-durability"
    )]
    UnsafeDurability {
        /// Host, port and database.
        server: String,
        /// Which setting.
        setting: UnsafeSetting,
    },
    /// Text would not come back as it was written.
    #[error("the database at {server} has encoding {encoding}, it must be UTF8")]
    Encoding {
        /// Host, port and database.
        server: String,
        /// Which it has.
        encoding: String,
    },
    /// The tables could not be brought up to date, or are newer than this version of the program.
    #[error("the tables at {server} cannot be brought up to date: {reason}")]
    Migration {
        /// Host, port and database.
        server: String,
        /// What stood in the way.
        reason: String,
    },
    /// The machine gives no thread.
    #[error("cannot start the threads of the PostgreSQL store")]
    Thread(#[from] std::io::Error),
}

/// A server setting under which a confirmed commit can be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsafeSetting {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

impl fmt::Display for UnsafeSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.name, self.value)
    }
}
