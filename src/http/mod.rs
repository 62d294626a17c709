//! REST: from a request to a command or a read, and from the answer to a response.
//!
//! ```text
//! request -> request_context -> routes -> handler -> command_input -> AppState::ask -> the order's actor
//!                                                                                         |
//! response <----------------------- respond <--------- OrderAnswer <------ render <-------+
//! ```
//!
//! Invariant: only `error` knows which fault has which status code.

// A request comes in: what it is, whether it is taken, what it asks.
pub mod admission;
pub mod answer_budget;
pub mod body_budget;
pub mod request_context;
pub mod routes;
pub mod state;

pub mod command_input;
pub mod query_params;
pub mod wire;

// Orders: one file per resource.
pub mod orders;

pub mod fulfilment;
pub mod items;
pub mod order_steps;

// Lists.
pub mod cursor;
pub mod pagination;

pub mod customers;
pub mod events;
pub mod inventory;
pub mod list_orders;
pub mod listed_table;

// For operators and their tools.
pub mod admin_projections;
pub mod admin_sagas;
pub mod docs;
pub mod health;
pub mod openapi;

// An answer goes out.
pub mod answer;
pub mod error;
pub mod rejection;

pub mod fault_tally;
pub mod http_metrics;
