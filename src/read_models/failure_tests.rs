//! Read models whose log or rows fail them: what cannot be taken in, and that a call that errs leaves nothing behind.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use ordo_actors::{
    aggregate::Aggregate,
    log::{
        event::{Epoch, EventEnvelope, Position, Version},
        store::StoreError,
    },
    projection::{
        Sources, TakeError,
        row_store::{Checkpoint, DeadLetter, Page, Row, RowCommit, RowStore, RowVerdict, Table},
    },
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{CurrentOrders, CustomerOrders, OrderProjection, examples::*};
use crate::order::Order;

/// Events of order 1, with one in a later place exchanged or left out.
async fn poisoned(change: impl Fn(&mut Vec<Arc<EventEnvelope>>)) -> (Shop, Vec<Arc<EventEnvelope>>) {
    let shop = shop_with_an_order(4).await;
    let mut events = shop.events().await;
    change(&mut events);
    (shop, events)
}

fn expect_poison(taken: Result<(), TakeError>, at: Version, why: &str) {
    match taken {
        Err(TakeError::Unprocessable { stream, version, position, reason }) => {
            assert_eq!((stream, version, position), (id(1), at, Position(at.0)));
            assert!(reason.contains(why), "{reason}");
        }
        other => panic!("expected poison, found {other:?}"),
    }
}

#[actix_web::test]
async fn a_hole_in_a_stream_is_poison() {
    for model in all_models(10_000) {
        let (shop, events) = poisoned(|events| drop(events.remove(3))).await;
        let mut follower = Follower::of(model, &shop).await;
        expect_poison(follower.take(&events, &shop).await, Version(5), "version 5 follows 3");
    }
}

#[actix_web::test]
async fn a_hole_between_two_calls_is_poison() {
    for model in all_models(10_000) {
        let (shop, events) = poisoned(|_| {}).await;
        let mut follower = Follower::of(model, &shop).await;
        follower.take(&events[..3], &shop).await.unwrap();
        // The log does not have it either.
        let log = &shop_with_an_order(1).await.log;
        expect_poison(follower.take_from(&events[4..], log).await, Version(5), "version 5 follows 3");
    }
}

#[actix_web::test]
async fn an_event_that_comes_twice_is_poison() {
    let (shop, events) = poisoned(|events| events.push(Arc::clone(&events[5]))).await;
    let mut follower = Follower::of(Box::new(OrderProjection::<CustomerOrders>::default()), &shop).await;
    expect_poison(follower.take(&events, &shop).await, Version(6), "version 6 follows 6");
}

#[actix_web::test]
async fn an_event_that_cannot_be_read_is_poison() {
    for (event_type, payload, why) in [
        ("OrderFrozen", "{}", "no reader for event type \"OrderFrozen\""),
        ("OrderSubmitted", "{\"total_cents\":\"much\"}", "the payload of a OrderSubmitted does not fit: "),
    ] {
        let (shop, events) = poisoned(|events| {
            let mut event = EventEnvelope::clone(&events[2]);
            event.event_type = event_type.into();
            event.payload = RawValue::from_string(payload.into()).unwrap();
            events[2] = Arc::new(event);
        })
        .await;
        let mut follower = Follower::of(Box::new(OrderProjection::<CurrentOrders>::default()), &shop).await;
        expect_poison(follower.take(&events, &shop).await, Version(3), why);
    }
}

#[actix_web::test]
async fn a_stream_whose_beginning_cannot_be_read_is_poison() {
    let mut shop = Shop::new();
    shop.append(id(1), Order::TYPE, vec![("OrderFrozen", RawValue::from_string("{}".into()).unwrap())]).await;
    shop.run(id(1), create("ada", vec![])).await;
    let mut follower = Follower::of(Box::new(OrderProjection::<CurrentOrders>::default()), &shop).await;
    expect_poison(follower.take(&shop.events().await[1..], &shop).await, Version(2), "no reader for event type");
}

#[actix_web::test]
async fn a_call_that_errs_leaves_nothing_behind() {
    for model in all_models(10_000) {
        let (shop, events) = poisoned(|_| {}).await;
        let mut follower = Follower::of(model, &shop).await;
        let mut broken = events.clone();
        broken.remove(4);
        follower.take(&broken, &shop).await.unwrap_err();
        follower.take(&events, &shop).await.unwrap();
        assert_as_expected(&follower, &expected(&shop).await).await;
    }
}

#[actix_web::test]
async fn a_call_whose_rows_could_not_be_read_leaves_nothing_behind() {
    let shop = shop_with_an_order(4).await;
    let events = shop.events().await;
    for mut model in [all_models(10_000).remove(2), all_models(10_000).remove(3)] {
        let rows = CountingRows::failing();
        let sources = Sources { log: &shop.log, rows: &rows, generation: 1, head: Position(6) };
        let error = model.take(&events, sources).await.unwrap_err();
        assert!(matches!(error, TakeError::Store(StoreError::Unavailable(_))), "{error}");
        let mut follower = Follower::of(model, &shop).await;
        follower.take(&events, &shop).await.unwrap();
        assert_as_expected(&follower, &expected(&shop).await).await;
    }
}

#[actix_web::test]
async fn what_was_not_committed_is_taken_in_again() {
    for mut model in all_models(10_000) {
        let shop = shop_with_an_order(4).await;
        let events = shop.events().await;
        let rows = CountingRows::default();
        let sources = Sources { log: &shop.log, rows: &rows, generation: 1, head: Position(6) };
        model.take(&events[..4], sources).await.unwrap();
        let mut follower = Follower::of(model, &shop).await;
        follower.take(&events, &shop).await.unwrap();
        assert_as_expected(&follower, &expected(&shop).await).await;
    }
}

#[actix_web::test]
async fn rows_that_orders_share_are_fetched_once_for_all_of_them() {
    let mut shop = Shop::new();
    for (order, customer) in [(1, "ada"), (2, "bob"), (3, "ada")] {
        shop.run(id(order), create(customer, vec![widgets(1), item("gadget", "Gadget", 1, 1)])).await;
    }
    for (model, fetches) in all_models(10_000).into_iter().zip([0, 0, 1, 1]) {
        let mut model = model;
        let rows = CountingRows::default();
        let sources = Sources { log: &shop.log, rows: &rows, generation: 1, head: Position(9) };
        model.take(&shop.events().await, sources).await.unwrap();
        assert_eq!(rows.fetches.load(Ordering::Relaxed), fetches, "{}", model.name());
    }
}

/// Rows that are empty, count how often they are asked for, or do not answer.
#[derive(Default)]
struct CountingRows {
    fetches: AtomicUsize,
    fails: bool,
}

impl CountingRows {
    fn failing() -> Self {
        Self { fails: true, ..Self::default() }
    }
}

#[async_trait]
impl RowStore for CountingRows {
    async fn fetch(&self, _: &'static Table, _: u32, keys: &[Row]) -> Result<Vec<Option<Row>>, StoreError> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        if self.fails { Err(StoreError::Unavailable("gone".into())) } else { Ok(vec![None; keys.len()]) }
    }

    async fn live(&self, _: &'static str) -> Result<Option<Checkpoint>, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn checkpoint(&self, _: &'static str, _: u32) -> Result<Option<Checkpoint>, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn claim(&self, _: &'static str, _: u32, _: Epoch, _: Uuid) -> Result<Checkpoint, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn commit(&self, _: RowCommit) -> Result<RowVerdict, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn switch(&self, _: &'static str, _: Checkpoint) -> Result<RowVerdict, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn discard(&self, _: &'static str, _: &[&'static Table], _: u32, _: usize) -> Result<bool, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn page(&self, _: &Page) -> Result<Vec<Row>, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn dead_letters(&self, _: &'static str, _: u32) -> Result<Vec<DeadLetter>, StoreError> {
        unreachable!("a read model only fetches")
    }
}
