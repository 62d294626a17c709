//! Stand-ins for the partners, with injected faults, for demos and as the judge in tests: in the server's own process, or served
//! over HTTP by `ordo partners` with a ledger in a file.
//!
//! ```text
//! in_process > memory_entries                               \
//!                                                              > ledger, reconciliation, fault_injection
//! server > { handlers, page } > ledger_file > ledger_rows  /
//! ```
//! **Invariant:** what `ordo partners` has answered as done or refused is in the file, on disk, whenever the process is killed.
//! One process has the file open; the server stops when the file is taken away.

// What happens to a call on its way.
pub mod fault_injection;

// What a stand-in makes of a call, and what its calls add up to.
pub mod ledger;
pub mod reconciliation;

// In the process.
mod memory_entries;

pub mod in_process;

// Over HTTP.
mod ledger_rows;

mod ledger_file;

mod problem;

mod handlers;
mod page;
mod reconciliation_handler;
pub mod server;
