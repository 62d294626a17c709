//! What can happen to an order, as it is stored: the names and the fields here are the log's format.

use chrono::{DateTime, Utc};
use ordo_actors::aggregate::{DecodeError, DomainEvent, EventKind};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    ids::{CustomerId, LineId, ProductId, Reference},
    money::Currency,
    schema,
    text::{ProductName, Reason},
    timestamp,
};

/// Lists every event once: its stored name is its type's name, and the number is its newest schema version.
macro_rules! order_events {
    ($($(#[$doc:meta])* $name:ident = $version:literal,)+) => {
        /// Something that happened to an order.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum OrderEvent {
            $($(#[$doc])* $name($name),)+
        }

        impl DomainEvent for OrderEvent {
            const KINDS: &'static [EventKind] = &[$((stringify!($name), $version),)+];

            fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            fn encode(&self) -> serde_json::Result<Box<RawValue>> {
                match self {
                    $(Self::$name(payload) => to_raw_value(payload),)+
                }
            }

            fn decode(event_type: &str, payload: &RawValue) -> Result<Self, DecodeError> {
                match event_type {
                    $(stringify!($name) => read(event_type, payload).map(Self::$name),)+
                    _ => Err(DecodeError::UnknownType(event_type.to_owned())),
                }
            }

            fn schema_version(&self) -> u32 {
                match self {
                    $(Self::$name(_) => $version,)+
                }
            }
        }

        impl OrderEvent {
            /// Adds the schema of every event's payload under the event's name, and those they are made of.
            pub fn payload_schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $(
                    schemas.push((stringify!($name).to_owned(), $name::schema()));
                    $name::schemas(schemas);
                )+
            }
        }

        $(impl From<$name> for OrderEvent {
            fn from(event: $name) -> Self {
                Self::$name(event)
            }
        })+
    };
}

order_events! {
    /// The order was opened.
    OrderCreated = 1,
    /// A line was added.
    ItemAdded = 1,
    /// A line was taken out.
    ItemRemoved = 1,
    /// A line got another quantity.
    ItemQuantityUpdated = 1,
    /// The items were frozen.
    OrderSubmitted = 1,
    /// The stock is held.
    OrderReserved = 1,
    /// The order is paid and being fulfilled.
    OrderProcessing = 1,
    /// The order was shipped.
    OrderCompleted = 1,
    /// The order ended without being shipped.
    OrderCancelled = 1,
    /// Items came back.
    ItemsReturned = 1,
    /// The money for a return was paid back.
    RefundIssued = 1,
}

fn read<T: DeserializeOwned>(event_type: &str, payload: &RawValue) -> Result<T, DecodeError> {
    serde_json::from_str(payload.get())
        .map_err(|source| DecodeError::Payload { event_type: event_type.to_owned(), source })
}

/// The order was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderCreated {
    /// Who orders.
    pub customer_id: CustomerId,
    /// What all prices of the order are in.
    pub currency: Currency,
    /// When the order was placed, if that was before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "timestamp::optional::serialize")]
    #[schema(value_type = schema::Time)]
    pub placed_at: Option<DateTime<Utc>>,
}

/// A line was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemAdded {
    /// The line's number.
    pub line_id: LineId,
    /// What is ordered.
    pub product_id: ProductId,
    /// What it is called.
    pub product_name: ProductName,
    /// How many.
    #[schema(value_type = schema::Quantity)]
    pub quantity: u32,
    /// What one costs, in minor units.
    #[schema(value_type = schema::UnitPrice)]
    pub unit_price_cents: i64,
}

/// A line was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemRemoved {
    /// Which line.
    pub line_id: LineId,
}

/// A line got another quantity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemQuantityUpdated {
    /// Which line.
    pub line_id: LineId,
    /// How many before.
    #[schema(value_type = schema::Quantity)]
    pub old_quantity: u32,
    /// How many now.
    #[schema(value_type = schema::Quantity)]
    pub new_quantity: u32,
}

/// The items were frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderSubmitted {
    /// What all lines cost, in minor units.
    #[schema(value_type = schema::Cents)]
    pub total_cents: i64,
    /// How many lines there are.
    #[schema(value_type = schema::LineCount)]
    pub item_count: u32,
}

/// The stock is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderReserved {
    /// What the inventory calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Reference)]
    pub reservation_id: Option<Reference>,
}

/// The order is paid and being fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderProcessing {
    /// What the payment provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Reference)]
    pub payment_id: Option<Reference>,
}

/// The order was shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderCompleted {
    /// What the carrier calls the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Reference)]
    pub tracking_number: Option<Reference>,
}

/// The order ended without being shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderCancelled {
    /// Why.
    pub reason: Reason,
    /// Who wanted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Reference)]
    pub cancelled_by: Option<Reference>,
}

/// Items came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemsReturned {
    /// Names the return.
    pub return_id: Reference,
    /// What came back: one entry per line, in the order of the lines.
    #[schema(min_items = 1)]
    pub items: Vec<ReturnedItem>,
    /// Why.
    pub reason: Reason,
    /// What they had cost, in minor units: to be paid back.
    #[schema(value_type = schema::Cents)]
    pub refund_cents: i64,
}

/// How many of a line came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReturnedItem {
    /// Which line.
    pub line_id: LineId,
    /// How many.
    #[schema(value_type = schema::Quantity)]
    pub quantity: u32,
}

/// The money for a return was paid back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundIssued {
    /// Which return.
    pub return_id: Reference,
    /// What the payment provider calls the refund.
    pub refund_id: Reference,
    /// How much, in minor units.
    #[schema(value_type = schema::Cents)]
    pub refund_cents: i64,
}
