//! What the benchmarks of the read side stand on: orders without end, and stores to put them in.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ordo::application::schema::{in_postgres, in_sqlite};
use ordo::order::{CreateOrder, Currency, CustomerId, MAX_LINES, NewItem, Order, OrderCommand};
use ordo_actors::stores::{
    postgres::{PostgresOptions, PostgresStore},
    sqlite::{SqliteOptions, SqliteStore},
};
use ordo_actors::{
    aggregate::{Aggregate, DomainEvent},
    log::{
        decoded::Decoded,
        event::{EventEnvelope, Metadata, Position, StreamId, Version},
        store::EventStore,
    },
    projection::row_store::RowStore,
    stores::memory::{MemoryRows, MemoryStore},
};
use serde_json::value::RawValue;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Every tenth order is completed, the others are drafts.
const COMPLETED: u64 = 10;

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration file")]
pub fn setting(name: &str, usually: u64) -> u64 {
    std::env::var(name).map_or(usually, |number| number.parse().expect("a number"))
}

/// Who orders what.
#[derive(Clone, Copy)]
pub struct Shop {
    /// Every second order is of one of these few customers and products.
    pub regular: u64,
    /// The others are of one of these.
    pub customers: u64,
    pub products: u64,
}

/// The events of one order, before they are in a log.
pub struct Placed {
    pub id: StreamId,
    pub at: DateTime<Utc>,
    pub events: Vec<(&'static str, Box<RawValue>)>,
}

impl Shop {
    pub fn customer(self, number: u64) -> String {
        self.of("customer", number, self.customers)
    }

    pub fn product(self, number: u64) -> String {
        self.of("product", number, self.products)
    }

    fn of(self, what: &str, number: u64, others: u64) -> String {
        if number.is_multiple_of(2) {
            format!("regular-{what}-{}", number / 2 % self.regular)
        } else {
            format!("{what}-{}", number / 2 % others)
        }
    }

    /// An order of one line, a second after the one before.
    pub fn order(self, number: u64) -> Placed {
        let at = time(number);
        let item = NewItem::new(&self.product(number), "A product of some kind", 2, 1_000).expect("a good item");
        let create = OrderCommand::CreateOrder(CreateOrder {
            customer_id: CustomerId::new(&self.customer(number)).expect("a good id"),
            currency: Currency::USD,
            placed_at: None,
            items: vec![item],
            most_lines: MAX_LINES,
        });
        let (mut order, mut events) = (Order::default(), Vec::new());
        let steps = [
            OrderCommand::SubmitOrder,
            OrderCommand::MarkReserved { reservation_id: None },
            OrderCommand::StartProcessing { payment_id: None },
            OrderCommand::CompleteOrder { tracking_number: None },
        ];
        let steps = steps.into_iter().filter(|_| number.is_multiple_of(COMPLETED));
        for command in std::iter::once(create).chain(steps) {
            for event in order.decide(&command).expect("an allowed command") {
                order.evolve(&event, at);
                events.push((event.event_type(), event.encode().expect("JSON")));
            }
        }
        Placed { id: StreamId::generate(), at, events }
    }
}

/// When an order is placed.
pub fn time(number: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(number).expect("a small number"))
}

impl Placed {
    /// Its events as they would stand in a log that ends at `head`.
    pub fn envelopes(self, head: Position) -> Vec<Arc<EventEnvelope>> {
        let numbered = self.events.into_iter().zip(1..);
        let envelope = |((event_type, payload), number): ((&'static str, _), u64)| {
            envelope(self.id, event_type, payload, Version(number), head.plus(number), self.at)
        };
        numbered.map(envelope).collect()
    }
}

/// An event of an order as it stands in a log.
pub fn envelope(
    id: StreamId,
    event_type: &'static str,
    payload: Box<RawValue>,
    version: Version,
    position: Position,
    timestamp: DateTime<Utc>,
) -> Arc<EventEnvelope> {
    Arc::new(EventEnvelope {
        event_id: Uuid::now_v7(),
        event_type: event_type.into(),
        schema_version: 1,
        aggregate_id: id,
        aggregate_type: Order::TYPE.into(),
        version,
        position,
        timestamp,
        payload,
        metadata: Arc::new(Metadata::default()),
        decoded: Decoded::default(),
    })
}

/// A new store with both its sides.
pub struct Subject {
    pub name: &'static str,
    pub log: Arc<dyn EventStore>,
    pub rows: Arc<dyn RowStore>,
    /// What it is kept in, and what goes after it.
    _place: Option<Place>,
}

enum Place {
    Folder { _folder: tempfile::TempDir },
    Database { _database: FreshDatabase },
}

impl Subject {
    /// Memory, SQLite, and PostgreSQL if `BENCH_DATABASE_URL` names a server where a database may be created.
    pub fn all(runtime: &Runtime) -> Vec<Self> {
        let mut subjects = vec![Self::memory(), Self::sqlite()];
        #[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration file")]
        if let Ok(url) = std::env::var("BENCH_DATABASE_URL") {
            subjects.push(runtime.block_on(Self::postgres(url)));
        }
        subjects
    }

    pub fn memory() -> Self {
        let (log, rows) = (Arc::new(MemoryStore::new()), Arc::new(MemoryRows::new()));
        Self { name: "memory", log, rows, _place: None }
    }

    fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store =
            SqliteStore::open(&folder.path().join("bench.db"), in_sqlite(SqliteOptions::default())).expect("a store");
        let store = Arc::new(store);
        Self { name: "sqlite", log: store.clone(), rows: store, _place: Some(Place::Folder { _folder: folder }) }
    }

    async fn postgres(server: String) -> Self {
        let database = FreshDatabase::on(server).await;
        let store =
            PostgresStore::open(&database.url(), in_postgres(PostgresOptions::default())).await.expect("a store");
        let store = Arc::new(store);
        let place = Some(Place::Database { _database: database });
        Self { name: "postgres", log: store.clone(), rows: store, _place: place }
    }
}

/// A database of this benchmark's own, dropped with this value.
struct FreshDatabase {
    server: String,
    name: String,
}

impl FreshDatabase {
    async fn on(server: String) -> Self {
        let name = format!("ordo_bench_{}", Uuid::new_v4().simple());
        execute(&server, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
        Self { server, name }
    }

    /// The server's URL, but for the database.
    fn url(&self) -> String {
        let (place, parameters) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let scheme = place.find("://").map_or(0, |at| at + 3);
        let host = place[scheme..].find('/').map_or(place, |at| &place[..scheme + at]);
        format!("{host}/{}?{parameters}", self.name)
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        // A thread of its own: this may be dropped on a runtime.
        let dropping = std::thread::spawn(move || {
            Runtime::new().expect("a runtime").block_on(execute(&server, &drop));
        });
        dropping.join().expect("a dropped database");
    }
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a server");
    tokio::spawn(connection);
    client.batch_execute(sql).await.expect("an executed statement");
}
