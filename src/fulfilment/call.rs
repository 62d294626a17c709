//! What a partner is asked, as one value: every call of the three, with its key and its terms.

use serde::{Deserialize, Serialize};

use super::partner::{CallKey, Charge, Parcel, Refund, Reservation};
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

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partner {
    /// Holds stock.
    Inventory,
    /// Takes and gives back money.
    Payments,
    /// Sends parcels.
    Shipping,
}

impl Partner {
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
    pub const fn partner(self) -> Partner {
        match self {
            Self::Reserve | Self::Release => Partner::Inventory,
            Self::Charge | Self::Void | Self::Refund => Partner::Payments,
            Self::Ship | Self::CallBack => Partner::Shipping,
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
    fn new(key: &CallKey, kind: CallKind, of: Option<&CallKey>, order_id: OrderId, terms: Terms) -> Self {
        Self { key: key.clone(), kind, order_id, of: of.cloned(), payment_id: None, terms }
    }

    /// [`super::partner::Inventory::reserve`]
    #[must_use]
    pub fn reserve(key: &CallKey, asked: &Reservation) -> Self {
        Self::new(key, CallKind::Reserve, None, asked.order_id, Terms::Goods(asked.goods.clone()))
    }

    /// [`super::partner::Inventory::release`]
    #[must_use]
    pub fn release(key: &CallKey, of: &CallKey, asked: &Reservation) -> Self {
        Self::new(key, CallKind::Release, Some(of), asked.order_id, Terms::Goods(asked.goods.clone()))
    }

    /// [`super::partner::Payments::charge`]
    #[must_use]
    pub fn charge(key: &CallKey, asked: &Charge) -> Self {
        Self::new(key, CallKind::Charge, None, asked.order_id, asked.terms())
    }

    /// [`super::partner::Payments::void`]
    #[must_use]
    pub fn void(key: &CallKey, of: &CallKey, asked: &Charge) -> Self {
        Self::new(key, CallKind::Void, Some(of), asked.order_id, asked.terms())
    }

    /// [`super::partner::Payments::refund`]
    #[must_use]
    pub fn refund(key: &CallKey, asked: &Refund) -> Self {
        let terms = Terms::Money { amount_cents: asked.amount_cents, currency: asked.currency };
        let call = Self::new(key, CallKind::Refund, None, asked.order_id, terms);
        Self { payment_id: asked.payment_id.clone(), ..call }
    }

    /// [`super::partner::Shipping::ship`]
    #[must_use]
    pub fn ship(key: &CallKey, asked: &Parcel) -> Self {
        Self::new(key, CallKind::Ship, None, asked.order_id, Terms::Goods(asked.goods.clone()))
    }

    /// [`super::partner::Shipping::call_back`]
    #[must_use]
    pub fn call_back(key: &CallKey, of: &CallKey, asked: &Parcel) -> Self {
        Self::new(key, CallKind::CallBack, Some(of), asked.order_id, Terms::Goods(asked.goods.clone()))
    }
}

impl Charge {
    fn terms(&self) -> Terms {
        Terms::Money { amount_cents: self.amount_cents, currency: self.currency }
    }
}
