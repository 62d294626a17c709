//! `ordo partners`: stand-ins for the three partners, served over HTTP, for demos and as the judge in tests. They keep the same
//! rules as the simulated ones, in a file that outlives them.
//!
//! ```text
//! server > { calls, audit, page } > ledger_file > ledger_rows
//! ```
//! **Invariant:** what was answered as done or refused is in the file, on disk, whenever the process is killed.
//! No two processes have the file open, and it stops the server when it is taken away.

mod audit;
mod calls;
mod ledger_file;
mod ledger_rows;
mod page;
mod problem;
pub mod server;
