//! Subscriptions on a memory store: what is sent, and that nothing else is.

use ordo_actors::{
    aggregate::rehydrate::{Until, rehydrate},
    log::event::{Position, StreamId, Version},
};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{
    examples::*,
    subscription::{SubscribeRequest, SubscriptionEvent},
    topic::Topic,
};
use crate::order::{CustomerId, Order};

#[actix_web::test]
async fn from_now_means_from_now() {
    let world = World::new().await;
    world.place("ada").await;
    let mut subscriber = world.subscribe(request(Topic::Orders));
    subscriber.until_caught_up().await;
    world.place("ada").await;
    subscriber.until_position(Position(4)).await;
    assert_eq!(subscriber.story(), "subscribed@2 caught_up@2 3 4");
}

#[actix_web::test]
async fn after_a_position_comes_all_that_follows_and_then_what_happens() {
    let world = World::new().await;
    let order = world.place("ada").await;
    let mut subscriber = world.subscribe(SubscribeRequest { after: Some(Position(1)), ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    world.submit(order).await;
    subscriber.until_position(Position(3)).await;
    assert_eq!(subscriber.story(), "subscribed@1 2 caught_up@2 3");
}

#[actix_web::test]
async fn an_order_s_topic_tells_of_that_order_alone() {
    let world = World::new().await;
    let (ours, other) = (world.place("ada").await, world.place("bob").await);
    let mut subscriber = world.subscribe_from_start(Topic::Order(ours));
    subscriber.until_caught_up().await;
    world.submit(other).await;
    world.submit(ours).await;
    subscriber.until_position(Position(6)).await;
    assert_eq!(subscriber.story(), "subscribed@0 1 2 caught_up@4 6");
}

#[actix_web::test]
async fn a_customer_s_topic_tells_of_all_orders_of_that_customer_alone() {
    let world = World::new().await;
    let (first, other) = (world.place("ada").await, world.place("bob").await);
    let mut subscriber = world.subscribe_from_start(Topic::Customer(CustomerId::new("ada").unwrap()));
    subscriber.until_caught_up().await;
    world.submit(other).await;
    world.submit(first).await;
    world.place("ada").await;
    subscriber.until_position(Position(8)).await;
    assert_eq!(subscriber.story(), "subscribed@0 1 2 caught_up@4 6 7 8");
}

#[actix_web::test]
async fn the_last_event_of_a_commit_carries_the_order_as_it_is_then() {
    let world = World::new().await;
    let order = world.place("ada").await;
    let mut late = world.subscribe_from_start(Topic::Orders);
    late.until_caught_up().await;
    world.submit(order).await;
    late.until_position(Position(3)).await;
    for update in &late.heard {
        let SubscriptionEvent::Event(event) = update else { continue };
        let body: Value = serde_json::from_str(&format!("{{{}", std::str::from_utf8(&event.body).unwrap())).unwrap();
        let version = Version(body["event"]["version"].as_u64().unwrap());
        let then = rehydrate::<Order>(world.core.store.as_ref(), order, Until::Version(version), 10).await.unwrap();
        // The order was created with its line by one command.
        let shown = (version.0 != 1).then(|| then.state.view(order, then.version));
        assert_eq!(body["order"], json!(shown), "version {version}");
        assert_eq!(body["event"], json!(world.log().await[usize::try_from(event.position.0).unwrap() - 1]));
        assert_eq!(body["position"], event.position.0);
    }
}

#[actix_web::test]
async fn an_event_is_written_once_for_all_who_listen() {
    let world = World::new().await;
    let mut all: Vec<_> = (0..3).map(|_| world.subscribe(request(Topic::Orders))).collect();
    for subscriber in &mut all {
        subscriber.until_caught_up().await;
    }
    world.place("ada").await;
    for subscriber in &mut all {
        subscriber.until_position(Position(2)).await;
    }
    let bodies = all.iter().map(|subscriber| match subscriber.heard.last() {
        Some(SubscriptionEvent::Event(event)) => Arc::as_ptr(event),
        _ => panic!("{}", subscriber.story()),
    });
    assert_eq!(bodies.collect::<std::collections::HashSet<_>>().len(), 1);
    assert_eq!(world.hub.metrics().written.get(), 2);
}

#[actix_web::test]
async fn nothing_is_written_while_nobody_listens_to_it() {
    let world = World::new().await;
    let ours = world.place("ada").await;
    world.visible().await;
    let mut subscriber = world.subscribe(request(Topic::Order(ours)));
    subscriber.until_caught_up().await;
    world.place("bob").await;
    world.submit(ours).await;
    subscriber.until_position(Position(5)).await;
    assert_eq!(world.hub.metrics().written.get(), 1);
}

#[actix_web::test]
async fn what_was_not_written_for_others_is_read_from_the_store() {
    let world = World::new().await;
    let ours = world.place("ada").await;
    world.visible().await;
    let _keeps_the_ring = world.subscribe(request(Topic::Order(ours)));
    world.place("bob").await;
    world.submit(ours).await;
    world.visible().await;
    let mut late = world.subscribe(SubscribeRequest { after: Some(Position(2)), ..request(Topic::Orders) });
    late.until_caught_up().await;
    assert_eq!(late.positions(), [3, 4, 5]);
}

#[actix_web::test]
async fn a_snapshot_comes_first_and_what_is_in_it_does_not_come_again() {
    let world = World::new().await;
    let order = world.place("ada").await;
    let mut subscriber = world.subscribe(SubscribeRequest { snapshot: true, ..request(Topic::Order(order)) });
    subscriber.until_caught_up().await;
    world.submit(order).await;
    subscriber.until_position(Position(3)).await;
    assert_eq!(subscriber.story(), "subscribed@2 snapshot@2 caught_up@2 3");
    let SubscriptionEvent::Snapshot(_, text) = &subscriber.heard[1] else { panic!("{}", subscriber.story()) };
    let now = rehydrate::<Order>(world.core.store.as_ref(), order, Until::Version(Version(2)), 10).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(text).unwrap(), json!(now.state.view(order, now.version)));
}

#[actix_web::test]
async fn a_snapshot_of_an_order_that_is_not_there_is_null() {
    let world = World::new().await;
    let mut subscriber =
        world.subscribe(SubscribeRequest { snapshot: true, ..request(Topic::Order(StreamId::generate())) });
    subscriber.until_caught_up().await;
    assert!(
        matches!(&subscriber.heard[1], SubscriptionEvent::Snapshot(_, text) if text == "null"),
        "{}",
        subscriber.story()
    );
}

#[actix_web::test]
async fn a_registration_is_taken_out_again() {
    let world = World::new().await;
    let order = world.place("ada").await;
    for topic in [Topic::Orders, Topic::Order(order), Topic::Customer(CustomerId::new("ada").unwrap())] {
        let subscriber = world.subscribe(request(topic));
        assert_eq!(world.hub.state().registered(), 1);
        drop(subscriber);
        assert_eq!(world.hub.state().registered(), 0);
    }
}
