//! The log in one SQLite file: durable, embedded, one process at a time.
//!
//! ```text
//!   append ------> Writer: the one writing connection, one transaction and one fsync per batch
//!                    |  Batch: verdicts and inserts      Tail: head, kinds, the open block
//!   rows --------> the same Writer, on the one thread that may wait for it: row_writes
//!   read, page --> Workers: a few threads, a connection each, bounded queue: queries, row_reads
//!   every path asks Health first: a store that broke answers nothing any more
//!   own_file: the lock, and whether the file is still where it was; checkpoint, wal: whether anything is missing of it
//! ```
//! Readers see the last commit and never wait for the writer (WAL). The `sqlite3` shell may read the file at any time:
//! `SELECT * FROM readable_events`.

mod batch;
mod checkpoint;
mod columns;
mod failure;
mod inspection;
mod migrations;
mod open;
mod open_error;
mod own_file;
mod queries;
mod row_reads;
mod row_writes;
mod rows;
mod store;
mod tail;
mod wal;
mod workers;
mod writer;

pub use migrations::SCHEMA;
pub use open::SqliteOptions;
pub use open_error::OpenError;
pub use own_file::OwnFile;
pub use store::SqliteStore;
