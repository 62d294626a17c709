//! The CSV reader against a year of real invoices and what another program made of them.
//!
//! `ORDO_REAL_DATA` names the folder: "Online Retail" (Chen, Sain and Guo 2012; UCI Machine Learning Repository, CC BY 4.0)
//! as `online_retail.csv.zst`, its first 2,000 invoices as `online_retail_sample.csv.zst`, and the expected figures as
//! `oracle_full.json` and `oracle_sample.json`. Without it, these tests say that they were left out.

use std::{
    collections::BTreeMap,
    env,
    fmt::{Display, Write as _},
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use ordo::{
    import::{CsvRules, ImportedOrder, Line, RejectLog, RejectReason, RowFates, Source},
    order::{Currency, CustomerId, Order, OrderCommand},
};
use ordo_actors::Aggregate;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const COLUMNS: &str = "order=InvoiceNo,customer=CustomerID,product=StockCode,name=Description,quantity=Quantity,\
                       price=UnitPrice,time=InvoiceDate";

#[test]
fn the_sample_of_real_invoices_comes_out_as_expected() {
    compare("online_retail_sample.csv.zst", "oracle_sample.json");
}

#[test]
fn a_year_of_real_invoices_comes_out_as_expected() {
    compare("online_retail.csv.zst", "oracle_full.json");
}

fn compare(orders: &str, oracle: &str) {
    let Some(folder) = env::var_os("ORDO_REAL_DATA").map(PathBuf::from) else {
        // Past the test harness, which would swallow it.
        let note = format!("left out: {orders} (ORDO_REAL_DATA is not set)\n");
        io::stderr().write_all(note.as_bytes()).unwrap();
        return;
    };
    let (import, rejects) = read(&folder.join(orders));
    let expected: Map<String, Value> = serde_json::from_reader(File::open(folder.join(oracle)).unwrap()).unwrap();
    for (figure, found) in figures(&import, &rejects) {
        assert_eq!(found, expected[&figure], "{figure} of {orders}");
    }
}

struct CsvImport {
    orders: Vec<ImportedOrder>,
    fates: RowFates,
}

fn read(path: &Path) -> (CsvImport, RejectLog) {
    let rules =
        CsvRules { columns: COLUMNS.parse().unwrap(), currency: Currency::new("GBP").unwrap(), ..CsvRules::default() };
    let mut rejects = RejectLog::counting();
    let mut lines = rules.lines(Source::open(path, u64::MAX).unwrap()).unwrap();
    let mut orders = Vec::new();
    for line in &mut lines {
        match line.unwrap() {
            Line::Order(order) => orders.push(order),
            Line::Reject(reject) => rejects.note(&reject).unwrap(),
        }
    }
    let import = CsvImport { orders, fates: lines.fates() };
    assert!(import.orders.iter().all(|order| Order::default().decide(&create(order)).is_ok()));
    (import, rejects)
}

fn figures(import: &CsvImport, rejects: &RejectLog) -> Map<String, Value> {
    let rejected = |reason| rejects.counts().get(&reason).copied().unwrap_or_default();
    let orders = &import.orders;
    let items = || orders.iter().flat_map(|order| &order.items);
    let (customers, products, totals) = (by_customer(orders), by_product(orders), by_order(orders));
    let figures = json!({
        "rows": import.fates.rows,
        "rows_by_fate": {
            "cancellation_rows": import.fates.cancellations,
            "other_prefix_rows": import.fates.other_numbers,
            "no_customer_rows": import.fates.without_customer,
            "rejected_quantity_not_positive": rejected(RejectReason::QuantityNotPositive),
            "rejected_price_not_positive": rejected(RejectReason::PriceNotPositive),
            "rejected_price_not_whole_pence": rejected(RejectReason::PriceNotWhole),
            "accepted_rows": import.fates.accepted,
        },
        "rejected_lines": rejects.total(),
        "orders": orders.len(),
        "customers": customers.len(),
        "products": products.len(),
        "order_lines": items().count(),
        "max_lines_in_an_order": orders.iter().map(|order| order.items.len()).max(),
        "units": items().map(|item| i64::from(item.quantity())).sum::<i64>(),
        "grand_total_pence": orders.iter().map(total).sum::<i64>(),
        "customers_sha256": digest(&customers),
        "products_sha256": digest(&products),
        "orders_sha256": digest(&totals),
    });
    figures.as_object().unwrap().clone()
}

fn create(order: &ImportedOrder) -> OrderCommand {
    OrderCommand::CreateOrder(order.create_order(CustomerId::from(uuid::Uuid::nil())))
}

fn total(order: &ImportedOrder) -> i64 {
    order.items.iter().map(|item| i64::from(item.quantity()) * item.unit_price_cents()).sum()
}

fn customer(order: &ImportedOrder) -> String {
    order.customer_id.as_ref().unwrap().to_string()
}

/// Customer: orders and amount.
fn by_customer(orders: &[ImportedOrder]) -> BTreeMap<String, (i64, i64)> {
    let mut customers = BTreeMap::new();
    for order in orders {
        let (count, amount): &mut (i64, i64) = customers.entry(customer(order)).or_default();
        *count += 1;
        *amount += total(order);
    }
    customers
}

/// Product: pieces and amount.
fn by_product(orders: &[ImportedOrder]) -> BTreeMap<String, (i64, i64)> {
    let mut products = BTreeMap::new();
    for item in orders.iter().flat_map(|order| &order.items) {
        let (pieces, amount): &mut (i64, i64) = products.entry(item.product_id().to_string()).or_default();
        *pieces += i64::from(item.quantity());
        *amount += i64::from(item.quantity()) * item.unit_price_cents();
    }
    products
}

/// Order number: customer and amount.
fn by_order(orders: &[ImportedOrder]) -> BTreeMap<String, (String, i64)> {
    orders
        .iter()
        .map(|order| (order.external_id.as_ref().unwrap().to_string(), (customer(order), total(order))))
        .collect()
}

/// SHA-256 of the list as text, one `key,a,b` per line, sorted by key.
fn digest(list: &BTreeMap<String, (impl Display, i64)>) -> String {
    let mut text = String::new();
    for (key, (a, b)) in list {
        writeln!(text, "{key},{a},{b}").unwrap();
    }
    base16(&Sha256::digest(text))
}

fn base16(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16)).collect()
}
