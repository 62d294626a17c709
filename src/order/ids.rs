//! Names of things: orders, their lines, and what other systems call theirs.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::{Uuid, Variant};

use super::{InvalidValue, text::checked_text};

/// An order is its stream.
pub type OrderId = ordo_actors::log::event::StreamId;

/// Accepts the id that a caller chose for an order. Streams of our own (sagas, orders of other systems by their number) have
/// ids of version 5, and no caller can take one away.
///
/// # Errors
/// It is of version 5, nil or max.
pub fn chosen_id(id: Uuid) -> Result<OrderId, InvalidValue> {
    let is_of_name = id.get_variant() == Variant::RFC4122 && id.get_version_num() == 5;
    if is_of_name || id.is_nil() || id.is_max() {
        Err(InvalidValue::ReservedId)
    } else {
        Ok(ordo_actors::log::event::StreamId(id))
    }
}

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
    /// The caller's own name for a customer: 1 to 64 printable characters in Unicode normalization form C, no blank at either
    /// end, none invisible (zero width, text direction); joiners inside words are taken.
    CustomerId, identifying, 64
}

checked_text! {
    /// The caller's own name for a product: 1 to 64 printable characters in Unicode normalization form C, no blank at either
    /// end, none invisible (zero width, text direction); joiners inside words are taken.
    ProductId, identifying, 64
}

checked_text! {
    /// What another system calls a thing of its own (a reservation, a payment, a parcel, a return, a refund, a person):
    /// 1 to 128 printable characters in Unicode normalization form C, no blank at either end, none invisible.
    Reference, identifying, 128
}

/// Reads ids that may be older than the rules of `new`: to look for them, or to pass them on.
macro_rules! stored_ids {
    ($($name:ident),*) => {$(
        impl $name {
            /// Takes an id as it may have been stored by an earlier version.
            ///
            /// # Errors
            /// It is no id of any version.
            pub fn stored(text: &str) -> Result<Self, InvalidValue> {
                super::text::Text::stored(text, Self::MAX_CHARS).map(Self)
            }
        }
    )*};
}
stored_ids!(CustomerId, ProductId, Reference);

/// A customer nobody named: the text of a UUID.
impl From<Uuid> for CustomerId {
    fn from(id: Uuid) -> Self {
        Self(id.into())
    }
}

/// A thing we name ourselves: the text of a UUID.
impl From<Uuid> for Reference {
    fn from(id: Uuid) -> Self {
        Self(id.into())
    }
}
