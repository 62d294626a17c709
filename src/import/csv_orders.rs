//! Gathers the rows of a CSV file into orders. The rows of one order may stand anywhere in the file, so nothing is
//! finished before the end of it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{ImportError, ImportedItem, ImportedOrder, Outcome, RejectReason};

/// Most orders gathered from one file.
pub const MAX_ORDERS: usize = 1_000_000;

/// Most order lines gathered from one file: about 120 bytes of memory each.
pub const MAX_LINES: usize = 5_000_000;

/// Why a row is refused, and what was found.
pub(super) type Fault = (RejectReason, String);

/// A row that is fit to be part of an order.
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

/// The orders gathered so far, in the order in which they first appeared.
pub(super) struct CsvOrders {
    orders: Vec<ImportedOrder>,
    by_number: HashMap<String, usize>,
    /// The item of an order for a product (by its number in `products`) at a price.
    by_line: HashMap<(usize, usize, i64), usize>,
    products: HashMap<Arc<str>, usize>,
    names: HashSet<Arc<str>>,
    currency: &'static str,
    outcome: Outcome,
    max_orders: usize,
    max_lines: usize,
}

impl CsvOrders {
    pub(super) fn new(currency: &'static str, outcome: Outcome) -> Self {
        Self {
            orders: Vec::new(),
            by_number: HashMap::new(),
            by_line: HashMap::new(),
            products: HashMap::new(),
            names: HashSet::new(),
            currency,
            outcome,
            max_orders: MAX_ORDERS,
            max_lines: MAX_LINES,
        }
    }

    /// Puts a row where it belongs: a line is a product at a price, and rows of the same line add up. Customer and time
    /// are those of the order's first row; a row for another customer is refused.
    pub(super) fn add(&mut self, row: &Row<'_>) -> Result<Result<(), Fault>, ImportError> {
        let order = match self.by_number.get(row.number) {
            Some(&order) if self.orders[order].customer_id.as_deref() != Some(row.customer) => {
                return Ok(Err((RejectReason::OtherCustomer, row.customer.to_owned())));
            }
            Some(&order) => order,
            None => match read_time(row.time) {
                Ok(placed_at) => self.open(row, placed_at)?,
                Err(fault) => return Ok(Err(fault)),
            },
        };
        self.add_line(order, row)
    }

    pub(super) fn finish(self) -> Vec<ImportedOrder> {
        self.orders
    }

    fn open(&mut self, row: &Row<'_>, placed_at: Option<DateTime<Utc>>) -> Result<usize, ImportError> {
        let order = self.orders.len();
        if order == self.max_orders {
            return Err(ImportError::TooMany { what: "orders", limit: self.max_orders });
        }
        self.by_number.insert(row.number.to_owned(), order);
        self.orders.push(ImportedOrder {
            line_no: row.line_no,
            external_id: Some(row.number.to_owned()),
            order_id: None,
            customer_id: Some(row.customer.to_owned()),
            currency: self.currency.to_owned(),
            placed_at,
            items: Vec::new(),
            outcome: self.outcome,
        });
        Ok(order)
    }

    fn add_line(&mut self, order: usize, row: &Row<'_>) -> Result<Result<(), Fault>, ImportError> {
        let (product_id, product) = self.product(row.product);
        let items = &mut self.orders[order].items;
        if let Some(&item) = self.by_line.get(&(order, product, row.price)) {
            let Some(sum) = items[item].quantity.checked_add(row.quantity) else {
                return Ok(Err((RejectReason::QuantityTooLarge, row.quantity.to_string())));
            };
            items[item].quantity = sum;
            return Ok(Ok(()));
        }
        if self.by_line.len() == self.max_lines {
            return Err(ImportError::TooMany { what: "order lines", limit: self.max_lines });
        }
        self.by_line.insert((order, product, row.price), items.len());
        let product_name = if row.name.is_empty() { Arc::clone(&product_id) } else { held(&mut self.names, row.name) };
        items.push(ImportedItem { product_id, product_name, quantity: row.quantity, unit_price_cents: row.price });
        Ok(Ok(()))
    }

    fn product(&mut self, id: &str) -> (Arc<str>, usize) {
        if let Some((id, &number)) = self.products.get_key_value(id) {
            return (Arc::clone(id), number);
        }
        let id: Arc<str> = id.into();
        let number = self.products.len();
        self.products.insert(Arc::clone(&id), number);
        (id, number)
    }
}

/// The one copy of a text that recurs.
fn held(texts: &mut HashSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(text) = texts.get(text) {
        return Arc::clone(text);
    }
    let text: Arc<str> = text.into();
    texts.insert(Arc::clone(&text));
    text
}

/// Reads `YYYY-MM-DD HH:MM:SS`, taken as UTC, or RFC 3339. Blank is no time.
fn read_time(text: Option<&str>) -> Result<Option<DateTime<Utc>>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .map(|time| time.and_utc())
        .or_else(|_| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()))
        .map(Some)
        .map_err(|_| (RejectReason::TimeUnreadable, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: &str) -> Row<'_> {
        Row { line_no: 2, number, customer: "c", product: "P", name: "", quantity: 1, price: 100, time: None }
    }

    fn orders(max_orders: usize, max_lines: usize) -> CsvOrders {
        CsvOrders { max_orders, max_lines, ..CsvOrders::new("GBP", Outcome::Draft) }
    }

    #[test]
    fn a_time_is_utc_unless_it_says_otherwise() {
        let noon = Some("2010-12-01T12:00:00Z".parse().unwrap());
        assert_eq!(read_time(Some("2010-12-01 12:00:00")), Ok(noon));
        assert_eq!(read_time(Some("2010-12-01T13:00:00+01:00")), Ok(noon));
        assert_eq!(read_time(Some("")), Ok(None));
        for text in ["2010-13-01 12:00:00", "01/12/2010 12:00", "2010-12-01", "2010-12-01 12:00:00 x"] {
            assert_eq!(read_time(Some(text)), Err((RejectReason::TimeUnreadable, text.to_owned())));
        }
    }

    #[test]
    fn one_order_more_than_fits_ends_the_import() {
        let mut orders = orders(1, 9);
        orders.add(&row("1")).unwrap().unwrap();
        orders.add(&row("1")).unwrap().unwrap();
        assert!(matches!(orders.add(&row("2")), Err(ImportError::TooMany { what: "orders", limit: 1 })));
    }

    #[test]
    fn one_line_more_than_fits_ends_the_import() {
        let mut orders = orders(9, 1);
        orders.add(&row("1")).unwrap().unwrap();
        orders.add(&row("1")).unwrap().unwrap();
        let other = Row { price: 101, ..row("1") };
        assert!(matches!(orders.add(&other), Err(ImportError::TooMany { what: "order lines", limit: 1 })));
    }

    #[test]
    fn a_sum_that_overflows_refuses_the_row_and_keeps_the_line() {
        let mut orders = orders(9, 9);
        orders.add(&Row { quantity: i64::MAX, ..row("1") }).unwrap().unwrap();
        assert_eq!(orders.add(&row("1")).unwrap(), Err((RejectReason::QuantityTooLarge, "1".to_owned())));
        assert_eq!(orders.finish()[0].items[0].quantity, i64::MAX);
    }
}
