//! Gathers the rows of a CSV file into orders. The rows of one order may have rows of others between them, within a window:
//! an order is handed over when the rows gathered after it fill the window, and at the end of the file.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{ImportError, ImportedOrder, Outcome, RejectReason};
use crate::order::{self, Currency, CustomerId, Fault, InvalidValue, NewItem, ProductId, ProductName, Reference};

/// Most orders in one file: of each one handed over, its number is remembered, in about 16 bytes.
pub const MAX_ORDERS: usize = 10_000_000;

/// Bytes of the orders that are gathered at once; a line counts as its texts and `LINE_BYTES`.
pub const WINDOW_BYTES: usize = 64 << 20;

/// What a line takes beside its texts.
const LINE_BYTES: usize = 200;

/// Bytes of recurring texts that are held once.
const TEXT_BYTES: usize = 16 << 20;

/// Why a row does not become part of an order.
#[derive(Debug)]
pub(super) enum RowError {
    /// The row is refused, for this reason; what was found.
    Refused(RejectReason, String),
    /// There is no going on.
    Broken(ImportError),
}

/// A row that is fit to be part of an order; its quantity is at most [`order::MAX_QUANTITY`].
pub(super) struct Row<'a> {
    pub line_no: u64,
    pub number: &'a str,
    pub customer: &'a str,
    pub product: &'a str,
    pub name: &'a str,
    pub quantity: i64,
    pub price: i64,
    pub time: Option<&'a str>,
}

/// The orders being gathered, in the order in which they first appeared.
pub(super) struct CsvOrders {
    orders: VecDeque<Gathered>,
    /// How many have been handed over: the number of the first of `orders`.
    handed_over: usize,
    by_number: HashMap<String, usize>,
    /// The numbers of those handed over, as hashes.
    ended: HashSet<u64>,
    hasher: RandomState,
    bytes: usize,
    products: Texts<ProductId>,
    names: Texts<ProductName>,
    currency: Currency,
    outcome: Outcome,
    max_orders: usize,
    window: usize,
}

struct Gathered {
    order: ImportedOrder,
    /// The item for a product at a price.
    by_line: HashMap<(ProductId, i64), usize>,
    bytes: usize,
}

impl CsvOrders {
    pub(super) fn new(currency: Currency, outcome: Outcome) -> Self {
        Self {
            orders: VecDeque::new(),
            handed_over: 0,
            by_number: HashMap::new(),
            ended: HashSet::new(),
            hasher: RandomState::new(),
            bytes: 0,
            products: Texts::default(),
            names: Texts::default(),
            currency,
            outcome,
            max_orders: MAX_ORDERS,
            window: WINDOW_BYTES,
        }
    }

    /// Puts a row where it belongs: a line is a product at a price, and rows of the same line add up. Customer and time
    /// are those of the order's first row; a row for another customer is refused.
    pub(super) fn add(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        // Every check that can refuse the row comes before an order is opened for it.
        let product_id = self.products.hold(row.product, product)?;
        let product_name = self.names.hold(if row.name.is_empty() { row.product } else { row.name }, name)?;
        let item =
            NewItem::of(product_id, product_name, row.quantity, row.price).map_err(|faults| bad_value(&faults))?;
        let order = match self.by_number.get(row.number) {
            Some(&order) => &mut self.orders[order - self.handed_over],
            None => self.open(row)?,
        };
        if order.order.customer_id.as_ref().map(CustomerId::as_str) != Some(row.customer) {
            return Err(RowError::Refused(RejectReason::OtherCustomer, row.customer.to_owned()));
        }
        let bytes = order.add_line(item)?;
        self.bytes += bytes;
        Ok(())
    }

    /// The next order that the window has no room for.
    pub(super) fn next_beyond_window(&mut self) -> Option<ImportedOrder> {
        if self.bytes > self.window { self.next_of_rest() } else { None }
    }

    /// The next order, once there are no more rows.
    pub(super) fn next_of_rest(&mut self) -> Option<ImportedOrder> {
        let Gathered { order, bytes, .. } = self.orders.pop_front()?;
        self.handed_over += 1;
        self.bytes -= bytes;
        if let Some(number) = &order.external_id {
            self.by_number.remove(number.as_str());
            self.ended.insert(self.hasher.hash_one(number.as_str()));
        }
        Some(order)
    }

    fn open(&mut self, row: &Row<'_>) -> Result<&mut Gathered, RowError> {
        if self.ended.contains(&self.hasher.hash_one(row.number)) {
            let detail = format!("the rows before it are more than {} MiB above", self.window >> 20);
            return Err(RowError::Refused(RejectReason::RowsApart, detail));
        }
        let number = Reference::new(row.number).map_err(|problem| bad_id("order", &problem))?;
        let customer = CustomerId::new(row.customer).map_err(|problem| bad_id("customer", &problem))?;
        let placed_at = read_time(row.time)?;
        let order = self.handed_over + self.orders.len();
        if order == self.max_orders {
            return Err(RowError::Broken(ImportError::TooMany { what: "orders", limit: self.max_orders }));
        }
        self.by_number.insert(row.number.to_owned(), order);
        let bytes = LINE_BYTES + row.number.len() + row.customer.len();
        self.bytes += bytes;
        let order = ImportedOrder {
            line_no: row.line_no,
            external_id: Some(number),
            order_id: None,
            customer_id: Some(customer),
            currency: self.currency,
            placed_at,
            items: Vec::new(),
            outcome: self.outcome,
        };
        self.orders.push_back(Gathered { order, by_line: HashMap::new(), bytes });
        let last = self.orders.len() - 1;
        Ok(&mut self.orders[last])
    }
}

impl Gathered {
    /// Adds a line, or to a line; gives the bytes by which the order has grown.
    fn add_line(&mut self, item: NewItem) -> Result<usize, RowError> {
        let items = &mut self.order.items;
        let key = (item.product_id().clone(), item.unit_price_cents());
        if let Some(&line) = self.by_line.get(&key) {
            let sum = i64::from(items[line].quantity()) + i64::from(item.quantity());
            let too_large = |_| RowError::Refused(RejectReason::QuantityTooLarge, format!("{sum} with earlier rows"));
            items[line].set_quantity(sum).map_err(too_large)?;
            return Ok(0);
        }
        if items.len() == order::MAX_LINES {
            return Err(RowError::Refused(RejectReason::TooManyLines, items.len().to_string()));
        }
        let bytes = LINE_BYTES + item.product_id().as_str().len() + item.product_name().as_str().len();
        self.by_line.insert(key, items.len());
        items.push(item);
        self.bytes += bytes;
        Ok(bytes)
    }
}

/// Texts that recur: each is checked and held once, as long as there are not too many.
struct Texts<T> {
    held: HashMap<Box<str>, T>,
    bytes: usize,
}

impl<T> Default for Texts<T> {
    fn default() -> Self {
        Self { held: HashMap::new(), bytes: 0 }
    }
}

impl<T: Clone> Texts<T> {
    fn hold(&mut self, text: &str, check: impl FnOnce(&str) -> Result<T, RowError>) -> Result<T, RowError> {
        if let Some(held) = self.held.get(text) {
            return Ok(held.clone());
        }
        let checked = check(text)?;
        if self.bytes > TEXT_BYTES {
            *self = Self::default();
        }
        self.bytes += LINE_BYTES + text.len();
        self.held.insert(text.into(), checked.clone());
        Ok(checked)
    }
}

fn product(text: &str) -> Result<ProductId, RowError> {
    ProductId::new(text).map_err(|problem| bad_id("product", &problem))
}

fn name(text: &str) -> Result<ProductName, RowError> {
    ProductName::new(text).map_err(|problem| RowError::Refused(RejectReason::BadName, format!("name {problem}")))
}

/// The numbers of a row have been looked at before: none is out of range.
fn bad_value(faults: &[Fault]) -> RowError {
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    RowError::Refused(RejectReason::BadValue, faults.join("; "))
}

fn bad_id(what: &str, problem: &InvalidValue) -> RowError {
    RowError::Refused(RejectReason::BadId, format!("{what} {problem}"))
}

/// Reads `YYYY-MM-DD HH:MM:SS`, taken as UTC, or RFC 3339. Blank is no time.
fn read_time(text: Option<&str>) -> Result<Option<DateTime<Utc>>, RowError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .map(|time| time.and_utc())
        .or_else(|_| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()))
        .map(Some)
        .map_err(|_| RowError::Refused(RejectReason::TimeUnreadable, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::MAX_QUANTITY;

    fn row(number: &str) -> Row<'_> {
        Row { line_no: 2, number, customer: "c", product: "P", name: "", quantity: 1, price: 100, time: None }
    }

    fn orders(max_orders: usize, window: usize) -> CsvOrders {
        CsvOrders { max_orders, window, ..CsvOrders::new(Currency::USD, Outcome::Draft) }
    }

    fn refused<T>(result: Result<T, RowError>) -> Option<RejectReason> {
        match result.err()? {
            RowError::Refused(reason, _) => Some(reason),
            RowError::Broken(_) => None,
        }
    }

    #[test]
    fn a_time_is_utc_unless_it_says_otherwise() {
        let noon = Some("2010-12-01T12:00:00Z".parse().unwrap());
        assert_eq!(read_time(Some("2010-12-01 12:00:00")).unwrap(), noon);
        assert_eq!(read_time(Some("2010-12-01T13:00:00+01:00")).unwrap(), noon);
        assert_eq!(read_time(Some("")).unwrap(), None);
        for text in ["2010-13-01 12:00:00", "01/12/2010 12:00", "2010-12-01", "2010-12-01 12:00:00 x"] {
            assert_eq!(refused(read_time(Some(text))), Some(RejectReason::TimeUnreadable), "{text}");
        }
    }

    #[test]
    fn one_order_more_than_fits_ends_the_import() {
        let mut orders = orders(1, 9000);
        orders.add(&row("1")).unwrap();
        orders.add(&row("1")).unwrap();
        let error = orders.add(&row("2"));
        assert!(matches!(error, Err(RowError::Broken(ImportError::TooMany { what: "orders", limit: 1 }))));
    }

    #[test]
    fn an_order_is_handed_over_when_the_window_is_full_and_takes_no_row_after_that() {
        let mut orders = orders(9, 5 * LINE_BYTES);
        for number in ["1", "2"] {
            orders.add(&row(number)).unwrap();
            orders.add(&row(number)).unwrap();
            assert!(orders.next_beyond_window().is_none());
        }
        orders.add(&row("3")).unwrap();
        let first = orders.next_beyond_window().unwrap();
        assert_eq!((first.external_id.as_ref().map(Reference::as_str), first.items[0].quantity()), (Some("1"), 2));
        assert!(orders.next_beyond_window().is_none());
        assert_eq!(refused(orders.add(&row("1"))), Some(RejectReason::RowsApart));
        orders.add(&row("2")).unwrap();
        let rest: Vec<_> =
            std::iter::from_fn(|| orders.next_of_rest()).map(|order| order.items[0].quantity()).collect();
        assert_eq!((rest, orders.bytes), (vec![3, 1], 0));
    }

    #[test]
    fn texts_that_are_not_held_any_more_are_the_same_product_still() {
        let mut orders = orders(9, usize::MAX);
        orders.add(&row("1")).unwrap();
        orders.products = Texts::default();
        orders.add(&row("1")).unwrap();
        assert_eq!(orders.next_of_rest().unwrap().items.len(), 1);
    }

    #[test]
    fn a_sum_beyond_what_a_line_may_have_refuses_the_row_and_keeps_the_line() {
        let mut orders = orders(9, 9000);
        orders.add(&Row { quantity: i64::from(MAX_QUANTITY), ..row("1") }).unwrap();
        assert_eq!(refused(orders.add(&row("1"))), Some(RejectReason::QuantityTooLarge));
        assert_eq!(orders.next_of_rest().unwrap().items[0].quantity(), MAX_QUANTITY);
    }

    #[test]
    fn an_order_takes_no_more_lines_than_it_may_have() {
        let mut orders = orders(9, usize::MAX);
        for price in (1..).take(order::MAX_LINES) {
            orders.add(&Row { price, ..row("1") }).unwrap();
        }
        assert_eq!(refused(orders.add(&Row { price: 1 << 40, ..row("1") })), Some(RejectReason::TooManyLines));
        orders.add(&row("1")).unwrap();
    }

    #[test]
    fn a_refused_row_opens_no_order() {
        let long = "x".repeat(501);
        for bad in [
            Row { product: "", ..row("1") },
            Row { name: &long, ..row("1") },
            Row { customer: &long, ..row("1") },
            Row { time: Some("noon"), ..row("1") },
        ] {
            let mut orders = orders(9, 9000);
            assert!(refused(orders.add(&bad)).is_some());
            assert!(orders.next_of_rest().is_none());
        }
    }
}
