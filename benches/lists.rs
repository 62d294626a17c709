//! What a page of a list costs with few orders and with many: `GET /orders`, customers and products, without HTTP.
//!
//! `cargo bench --bench lists`. Measured at 1,000 orders, at 100,000 and at 1,000,000 as far as `BENCH_ORDERS` goes (10,000
//! when unset), and at `BENCH_ORDERS` itself; PostgreSQL too, when `BENCH_DATABASE_URL` names a server where a database may be
//! created. At the end all sizes stand beside each other.

#![expect(clippy::print_stdout, reason = "a benchmark tells what it has measured")]

mod shop;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ordo::{
    order::{CustomerId, OrderState, ProductId},
    read_models::{
        Cursor, IndexScan, OrderFilter, OrderSearch, OrderSort, OrderTables, ResultPage, RowSource, all, orders_of,
        tables::{CUSTOMERS, INVENTORY},
    },
};
use ordo_actors::{
    log::{event::EventEnvelope, store::EventStore},
    projection::{
        ReadModel, Sources,
        row_store::{Checkpoint, Page, RowCommit, RowStore, RowVerdict, Table, Value},
    },
};
use tokio::runtime::Runtime;
use uuid::Uuid;

use shop::{Shop, Subject, setting, time};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Few regular customers and products, so that each of them fills a page however few orders there are; the lists of all
/// customers and products grow with the orders.
const SHOP: Shop = Shop { regular: 7, customers: 1_000_000, products: 1_000_000 };

/// An order of a regular customer for a regular product.
const REGULAR: u64 = 2;

const LIMIT: usize = 50;
const GENERATION: u32 = 1;
const ORDERS_AT_ONCE: u64 = 1_000;

/// The read models, as far as they have come.
struct Follower {
    /// Empty: no order is in two batches, so nobody reads it.
    log: Arc<dyn EventStore>,
    rows: Arc<dyn RowStore>,
    models: Vec<(Box<dyn ReadModel>, Checkpoint)>,
    orders: u64,
}

impl Follower {
    async fn on(subject: &Subject) -> Self {
        let (log, rows) = (Arc::clone(&subject.log), Arc::clone(&subject.rows));
        let epoch = log.head().await.expect("a head").epoch;
        let mut models = Vec::new();
        for model in all() {
            let at = rows.claim(model.name(), GENERATION, epoch, Uuid::new_v4()).await.expect("a checkpoint");
            models.push((model, at));
        }
        Self { log, rows, models, orders: 0 }
    }

    /// Takes orders in until there are so many.
    async fn grow(&mut self, orders: u64) {
        while self.orders < orders {
            let until = orders.min(self.orders + ORDERS_AT_ONCE);
            let mut head = self.models[0].1.position;
            let mut events = Vec::new();
            for number in self.orders..until {
                events.extend(SHOP.order(number).envelopes(head));
                head = events.last().map_or(head, |event| event.position);
            }
            self.take(&events).await;
            self.orders = until;
        }
    }

    async fn take(&mut self, events: &[Arc<EventEnvelope>]) {
        let head = events[events.len() - 1].position;
        for (model, at) in &mut self.models {
            let sources = Sources { log: self.log.as_ref(), rows: self.rows.as_ref(), generation: GENERATION, head };
            let changes = model.take(events, sources).await.expect("changes");
            let next = Checkpoint { position: head, ..*at };
            let (model, expected) = (model.name(), *at);
            let commit = RowCommit { model, expected, next, changes, free: Vec::new(), park: Vec::new() };
            assert_eq!(self.rows.commit(commit).await.expect("a verdict"), RowVerdict::Committed);
            *at = next;
        }
    }
}

/// A page that clients ask for.
enum Asked {
    Orders(OrderSearch, Option<Cursor>),
    Rows(IndexScan),
}

impl Asked {
    async fn find(&self, rows: &dyn RowStore) -> ResultPage {
        match self {
            Self::Orders(search, after) => {
                search.find(rows, OrderTables::CURRENT, GENERATION, after.as_ref(), LIMIT).await
            }
            Self::Rows(scan) => scan.find(rows, None, LIMIT).await,
        }
        .expect("a page")
    }
}

/// The pages, by the request that asks for them.
fn pages(orders: u64) -> Vec<(&'static str, Asked)> {
    let newest = |filter| OrderSearch { filter, sort: OrderSort::CreatedAt, descending: true };
    let all = || newest(OrderFilter::default());
    let customer = SHOP.customer(REGULAR);
    let (of_customer, of_product) = (CustomerId::new(&customer), ProductId::new(&SHOP.product(REGULAR)));
    let customer_id = Some(of_customer.expect("a good id"));
    let product_id = Some(of_product.expect("a good id"));
    let halfway = Cursor { value: Value::Int(time(orders / 2).timestamp_micros()), id: "".into() };
    let state = Some(OrderState::Draft);
    vec![
        ("/orders", Asked::Orders(all(), None)),
        ("/orders, halfway down", Asked::Orders(all(), Some(halfway))),
        ("/orders?sort=total_cents", Asked::Orders(OrderSearch { sort: OrderSort::Total, ..all() }, None)),
        ("/orders?state=Draft", Asked::Orders(newest(OrderFilter { state, ..OrderFilter::default() }), None)),
        ("/orders?customer_id=", Asked::Orders(newest(OrderFilter { customer_id, ..OrderFilter::default() }), None)),
        ("/orders?product_id=", Asked::Orders(newest(OrderFilter { product_id, ..OrderFilter::default() }), None)),
        ("/customers/{id}/orders", Asked::Rows(orders_of(&customer, &OrderFilter::default(), true, GENERATION))),
        ("/customers", Asked::Rows(by_column(&CUSTOMERS, "total_spent_cents"))),
        ("/inventory", Asked::Rows(by_column(&INVENTORY, "quantity_ordered"))),
    ]
}

fn by_column(table: &'static Table, column: &str) -> IndexScan {
    let page = Page {
        table,
        generation: GENERATION,
        conditions: Vec::new(),
        order_by: table.column(column),
        descending: true,
        after: None,
        limit: 0,
    };
    IndexScan { page, source: RowSource::Index, filter: Vec::new() }
}

/// What has been measured: time and pages by store and request, and by the number of orders.
type Measured = BTreeMap<(&'static str, &'static str), BTreeMap<u64, (Duration, u64)>>;

fn sizes() -> Vec<u64> {
    let most = setting("BENCH_ORDERS", 10_000);
    let usual = [1_000, 100_000, 1_000_000].into_iter().filter(|size| *size < most);
    usual.chain([most]).collect()
}

fn lists(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (mut measured, sizes) = (Measured::new(), sizes());
    for subject in Subject::all(&runtime) {
        let mut follower = runtime.block_on(Follower::on(&subject));
        for &orders in &sizes {
            runtime.block_on(follower.grow(orders));
            let mut group = criterion.benchmark_group(subject.name);
            for (name, asked) in pages(orders) {
                let found = runtime.block_on(asked.find(subject.rows.as_ref()));
                assert_eq!(found.rows.len(), LIMIT, "{name} does not fill a page");
                let cell = measured.entry((subject.name, name)).or_default().entry(orders).or_default();
                group.bench_function(BenchmarkId::new(name, orders), |bencher| {
                    bencher.iter_custom(|times| {
                        let began = Instant::now();
                        for _ in 0..times {
                            black_box(runtime.block_on(asked.find(subject.rows.as_ref())));
                        }
                        let took = began.elapsed();
                        *cell = (cell.0 + took, cell.1 + times);
                        took
                    });
                });
            }
            group.finish();
        }
    }
    print(&measured, &sizes);
}

/// One line for each request, one column for each number of orders.
fn print(measured: &Measured, sizes: &[u64]) {
    let mut table = format!("\nmicroseconds for a page of {LIMIT}, with so many orders\n{:<36}", "");
    for size in sizes {
        write!(table, " {size:>11}").expect("text");
    }
    for ((store, name), by_size) in measured {
        write!(table, "\n{:<36}", format!("{store} {name}")).expect("text");
        for cell in sizes.iter().map(|size| by_size.get(size)) {
            match cell {
                Some((took, pages)) if *pages > 0 => {
                    let mean = took.as_nanos() / u128::from(*pages);
                    write!(table, " {:>9}.{}", mean / 1_000, mean % 1_000 / 100).expect("text");
                }
                _ => write!(table, " {:>11}", "-").expect("text"),
            }
        }
    }
    println!("{table}");
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = lists
}
criterion_main!(benches);
