//! An order as a file tells it.

use std::{str::FromStr, sync::Arc};

use chrono::{DateTime, SubsecRound, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::order::{CreateOrder, Currency, CustomerId, InvalidValue, NewItem, Reference};

/// An order read from a file. Each value in it is acceptable; whether the order is, is decided by [`crate::order`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedOrder {
    /// Where it starts in the file, from 1; the header counts.
    pub line_no: u64,
    /// Its number in the system it comes from.
    pub external_id: Option<String>,
    /// The id it shall have here; drawn when absent.
    pub order_id: Option<Uuid>,
    /// Whose order it is; drawn when absent.
    pub customer_id: Option<String>,
    /// ISO 4217 code.
    pub currency: String,
    /// When it was placed, as opposed to imported.
    pub placed_at: Option<DateTime<Utc>>,
    /// Its lines, in file order.
    pub items: Vec<ImportedItem>,
    /// How far it shall be taken.
    pub outcome: Outcome,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedItem {
    /// What was ordered. Text that recurs in a file is held once.
    pub product_id: Arc<str>,
    /// How it is called.
    pub product_name: Arc<str>,
    /// Pieces.
    pub quantity: i64,
    /// Price of a piece in minor units of the order's currency.
    pub unit_price_cents: i64,
}

/// The state an imported order shall end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Created, still open to changes.
    #[default]
    Draft,
    /// Submitted, not fulfilled.
    Submitted,
    /// Fulfilled.
    Completed,
    /// Cancelled.
    Cancelled,
}

impl ImportedOrder {
    /// The command that creates it. `stranger` is the customer of an order that names none.
    ///
    /// # Errors
    /// Every value that is not acceptable, by its place: `items[3].quantity must be between ...`. What a reader of this module
    /// returned has none.
    pub fn create_order(&self, stranger: &CustomerId) -> Result<CreateOrder, Vec<String>> {
        let mut faults = Vec::new();
        if let Some(id) = &self.external_id {
            check(&mut faults, "external_id", Reference::new(id));
        }
        let customer_id = match &self.customer_id {
            Some(id) => check(&mut faults, "customer_id", CustomerId::new(id)),
            None => Some(stranger.clone()),
        };
        let currency = check(&mut faults, "currency", Currency::new(&self.currency));
        let items = self.new_items(&mut faults);
        let placed_at = self.placed_at.map(|time| time.trunc_subsecs(6));
        match (customer_id, currency) {
            (Some(customer_id), Some(currency)) if faults.is_empty() => {
                Ok(CreateOrder { customer_id, currency, placed_at, items })
            }
            _ => Err(faults),
        }
    }

    fn new_items(&self, faults: &mut Vec<String>) -> Vec<NewItem> {
        let mut items = Vec::with_capacity(self.items.len());
        for (at, item) in self.items.iter().enumerate() {
            match NewItem::new(&item.product_id, &item.product_name, item.quantity, item.unit_price_cents) {
                Ok(item) => items.push(item),
                Err(found) => faults.extend(found.iter().map(|fault| format!("items[{at}].{fault}"))),
            }
        }
        items
    }
}

fn check<T>(faults: &mut Vec<String>, field: &str, value: Result<T, InvalidValue>) -> Option<T> {
    value.map_err(|problem| faults.push(format!("{field} {problem}"))).ok()
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "draft" => Ok(Self::Draft),
            "submitted" => Ok(Self::Submitted),
            "completed" => Ok(Self::Completed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(format!("{text:?} is none of draft, submitted, completed, cancelled")),
        }
    }
}
