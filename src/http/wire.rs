//! The bodies clients send, read leniently and checked whole, so that every fault is named at once.

use std::{fmt, marker::PhantomData};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::ToSchema;

use super::command_input::CommandBody;
use crate::order::{Currency, CustomerId, LineId, ProductId, ProductName, Reason, Reference, UncheckedItem, schema};

/// A JSON object. A derived reader alone would also take an array of the fields in their order.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }
        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// A JSON number that should be a whole one: `2`, and `2.0` as well. Fractions and numbers beyond 64 bits are kept as such,
/// to be named as faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireInteger {
    /// A whole number.
    Whole(i64),
    /// A number that is none, or too large to count with.
    Unfit,
}

/// 2^53: a larger number with a fraction part or an exponent may have been rounded on its way.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

impl WireInteger {
    /// The number; none when it is no 64-bit integer.
    #[must_use]
    pub const fn get(self) -> Option<i64> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Unfit => None,
        }
    }
}

impl<'de> Deserialize<'de> for WireInteger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = WireInteger;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E>(self, number: i64) -> Result<WireInteger, E> {
                Ok(WireInteger::Whole(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<WireInteger, E> {
                Ok(i64::try_from(number).map_or(WireInteger::Unfit, WireInteger::Whole))
            }

            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small enough")]
            fn visit_f64<E>(self, number: f64) -> Result<WireInteger, E> {
                let exact = number.fract() == 0.0 && number.abs() <= LARGEST_EXACT;
                Ok(if exact { WireInteger::Whole(number as i64) } else { WireInteger::Unfit })
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// An order to place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateOrder)]
pub struct CreateOrderBody {
    /// A UUID of the client's choice; the server makes one when absent. Ids of version 5 are reserved for the server's own streams and
    /// refused (422), as are nil and max.
    #[schema(value_type = Option<schema::ChosenId>)]
    pub order_id: Option<String>,
    /// A new UUID when absent.
    #[schema(value_type = Option<CustomerId>)]
    pub customer_id: Option<String>,
    /// USD when absent.
    #[schema(value_type = Option<Currency>)]
    pub currency: Option<String>,
    /// When the customer placed it, if that was not now; year 1 to a day ahead of now.
    #[schema(value_type = Option<schema::Time>)]
    pub placed_at: Option<String>,
    /// They may come to 2,000 lines by default; the operator may allow fewer, or up to 10,000 (`--max-order-lines`).
    #[serde(default)]
    #[schema(value_type = Vec<ItemBody>, default = json!([]))]
    pub items: Vec<Object<ItemBody>>,
}

/// An item to order. The same product at the same price adds to its line; at another price it is another line. What the whole order
/// costs must fit into 64 bits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewItem)]
pub struct ItemBody {
    /// The product.
    #[schema(value_type = ProductId)]
    pub product_id: String,
    /// Its name.
    #[schema(value_type = ProductName)]
    pub product_name: String,
    /// How many.
    #[schema(value_type = schema::Quantity)]
    pub quantity: WireInteger,
    /// The price of one, in minor units.
    #[schema(value_type = schema::UnitPrice)]
    pub unit_price_cents: WireInteger,
}

impl ItemBody {
    /// The item as it was said.
    #[must_use]
    pub fn unchecked(&self) -> UncheckedItem<'_> {
        UncheckedItem {
            product_id: &self.product_id,
            product_name: &self.product_name,
            quantity: self.quantity.get(),
            unit_price_cents: self.unit_price_cents.get(),
        }
    }
}

/// Another quantity for a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeQuantity)]
pub struct QuantityBody {
    /// How many there shall be; zero removes the line.
    #[schema(value_type = schema::QuantityOrNone)]
    pub quantity: WireInteger,
}

/// Why a read model does without a stream.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SkipDeadLetter, example = json!({"reason": "a test order", "skipped_by": "ann"}))]
pub struct SkipStreamBody {
    /// Why the read model may do without the stream.
    #[schema(value_type = Reason)]
    pub reason: String,
    /// Who decided so.
    #[schema(value_type = Reference)]
    pub skipped_by: String,
}

/// Nothing needs to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Empty)]
pub struct EmptyBody {}

/// What stands for the stock that is held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reserve)]
pub struct ReserveBody {
    /// What the inventory calls the reservation.
    #[schema(value_type = Option<Reference>)]
    pub reservation_id: Option<String>,
}

/// What stands for the payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Process)]
pub struct ProcessBody {
    /// What the payment provider calls the payment.
    #[schema(value_type = Option<Reference>)]
    pub payment_id: Option<String>,
}

/// What stands for the parcel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Complete)]
pub struct CompleteBody {
    /// What the carrier calls the parcel.
    #[schema(value_type = Option<Reference>)]
    pub tracking_number: Option<String>,
}

/// Why an order is cancelled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Cancel)]
pub struct CancelBody {
    /// Why.
    #[schema(value_type = Reason)]
    pub reason: String,
    /// Who wanted it.
    #[schema(value_type = Option<Reference>)]
    pub cancelled_by: Option<String>,
}

/// Items that come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReturnItems)]
pub struct ReturnBody {
    /// What comes back; entries of the same line add up.
    #[schema(value_type = Vec<ReturnedItemBody>, min_items = 1)]
    pub items: Vec<Object<ReturnedItemBody>>,
    /// Why.
    #[schema(value_type = Reason)]
    pub reason: String,
}

/// One line of a return.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReturnedItem)]
pub struct ReturnedItemBody {
    /// The line of the order.
    #[schema(value_type = LineId)]
    pub line_id: WireInteger,
    /// How many come back.
    #[schema(value_type = schema::Quantity)]
    pub quantity: WireInteger,
}

/// Who has a step tried again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Retry)]
pub struct RetryBody {
    /// Who.
    #[schema(value_type = Reference)]
    pub by: String,
}

/// Who decides, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Skip)]
pub struct SkipBody {
    /// Who.
    #[schema(value_type = Reference)]
    pub by: String,
    /// Why.
    #[schema(value_type = Reason)]
    pub reason: String,
}

/// A note.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Note)]
pub struct NoteBody {
    /// Who.
    #[schema(value_type = Reference)]
    pub by: String,
    /// What.
    #[schema(value_type = Reason)]
    pub note: String,
}

impl CommandBody for CreateOrderBody {
    const MAY_BE_LARGE: bool = true;
}

impl CommandBody for ReturnBody {
    const MAY_BE_LARGE: bool = true;
}

impl CommandBody for ItemBody {}
impl CommandBody for QuantityBody {}
impl CommandBody for SkipStreamBody {}
impl CommandBody for EmptyBody {}
impl CommandBody for ReserveBody {}
impl CommandBody for ProcessBody {}
impl CommandBody for CompleteBody {}
impl CommandBody for CancelBody {}
impl CommandBody for RetryBody {}
impl CommandBody for SkipBody {}
impl CommandBody for NoteBody {}

/// Reads a time as RFC 3339; whole microseconds, UTC, years 1 to 9999.
#[must_use]
pub fn time(text: &str) -> Option<DateTime<Utc>> {
    use chrono::Datelike;
    let time = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    (1..=9999).contains(&time.year()).then(|| ordo_actors::log::event::to_micros(time))
}
