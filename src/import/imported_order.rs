//! An order as a file tells it.

use std::{str::FromStr, sync::Arc};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

/// An order read from a file: well-formed, not yet judged by the rules of the domain.
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
