//! Gathers the rows of a CSV file into orders. The rows of one order may stand anywhere in the file, so nothing is
//! finished before the end of it.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{ImportError, ImportedItem, ImportedOrder, Outcome, RejectReason};
use crate::order::{self, Currency, CustomerId, InvalidValue, MAX_QUANTITY, ProductId, ProductName, Reference};

/// Most orders gathered from one file.
pub const MAX_ORDERS: usize = 1_000_000;

/// Most order lines gathered from one file: about 120 bytes of memory each.
pub const MAX_LINES: usize = 5_000_000;

/// Why a row does not become part of an order.
#[derive(Debug)]
pub(super) enum RowError {
    /// The row is refused, for this reason; what was found.
    Refused(RejectReason, String),
    /// There is no going on.
    Broken(ImportError),
}

/// A row that is fit to be part of an order; its quantity is at most [`MAX_QUANTITY`].
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
    products: Texts,
    names: Texts,
    currency: Currency,
    outcome: Outcome,
    max_orders: usize,
    max_lines: usize,
}

impl CsvOrders {
    pub(super) fn new(currency: Currency, outcome: Outcome) -> Self {
        Self {
            orders: Vec::new(),
            by_number: HashMap::new(),
            by_line: HashMap::new(),
            products: Texts::default(),
            names: Texts::default(),
            currency,
            outcome,
            max_orders: MAX_ORDERS,
            max_lines: MAX_LINES,
        }
    }

    /// Puts a row where it belongs: a line is a product at a price, and rows of the same line add up. Customer and time
    /// are those of the order's first row; a row for another customer is refused.
    pub(super) fn add(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        // Every check that can refuse the row comes before an order is opened for it.
        let (product, product_id) = self.products.hold(row.product, check_product)?;
        let (_, product_name) = match row.name {
            "" => (product, Arc::clone(&product_id)),
            name => self.names.hold(name, check_name)?,
        };
        let order = match self.by_number.get(row.number) {
            Some(&order) if self.orders[order].customer_id.as_deref() != Some(row.customer) => {
                return Err(RowError::Refused(RejectReason::OtherCustomer, row.customer.to_owned()));
            }
            Some(&order) => order,
            None => self.open(row)?,
        };
        self.add_line(
            order,
            row,
            product,
            ImportedItem { product_id, product_name, quantity: row.quantity, unit_price_cents: row.price },
        )
    }

    pub(super) fn finish(self) -> Vec<ImportedOrder> {
        self.orders
    }

    fn open(&mut self, row: &Row<'_>) -> Result<usize, RowError> {
        Reference::new(row.number).map_err(|problem| bad_id("order", &problem))?;
        CustomerId::new(row.customer).map_err(|problem| bad_id("customer", &problem))?;
        let placed_at = read_time(row.time)?;
        let order = self.orders.len();
        if order == self.max_orders {
            return Err(RowError::Broken(ImportError::TooMany { what: "orders", limit: self.max_orders }));
        }
        self.by_number.insert(row.number.to_owned(), order);
        self.orders.push(ImportedOrder {
            line_no: row.line_no,
            external_id: Some(row.number.to_owned()),
            order_id: None,
            customer_id: Some(row.customer.to_owned()),
            currency: self.currency.code().to_owned(),
            placed_at,
            items: Vec::new(),
            outcome: self.outcome,
        });
        Ok(order)
    }

    fn add_line(&mut self, order: usize, row: &Row<'_>, product: usize, item: ImportedItem) -> Result<(), RowError> {
        let items = &mut self.orders[order].items;
        if let Some(&line) = self.by_line.get(&(order, product, row.price)) {
            let sum = items[line].quantity + row.quantity;
            if sum > i64::from(MAX_QUANTITY) {
                return Err(RowError::Refused(RejectReason::QuantityTooLarge, format!("{sum} with earlier rows")));
            }
            items[line].quantity = sum;
            return Ok(());
        }
        if items.len() == order::MAX_LINES {
            return Err(RowError::Refused(RejectReason::TooManyLines, items.len().to_string()));
        }
        if self.by_line.len() == self.max_lines {
            return Err(RowError::Broken(ImportError::TooMany { what: "order lines", limit: self.max_lines }));
        }
        self.by_line.insert((order, product, row.price), items.len());
        items.push(item);
        Ok(())
    }
}

/// Texts that recur: each is checked, numbered and held once.
#[derive(Default)]
struct Texts(HashMap<Arc<str>, usize>);

impl Texts {
    fn hold(
        &mut self,
        text: &str,
        check: impl FnOnce(&str) -> Result<(), RowError>,
    ) -> Result<(usize, Arc<str>), RowError> {
        if let Some((held, &number)) = self.0.get_key_value(text) {
            return Ok((number, Arc::clone(held)));
        }
        check(text)?;
        let held: Arc<str> = text.into();
        let number = self.0.len();
        self.0.insert(Arc::clone(&held), number);
        Ok((number, held))
    }
}

fn check_product(text: &str) -> Result<(), RowError> {
    ProductId::new(text).map(drop).map_err(|problem| bad_id("product", &problem))
}

fn check_name(text: &str) -> Result<(), RowError> {
    ProductName::new(text)
        .map(drop)
        .map_err(|problem| RowError::Refused(RejectReason::BadName, format!("name {problem}")))
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

    fn row(number: &str) -> Row<'_> {
        Row { line_no: 2, number, customer: "c", product: "P", name: "", quantity: 1, price: 100, time: None }
    }

    fn orders(max_orders: usize, max_lines: usize) -> CsvOrders {
        CsvOrders { max_orders, max_lines, ..CsvOrders::new(Currency::USD, Outcome::Draft) }
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
        let mut orders = orders(1, 9);
        orders.add(&row("1")).unwrap();
        orders.add(&row("1")).unwrap();
        let error = orders.add(&row("2"));
        assert!(matches!(error, Err(RowError::Broken(ImportError::TooMany { what: "orders", limit: 1 }))));
    }

    #[test]
    fn one_line_more_than_fits_ends_the_import() {
        let mut orders = orders(9, 1);
        orders.add(&row("1")).unwrap();
        orders.add(&row("1")).unwrap();
        let error = orders.add(&Row { price: 101, ..row("1") });
        assert!(matches!(error, Err(RowError::Broken(ImportError::TooMany { what: "order lines", limit: 1 }))));
    }

    #[test]
    fn a_sum_beyond_what_a_line_may_have_refuses_the_row_and_keeps_the_line() {
        let mut orders = orders(9, 9);
        orders.add(&Row { quantity: i64::from(MAX_QUANTITY), ..row("1") }).unwrap();
        assert_eq!(refused(orders.add(&row("1"))), Some(RejectReason::QuantityTooLarge));
        assert_eq!(orders.finish()[0].items[0].quantity, i64::from(MAX_QUANTITY));
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
            let mut orders = orders(9, 9);
            assert!(refused(orders.add(&bad)).is_some());
            assert!(orders.finish().is_empty());
        }
    }
}
