//! One line of an order: a product at a price.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    event::ItemAdded,
    ids::{LineId, ProductId},
    schema,
    text::ProductName,
};

/// The most lines an order may have at one time.
pub const MAX_LINES: usize = 10_000;

/// The largest quantity of one line.
pub const MAX_QUANTITY: u32 = 1_000_000_000;

/// A product at a unit price.
// Serializes alike for clients and for snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Its number in the order.
    #[serde(rename = "line_id")]
    pub id: LineId,
    /// What is ordered.
    pub product_id: ProductId,
    /// What it was called when it was first added.
    pub product_name: ProductName,
    /// How many.
    #[schema(value_type = schema::Quantity)]
    pub quantity: u32,
    /// How many of them came back.
    #[schema(value_type = schema::QuantityOrNone)]
    pub returned: u32,
    /// What one of them costs, in minor units.
    #[schema(value_type = schema::UnitPrice)]
    pub unit_price_cents: i64,
}

impl Line {
    pub(super) fn new(added: &ItemAdded) -> Self {
        Self {
            id: added.line_id,
            product_id: added.product_id.clone(),
            product_name: added.product_name.clone(),
            quantity: added.quantity,
            returned: 0,
            unit_price_cents: added.unit_price_cents,
        }
    }

    /// What the whole line costs, in minor units. Every line that was decided fits.
    #[must_use]
    pub fn amount_cents(&self) -> i64 {
        self.unit_price_cents.saturating_mul(i64::from(self.quantity))
    }

    /// How many can still come back.
    pub(super) fn returnable(&self) -> u32 {
        self.quantity.saturating_sub(self.returned)
    }

    /// Whether an item of this product at this price belongs to this line.
    pub(super) fn is_of(&self, product_id: &ProductId, unit_price_cents: i64) -> bool {
        self.unit_price_cents == unit_price_cents && self.product_id == *product_id
    }
}
