//! The order: what can be asked of it, what can happen to it, and every rule about both. Pure: no clock, no ids, no I/O.
//!
//! ```text
//!            +--------+ submit  +-----------+ reserve +----------+ process +------------+ complete +-----------+
//!  create -> | Draft  |-------> | Submitted |-------> | Reserved |-------> | Processing |--------> | Completed |
//!            +--------+         +-----------+         +----------+         +------------+          +-----------+
//!             items change       frozen                stock held           paid                    items may return
//!                 |                  |                     |                     |
//!                 +------------------+---- cancel ---------+---------------------+---> Cancelled
//!
//!  outside text and numbers -> value objects -> OrderCommand -> Order::decide -> OrderEvents -> Order::evolve -> Order
//!                                                                  |                                              |
//!                                                             OrderRejection                                  OrderView
//! ```
//!
//! **Invariant:** only `decide` refuses. What has been decided is believed: reading stored events checks their shape, never
//! their values, so a rule made stricter tomorrow does not lock yesterday's orders.

// What it is made of.
mod ids;
mod invalid;
mod line;
mod money;
mod text;
mod timestamp;
mod visible;

// What is asked and what happened.
mod command;
mod event;
mod rejection;
mod unchecked;

// The states, the rules, the fold.
mod state;

mod decide;
mod drafting;
mod returning;

mod evolve;

// What the outside sees.
pub mod schema;
mod view;

#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod rule_table_tests;
#[cfg(test)]
mod value_tests;
#[cfg(test)]
mod view_tests;

pub use command::{CreateOrder, NewItem, OrderCommand, RecordRefund, ReturnItems, ReturnRequest, placed_at};
pub use event::{
    ItemAdded, ItemQuantityUpdated, ItemRemoved, ItemsReturned, OrderCancelled, OrderCompleted, OrderCreated,
    OrderEvent, OrderProcessing, OrderReserved, OrderSubmitted, RefundIssued, ReturnedItem,
};
pub use ids::{CustomerId, LineId, OrderId, ProductId, Reference, chosen_id};
pub use invalid::{Fault, InvalidValue};
pub use line::{Line, MAX_LINES, MAX_QUANTITY};
pub use money::{Currency, Money};
pub use rejection::{OrderRejection, RejectionKind};
pub use state::{Order, OrderState};
pub use text::{ProductName, Reason};
pub use unchecked::{CheckedOrder, UncheckedItem, UncheckedOrder};
pub use view::OrderView;
pub use visible::{escaped, on_one_line};
