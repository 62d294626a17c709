//! What fulfilment asks of the outside: stock, money and parcels.
//!
//! Every call carries an idempotency key that its saga step made: the same key has one effect, and one answer, for ever. An undo
//! names the key of what it undoes and ends that key, whether the call ever arrived or not: a call that arrives after its undo is
//! refused. So an outcome nobody knows can always be ended safely.

use std::time::Duration;

use async_trait::async_trait;

use crate::order::{Currency, OrderId, ProductId, Reference};

/// Names one effect for ever. The same call repeated carries the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallKey(pub String);

/// What a partner made of a call. Named by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done, now or by an earlier call with this key: go on. The name is the partner's own for what came of it.
    Done(Reference),
    /// The partner says no, for good: nothing happened and nothing will come of this key. Compensate.
    Refused(String),
    /// Certainly nothing has happened so far: call again with the same key, not before `retry_after`.
    NotDone {
        /// Why.
        reason: String,
        /// What the partner asked for, if it did.
        retry_after: Option<Duration>,
    },
    /// It may or may not have happened (a time-out, a broken connection, an answer that makes no sense): look it up first.
    Unknown(String),
}

/// What a partner knows about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was done.
    Done(Reference),
    /// It was refused.
    Refused(String),
    /// It was undone, or an undo came before it: nothing will come of this key.
    Undone,
    /// The partner has never heard of it: call again with the same key.
    Unheard,
    /// The partner is still at it, or could not be asked: look again later.
    Unknown(String),
}

/// Goods to set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// For which order.
    pub order_id: OrderId,
    /// How many of what; one entry per product.
    pub goods: Vec<(ProductId, u64)>,
}

/// Money to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// For which order.
    pub order_id: OrderId,
    /// How much, in minor units; at least 1.
    pub amount_cents: i64,
    /// In what.
    pub currency: Currency,
}

/// Money to give back for items that came back; the rest of the payment stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// For which order.
    pub order_id: OrderId,
    /// Of which payment, when the order knows it.
    pub payment_id: Option<Reference>,
    /// How much, in minor units; at least 1.
    pub amount_cents: i64,
    /// In what.
    pub currency: Currency,
}

/// A parcel to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// For which order.
    pub order_id: OrderId,
    /// How many of what; one entry per product.
    pub goods: Vec<(ProductId, u64)>,
}

/// Holds stock.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// Sets goods aside.
    async fn reserve(&self, key: &CallKey, reservation: &Reservation) -> Reply;
    /// Gives back what `of` set aside, all of it, and ends that key.
    async fn release(&self, key: &CallKey, of: &CallKey, reservation: &Reservation) -> Reply;
    /// Tells what became of the key of a reservation or a release.
    async fn look_up(&self, key: &CallKey) -> Standing;
}

/// Takes and gives back money.
#[async_trait]
pub trait Payments: Send + Sync {
    /// Takes money.
    async fn charge(&self, key: &CallKey, charge: &Charge) -> Reply;
    /// Gives back all that `of` took, and ends that key.
    async fn void(&self, key: &CallKey, of: &CallKey, charge: &Charge) -> Reply;
    /// Gives back a part, for items that came back.
    async fn refund(&self, key: &CallKey, refund: &Refund) -> Reply;
    /// Tells what became of the key of a charge, a void or a refund.
    async fn look_up(&self, key: &CallKey) -> Standing;
}

/// Sends parcels.
#[async_trait]
pub trait Shipping: Send + Sync {
    /// Sends a parcel; the reference is its tracking number.
    async fn ship(&self, key: &CallKey, parcel: &Parcel) -> Reply;
    /// Calls back what `of` sent, and ends that key.
    async fn call_back(&self, key: &CallKey, of: &CallKey, parcel: &Parcel) -> Reply;
    /// Tells what became of the key of a shipment or of calling one back.
    async fn look_up(&self, key: &CallKey) -> Standing;
}
