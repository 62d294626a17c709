//! Names of things: orders, their lines, and what other systems call theirs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::checked_text;

/// An order is its stream.
pub type OrderId = ordo_actors::event::StreamId;

/// The number of a line within its order: 1, 2, ... in order of appearance, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineId(pub u32);

impl LineId {
    /// The first line of every order.
    pub const FIRST: Self = Self(1);
    /// No line gets this number: it says that there are no more.
    pub(super) const LAST: Self = Self(u32::MAX);

    /// The number after it.
    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

checked_text! {
    /// The caller's own name for a customer: 1 to 64 printable characters, no blank at either end.
    CustomerId, identifying, 64
}

checked_text! {
    /// The caller's own name for a product: 1 to 64 printable characters, no blank at either end.
    ProductId, identifying, 64
}

checked_text! {
    /// What another system calls a thing of its own (a reservation, a payment, a parcel, a return, a refund, a person):
    /// 1 to 128 printable characters, no blank at either end.
    Reference, identifying, 128
}

/// A customer nobody named: the text of a UUID.
impl From<uuid::Uuid> for CustomerId {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.into())
    }
}

/// A thing we name ourselves: the text of a UUID.
impl From<uuid::Uuid> for Reference {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.into())
    }
}
