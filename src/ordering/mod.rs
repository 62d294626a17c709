//! The application layer: what can be asked of an order, once. HTTP and `ordo import` come through it.
//!
//! ```text
//!  front end -> Ordering | Importer -> CommandRunner -> Orders::ask -> the order's actor
//!      ^                                                                     |
//!      +--------- answer <------- Present::present(&OrderOutcome) <----------+
//! ```
//! A use case answers with what a front end makes of its outcome ([`Present`]): made inside the order's actor, so that it can be
//! kept with an idempotency key.
//!
//! **Invariant:** an order is moved by hand or by its saga, never by both: [`CommandRunner::by_hand`] is the one place that says so.
//!
//! **Invariant:** no status codes and no types of a web framework. Outcomes are enums.

// What a caller sends, and what comes back.
mod error;
mod options;
mod outcome;

// How commands get to orders, and how orders and sagas are read.
mod command_runner;
mod reading;

// The use cases.
mod use_cases;

mod drafting;
mod placing;
mod stepping;

mod cancelling;
mod fulfilling;
mod returning;

mod importing;

pub use cancelling::Cancellation;
pub use command_runner::{ByHand, CommandRunner, Orders};
pub use error::OrderingError;
pub use fulfilling::FulfilOutcome;
pub use importing::{ImportOutcome, Importer, external_id};
pub use options::{Call, CommandOptions};
pub use outcome::{Accepted, Effect, OrderOutcome, Present};
pub use reading::PastOrder;
pub use use_cases::Ordering;
