//! What a partner is asked, as one value: every call of the three, with its key and its terms.

use serde::{Deserialize, Serialize};

use super::partner::CallKey;
use crate::order::{Currency, OrderId, ProductId, Reference};

/// Every call that has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Sets goods aside.
    Reserve,
    /// Undoes [`CallKind::Reserve`].
    Release,
    /// Takes money.
    Charge,
    /// Undoes [`CallKind::Charge`].
    Void,
    /// Gives money back for items that came back.
    Refund,
    /// Sends a parcel.
    Ship,
    /// Undoes [`CallKind::Ship`].
    CallBack,
}

/// What a partner is asked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartnerRole {
    /// Holds stock.
    Inventory,
    /// Takes and gives back money.
    Payments,
    /// Sends parcels.
    Shipping,
}

impl PartnerRole {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Inventory, Self::Payments, Self::Shipping];

    /// Its name, as in paths and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Payments => "payments",
            Self::Shipping => "shipping",
        }
    }
}

impl CallKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Reserve, Self::Release, Self::Charge, Self::Void, Self::Refund, Self::Ship, Self::CallBack];

    /// Its name, as it is stored and scripted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Charge => "charge",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::Ship => "ship",
            Self::CallBack => "call_back",
        }
    }

    /// The path of the call, below the partner's own.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Reserve => "reservations",
            Self::Release => "releases",
            Self::Charge => "charges",
            Self::Void => "voids",
            Self::Refund => "refunds",
            Self::Ship => "shipments",
            Self::CallBack => "call-backs",
        }
    }

    /// Who is asked.
    #[must_use]
    pub const fn partner(self) -> PartnerRole {
        match self {
            Self::Reserve | Self::Release => PartnerRole::Inventory,
            Self::Charge | Self::Void | Self::Refund => PartnerRole::Payments,
            Self::Ship | Self::CallBack => PartnerRole::Shipping,
        }
    }

    /// What it undoes, if it undoes anything.
    #[must_use]
    pub const fn undoes(self) -> Option<Self> {
        match self {
            Self::Release => Some(Self::Reserve),
            Self::Void => Some(Self::Charge),
            Self::CallBack => Some(Self::Ship),
            Self::Reserve | Self::Charge | Self::Refund | Self::Ship => None,
        }
    }

    /// Whether it is a step of fulfilment: what an undo can end.
    #[must_use]
    pub const fn is_step(self) -> bool {
        matches!(self, Self::Reserve | Self::Charge | Self::Ship)
    }
}

/// What a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terms {
    /// How many of what.
    Goods(Vec<(ProductId, u64)>),
    /// How much.
    Money {
        /// In minor units; at least 1.
        amount_cents: i64,
        /// In what.
        currency: Currency,
    },
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name for ever.
    pub key: CallKey,
    /// What is asked.
    pub kind: CallKind,
    /// For which order.
    pub order_id: OrderId,
    /// The key of what it undoes: present when, and only when, it undoes something.
    pub of: Option<CallKey>,
    /// The payment that a refund is of, when the caller knows it.
    pub payment_id: Option<Reference>,
    /// About what.
    pub terms: Terms,
}

impl Call {
    /// A call that undoes nothing.
    #[must_use]
    pub fn new(key: CallKey, kind: CallKind, order_id: OrderId, terms: Terms) -> Self {
        Self { key, kind, order_id, of: None, payment_id: None, terms }
    }

    /// The call, as one that undoes the call with the key `of`.
    #[must_use]
    pub fn undoing(self, of: CallKey) -> Self {
        Self { of: Some(of), ..self }
    }
}
