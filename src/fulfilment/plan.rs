//! What is to be done for an order: the steps, and all that their calls need. Pure.

use std::collections::BTreeMap;

use ordo_actors::{
    log::event::{StreamId, Version},
    saga::{SagaDefinition, SagaStep},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    call::{Call, CallKind, Terms},
    partner::CallKey,
};
use crate::order::{Currency, Order, OrderId, OrderState, ProductId, Reference, schema};

/// A step of a fulfilment or of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Sets stock aside.
    Reserve,
    /// Takes the money.
    Pay,
    /// Sends the parcel.
    Ship,
    /// Gives money back for items that came back.
    Refund,
}

impl Step {
    /// What the partner is asked to do.
    #[must_use]
    pub const fn call_kind(self) -> CallKind {
        match self {
            Self::Reserve => CallKind::Reserve,
            Self::Pay => CallKind::Charge,
            Self::Ship => CallKind::Ship,
            Self::Refund => CallKind::Refund,
        }
    }

    /// What the partner is asked to undo it with.
    #[must_use]
    pub const fn undo_kind(self) -> Option<CallKind> {
        match self {
            Self::Reserve => Some(CallKind::Release),
            Self::Pay => Some(CallKind::Void),
            Self::Ship => Some(CallKind::CallBack),
            Self::Refund => None,
        }
    }
}

impl SagaStep for Step {
    fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve_inventory",
            Self::Pay => "process_payment",
            Self::Ship => "create_shipment",
            Self::Refund => "refund_payment",
        }
    }

    fn has_undo(self) -> bool {
        self.undo_kind().is_some()
    }
}

/// A saga began, with all that it needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SagaStarted)]
pub struct Fulfilment {
    /// What kind of saga it is.
    pub kind: Kind,
    /// For which order.
    #[schema(value_type = schema::OrderId)]
    pub order_id: OrderId,
    /// How many of what is sent, one entry per product; a refund sends nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goods: Vec<Goods>,
    /// How much is taken or given back, in minor units.
    #[schema(value_type = schema::Cents)]
    pub amount_cents: i64,
    /// In what.
    pub currency: Currency,
    /// Of a refund: the payment, when the order knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Reference)]
    pub payment_id: Option<Reference>,
    /// Of a refund: the return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Reference)]
    pub return_id: Option<Reference>,
}

/// The kinds of saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SagaKind)]
pub enum Kind {
    /// Reserve, charge, ship.
    Fulfilment,
    /// Give money back for items that came back.
    Refund,
}

/// How many of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Goods {
    /// Which product.
    pub product_id: ProductId,
    /// How many pieces.
    #[schema(value_type = schema::PieceCount)]
    pub quantity: u64,
}

impl SagaDefinition for Fulfilment {
    const TYPE: &'static str = "FulfilmentSaga";

    type Step = Step;

    fn steps(&self) -> &'static [Step] {
        match self.kind {
            Kind::Fulfilment => &[Step::Reserve, Step::Pay, Step::Ship],
            Kind::Refund => &[Step::Refund],
        }
    }

    fn weight(&self) -> usize {
        self.goods.iter().map(|goods| size_of::<Goods>() + goods.product_id.as_str().len()).sum()
    }
}

impl Fulfilment {
    /// The call of this kind, with all that the partner needs to know.
    #[must_use]
    pub(super) fn call(&self, kind: CallKind, key: CallKey) -> Call {
        let terms = match kind {
            CallKind::Reserve | CallKind::Release | CallKind::Ship | CallKind::CallBack => {
                Terms::Goods(self.goods.iter().map(|goods| (goods.product_id.clone(), goods.quantity)).collect())
            }
            CallKind::Charge | CallKind::Void | CallKind::Refund => {
                Terms::Money { amount_cents: self.amount_cents, currency: self.currency }
            }
        };
        let payment_id = self.payment_id.clone().filter(|_| kind == CallKind::Refund);
        Call { payment_id, ..Call::new(key, kind, self.order_id, terms) }
    }
}

impl Kind {
    /// Its name, as clients and stores see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fulfilment => "fulfilment",
            Self::Refund => "refund",
        }
    }
}

/// The saga that fulfils an order: there is one at most.
#[must_use]
pub fn saga_of(order: OrderId) -> StreamId {
    StreamId(Uuid::new_v5(&order.0, b"fulfilment"))
}

/// The saga that refunds a return: there is one at most.
#[must_use]
pub fn saga_of_return(order: OrderId, return_id: &Reference) -> StreamId {
    StreamId(Uuid::new_v5(&order.0, format!("refund:{return_id}").as_bytes()))
}

/// What fulfilling an order takes; nothing unless it is a draft with items, or submitted.
#[must_use]
pub fn fulfilment_of(id: OrderId, order: &Order) -> Option<Fulfilment> {
    let view = order.view(id, Version::NONE)?;
    if !matches!(view.state, OrderState::Draft | OrderState::Submitted) || view.items.is_empty() {
        return None;
    }
    let mut goods: BTreeMap<&ProductId, u64> = BTreeMap::new();
    for line in view.items {
        *goods.entry(&line.product_id).or_default() += u64::from(line.quantity);
    }
    let goods = goods.into_iter().map(|(product_id, quantity)| Goods { product_id: product_id.clone(), quantity });
    Some(Fulfilment {
        kind: Kind::Fulfilment,
        order_id: id,
        goods: goods.collect(),
        amount_cents: view.total_cents,
        currency: view.currency,
        payment_id: None,
        return_id: None,
    })
}

/// What refunding a return takes; nothing unless the order exists.
#[must_use]
pub fn refund_of(id: OrderId, order: &Order, return_id: &Reference, amount_cents: i64) -> Option<Fulfilment> {
    let view = order.view(id, Version::NONE)?;
    Some(Fulfilment {
        kind: Kind::Refund,
        order_id: id,
        goods: Vec::new(),
        amount_cents,
        currency: view.currency,
        payment_id: view.payment_id.cloned(),
        return_id: Some(return_id.clone()),
    })
}
