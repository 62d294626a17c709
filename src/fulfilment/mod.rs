//! Fulfilment: what happens to an order between submission and its end, with partners outside.
//!
//! ```text
//! plan: what is to be done for an order  ->  saga (ordo_actors)  ->  effects  ->  Partner  <-  http_partner | partner_sim
//!                                                |                     |
//!                                                +- what it means to --+
//!                                                   the order: order_command
//! ```
//! **Invariant:** a call carries its key; the same key has one effect at the partner, whoever asks and however often.
//!
//! **Invariant:** what a saga means to its order goes through the order's actor, in one commit with the saga's own events. Nobody
//! else writes a saga's stream.

// What a partner is asked, and what a partner is.
pub mod call;
pub mod partner;

// Partners over HTTP.
pub mod wire;

pub mod answer;
pub mod circuit_breaker;
pub mod http_partner;

// Which partners a server has.
pub mod settings;

// The saga: its plan, what its events mean to the order, what it does to the world, how clients see it.
mod plan;

mod effects;
mod order_command;
pub mod schema;
mod view;

pub use effects::{FulfilmentEffects, StepTimeouts};
pub use plan::{Fulfilment, Goods, Kind, Step, fulfilment_of, refund_of, saga_of, saga_of_return};
pub use view::SagaView;

/// A saga of this application.
pub type FulfilmentSaga = ordo_actors::saga::Saga<Fulfilment>;

/// The way to the supervisor of the sagas.
pub type SagaSupervisorHandle = ordo_actors::saga::supervisor::SagaHandle<FulfilmentEffects>;
