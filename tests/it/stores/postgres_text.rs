//! Text that PostgreSQL has no place for is the client's mistake, the same on every store, and no sign that the store is away.

use ordo::application::schema::in_postgres;
use ordo_actors::stores::postgres::{PostgresOptions, PostgresStore};
use ordo_actors::{
    log::{
        event::{Position, StreamId},
        store::{EventStore, LogQuery, StoreError},
    },
    testing::contract::building::{counted, exact, keyed, record},
};

use crate::support::{
    postgres_server::TestDatabase,
    test_app::{Store, TestApp},
};

/// What a request is answered, in short.
fn answers(app: &TestApp) -> Vec<String> {
    let long = "x".repeat(65);
    let (of_long, types_of_long) = (format!("/customers/{long}"), format!("/events?event_type={}", "x".repeat(65)));
    // A cursor of the right shape: version 1, a list's digest, by id, an id with a NUL in it.
    let cursor = "/customers?sort=customer_id&cursor=AQAAAAAAAAAAAQBh";
    let paths = [
        "/customers/%00",
        "/customers/a%00b/orders",
        "/customers/a%0Ab",
        "/customers/%20a",
        "/customers/nobody",
        &of_long,
        "/inventory/%00",
        "/inventory/%C2%85",
        "/inventory/nothing",
        "/orders/%00",
        "/orders?customer_id=%00",
        "/orders?product_id=%00",
        "/orders?state=%00",
        "/orders?cursor=%00",
        "/orders/history?customer_id=%00",
        cursor,
        "/events?event_type=%00",
        "/events?event_type=OrderCreated,a%00",
        "/events?event_type=Order+Created",
        &types_of_long,
        "/events?aggregate_type=%00",
        "/events?aggregate_type=",
        "/events?aggregate_type=Nobody",
        "/events?from=%00",
        "/admin/projections/%00",
    ];
    let of = |path: &&str| {
        let reply = app.get(path);
        let kind = if reply.status < 300 { String::new() } else { reply.json()["type"].to_string() };
        format!("{path} {} {kind}", reply.status)
    };
    paths.iter().map(of).collect()
}

#[test]
fn text_that_cannot_be_an_id_or_a_name_is_answered_alike_by_all_stores() {
    let memory = answers(&TestApp::start());
    for path in &memory {
        assert!(!path.contains(" 5"), "{path}");
    }
    for missing in ["/customers/%00 404", "/customers/a%00b/orders 404", "/inventory/%00 404"] {
        assert!(memory.iter().any(|answer| answer.starts_with(missing)), "{missing} is not in {memory:#?}");
    }
    for unfit in ["/events?event_type=%00 422", "/events?aggregate_type=%00 422", "/orders?customer_id=%00 422"] {
        assert!(memory.iter().any(|answer| answer.starts_with(unfit)), "{unfit} is not in {memory:#?}");
    }
    assert_eq!(answers(&TestApp::start_on(Store::sqlite(), &[])), memory);
    assert_eq!(answers(&TestApp::start_on(Store::postgres(), &[])), memory);
}

#[tokio::test]
async fn a_value_that_postgres_cannot_hold_does_not_make_the_store_unavailable() {
    let database = TestDatabase::fresh();
    let store = PostgresStore::open(&database.url(), in_postgres(PostgresOptions::default())).await.expect("a store");
    let query = LogQuery { event_types: vec!["a\0b".into()], ..LogQuery::after(Position::START, 1) };
    let read = store.read_all(&query).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
    let written = store.append(vec![keyed(record("a\0b"), counted(StreamId::generate(), exact(0), 1))]).await;
    assert!(matches!(written, Err(StoreError::Corrupt(_))), "{written:?}");
    store.append(vec![counted(StreamId::generate(), exact(0), 1)]).await.expect("the next one goes through");
}
