//! The log in one SQLite file: durable, embedded, one process at a time.
//!
//! ```text
//!   append ------> Writer: the one writing connection, one transaction and one fsync per batch
//!                    |  Batch: verdicts and inserts      Tail: head, kinds, the open block
//!   read, head --> Readers: a few threads, a connection each, bounded queue
//!   every path asks Health first: a store that broke while committing answers nothing any more
//! ```
//! Readers see the last commit and never wait for the writer (WAL). The `sqlite3` shell may read the file at any time:
//! `SELECT * FROM readable_events`.

mod batch;
mod columns;
mod failure;
mod migrations;
mod open;
mod queries;
mod readers;
mod store;
mod tail;
mod writer;

pub use open::{OpenError, SqliteOptions};
pub use store::SqliteStore;
