//! Calls and answers as they travel: docs/partners.md says the same to those on the other side.

use serde::{Deserialize, Serialize};

use super::{
    call::{Call, CallKind, Terms},
    partner::CallKey,
};
use crate::order::{Currency, OrderId, ProductId, Reference};

/// The header that carries the key of a call.
pub const KEY_HEADER: &str = "idempotency-key";
/// The most of a product one call can be about.
const MOST_OF_A_PRODUCT: u64 = 1 << 53;

/// The body of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallBody {
    order_id: OrderId,
    /// The key of what is undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goods: Option<Vec<Goods>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_cents: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
}

/// So many of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goods {
    product_id: String,
    quantity: u64,
}

/// The answer to a call that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAnswer {
    /// The call's.
    pub key: String,
    /// The call's.
    pub order_id: OrderId,
    /// `done`; anything else leaves the outcome open.
    pub status: String,
    /// What came of it.
    pub reference: String,
    /// The call's, when it is about money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_cents: Option<i64>,
    /// The call's, when it is about money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// The answer to a question about a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// The key that was asked for.
    pub key: String,
    /// `done`, `refused`, `undone`; anything else leaves the outcome open.
    pub status: String,
    /// What came of it, when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is read of a problem (RFC 9457).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// In general.
    #[serde(default)]
    pub title: Option<String>,
    /// In this case.
    #[serde(default)]
    pub detail: Option<String>,
    /// The call's key. May be absent; when present it must be right.
    #[serde(default)]
    pub key: Option<String>,
    /// The call's order. May be absent; when present it must be right.
    #[serde(default)]
    pub order_id: Option<String>,
}

impl From<&Call> for CallBody {
    fn from(call: &Call) -> Self {
        let (goods, amount_cents, currency) = match &call.terms {
            Terms::Goods(goods) => (Some(goods_bodies(goods)), None, None),
            Terms::Money { amount_cents, currency } => (None, Some(*amount_cents), Some(currency.code().to_owned())),
        };
        Self {
            order_id: call.order_id,
            undoes: call.of.as_ref().map(|key| key.0.clone()),
            payment_id: call.payment_id.as_ref().map(|id| id.as_str().to_owned()),
            goods,
            amount_cents,
            currency,
        }
    }
}

/// Writes goods down.
#[must_use]
pub fn goods_bodies(goods: &[(ProductId, u64)]) -> Vec<Goods> {
    let body =
        |(product, quantity): &(ProductId, u64)| Goods { product_id: product.as_str().to_owned(), quantity: *quantity };
    goods.iter().map(body).collect()
}

/// Reads goods.
///
/// # Errors
/// What is wrong with them.
pub fn goods_of(bodies: Vec<Goods>) -> Result<Vec<(ProductId, u64)>, String> {
    let read = |body: Goods| {
        let product = ProductId::stored(&body.product_id).map_err(|fault| format!("product_id: {fault}"))?;
        if !(1..=MOST_OF_A_PRODUCT).contains(&body.quantity) {
            return Err(format!("quantity: 1 to {MOST_OF_A_PRODUCT}"));
        }
        Ok((product, body.quantity))
    };
    bodies.into_iter().map(read).collect()
}

impl CallBody {
    /// Reads a call that came in.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn into_call(self, key: CallKey, kind: CallKind) -> Result<Call, String> {
        let terms = match (self.goods, self.amount_cents, self.currency) {
            (Some(goods), None, None) => Terms::Goods(goods_of(goods)?),
            (None, Some(amount_cents), Some(currency)) => {
                let currency = Currency::new(&currency).map_err(|fault| format!("currency: {fault}"))?;
                Terms::Money { amount_cents, currency }
            }
            _ => return Err("a call is about goods, or about amount_cents in a currency".into()),
        };
        let payment_id = self.payment_id.map(|id| Reference::stored(&id)).transpose();
        let payment_id = payment_id.map_err(|fault| format!("payment_id: {fault}"))?;
        if payment_id.is_some() && kind != CallKind::Refund {
            return Err("payment_id: only a refund names a payment".into());
        }
        Ok(Call { key, kind, order_id: self.order_id, of: self.undoes.map(CallKey), payment_id, terms })
    }
}
