//! What becomes of a stream that a read model cannot take in, on every store.

use std::sync::Arc;

use actix_web::rt::time::timeout;
use ordo::application::schema::{in_postgres, in_sqlite};
use ordo::read_models::{InventoryDemand, OrderProjection, tables::INVENTORY};
use ordo_actors::stores::{
    postgres::{PostgresOptions, PostgresStore},
    sqlite::{SqliteOptions, SqliteStore},
};
use ordo_actors::{
    clock::SystemClock,
    log::{
        event::{Metadata, Position, StreamId, Version},
        event_feed::EventFeed,
        store::{Commit, EventStore, ExpectedVersion, NewEvent, StreamWrite},
    },
    projection::{
        ProjectionActor, ProjectionHandle, ProjectionMetrics,
        progress::{ProjectionLimits, ProjectionParts},
        row_store::{DeadLetter, RowStore, Value as RowValue},
    },
    stores::memory::{MemoryRows, MemoryStore},
};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

use crate::support::{
    ordo_command::run,
    postgres_server::TestDatabase,
    test_app::{Store, TestApp},
};

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
    Role(#[expect(dead_code, reason = "held for its drop")] Role),
}

/// A role in a database, with nothing but the grants that the migrations name.
struct Role {
    database: TestDatabase,
    name: String,
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.database.execute(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name));
    }
}

async fn memory() -> Stores {
    Stores { log: Arc::new(MemoryStore::new()), rows: Arc::new(MemoryRows::new()), _place: Place::Memory }
}

async fn sqlite() -> Stores {
    let directory = tempfile::tempdir().unwrap();
    let store =
        Arc::new(SqliteStore::open(&directory.path().join("ordo.db"), in_sqlite(SqliteOptions::default())).unwrap());
    Stores { log: Arc::clone(&store) as _, rows: store, _place: Place::Directory(directory) }
}

async fn postgres() -> Stores {
    let database = TestDatabase::fresh();
    let store = Arc::new(PostgresStore::open(&database.url(), in_postgres(PostgresOptions::default())).await.unwrap());
    Stores { log: Arc::clone(&store) as _, rows: store, _place: Place::Database(database) }
}

/// As a role that owns nothing.
async fn postgres_with_grants_alone() -> Stores {
    let database = TestDatabase::fresh();
    drop(PostgresStore::open(&database.url(), in_postgres(PostgresOptions::default())).await.unwrap());
    let name = format!("server_{}", Uuid::new_v4().simple());
    let migrations = [
        include_str!("../../../migrations/postgres/0001_events.sql"),
        include_str!("../../../migrations/postgres/0002_read_models.sql"),
    ];
    let lines = migrations.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("--   "));
    let grants = lines.collect::<Vec<_>>().join("\n").replace("ordo_server", &name);
    assert_eq!(grants.matches("GRANT").count(), 6, "{grants}");
    database.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'a-test-password'; {grants}")).unwrap();
    let store = PostgresStore::open(&database.url_as(&name), in_postgres(PostgresOptions::default())).await.unwrap();
    let (store, place) = (Arc::new(store), Place::Role(Role { database, name }));
    Stores { log: Arc::clone(&store) as _, rows: store, _place: place }
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
            metrics: ProjectionMetrics::unregistered(),
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
        let found = self.rows.fetch(&INVENTORY, generation, &[vec![RowValue::Text(product.into())]]).await.unwrap();
        let row = found.into_iter().next().flatten()?;
        match (&row[1], &row[2]) {
            (RowValue::Text(name), RowValue::Int(quantity)) => Some((name.to_string(), *quantity)),
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

async fn a_skipped_stream_stays_out_of_the_rows_and_its_note_outlives_a_rebuild(stores: Stores) {
    stores.append(1, 0, &[CREATED, ADDED, UNREADABLE]).await;
    let projection = stores.follow().await;
    assert_eq!((stores.letters(1).await.len(), projection.progress().parked_streams), (1, 1));
    assert_eq!(projection.skip(id(7), "ann".into(), "why".into()).await.unwrap(), None);
    let skipped = projection.skip(id(1), "ann".into(), "a test order".into()).await.unwrap().unwrap();
    let skip = skipped.skipped.clone().unwrap();
    assert_eq!((skip.by.as_str(), skip.reason.as_str()), ("ann", "a test order"));
    assert_eq!((stores.letters(1).await, projection.progress().parked_streams), (vec![skipped.clone()], 0));
    assert!(projection.rebuild().await);
    let mut progress = projection.watch();
    let rebuilt = progress.wait_for(|progress| progress.checkpoint.is_some_and(|live| live.generation == 2));
    timeout(std::time::Duration::from_secs(20), rebuilt).await.expect("a rebuild that ends").unwrap();
    assert_eq!(stores.letters(2).await, [DeadLetter { attempts: 1, ..skipped }]);
    assert_eq!((stores.product(2, "p").await, projection.progress().parked_streams), (Some(("P".into(), 4)), 0));
    while !stores.rows.discard(MODEL, &[&INVENTORY], 1, 5000).await.unwrap() {}
    assert_eq!((stores.product(1, "p").await, stores.letters(1).await), (None, Vec::new()));
}

macro_rules! on_every_store {
    ($($case:ident)+) => {
        on_every_store! { @on memory; $($case)+ }
        on_every_store! { @on sqlite; $($case)+ }
        on_every_store! { @on postgres; $($case)+ }
        on_every_store! { @on postgres_with_grants_alone; $($case)+ }
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
    a_skipped_stream_stays_out_of_the_rows_and_its_note_outlives_a_rebuild
}

#[test]
fn an_operator_skips_a_stream_and_a_verification_says_who_did() {
    let store = Store::sqlite();
    let file = store.argument();
    let write = async |path: &str| {
        let log = Arc::new(SqliteStore::open(std::path::Path::new(path), in_sqlite(SqliteOptions::default())).unwrap());
        let stores = Stores { log: Arc::clone(&log) as _, rows: log, _place: Place::Memory };
        stores.append(1, 0, &[CREATED, ADDED, UNREADABLE]).await;
        stores.append(2, 0, &[CREATED, UNREADABLE]).await;
    };
    actix_web::rt::System::new().block_on(write(file.trim_start_matches("sqlite:")));
    let mut app = TestApp::start_on(store, &[]);
    app.get("/inventory?min_position=5").expect(200);
    app.get("/orders?min_position=5").expect(200);
    let at = |id: StreamId| format!("/admin/dead-letters/inventory_demand/{id}/skip");
    let body = json!({"reason": "a test order", "skipped_by": "ann"});
    app.post(&at(id(9)), &body).problem(404, "not-found");
    app.post("/admin/dead-letters/nothing/x/skip", &body).problem(404, "not-found");
    app.post("/admin/dead-letters/inventory_demand/x/skip", &body).problem(400, "invalid-request");
    app.post(&format!("{}?dry_run=true", at(id(1))), &body).problem(400, "invalid-request");
    let empty = app.post(&at(id(1)), &json!({"reason": "", "skipped_by": ""}));
    empty.problem(422, "validation-failed");
    assert_eq!(empty.faults(), ["/reason", "/skipped_by"]);
    let skipped = app.post(&at(id(1)), &body).expect(200).json();
    assert_eq!((&skipped["skipped"]["by"], &skipped["skipped"]["reason"]), (&json!("ann"), &json!("a test order")));
    let again = app.post(&at(id(1)), &json!({"reason": "another", "skipped_by": "bob"})).expect(200).json();
    assert_eq!(again, skipped);
    let listed = app.get("/admin/dead-letters").expect(200).json();
    let of_demand: Vec<_> =
        listed.as_array().unwrap().iter().filter(|l| l["projection"] == "inventory_demand").collect();
    assert_eq!((of_demand.len(), of_demand[0], &of_demand[1]["skipped"]), (2, &skipped, &Value::Null));
    assert_eq!(app.get("/admin/projections/inventory_demand").expect(200).json()["dead_letters"], 1);
    assert!(app.terminate().success());
    let report = run(&["verify", "--json", "--store", &file]).expect(1);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!((&report["row_faults"], &report["faults"]), (&json!(0), &json!(2)), "{report}");
    let of_demand = |entry: &&Value| entry["read_model"] == "inventory_demand";
    let left_out: Vec<_> = report["left_out"].as_array().unwrap().iter().filter(of_demand).collect();
    assert_eq!((&left_out[0]["skipped_by"], &left_out[0]["from_version"]), (&json!("ann"), &json!(3)));
    assert_eq!((&left_out[1]["skipped_by"], left_out.len()), (&Value::Null, 2));
    let told = run(&["verify", "--store", &file]).expect(1).out;
    assert!(told.contains(&format!("does without {}@3, skipped by ann: a test order", id(1))), "{told}");
}
