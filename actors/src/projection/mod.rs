//! Projections: read models as folds of the log into rows, each with a checkpoint of its own.
//!
//! ```text
//!   log, feed -> actor: claim, catch up, follow -> projector -> ReadModel (events in, row changes out)
//!                  |                                  |
//!                  +- rebuild: the next generation    +-> RowStore::commit    rows, parked streams and checkpoint at once
//! ```
//!
//! **Invariant:** rows and checkpoint are written in one commit, and only by the owner of the checkpoint.
//!
//! **Invariant:** an event that cannot be taken in parks its stream, never the projection.

// What an application writes, what it folds on, and where its rows live.
mod read_model;
mod stream_changes;

mod dead_letter;
pub mod row_store;
mod table_scan;

// One generation on its way through the log.
mod backlog;
pub mod progress;
mod projector;
mod rebuild;

// The actor and its handle.
mod actor;
mod metrics;

#[cfg(test)]
mod projector_tests;

pub use actor::{ProjectionActor, ProjectionHandle};
pub use metrics::ProjectionMetrics;
pub use read_model::{ReadModel, Sources, TakeError};
pub use stream_changes::{ReaderStates, StreamChange};
pub use table_scan::TableScan;
