//! What is shown from outside: each module is one subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod layering;
mod postgres_contract;
mod postgres_nodes;
mod postgres_opening;
mod postgres_outcomes;
mod postgres_server;
mod real_orders;
mod sqlite_store;
mod wire;
