use std::{cell::Cell, rc::Rc};

use super::*;
use crate::{
    import::{ImportedOrder, RejectLog, RejectShape, record_limit::MAX_RECORD_BYTES},
    order::{CustomerId, NewItem, Reference},
};

const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
const MAP: &str = "order=InvoiceNo,customer=CustomerID,product=StockCode,name=Description,quantity=Quantity,\
                   price=UnitPrice,time=InvoiceDate";

fn rules() -> CsvRules {
    CsvRules { columns: MAP.parse().unwrap(), currency: Currency::new("GBP").unwrap(), ..CsvRules::default() }
}

struct CsvImport {
    orders: Vec<ImportedOrder>,
    fates: RowFates,
}

fn read_with(rules: &CsvRules, source: impl Read, rejects: &mut RejectLog) -> Result<CsvImport, ImportError> {
    let mut lines = rules.lines(source)?;
    let mut orders = Vec::new();
    for line in &mut lines {
        match line? {
            Line::Order(order) => orders.push(order),
            Line::Reject(reject) => rejects.note(&reject)?,
        }
    }
    Ok(CsvImport { orders, fates: lines.fates() })
}

fn read(rows: &str) -> (CsvImport, RejectLog) {
    let mut rejects = RejectLog::counting();
    let import = read_with(&rules(), format!("{HEADER}{rows}").as_bytes(), &mut rejects).unwrap();
    (import, rejects)
}

fn fate_of(row: &str) -> (RowFates, Vec<RejectReason>) {
    let (import, rejects) = read(row);
    assert_eq!(import.fates.rows, 1, "{row}");
    (RowFates { rows: 0, ..import.fates }, rejects.counts().keys().copied().collect())
}

fn number(order: &ImportedOrder) -> String {
    order.external_id.as_ref().unwrap().to_string()
}

fn lines(order: &ImportedOrder) -> Vec<(&str, i64, i64)> {
    let line = |item: &'_ NewItem| (i64::from(item.quantity()), item.unit_price_cents());
    order.items.iter().map(|item| (item.product_id().as_str(), line(item).0, line(item).1)).collect()
}

#[test]
fn a_row_becomes_an_order_with_one_line() {
    let (import, _) = read("536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850,United Kingdom\n");
    let expected = ImportedOrder {
        line_no: 2,
        external_id: Some(Reference::new("536365").unwrap()),
        order_id: None,
        customer_id: Some(CustomerId::new("17850").unwrap()),
        currency: Currency::new("GBP").unwrap(),
        placed_at: Some("2010-12-01T08:26:00Z".parse().unwrap()),
        items: vec![NewItem::new("85123A", "WHITE HANGING HEART", 6, 255).unwrap()],
        outcome: Outcome::Completed,
    };
    assert_eq!(import.orders, [expected]);
}

#[test]
fn each_row_that_is_no_order_line_is_passed_over() {
    let passed = |fates: RowFates| (fates, Vec::new());
    assert_eq!(fate_of("C536365,P,,-1,,1.00,1,x"), passed(RowFates { cancellations: 1, ..RowFates::default() }));
    assert_eq!(fate_of("A563185,P,,1,,1.00,1,x"), passed(RowFates { other_numbers: 1, ..RowFates::default() }));
    assert_eq!(fate_of("536365,P,,1,,1.00,,x"), passed(RowFates { without_customer: 1, ..RowFates::default() }));
    assert_eq!(fate_of("536365,P,,1,,1.00,1,x"), passed(RowFates { accepted: 1, ..RowFates::default() }));
}

#[test]
fn a_row_meets_the_first_fate_that_fits() {
    assert_eq!(fate_of("Cx,P,,0,,0,,x").0.cancellations, 1);
    assert_eq!(fate_of("x,P,,0,,0,,x").0.other_numbers, 1);
    assert_eq!(fate_of("536365,P,,0,,0.001,,x").0.without_customer, 1);
    assert_eq!(fate_of("536365,P,,0,,0,1,x").1, [RejectReason::QuantityNotPositive]);
    assert_eq!(fate_of("536365,P,,1,,-0.001,1,x").1, [RejectReason::PriceNotPositive]);
    assert_eq!(fate_of("536365,P,,1,,0.001,1,x").1, [RejectReason::PriceNotWhole]);
}

#[test]
fn what_cannot_be_read_or_counted_is_rejected() {
    let long = "x".repeat(65);
    let name = "é".repeat(501);
    for (row, reason) in [
        ("536365,P,,one,,1.00,1,x".to_owned(), RejectReason::QuantityUnreadable),
        ("536365,P,,1.5,,1.00,1,x".to_owned(), RejectReason::QuantityUnreadable),
        ("536365,P,,9223372036854775808,,1.00,1,x".to_owned(), RejectReason::QuantityTooLarge),
        ("536365,P,,1000000001,,1.00,1,x".to_owned(), RejectReason::QuantityTooLarge),
        ("536365,P,a\u{7}b,1,,1.00,1,x".to_owned(), RejectReason::BadName),
        ("536365,P,,-9223372036854775809,,1.00,1,x".to_owned(), RejectReason::QuantityNotPositive),
        ("536365,P,,1,,1e2,1,x".to_owned(), RejectReason::PriceUnreadable),
        ("536365,P,,1,,92233720368547758.08,1,x".to_owned(), RejectReason::PriceTooLarge),
        ("536365,,,1,,1.00,1,x".to_owned(), RejectReason::BadId),
        (format!("536365,{long},,1,,1.00,1,x"), RejectReason::BadId),
        (format!("536365,P,,1,,1.00,{long},x"), RejectReason::BadId),
        (format!("536365,P,{name},1,,1.00,1,x"), RejectReason::BadName),
        ("536365,P,,1,yesterday,1.00,1,x".to_owned(), RejectReason::TimeUnreadable),
        ("536365,P,,1".to_owned(), RejectReason::TooFewColumns),
    ] {
        assert_eq!(fate_of(&row).1, [reason], "{row}");
    }
}

#[test]
fn ids_and_names_of_full_length_are_accepted() {
    let (id, name) = ("é".repeat(64), "é".repeat(500));
    assert_eq!(fate_of(&format!("536365,{id},{name},1,,1.00,{id},x")).0.accepted, 1);
}

#[test]
fn rows_of_one_order_may_be_apart_and_orders_keep_their_first_place() {
    let (import, _) = read("536366,A,,1,,1.00,2,x\n536365,B,,1,,1.00,1,x\n536366,C,,1,,1.00,2,x\n");
    let numbers: Vec<_> = import.orders.iter().map(|order| order.external_id.as_ref().unwrap().as_str()).collect();
    assert_eq!(numbers, ["536366", "536365"]);
    assert_eq!(lines(&import.orders[0]), [("A", 1, 100), ("C", 1, 100)]);
}

#[test]
fn orders_leave_while_the_file_is_still_read() {
    let rows = |order: usize| format!("{},P{order},{},1,,1.00,1,x\n", 100_000 + order, "n".repeat(480)).repeat(3);
    let count = 300_000;
    let file = std::iter::once(HEADER.to_owned()).chain((0..count).map(rows));
    let read = Rc::new(Cell::new(0));
    let source = Slowly { texts: file, rest: Vec::new(), read: Rc::clone(&read) };
    let (mut orders, mut most_held) = (0, 0);
    for line in rules().lines(source).unwrap() {
        let Line::Order(order) = line.unwrap() else { panic!("a reject") };
        assert_eq!((number(&order), order.items[0].quantity()), ((100_000 + orders).to_string(), 3));
        orders += 1;
        most_held = most_held.max(read.get() - orders);
    }
    assert_eq!(orders, count);
    assert!(most_held < 120_000, "{most_held} orders were held at once");
}

/// Gives one text after the other, and counts them.
struct Slowly<I> {
    texts: I,
    rest: Vec<u8>,
    read: Rc<Cell<usize>>,
}

impl<I: Iterator<Item = String>> Read for Slowly<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.texts.next().unwrap_or_default().into_bytes();
            self.read.set(self.read.get() + 1);
        }
        let read = self.rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&self.rest[..read]);
        self.rest.drain(..read);
        Ok(read)
    }
}

#[test]
fn rows_of_one_product_at_one_price_add_up() {
    let row = "536365,P,,3,,1.00,1,x\n";
    let (import, _) = read(&format!("{row}536365,P,,4,,1.0,1,x\n{row}"));
    assert_eq!(lines(&import.orders[0]), [("P", 10, 100)]);
    assert_eq!(import.fates.accepted, 3);
}

#[test]
fn one_product_at_two_prices_is_two_lines() {
    let (import, _) = read("536365,P,,3,,1.00,1,x\n536365,P,,4,,1.01,1,x\n");
    assert_eq!(lines(&import.orders[0]), [("P", 3, 100), ("P", 4, 101)]);
}

#[test]
fn an_order_of_rejected_rows_only_is_none() {
    let (import, rejects) = read("536365,P,,0,,1.00,1,x\n");
    assert!(import.orders.is_empty());
    assert_eq!(rejects.total(), 1);
}

#[test]
fn a_row_for_another_customer_is_rejected() {
    let (import, rejects) = read("536365,P,,1,,1.00,1,x\n536365,Q,,1,,1.00,2,x\n");
    assert_eq!(lines(&import.orders[0]), [("P", 1, 100)]);
    assert_eq!(rejects.counts()[&RejectReason::OtherCustomer], 1);
}

#[test]
fn a_product_without_a_description_is_called_by_its_id() {
    let (import, _) = read("536365,P,  ,1,,1.00,1,x\n536365,Q,\"Q, \"\"big\"\"\",1,,1.00,1,x\n");
    let names: Vec<_> = import.orders[0].items.iter().map(|item| item.product_name().as_str()).collect();
    assert_eq!(names, ["P", "Q, \"big\""]);
}

#[test]
fn blanks_around_a_field_do_not_count() {
    let (import, _) = read(" 536365 , P , pen , 1 ,2010-12-01 08:26:00 , 1.00 , 1 , x\r\n536365,P,pen,1,,1.00,1,x\r\n");
    assert_eq!(lines(&import.orders[0]), [("P", 2, 100)]);
    assert_eq!(import.orders[0].customer_id, Some(CustomerId::new("1").unwrap()));
}

#[test]
fn a_currency_without_decimals_has_whole_prices_only() {
    let yen = CsvRules { currency: Currency::new("JPY").unwrap(), ..rules() };
    let mut rejects = RejectLog::counting();
    let rows = format!("{HEADER}536365,P,,1,,100,1,x\n536365,P,,1,,100.50,1,x\n");
    let import = read_with(&yen, rows.as_bytes(), &mut rejects).unwrap();
    assert_eq!(lines(&import.orders[0]), [("P", 1, 100)]);
    assert_eq!(rejects.counts()[&RejectReason::PriceNotWhole], 1);
}

#[test]
fn rejects_name_the_line_of_the_file_and_give_the_row_back() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut rejects = RejectLog::to_writer(Box::new(file.reopen().unwrap()), RejectShape::AsIs).unwrap();
    let rows = format!("{HEADER}536365,P,pen,1,,1.00,1,\"two\nlines\"\n536365,P,\"a, b\",1,,0.001,1,x\n");
    read_with(&rules(), rows.as_bytes(), &mut rejects).unwrap();
    rejects.flush().unwrap();
    let written = std::fs::read_to_string(file.path()).unwrap();
    let expected = "line,reason,detail,raw\n4,price_not_whole,0.001,\"536365,P,\"\"a, b\"\",1,,0.001,1,x\"\n";
    assert_eq!(written, expected);
}

#[test]
fn bytes_that_are_not_utf8_reject_their_row_alone() {
    let mut rejects = RejectLog::counting();
    let rows = [HEADER.as_bytes(), b"536365,P,caf\xe9,1,,1.00,1,x\n536365,Q,,1,,1.00,1,x\n"].concat();
    let import = read_with(&rules(), &rows[..], &mut rejects).unwrap();
    assert_eq!(lines(&import.orders[0]), [("Q", 1, 100)]);
    assert_eq!(rejects.counts()[&RejectReason::NotUtf8], 1);
}

#[test]
fn a_byte_order_mark_before_the_header_is_passed_over() {
    let rows = format!("\u{feff}{HEADER}536365,P,,1,,1.00,1,x\n");
    let import = read_with(&rules(), rows.as_bytes(), &mut RejectLog::counting()).unwrap();
    assert_eq!(import.fates.accepted, 1);
}

#[test]
fn a_quote_left_open_ends_the_import_instead_of_filling_the_memory() {
    let rest = many_rows();
    let rows = format!("{HEADER}536365,P,\"oops,1,,1.00,1,x\n{rest}");
    let error = read_with(&rules(), rows.as_bytes(), &mut RejectLog::counting()).err().unwrap();
    assert!(matches!(error, ImportError::Read { line: 2, .. }), "{error:?}");
}

#[test]
fn a_long_file_of_short_rows_is_no_long_record() {
    let rows = format!("{HEADER}{}", many_rows());
    assert!(rows.len() > MAX_RECORD_BYTES);
    let import = read_with(&rules(), rows.as_bytes(), &mut RejectLog::counting()).unwrap();
    assert_eq!(import.fates.accepted, import.fates.rows);
}

/// More bytes than a record may have.
fn many_rows() -> String {
    let row = format!("536365,P,{},1,,1.00,1,x\n", "x".repeat(480));
    row.repeat(MAX_RECORD_BYTES / 480)
}

#[test]
fn a_file_without_the_mapped_columns_is_refused() {
    let error = read_with(&rules(), &b"a,b\n1,2\n"[..], &mut RejectLog::counting()).err().unwrap();
    assert!(matches!(error, ImportError::MissingColumn { .. }));
}
