//! A year of real invoices through the command line: imported, exported, compared with what another program made of them.
//!
//! `ORDO_REAL_DATA` names the folder (see `real_orders.rs`); without it these tests say that they were left out. The whole year is
//! imported in release builds and with `ORDO_TEST_FULL_YEAR=1`, else the first 2,000 invoices.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    ordo_command::{ended, events, orders, ordo, run, sqlite, verify},
    postgres_server::TestDatabase,
    real_invoices::{COLUMNS, SAMPLE, digest, import, import_real, real_data, usual},
};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same orders in any order: an import has many under way at once.
#[track_caller]
fn assert_same(ours: &str, theirs: &str) {
    let set = |orders: &str| orders.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (ours, theirs) = (set(ours), set(theirs));
    let differing: Vec<_> = ours.symmetric_difference(&theirs).take(2).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

/// What the oracle tells, from the orders that came out.
fn figures(orders: &[Value]) -> Value {
    let (mut customers, mut products, mut totals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut order_lines, mut units) = (0, 0);
    for order in orders {
        assert_eq!((&order["outcome"], &order["currency"]), (&json!("completed"), &json!("GBP")));
        let customer = order["customer_id"].as_str().unwrap();
        let mut total = 0;
        for item in order["items"].as_array().unwrap() {
            let quantity = item["quantity"].as_i64().unwrap();
            let amount = quantity * item["unit_price_cents"].as_i64().unwrap();
            let (pieces, revenue): &mut (i64, i64) = products.entry(item["product_id"].as_str().unwrap()).or_default();
            *pieces += quantity;
            *revenue += amount;
            total += amount;
            units += quantity;
            order_lines += 1;
        }
        let (count, spent): &mut (i64, i64) = customers.entry(customer).or_default();
        *count += 1;
        *spent += total;
        totals.insert(order["external_id"].as_str().unwrap(), (customer, total));
    }
    json!({
        "orders": totals.len(),
        "customers": customers.len(),
        "products": products.len(),
        "order_lines": order_lines,
        "units": units,
        "grand_total_pence": totals.values().map(|(_, total)| total).sum::<i64>(),
        "customers_sha256": digest(customers.iter().map(|(id, (orders, pence))| format!("{id},{orders},{pence}\n"))),
        "products_sha256": digest(products.iter().map(|(id, (pieces, pence))| format!("{id},{pieces},{pence}\n"))),
        "orders_sha256": digest(totals.iter().map(|(id, (customer, pence))| format!("{id},{customer},{pence}\n"))),
    })
}

fn compare_with_oracle(folder: &Path, oracle: &str, report: &Value, orders: &str) {
    let oracle: Value = serde_json::from_reader(File::open(folder.join(oracle)).unwrap()).unwrap();
    let orders = lines(orders);
    assert_eq!(report["imported"], oracle["orders"]);
    assert_eq!((&report["already_there"], &report["refused"]), (&json!(0), &json!(0)));
    let rejected = report["rejected"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(json!(rejected), oracle["rejected_lines"]);
    for (figure, found) in figures(&orders).as_object().unwrap() {
        assert_eq!(*found, oracle[figure], "{figure}");
    }
}

fn imported_as_expected(store: &str) {
    let Some(folder) = real_data() else { return };
    let (invoices, oracle) = usual();
    let report = import_real(&folder.join(invoices), store);
    let (all, log) = (orders(store), events(store));
    compare_with_oracle(&folder, oracle, &report, &all);
    assert_eq!(verify(store), log.lines().count() as u64);
    // Once more changes nothing.
    let again = import_real(&folder.join(invoices), store);
    assert_eq!((&again["imported"], &again["already_there"]), (&json!(0), &report["imported"]));
    assert!(events(store) == log, "a second import has changed the log");
}

#[test]
fn real_invoices_imported_into_sqlite_come_out_as_another_program_counts_them() {
    let directory = tempfile::tempdir().unwrap();
    imported_as_expected(&sqlite(&directory.path().join("log.db")));
}

#[test]
fn real_invoices_imported_into_postgres_come_out_as_another_program_counts_them() {
    let database = TestDatabase::fresh();
    imported_as_expected(&database.url());
}

/// How many events a file has by now; none while it is being made.
fn events_so_far(path: &Path) -> u64 {
    let head = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|log| log.query_row("SELECT max(position) FROM events", [], |row| row.get::<_, Option<i64>>(0)));
    head.ok().flatten().map_or(0, i64::unsigned_abs)
}

#[test]
fn an_import_that_was_killed_and_run_again_gives_the_same_orders_as_one_that_was_not() {
    let Some(folder) = real_data() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("killed.db");
    let (store, file) = (sqlite(&path), folder.join(SAMPLE.0));
    let mut killed = 0;
    for after in [500, 6_000, 15_000] {
        let mut importing = Command::new(env!("CARGO_BIN_EXE_ordo"))
            .args(["import", file.to_str().unwrap(), "--currency", "GBP", "--map", COLUMNS, "--store", &store])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while events_so_far(&path) < after {
            assert!(importing.try_wait().unwrap().is_none(), "the import has ended");
        }
        importing.kill().unwrap();
        importing.wait().unwrap();
        killed = verify(&store);
    }
    assert!(killed >= 15_000);
    let report = import_real(&file, &store);
    let whole = sqlite(&directory.path().join("whole.db"));
    let report_of_whole = import_real(&file, &whole);
    let sum = |report: &Value| report["imported"].as_u64().unwrap() + report["already_there"].as_u64().unwrap();
    assert!(killed < verify(&store), "it was killed too late");
    assert_eq!(sum(&report), sum(&report_of_whole));
    assert_same(&orders(&store), &orders(&whole));
}

#[test]
fn what_was_exported_can_be_imported_into_a_fresh_store_and_is_the_same() {
    let Some(folder) = real_data() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (sqlite(&directory.path().join("first.db")), sqlite(&directory.path().join("second.db")));
    import_real(&folder.join(SAMPLE.0), &first);
    let exported = orders(&first);
    let file = directory.path().join("orders.jsonl");
    fs::write(&file, &exported).unwrap();
    let report = run(&["import", file.to_str().unwrap(), "--json", "--store", &second]).expect(0);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["imported"], exported.lines().count());
    assert_same(&orders(&second), &exported);
}

/// Two orders, a return, a row that is no order and one that is refused.
const INVOICES: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,\"WHITE HANGING HEART, T-LIGHT HOLDER\",6,2010-12-01 08:26:00,2.55,17850,United Kingdom
536366,22633,HAND WARMER,1,2010-12-01 08:28:00,1.85,17851,United Kingdom
536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850,United Kingdom
536365,85123A,\"WHITE HANGING HEART, T-LIGHT HOLDER\",2,2010-12-01 08:26:00,2.55,17850,United Kingdom
536365,85123A,\"WHITE HANGING HEART, T-LIGHT HOLDER\",1,2010-12-01 08:26:00,2.10,17850,United Kingdom
C536379,D,Discount,-1,2010-12-01 09:41:00,27.50,14527,United Kingdom
A563185,B,Adjust bad debt,1,2011-08-12 14:50:00,11062.06,,United Kingdom
536366,PADS,PADS TO MATCH,1,2010-12-01 08:28:00,0.001,17851,United Kingdom
";

struct MadeUp {
    directory: TempDir,
}

impl MadeUp {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn store(&self, name: &str) -> String {
        sqlite(&self.directory.path().join(name))
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_file_gives_the_same_orders_plain_packed_and_from_standard_input() {
    let made_up = MadeUp::new();
    let plain = made_up.file("invoices.csv", INVOICES.as_bytes());
    let report = import(&plain, &made_up.store("plain"), &[]).expect(0);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report, json!({"imported": 2, "already_there": 0, "refused": 0, "rejected": {"price_not_whole": 1}}));
    let expected = orders(&made_up.store("plain"));
    let heart = lines(&expected).into_iter().find(|order| order["external_id"] == "536365").unwrap();
    let quantities: Vec<_> = heart["items"].as_array().unwrap().iter().map(|item| &item["quantity"]).collect();
    assert_eq!(quantities, [8, 6, 1]);
    let packed = [
        made_up.file("packed.csv.gz", &gzip(INVOICES)),
        made_up.file("packed.csv.zst", &zstd::encode_all(INVOICES.as_bytes(), 3).unwrap()),
    ];
    for (file, name) in packed.iter().zip(["gz", "zst"]) {
        import(file, &made_up.store(name), &[]).expect(0);
        assert_same(&orders(&made_up.store(name)), &expected);
    }
    let from_stdin = ["import", "-", "--format", "csv", "--currency", "GBP", "--map", COLUMNS, "--store"];
    let stdin = made_up.store("stdin");
    let output = ordo(&from_stdin).arg(&stdin).write_stdin(gzip(INVOICES)).output().unwrap();
    ended(&output).expect(0);
    assert_same(&orders(&stdin), &expected);
    // JSON lines: what was exported, from standard input.
    let json = made_up.store("json");
    let output = ordo(&["import", "-", "--format", "jsonl", "--store", &json]).write_stdin(expected.clone()).output();
    ended(&output.unwrap()).expect(0);
    assert_same(&orders(&json), &expected);
}

#[test]
fn rejected_rows_are_written_where_they_can_be_repaired() {
    let made_up = MadeUp::new();
    let rejects = made_up.file("rejects.csv", b"");
    let file = made_up.file("invoices.csv", INVOICES.as_bytes());
    import(&file, &made_up.store("log"), &["--rejects", &rejects]).expect(0);
    let written = fs::read_to_string(&rejects).unwrap();
    let rows: Vec<_> = written.lines().collect();
    assert_eq!(rows.len(), 2, "{written}");
    assert!(rows[1].starts_with("9,price_not_whole,0.001,") && rows[1].contains("PADS"), "{written}");
}

#[test]
fn a_packed_file_that_was_cut_off_fails() {
    let made_up = MadeUp::new();
    let packed = gzip(&INVOICES.repeat(50));
    let file = made_up.file("cut.csv.gz", &packed[..packed.len() - 10]);
    import(&file, &made_up.store("log"), &[]).complains(1, &["reading stopped"]);
}

#[test]
fn json_lines_bring_orders_as_far_as_they_say_and_bad_lines_are_counted() {
    let made_up = MadeUp::new();
    let item = r#"{"product_id":"pen","product_name":"Pen","quantity":2,"unit_price_cents":150}"#;
    let text = ["draft", "submitted", "completed", "cancelled"]
        .map(|outcome| format!(r#"{{"external_id":"{outcome}","outcome":"{outcome}","items":[{item}]}}"#))
        .join("\n");
    let text = format!("{text}\nnonsense\n{{\"items\":[{{}}]}}\n{{\"outcome\":\"submitted\",\"items\":[]}}\n");
    let (file, store) = (made_up.file("orders.jsonl", text.as_bytes()), made_up.store("log"));
    let report = run(&["import", &file, "--json", "--store", &store]).expect(0);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["imported"], 4, "{report}");
    assert_eq!(report["rejected"]["not_an_order"], 2, "{report}");
    assert_eq!(report["refused"], 1, "{report}");
    for order in lines(&orders(&store)).iter().filter(|order| order["external_id"].is_string()) {
        assert_eq!(order["external_id"], order["outcome"]);
    }
    let log = events(&store);
    run(&["import", &file, "--store", &store]).expect(0);
    assert_eq!(events(&store), log);
}

#[test]
fn the_largest_order_can_be_exported_and_imported() {
    let made_up = MadeUp::new();
    let rows = (0..ordo::order::MAX_LINES).map(|row| format!("1,ada,{row:0>64},1,0.01,{}\n", "ä".repeat(250)));
    let text = format!("order,customer,product,quantity,price,name\n{}", rows.collect::<String>());
    let (file, first, second) = (made_up.file("orders.csv", text.as_bytes()), made_up.store("1"), made_up.store("2"));
    let map = "order=order,name=name";
    run(&["import", &file, "--numbers", "any", "--map", map, "--store", &first]).expect(0);
    let exported = orders(&first);
    assert!(exported.len() > 5_000_000 && exported.lines().count() == 1);
    let file = made_up.file("orders.jsonl", exported.as_bytes());
    run(&["import", &file, "--store", &second]).expect(0);
    assert!(orders(&second) == exported, "the order is another one");
}
