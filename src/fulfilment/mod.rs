//! Fulfilment: what happens to an order between submission and its end, with partners outside.
//!
//! ```text
//! plan: what is to be done for an order  ->  saga (ordo_actors)  ->  effects  ->  partner: Inventory, Payments, Shipping
//!                                                |                     |              <-  simulated | over HTTP
//!                                                +- what it means to --+
//!                                                   the order: order_part
//! ```
//! **Invariant:** a call carries its key; the same key has one effect at the partner, whoever asks and however often.
//!
//! **Invariant:** what a saga means to its order goes through the order's actor, in one commit with the saga's own events. Nobody
//! else writes a saga's stream.

pub mod partner;

mod effects;
mod obliging;
mod order_part;
mod plan;
mod view;

pub use effects::{FulfilmentEffects, Partners, Patience};
pub use obliging::Obliging;
pub use plan::{Fulfilment, Goods, Kind, fulfilment_of, refund_of, saga_of, saga_of_return};
pub use view::SagaView;

/// A saga of this application.
pub type FulfilmentSaga = ordo_actors::saga::Saga<Fulfilment>;

/// The way to the sagas that run.
pub type Sagas = ordo_actors::saga_supervisor::SagaHandle<FulfilmentEffects>;
