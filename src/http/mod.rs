//! REST: from a request to a command or a read, and from the answer to a response.
//!
//! ```text
//! request -> request_context -> routes -> handler -> command_input -> AppState::ask -> the order's actor
//!                                                                                         |
//! response <----------------------- respond <--------- OrderAnswer <------ render <-------+
//! ```
//!
//! Invariant: only `error` knows which fault has which status code.

pub mod admin;
pub mod admission;
pub mod answer;
pub mod answer_budget;
pub mod body_budget;
pub mod command_input;
pub mod cursor;
pub mod customers;
pub mod desk;
pub mod docs;
pub mod error;
pub mod events;
pub mod fault_tally;
pub mod fulfilment;
pub mod health;
pub mod http_metrics;
pub mod inventory;
pub mod items;
pub mod lifecycle;
pub mod listing;
pub mod order_lists;
pub mod orders;
pub mod query;
pub mod rejection;
pub mod request_context;
pub mod returns;
pub mod routes;
pub mod state;
pub mod table_list;
pub mod wire;
