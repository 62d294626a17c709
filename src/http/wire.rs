//! The bodies clients send, read leniently and checked whole, so that every fault is named at once.

use std::{fmt, marker::PhantomData};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::command_input::CommandBody;

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
    /// The number; one that does not fit is below every allowed range.
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

/// `POST /orders`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateOrderBody {
    /// A UUID of the client's choice.
    pub order_id: Option<String>,
    /// The customer; a new one when absent.
    pub customer_id: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// When the customer placed it, if that was not now; RFC 3339.
    pub placed_at: Option<String>,
    /// Its lines.
    #[serde(default)]
    pub items: Vec<Object<ItemBody>>,
}

/// `POST /orders/{id}/items`, and each item of a new order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemBody {
    /// The product.
    pub product_id: String,
    /// Its name.
    pub product_name: String,
    /// How many.
    pub quantity: WireInteger,
    /// The price of one, in minor units.
    pub unit_price_cents: WireInteger,
}

/// `PATCH /orders/{id}/items/{line_id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantityBody {
    /// How many there shall be; zero removes the line.
    pub quantity: WireInteger,
}

/// `POST /admin/dead-letters/{name}/{id}/skip`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkipStreamBody {
    /// Why the read model may do without the stream.
    pub reason: String,
    /// Who decided so.
    pub skipped_by: String,
}

/// A command that needs no word.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// `POST /orders/{id}/reserve`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveBody {
    /// The reservation elsewhere.
    pub reservation_id: Option<String>,
}

/// `POST /orders/{id}/process`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessBody {
    /// The payment elsewhere.
    pub payment_id: Option<String>,
}

/// `POST /orders/{id}/complete`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteBody {
    /// The shipment elsewhere.
    pub tracking_number: Option<String>,
}

/// `POST /orders/{id}/cancel`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    /// Why.
    pub reason: String,
    /// Who.
    pub cancelled_by: Option<String>,
}

/// `POST /orders/{id}/returns`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnBody {
    /// What comes back.
    pub items: Vec<Object<ReturnedItemBody>>,
    /// Why.
    pub reason: String,
}

/// One line of a return.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnedItemBody {
    /// The line of the order.
    pub line_id: WireInteger,
    /// How many come back.
    pub quantity: WireInteger,
}

/// `POST /admin/sagas/{id}/retry`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryBody {
    /// Who.
    pub by: String,
}

/// `POST /admin/sagas/{id}/skip` and `/force-compensate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkipBody {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// `POST /admin/sagas/{id}/annotate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteBody {
    /// Who.
    pub by: String,
    /// What.
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
