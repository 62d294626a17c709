//! What becomes of a stream that a read model cannot take in, on every store.

use std::sync::Arc;

use actix_web::rt::time::timeout;
use ordo::{
    read_models::{InventoryDemand, OrderProjection, tables::INVENTORY},
    stores::{
        postgres::{PostgresOptions, PostgresStore},
        sqlite::{SqliteOptions, SqliteStore},
    },
};
use ordo_actors::{
    clock::SystemClock,
    event::{Metadata, Position, StreamId, Version},
    event_feed::EventFeed,
    memory_rows::MemoryRows,
    memory_store::MemoryStore,
    metrics::ProjectionMetrics,
    projection_actor::{ProjectionActor, ProjectionHandle},
    projection_progress::{ProjectionLimits, ProjectionParts},
    row_store::{DeadLetter, RowStore, Value},
    store::{Commit, EventStore, ExpectedVersion, NewEvent, StreamWrite},
};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::postgres_server::TestDatabase;

const MODEL: &str = "inventory_demand";

/// A log and its rows, and what must outlive them.
struct Stores {
    log: Arc<dyn EventStore>,
    rows: Arc<dyn RowStore>,
    _place: Place,
}

enum Place {
    Memory,
    Directory(#[expect(dead_code, reason = "held for its drop")] tempfile::TempDir),
    Database(#[expect(dead_code, reason = "held for its drop")] TestDatabase),
}

async fn memory() -> Stores {
    Stores { log: Arc::new(MemoryStore::new()), rows: Arc::new(MemoryRows::new()), _place: Place::Memory }
}

async fn sqlite() -> Stores {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&directory.path().join("ordo.db"), SqliteOptions::default()).unwrap());
    Stores { log: Arc::clone(&store) as _, rows: store, _place: Place::Directory(directory) }
}

async fn postgres() -> Stores {
    let database = TestDatabase::fresh();
    let store = Arc::new(PostgresStore::open(&database.url(), PostgresOptions::default()).await.unwrap());
    Stores { log: Arc::clone(&store) as _, rows: store, _place: Place::Database(database) }
}

impl Stores {
    /// Appends events as they are, as no order would record them.
    async fn append(&self, stream: u128, from: u64, events: &[(&'static str, &str)]) {
        let event = |(event_type, json): &(&'static str, &str)| NewEvent {
            event_id: Uuid::now_v7(),
            event_type: (*event_type).into(),
            schema_version: 1,
            payload: RawValue::from_string((*json).into()).unwrap(),
        };
        let write = StreamWrite {
            stream: id(stream),
            aggregate_type: "Order".into(),
            expected: if from == 0 { ExpectedVersion::NoStream } else { ExpectedVersion::Exact(Version(from)) },
            events: events.iter().map(event).collect(),
            snapshot: None,
        };
        let timestamp = chrono::DateTime::from_timestamp(1, 0).unwrap();
        let metadata = Arc::new(Metadata::default());
        self.log.append(vec![Commit { timestamp, metadata, writes: vec![write], idempotency: None }]).await.unwrap();
    }

    /// Starts the read model and waits until it has come to the end of the log.
    async fn follow(&self) -> ProjectionHandle {
        let head = self.log.head().await.unwrap().position;
        let parts = ProjectionParts {
            log: Arc::clone(&self.log),
            rows: Arc::clone(&self.rows),
            feed: EventFeed::new(1024, head),
            clock: Arc::new(SystemClock),
            limits: ProjectionLimits::default(),
            metrics: ProjectionMetrics::register(&prometheus::Registry::new()).unwrap(),
        };
        let make = || Box::new(OrderProjection::<InventoryDemand>::default()) as _;
        let projection = ProjectionActor::start_with(parts, Arc::new(make));
        self.reached(&projection, head).await;
        projection
    }

    async fn reached(&self, projection: &ProjectionHandle, position: Position) {
        timeout(std::time::Duration::from_secs(20), projection.reached(position)).await.expect("the end of the log");
    }

    async fn letters(&self, generation: u32) -> Vec<DeadLetter> {
        self.rows.dead_letters(MODEL, generation).await.unwrap()
    }

    /// A product's name, and how many pieces of it are ordered.
    async fn product(&self, generation: u32, product: &str) -> Option<(String, i64)> {
        let found = self.rows.fetch(&INVENTORY, generation, &[vec![Value::Text(product.into())]]).await.unwrap();
        let row = found.into_iter().next().flatten()?;
        match (&row[1], &row[2]) {
            (Value::Text(name), Value::Int(quantity)) => Some((name.to_string(), *quantity)),
            _ => panic!("a name and a quantity"),
        }
    }
}

fn id(number: u128) -> StreamId {
    StreamId(Uuid::from_u128(number))
}

const CREATED: (&str, &str) = ("OrderCreated", r#"{"customer_id":"ada","currency":"USD"}"#);
const ADDED: (&str, &str) =
    ("ItemAdded", r#"{"line_id":1,"product_id":"p","product_name":"P","quantity":4,"unit_price_cents":1}"#);
const UNREADABLE: (&str, &str) = ("OrderSubmitted", r#"{"total_cents":"much"}"#);

async fn texts_that_no_store_keeps_park_their_stream_alone(stores: Stores) {
    let names = r#"{"line_id":1,"product_id":"q\u0000","product_name":"Q","quantity":1,"unit_price_cents":1}"#;
    stores.append(1, 0, &[CREATED, ("ItemAdded", names)]).await;
    stores.append(2, 0, &[("OrderCreated", r#"{"customer_id":"ada","currency":"U\u0000D"}"#)]).await;
    stores.append(3, 0, &[CREATED, ADDED]).await;
    let projection = stores.follow().await;
    assert_eq!(stores.product(1, "p").await, Some(("P".into(), 4)));
    let letters = stores.letters(1).await;
    let places: Vec<_> = letters.iter().map(|letter| (letter.stream, letter.version.0)).collect();
    assert_eq!(places, [(id(1), 2), (id(2), 1)]);
    assert!(!projection.retry(id(2)).await.unwrap());
    assert_eq!(stores.letters(1).await[1].attempts, 2);
}

macro_rules! on_every_store {
    ($($case:ident)+) => {
        on_every_store! { @on memory; $($case)+ }
        on_every_store! { @on sqlite; $($case)+ }
        on_every_store! { @on postgres; $($case)+ }
    };
    (@on $store:ident; $($case:ident)+) => {
        mod $store {
            $(
                #[actix_web::test]
                async fn $case() {
                    super::$case(super::$store().await).await;
                }
            )+
        }
    };
}

on_every_store! {
    texts_that_no_store_keeps_park_their_stream_alone
}
