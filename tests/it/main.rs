//! What is shown from outside: each module is one subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

// What the tests stand on.
mod dice;
mod ledger;
mod load;
mod ordo_command;
mod postgres_server;
mod test_app;

mod crash;
mod layering;
mod postgres_contract;
mod real_orders;
mod sqlite_store;
