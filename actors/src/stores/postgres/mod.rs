//! The log in PostgreSQL (13 or later), shared by any number of processes.
//!
//! ```text
//! appender ── store ── writer ── batch ──► ordo_append(..)   one round trip, one transaction, one fsync per batch
//!               │        │                    locks log_head, judges every commit, inserts, remembers its verdicts
//!               │        └─ outcome ◄──────── the verdicts, also after a lost connection
//!               ├─ readers ── log_query ──► a bb8 pool, statements prepared once per connection
//!               ├─ notifications ────────► a connection of its own: LISTEN and NOTIFY, hints for the other processes
//!               └─ rows ───── row_reads ──► the same pool; row_writes: a transaction per commit
//! ```
//!
//! `server` makes every connection and refuses a server that may lose what it confirmed; `schema` brings the tables up
//! to date. All sockets live on the store's own runtime, so a caller's runtime may end without taking one along.

mod batch;
mod event_row;
mod inspection;
mod log_query;
mod notifications;
mod open_error;
mod options;
mod outcome;
mod own_backend;
pub mod passfile;
mod readers;
mod row_reads;
mod row_writes;
mod rows;
mod schema;
mod server;
mod server_error;
mod store;
mod url;
mod writability;
mod writer;

pub use self::{
    open_error::{OpenError, UnsafeSetting},
    options::PostgresOptions,
    schema::SCHEMA,
    store::PostgresStore,
    url::{PostgresUrl, UrlError},
};
