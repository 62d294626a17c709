//! A year of real invoices through the lists: what `/customers`, `/inventory` and `/orders/history` show, paged to the end, is
//! what another program made of the same file; also while the read models are built anew and orders arrive.
//!
//! The same file and the same variables as in `real_year.rs`.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    path::Path,
    thread,
};

use futures_util::{StreamExt, stream};
use ordo::{
    import::{CsvRules, ImportedOrder, Line, Source},
    order::Currency,
};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::support::{
    api::Reply,
    ordo_command::{run, verify},
    real_invoices::{COLUMNS, digest, import_real, real_data, usual},
    test_app::{Store, TestApp},
    workload::Workload,
};

const READ_MODELS: [&str; 4] = ["current_orders", "order_history", "customer_orders", "inventory_demand"];

/// What the customers and products begin with that are not in the file.
const NEW: &str = "newcomer";

/// What the correlation id of an order begins with, by `ordo import` and over HTTP; the invoice number follows.
const IMPORTED: [&str; 2] = ["import:", "invoice:"];

/// The entry of a list by its id, as the expected figures have it: without what else it shows.
type Listed = BTreeMap<String, String>;

/// Requests of an import over HTTP at the same time.
const AT_ONCE: usize = 32;

/// What the lists must show.
struct Year {
    oracle: Value,
    /// The invoice numbers of the orders.
    numbers: HashMap<String, String>,
}

impl Year {
    fn of(app: &TestApp, oracle: &Path) -> Self {
        let oracle: Value = serde_json::from_reader(File::open(oracle).unwrap()).unwrap();
        let numbers = numbers(app);
        assert_eq!(oracle["orders"], numbers.len());
        Self { oracle, numbers }
    }

    /// Pages through the three lists and holds them against the oracle.
    #[track_caller]
    fn hold(&self, app: &TestApp) {
        let customers = listed(app, "/customers?limit=500", "customer_id", |customer| {
            format!("{},{}", customer["total_orders"], customer["total_spent_cents"])
        });
        let products = listed(app, "/inventory?limit=500", "product_id", |product| {
            format!("{},{}", product["quantity_completed"], product["revenue_cents"])
        });
        let orders = listed(app, "/orders/history?limit=500", "id", |order| {
            format!("{},{}", order["customer_id"].as_str().unwrap(), order["total_cents"])
        });
        let orders = orders.into_iter().filter_map(|(id, order)| Some((self.numbers.get(&id)?.clone(), order)));
        self.compare("customers", customers);
        self.compare("products", products);
        self.compare("orders", orders.collect());
    }

    #[track_caller]
    fn compare(&self, what: &str, mut listed: Listed) {
        listed.retain(|id, _| !id.starts_with(NEW));
        assert_eq!(self.oracle[what], listed.len(), "{what}");
        let found = digest(listed.iter().map(|(id, figures)| format!("{id},{figures}\n")));
        assert_eq!(self.oracle[format!("{what}_sha256")], found, "{what}");
    }
}

/// Follows a list to its end. Every page must be answered, and no entry may come twice.
#[track_caller]
fn listed(app: &TestApp, path: &str, id: &str, figures: fn(&Value) -> String) -> Listed {
    let mut listed = Listed::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = app.get(&path).expect(200);
        for entry in page.json().as_array().unwrap() {
            let id = entry[id].as_str().unwrap().to_owned();
            let is_new = id.starts_with(NEW);
            // The sums of those who are still ordering grow, and with them they may move to a later page.
            assert!(listed.insert(id, figures(entry)).is_none() || is_new, "{entry} stands there twice");
        }
        next = next_page(&page);
    }
    listed
}

fn next_page(page: &Reply) -> Option<String> {
    let link = page.header("link")?;
    Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
}

/// The invoice numbers of the orders in the log.
fn numbers(app: &TestApp) -> HashMap<String, String> {
    let (mut numbers, mut after) = (HashMap::new(), 0);
    loop {
        let page = app.get(&format!("/events?event_type=OrderCreated&limit=1000&after={after}")).expect(200).json();
        let Some(last) = page.as_array().unwrap().last() else { return numbers };
        after = last["position"].as_u64().unwrap();
        for event in page.as_array().unwrap() {
            let id = event["metadata"]["correlation_id"].as_str().unwrap();
            let number = IMPORTED.iter().find_map(|prefix| id.strip_prefix(prefix)).unwrap();
            numbers.insert(event["aggregate_id"].as_str().unwrap().to_owned(), number.to_owned());
        }
    }
}

/// Places the orders of a file and completes them, over HTTP.
fn import_over_http(app: &TestApp, file: &Path) {
    let rules =
        CsvRules { columns: COLUMNS.parse().unwrap(), currency: Currency::new("GBP").unwrap(), ..CsvRules::default() };
    let lines = rules.lines(Source::open(file, u64::MAX).unwrap()).unwrap();
    let orders = lines.filter_map(|line| if let Line::Order(order) = line.unwrap() { Some(order) } else { None });
    let (http, base) = (Client::new(), app.url(""));
    let placing = stream::iter(orders).for_each_concurrent(AT_ONCE, |order| complete(&http, &base, order));
    Builder::new_current_thread().enable_all().build().unwrap().block_on(placing);
}

async fn complete(http: &Client, base: &str, order: ImportedOrder) {
    let items: Vec<_> = order
        .items
        .iter()
        .map(|item| {
            json!({"product_id": item.product_id(), "product_name": item.product_name(),
                "quantity": item.quantity(), "unit_price_cents": item.unit_price_cents()})
        })
        .collect();
    let body = json!({"customer_id": order.customer_id, "currency": order.currency, "placed_at": order.placed_at,
        "items": items});
    let id = format!("{}{}", IMPORTED[1], order.external_id.unwrap());
    let post = async |path: &str, body: &Value, status: u16| {
        let sent = http.post(format!("{base}{path}")).header("X-Request-Id", &id).json(body).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), status);
        sent.json::<Value>().await.unwrap()
    };
    let placed = post("/orders", &body, 201).await;
    let path = format!("/orders/{}", placed["order_id"].as_str().unwrap());
    for step in ["submit", "reserve", "process", "complete"] {
        post(&format!("{path}/{step}"), &json!({}), 200).await;
    }
}

fn generation(app: &TestApp, name: &str) -> u64 {
    let projection = app.get(&format!("/admin/projections/{name}")).expect(200).json();
    projection["generation"].as_u64().unwrap()
}

/// Builds all read models anew at once, and reads the lists meanwhile.
fn rebuild_over_http(app: &TestApp, year: &Year) {
    let before = READ_MODELS.map(|name| generation(app, name));
    for name in READ_MODELS {
        app.post(&format!("/admin/projections/{name}/rebuild"), &json!({})).expect(202);
    }
    loop {
        year.hold(app);
        if READ_MODELS.iter().zip(before).all(|(name, before)| generation(app, name) > before) {
            break;
        }
    }
    year.hold(app);
}

/// `ordo rebuild` of each read model in turn, while the server answers.
fn rebuild_by_another_process(app: &TestApp, year: &Year) {
    for name in READ_MODELS {
        let store = app.store();
        let rebuilding = thread::spawn(move || run(&["rebuild", name, "--store", &store]));
        while !rebuilding.is_finished() {
            year.hold(app);
        }
        rebuilding.join().unwrap().expect(0);
        year.hold(app);
    }
}

/// `ordo rebuild` of each read model in turn, of a store that only one process may open.
fn rebuild_without_a_server(app: &mut TestApp) {
    assert!(app.terminate().success());
    for name in READ_MODELS {
        run(&["rebuild", name, "--store", &app.store()]).expect(0);
    }
    app.restart();
}

/// Does something while orders arrive that are not in the file.
fn while_orders_arrive(app: &TestApp, act: impl FnOnce()) {
    let workload = Workload::start(&app.url(""), 4, NEW, 1);
    workload.until_ended(1);
    let before = workload.ended();
    act();
    workload.until_ended(before + 1);
    workload.finish();
    app.wait_for_lists();
    let customers = app.get("/customers?limit=500&sort=-customer_id").expect(200).json();
    assert!(customers[0]["customer_id"].as_str().unwrap().starts_with(NEW), "nothing new has arrived");
}

fn start(store: Store) -> Option<(TestApp, Year)> {
    let folder = real_data()?;
    let (invoices, oracle) = usual();
    let file = folder.join(invoices);
    let is_memory = matches!(store, Store::Memory);
    if !is_memory {
        import_real(&file, &store.argument());
    }
    let app = TestApp::start_on(store, &[]);
    if is_memory {
        import_over_http(&app, &file);
    }
    app.wait_for_lists();
    let year = Year::of(&app, &folder.join(oracle));
    year.hold(&app);
    assert_eq!(app.get("/orders").expect(200).json(), json!([]));
    Some((app, year))
}

#[test]
fn the_lists_of_real_orders_are_what_another_program_makes_of_them_also_during_rebuilds_in_memory() {
    let Some((app, year)) = start(Store::Memory) else { return };
    while_orders_arrive(&app, || rebuild_over_http(&app, &year));
    year.hold(&app);
}

#[test]
fn the_lists_of_real_orders_are_what_another_program_makes_of_them_also_during_rebuilds_on_sqlite() {
    let Some((mut app, year)) = start(Store::sqlite()) else { return };
    while_orders_arrive(&app, || rebuild_over_http(&app, &year));
    year.hold(&app);
    rebuild_without_a_server(&mut app);
    year.hold(&app);
    app.kill();
    verify(&app.store());
}

#[test]
fn the_lists_of_real_orders_are_what_another_program_makes_of_them_also_during_rebuilds_on_postgres() {
    let Some((mut app, year)) = start(Store::postgres()) else { return };
    while_orders_arrive(&app, || rebuild_over_http(&app, &year));
    year.hold(&app);
    while_orders_arrive(&app, || rebuild_by_another_process(&app, &year));
    year.hold(&app);
    app.kill();
    verify(&app.store());
}

#[test]
fn a_server_whose_read_models_another_one_runs_shows_whole_lists_while_they_are_rebuilt() {
    let Some((app, year)) = start(Store::postgres()) else { return };
    let other = TestApp::start_on(Store::Shared(app.store()), &[]);
    other.wait_for_lists();
    let runs = |app: &TestApp| {
        let projections = app.get("/admin/projections").expect(200).json();
        projections.as_array().unwrap().iter().any(|projection| projection["state"] != "standing_by")
    };
    // Whoever came last has taken them over; the first one finds out though no event tells.
    while runs(&app) {
        app.get("/livez").expect(200);
    }
    let workload = Workload::start(&app.url(""), 4, NEW, 1);
    let before = READ_MODELS.map(|name| generation(&app, name));
    for name in READ_MODELS {
        other.post(&format!("/admin/projections/{name}/rebuild"), &json!({})).expect(202);
    }
    while READ_MODELS.iter().zip(before).any(|(name, before)| generation(&app, name) == before) {
        year.hold(&app);
    }
    year.hold(&app);
    assert!(workload.finish() > 0);
}
