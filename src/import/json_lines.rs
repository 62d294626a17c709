//! Orders as JSON lines: the body of `POST /orders`, and with it `external_id` and `outcome`.

use std::{
    borrow::Cow,
    io::{self, BufRead, Read},
};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::{ImportError, ImportedOrder, Outcome, Reject, RejectReason, imported_order::fit_id};
use crate::order::{CheckedOrder, Currency, Fault, UncheckedItem, UncheckedOrder};

/// Most bytes in one line: more than the largest order that can be exported has.
pub const MAX_LINE_BYTES: u64 = 32 << 20;

/// How much of a line that is too long is kept to recognize it by.
const KEPT_BYTES: usize = 256;

/// What a line that does not say gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonDefaults {
    /// What its prices are in.
    pub currency: Currency,
    /// How far the order shall be taken.
    pub outcome: Outcome,
}

impl Default for JsonDefaults {
    fn default() -> Self {
        Self { currency: Currency::USD, outcome: Outcome::Draft }
    }
}

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// An order.
    Order(ImportedOrder),
    /// No order; the lines after it are read all the same.
    Reject(Reject),
}

/// Reads a source line by line, one order each; blank lines are passed over. Holds one line at a time.
/// After an error there is nothing more.
pub struct JsonLines<R> {
    source: R,
    defaults: JsonDefaults,
    line_no: u64,
    line: Vec<u8>,
    broken: bool,
}

/// An order as its line says it; texts are those of the line where they stand in it as they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderLine<'a> {
    #[serde(borrow)]
    external_id: Option<Cow<'a, str>>,
    order_id: Option<Uuid>,
    #[serde(borrow)]
    customer_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    currency: Option<Cow<'a, str>>,
    placed_at: Option<DateTime<Utc>>,
    outcome: Option<Outcome>,
    #[serde(borrow)]
    items: Vec<ItemLine<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemLine<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    #[serde(borrow)]
    product_name: Cow<'a, str>,
    quantity: i64,
    unit_price_cents: i64,
}

impl OrderLine<'_> {
    fn check(&self) -> Result<CheckedOrder, Vec<Fault>> {
        let items = self.items.iter().map(|item| UncheckedItem {
            product_id: &item.product_id,
            product_name: &item.product_name,
            quantity: Some(item.quantity),
            unit_price_cents: Some(item.unit_price_cents),
        });
        let external_id = self.external_id.as_deref();
        let order = UncheckedOrder {
            order_id: self.order_id.map(|id| fit_id(id, external_id, self.placed_at)),
            external_id,
            customer_id: self.customer_id.as_deref(),
            currency: self.currency.as_deref(),
            placed_at: self.placed_at.map(Ok),
            items,
        };
        order.check()
    }
}

impl<R: BufRead> JsonLines<R> {
    /// Reads from the start of a source.
    pub fn new(source: R, defaults: JsonDefaults) -> Self {
        Self { source, defaults, line_no: 0, line: Vec::new(), broken: false }
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            self.line.clear();
            self.line_no += 1;
            if self.source.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            if self.line.len() as u64 > MAX_LINE_BYTES {
                if self.line.last() != Some(&b'\n') {
                    self.source.skip_until(b'\n')?;
                }
                self.line.truncate(KEPT_BYTES);
                return Ok(Some(self.reject(RejectReason::TooLong, format!("over {MAX_LINE_BYTES} bytes"))));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(self.parse()));
            }
        }
    }

    fn parse(&self) -> Line {
        let text = self.line.trim_ascii();
        let text = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.line_no == 1).unwrap_or(text);
        if let Err(error) = std::str::from_utf8(text) {
            return self.reject(RejectReason::NotUtf8, error.to_string());
        }
        let mut json = serde_json::Deserializer::from_slice(text);
        let order: Result<OrderLine<'_>, _> = serde_path_to_error::deserialize(&mut json);
        match order {
            Err(fault) => self.reject(RejectReason::NotAnOrder, fault.to_string()),
            Ok(order) => match json.end() {
                Err(fault) => self.reject(RejectReason::NotAnOrder, fault.to_string()),
                Ok(()) => self.imported(&order),
            },
        }
    }

    fn imported(&self, line: &OrderLine<'_>) -> Line {
        let order = match line.check() {
            Ok(order) => order,
            Err(faults) => {
                let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                return self.reject(RejectReason::BadValue, faults.join("; "));
            }
        };
        Line::Order(ImportedOrder {
            line_no: self.line_no,
            external_id: order.external_id,
            order_id: order.order_id,
            customer_id: order.customer_id,
            currency: order.currency.unwrap_or(self.defaults.currency),
            placed_at: order.placed_at,
            items: order.items,
            outcome: line.outcome.unwrap_or(self.defaults.outcome),
        })
    }

    fn reject(&self, reason: RejectReason, detail: String) -> Line {
        let raw = String::from_utf8_lossy(self.line.trim_ascii_end()).into_owned();
        Line::Reject(Reject { line: self.line_no, reason, detail, raw })
    }
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = Result<Line, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let line = self.next_line().map_err(|source| ImportError::Read { line: self.line_no, source });
        self.broken = line.is_err();
        line.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{CustomerId, NewItem, Reference};

    const PEN: &str = r#"{"product_id":"P1","product_name":"Pen","quantity":2,"unit_price_cents":150}"#;

    fn read(text: impl AsRef<[u8]>) -> Vec<Line> {
        JsonLines::new(text.as_ref(), JsonDefaults::default()).map(Result::unwrap).collect()
    }

    fn rejected(text: impl AsRef<[u8]>) -> (u64, RejectReason, String) {
        match read(text).pop() {
            Some(Line::Reject(reject)) => (reject.line, reject.reason, reject.detail),
            other => panic!("not rejected: {other:?}"),
        }
    }

    #[test]
    fn a_full_line_is_taken_as_it_stands() {
        let id = "018f5e1c-0000-7000-8000-000000000001";
        let lines = read(format!(
            r#"{{"external_id":"A-1","order_id":"{id}","customer_id":"c 1","currency":"EUR","placed_at":"2024-05-01T10:00:00+02:00","outcome":"cancelled","items":[{PEN}]}}"#
        ));
        let expected = ImportedOrder {
            line_no: 1,
            external_id: Some(Reference::new("A-1").unwrap()),
            order_id: Some(id.parse().unwrap()),
            customer_id: Some(CustomerId::new("c 1").unwrap()),
            currency: Currency::new("EUR").unwrap(),
            placed_at: Some("2024-05-01T08:00:00Z".parse().unwrap()),
            items: vec![NewItem::new("P1", "Pen", 2, 150).unwrap()],
            outcome: Outcome::Cancelled,
        };
        assert_eq!(lines, [Line::Order(expected)]);
    }

    #[test]
    fn what_a_line_does_not_say_comes_from_the_defaults() {
        let defaults = JsonDefaults { currency: Currency::new("GBP").unwrap(), outcome: Outcome::Submitted };
        let text = format!(r#"{{"items":[{PEN}]}}"#);
        let Some(Ok(Line::Order(order))) = JsonLines::new(text.as_bytes(), defaults).next() else { panic!("no order") };
        assert_eq!((order.currency.code(), order.outcome), ("GBP", Outcome::Submitted));
        assert_eq!((order.external_id, order.order_id, order.customer_id, order.placed_at), (None, None, None, None));
    }

    #[test]
    fn an_order_is_a_draft_unless_told_otherwise() {
        assert!(matches!(&read(r#"{"items":[]}"#)[..], [Line::Order(order)] if order.outcome == Outcome::Draft));
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_line_and_place() {
        let (line, reason, detail) =
            rejected(format!("{{\"items\":[{PEN}]}}\n\n{{\"items\":[{{\"product_id\":\"a\",\"colour\":1}}]}}"));
        assert_eq!((line, reason), (3, RejectReason::NotAnOrder));
        assert!(detail.starts_with("items[0].colour: unknown field `colour`"), "{detail}");
    }

    #[test]
    fn a_line_with_something_behind_the_order_is_refused() {
        assert_eq!(rejected(r#"{"items":[]} {"items":[]}"#).1, RejectReason::NotAnOrder);
    }

    #[test]
    fn amounts_are_whole_numbers() {
        let half = PEN.replace("150", "150.5");
        assert_eq!(rejected(format!(r#"{{"items":[{half}]}}"#)).1, RejectReason::NotAnOrder);
    }

    #[test]
    fn every_value_out_of_range_is_named_with_its_place() {
        let (line, reason, detail) = rejected(format!(
            r#"{{"customer_id":" ","currency":"XYZ","items":[{PEN},{}]}}"#,
            PEN.replace(":2", ":0").replace("150", "-1")
        ));
        assert_eq!((line, reason), (1, RejectReason::BadValue));
        let places: Vec<_> = detail.split("; ").filter_map(|fault| fault.split(' ').next()).collect();
        assert_eq!(places, ["customer_id", "currency", "items[1].quantity", "items[1].unit_price_cents"], "{detail}");
    }

    #[test]
    fn lines_after_a_bad_one_are_read() {
        let lines = read("{\n{\"items\":[]}\r\n\n  \n{\"items\":[]}");
        assert!(matches!(&lines[0], Line::Reject(reject) if reject.line == 1 && reject.raw == "{"));
        assert!(matches!(&lines[1], Line::Order(order) if order.line_no == 2));
        assert!(matches!(&lines[2], Line::Order(order) if order.line_no == 5));
    }

    #[test]
    fn a_line_without_an_end_is_refused_and_the_next_one_read() {
        let long = "x".repeat(usize::try_from(MAX_LINE_BYTES).unwrap() + 5);
        let lines = read(format!("{long}\n{{\"items\":[]}}"));
        assert!(
            matches!(&lines[0], Line::Reject(reject) if reject.reason == RejectReason::TooLong && reject.raw.len() == KEPT_BYTES)
        );
        assert!(matches!(&lines[1], Line::Order(order) if order.line_no == 2));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(rejected(b"{\"items\":[],\"customer_id\":\"\xe9\"}").1, RejectReason::NotUtf8);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert!(matches!(&read("\u{feff}{\"items\":[]}")[..], [Line::Order(_)]));
    }

    #[test]
    fn a_source_that_breaks_ends_the_reading_with_an_error() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let mut lines = JsonLines::new(io::BufReader::new(Breaks), JsonDefaults::default());
        assert!(matches!(lines.next(), Some(Err(ImportError::Read { line: 1, .. }))));
        assert!(lines.next().is_none());
    }
}
