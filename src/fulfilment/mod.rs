//! Fulfilment: what happens to an order between submission and its end, with partners outside.
//!
//! ```text
//! partner: Inventory, Payments, Shipping  <-  simulated | http_partner
//!                                             simulated, and the stand-in server: fate > ledger > reckoning
//! ```
//! **Invariant:** a call carries its key; the same key has one effect at the partner, whoever asks and however often.

pub mod partner;

// What a partner is asked, as a value.
pub mod call;

// Partners over HTTP.
pub mod answer;
pub mod circuit_breaker;
pub mod http_partner;
pub mod wire;

// Partners that only stand in: what happens to a call, the rules they keep, what it comes to.
pub mod fate;
pub mod ledger;
pub mod memory_entries;
pub mod reckoning;
pub mod simulated;

// Who they are.
pub mod settings;
