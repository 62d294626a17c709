//! What can be asked of an order.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ids::{CustomerId, LineId, ProductId, Reference},
    invalid::{Fault, Faults, InvalidValue, within},
    line::{MAX_LINES, MAX_QUANTITY},
    money::Currency,
    text::{ProductName, Reason},
};

/// A request to change an order. Texts and items have been checked when they came in; what depends on the order is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderCommand {
    /// Opens the order, with its first items.
    CreateOrder(CreateOrder),
    /// Adds an item to a draft.
    AddItem {
        /// What is added.
        item: NewItem,
        /// Lines the order may have then; never more than [`super::MAX_LINES`].
        most_lines: usize,
    },
    /// Takes a line out of a draft.
    RemoveItem {
        /// Which line.
        line_id: LineId,
    },
    /// Gives a line of a draft another quantity.
    UpdateItemQuantity {
        /// Which line.
        line_id: LineId,
        /// From 0, which removes the line, to [`MAX_QUANTITY`].
        quantity: i64,
    },
    /// Freezes the items.
    SubmitOrder,
    /// Notes that the stock is held.
    MarkReserved {
        /// What the inventory calls it.
        reservation_id: Option<Reference>,
    },
    /// Notes that the order is paid and being fulfilled.
    StartProcessing {
        /// What the payment provider calls it.
        payment_id: Option<Reference>,
    },
    /// Notes that the order has been shipped.
    CompleteOrder {
        /// What the carrier calls the parcel.
        tracking_number: Option<Reference>,
    },
    /// Ends an order that has not been shipped.
    CancelOrder {
        /// Why.
        reason: Reason,
        /// Who wanted it.
        cancelled_by: Option<Reference>,
    },
    /// Takes items of a shipped order back.
    ReturnItems(ReturnItems),
    /// Notes that the money for a return has been paid back.
    RecordRefund(RecordRefund),
}

impl OrderCommand {
    /// Adds an item to an order of any length.
    #[must_use]
    pub fn add_item(item: NewItem) -> Self {
        Self::AddItem { item, most_lines: MAX_LINES }
    }
}

/// Opens an order. Items of the same product at the same price become one line, which keeps the first one's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOrder {
    /// Who orders.
    pub customer_id: CustomerId,
    /// What all prices of the order are in.
    pub currency: Currency,
    /// When the order was placed, if that was before it was recorded; whole microseconds.
    pub placed_at: Option<DateTime<Utc>>,
    /// May be empty.
    pub items: Vec<NewItem>,
    /// Lines that may come of it; never more than [`super::MAX_LINES`].
    pub most_lines: usize,
}

/// How far ahead of our clock an order may have been placed: clocks and time zones differ.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// Accepts the time at which an order was placed.
///
/// # Errors
/// It is more than a day ahead of `now`: such an order would lead every list for ever.
pub fn placed_at(time: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, InvalidValue> {
    if time - now > AHEAD { Err(InvalidValue::InTheFuture) } else { Ok(time) }
}

/// An item that is acceptable in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    pub(super) product_id: ProductId,
    pub(super) product_name: ProductName,
    pub(super) quantity: u32,
    pub(super) unit_price_cents: i64,
}

impl NewItem {
    /// Checks an item from outside: a quantity from 1 to [`MAX_QUANTITY`], a unit price of at least one minor unit.
    ///
    /// # Errors
    /// Every field that is wrong, in the order of the parameters.
    pub fn new(product_id: &str, product_name: &str, quantity: i64, unit_price_cents: i64) -> Result<Self, Vec<Fault>> {
        Self::check(product_id, product_name, Some(quantity), Some(unit_price_cents), Faults::default())
    }

    /// The same, with faults found before; a number that is missing is among them.
    pub(super) fn check(
        product_id: &str,
        product_name: &str,
        quantity: Option<i64>,
        unit_price_cents: Option<i64>,
        mut faults: Faults,
    ) -> Result<Self, Vec<Fault>> {
        let product_id = faults.check("product_id", ProductId::new(product_id));
        let product_name = faults.check("product_name", ProductName::new(product_name));
        Self::of_texts(product_id, product_name, quantity, unit_price_cents, faults)
    }

    /// Makes an item of texts that have been checked.
    ///
    /// # Errors
    /// The numbers that are out of range.
    pub fn of(
        product_id: ProductId,
        product_name: ProductName,
        quantity: i64,
        unit_price_cents: i64,
    ) -> Result<Self, Vec<Fault>> {
        let (quantity, price) = (Some(quantity), Some(unit_price_cents));
        Self::of_texts(Some(product_id), Some(product_name), quantity, price, Faults::default())
    }

    fn of_texts(
        product_id: Option<ProductId>,
        product_name: Option<ProductName>,
        quantity: Option<i64>,
        unit_price_cents: Option<i64>,
        mut faults: Faults,
    ) -> Result<Self, Vec<Fault>> {
        let quantity = quantity.and_then(|quantity| faults.check("quantity", quantity_from(1, quantity)));
        let price = unit_price_cents.and_then(|price| faults.check("unit_price_cents", within(1, i64::MAX, price)));
        match (product_id, product_name, quantity, price) {
            (Some(product_id), Some(product_name), Some(quantity), Some(unit_price_cents)) => {
                Ok(Self { product_id, product_name, quantity, unit_price_cents })
            }
            _ => Err(faults.into_vec()),
        }
    }

    /// What is ordered.
    #[must_use]
    pub fn product_id(&self) -> &ProductId {
        &self.product_id
    }

    /// What it is called.
    #[must_use]
    pub fn product_name(&self) -> &ProductName {
        &self.product_name
    }

    /// How many.
    #[must_use]
    pub fn quantity(&self) -> u32 {
        self.quantity
    }

    /// What one costs, in minor units.
    #[must_use]
    pub fn unit_price_cents(&self) -> i64 {
        self.unit_price_cents
    }

    /// Gives it another quantity, from 1 to [`MAX_QUANTITY`].
    ///
    /// # Errors
    /// The quantity is out of range; the item keeps its own.
    pub fn set_quantity(&mut self, quantity: i64) -> Result<(), InvalidValue> {
        self.quantity = quantity_from(1, quantity)?;
        Ok(())
    }
}

/// Accepts a quantity of one line that is at least `min`.
pub(super) fn quantity_from(min: i64, quantity: i64) -> Result<u32, InvalidValue> {
    let max = i64::from(MAX_QUANTITY);
    let out_of_range = InvalidValue::OutOfRange { min, max, actual: quantity };
    within(min, max, quantity).and_then(|quantity| u32::try_from(quantity).map_err(|_| out_of_range))
}

/// Takes items of a shipped order back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnItems {
    /// Names this return: asking again under the same name changes nothing.
    pub return_id: Reference,
    /// What comes back; entries of the same line add up.
    pub items: Vec<ReturnRequest>,
    /// Why.
    pub reason: Reason,
}

/// How many of a line come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnRequest {
    /// Which line.
    pub line_id: LineId,
    /// From 1 to what has not come back yet.
    pub quantity: i64,
}

/// Notes that the money for a return has been paid back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRefund {
    /// Which return.
    pub return_id: Reference,
    /// What the payment provider calls the refund.
    pub refund_id: Reference,
    /// How much, in minor units: exactly what the return is worth.
    pub refund_cents: i64,
}
