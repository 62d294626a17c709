//! Fulfilment: what happens to an order between submission and its end, with partners outside.
//!
//! ```text
//! plan: what is to be done for an order  ->  saga (ordo_actors)  ->  effects  ->  partner: Inventory, Payments, Shipping
//!                                                |                     |              <-  simulated | http_partner
//!                                                +- what it means to --+
//!                                                   the order: order_part
//!
//! simulated, and the stand-in server: fate > ledger > reckoning
//! ```
//! **Invariant:** a call carries its key; the same key has one effect at the partner, whoever asks and however often.
//!
//! **Invariant:** what a saga means to its order goes through the order's actor, in one commit with the saga's own events. Nobody
//! else writes a saga's stream.

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

// The saga: what is to be done, what it means to the order, what it does to the world.
mod effects;
mod order_part;
mod plan;
mod view;

pub use effects::{FulfilmentEffects, Patience};
pub use plan::{Fulfilment, Goods, Kind, fulfilment_of, refund_of, saga_of, saga_of_return};
pub use view::SagaView;

/// A saga of this application.
pub type FulfilmentSaga = ordo_actors::saga::Saga<Fulfilment>;

/// The way to the sagas that run.
pub type Sagas = ordo_actors::saga_supervisor::SagaHandle<FulfilmentEffects>;
