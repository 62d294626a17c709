//! The one checker of an order's body, for requests and for files: what was said becomes values of the domain, or a list of
//! every fault.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    command::NewItem,
    ids::{CustomerId, Reference},
    invalid::{Fault, Faults, InvalidValue},
    money::Currency,
};

/// An order as it was said. What has been read already stands as a result.
#[derive(Debug)]
pub struct UncheckedOrder<'a, I> {
    /// The id it shall have here.
    pub order_id: Option<Result<Uuid, InvalidValue>>,
    /// Its number in the system it comes from.
    pub external_id: Option<&'a str>,
    /// Whose order it is.
    pub customer_id: Option<&'a str>,
    /// ISO 4217 code.
    pub currency: Option<&'a str>,
    /// When it was placed.
    pub placed_at: Option<Result<DateTime<Utc>, InvalidValue>>,
    /// Its lines.
    pub items: I,
}

/// An order whose values are acceptable. Whether the order is, is decided by [`super::Order`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOrder {
    /// The id it shall have here.
    pub order_id: Option<Uuid>,
    /// Its number in the system it comes from.
    pub external_id: Option<Reference>,
    /// Whose order it is.
    pub customer_id: Option<CustomerId>,
    /// What all its prices are in.
    pub currency: Option<Currency>,
    /// When it was placed.
    pub placed_at: Option<DateTime<Utc>>,
    /// Its lines.
    pub items: Vec<NewItem>,
}

/// A line of an order as it was said. A number is missing when it is no 64-bit integer.
#[derive(Debug, Clone, Copy)]
pub struct UncheckedItem<'a> {
    /// What is ordered.
    pub product_id: &'a str,
    /// What it is called.
    pub product_name: &'a str,
    /// How many.
    pub quantity: Option<i64>,
    /// What one costs, in minor units.
    pub unit_price_cents: Option<i64>,
}

impl<'a, I: IntoIterator<Item = UncheckedItem<'a>>> UncheckedOrder<'a, I> {
    /// Checks every value.
    ///
    /// # Errors
    /// Every fault, in the order of the fields.
    pub fn check(self) -> Result<CheckedOrder, Vec<Fault>> {
        let mut faults = Faults::default();
        let order_id = faults.check("order_id", self.order_id.transpose());
        let external_id = faults.check("external_id", self.external_id.map(Reference::new).transpose());
        let customer_id = faults.check("customer_id", self.customer_id.map(CustomerId::new).transpose());
        let currency = faults.check("currency", self.currency.map(Currency::new).transpose());
        let placed_at = faults.check("placed_at", self.placed_at.transpose());
        let mut faults = faults.into_vec();
        let items = self.items.into_iter();
        let mut checked = Vec::with_capacity(items.size_hint().0);
        for (index, item) in items.enumerate() {
            match item.check() {
                Ok(item) => checked.push(item),
                Err(found) => faults.extend(found.into_iter().map(|fault| Fault { item: Some(index), ..fault })),
            }
        }
        match (order_id, external_id, customer_id, currency, placed_at) {
            (Some(order_id), Some(external_id), Some(customer_id), Some(currency), Some(placed_at))
                if faults.is_empty() =>
            {
                Ok(CheckedOrder { order_id, external_id, customer_id, currency, placed_at, items: checked })
            }
            _ => Err(faults),
        }
    }
}

impl UncheckedItem<'_> {
    /// Checks every value, see [`NewItem::new`].
    ///
    /// # Errors
    /// Every fault: first the numbers that are no integers, then the others in the order of the fields.
    pub fn check(self) -> Result<NewItem, Vec<Fault>> {
        let mut faults = Faults::default();
        let quantity = faults.check("quantity", self.quantity.ok_or(InvalidValue::NotWhole));
        let price = faults.check("unit_price_cents", self.unit_price_cents.ok_or(InvalidValue::NotWhole));
        NewItem::check(self.product_id, self.product_name, quantity, price, faults)
    }
}
