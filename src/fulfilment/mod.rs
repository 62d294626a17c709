//! Fulfilment: what happens to an order between submission and its end, with partners outside.
//!
//! ```text
//! partner: Inventory, Payments, Shipping  <-  simulated | over HTTP
//! ```
//! **Invariant:** a call carries its key; the same key has one effect at the partner, whoever asks and however often.

pub mod partner;
