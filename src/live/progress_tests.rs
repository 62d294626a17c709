//! Subscriptions move with the log: over events that are not theirs, and after they have fallen behind.

use ordo_actors::{
    log::{event::Position, store::EventStore},
    stores::memory::MemoryStore,
};
use std::sync::Arc;

use super::{
    examples::*,
    limits::LiveLimits,
    live_hub::LiveHub,
    live_metrics::LiveMetrics,
    subscription::{SubscribeRequest, SubscriptionEvent},
    topic::Topic,
};
use crate::{order::CustomerId, read_models::StreamStates};

#[actix_web::test]
async fn events_of_other_aggregates_are_not_shown() {
    let world = World::new().await;
    let mut subscriber = world.subscribe(request(Topic::Orders));
    world.place_alongside("ada", vec![saga(1)]).await;
    world.place("ada").await;
    subscriber.until_position(Position(5)).await;
    let mut late = world.subscribe_from_start(Topic::Orders);
    late.until_caught_up().await;
    assert_eq!((subscriber.positions(), late.positions()), (vec![1, 2, 4, 5], vec![1, 2, 4, 5]));
}

#[actix_web::test]
async fn events_of_other_aggregates_move_every_subscription_on() {
    let world = World::with_ring(8).await;
    let ours = world.place("ada").await;
    world.visible().await;
    let topics = [Topic::Orders, Topic::Order(ours), Topic::Customer(CustomerId::new("ada").unwrap())];
    let mut subscribers = topics.map(|topic| world.subscribe_from_start(topic));
    for subscriber in &mut subscribers {
        subscriber.until_caught_up().await;
    }
    // Two events of an order, and far more than the ring holds of a saga.
    world.place_alongside("bob", vec![saga(300)]).await;
    world.visible().await;
    let [orders, others @ ..] = &mut subscribers;
    orders.until_position(Position(4)).await;
    assert!(!orders.step().await);
    for subscriber in [orders].into_iter().chain(others) {
        assert_eq!(subscriber.subscription.position(), Position(304), "{}", subscriber.story());
    }
    world.submit(ours).await;
    for subscriber in &mut subscribers {
        subscriber.until_position(Position(305)).await;
        assert!(!subscriber.story().contains("fell_behind"), "{}", subscriber.story());
    }
}

#[actix_web::test]
async fn a_log_that_ends_with_events_of_other_aggregates_is_caught_up_with_to_its_end() {
    let world = World::new().await;
    let ours = world.place_alongside("ada", vec![saga(300)]).await;
    let live = LiveMetrics::unregistered();
    // As after a restart: nothing of this was ever on the ring.
    let (store, feed) = (Arc::clone(&world.core.store), &world.core.feed);
    let hub = LiveHub::start(store, feed, StreamStates::default().orders, LiveLimits::default(), live).await;
    let world = World { hub: hub.unwrap(), ..world };
    let saga = world.log().await[2].aggregate_id;
    for (topic, shown) in [
        (Topic::Orders, vec![1, 2]),
        (Topic::Order(ours), vec![1, 2]),
        (Topic::Customer(CustomerId::new("ada").unwrap()), vec![1, 2]),
        (Topic::Customer(CustomerId::new("bob").unwrap()), vec![]),
        (Topic::Order(saga), vec![]),
    ] {
        let mut subscriber = world.subscribe_from_start(topic.clone());
        subscriber.until_caught_up().await;
        assert_eq!(subscriber.positions(), shown, "{topic}");
        assert!(subscriber.story().ends_with("caught_up@302"), "{topic}: {}", subscriber.story());
        // A place among what is not shown is as good as any.
        for place in [150, 302] {
            let mut resumed =
                world.subscribe(SubscribeRequest { after: Some(Position(place)), ..request(topic.clone()) });
            resumed.until_caught_up().await;
            assert_eq!(resumed.story(), format!("subscribed@{place} caught_up@302"), "{topic}");
        }
    }
    let mut subscriber = world.subscribe(SubscribeRequest { snapshot: true, ..request(Topic::Order(ours)) });
    subscriber.until_caught_up().await;
    assert_eq!(subscriber.story(), "subscribed@302 snapshot@302 caught_up@302");
}

#[actix_web::test]
async fn events_of_other_aggregates_that_another_process_has_written_move_a_subscription_on() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let (here, elsewhere) = (World::on(Arc::clone(&store), 8).await, World::on(store, 8).await);
    let mut subscriber = here.subscribe(request(Topic::Customer(CustomerId::new("ada").unwrap())));
    elsewhere.place_alongside("bob", vec![saga(700)]).await;
    here.place("ada").await;
    subscriber.until_position(Position(704)).await;
    assert_eq!(subscriber.positions(), [703, 704]);
}

#[actix_web::test]
async fn one_who_does_not_look_for_long_falls_behind_catches_up_and_misses_nothing() {
    let world = World::with_ring(4).await;
    let mut slow = world.subscribe(request(Topic::Orders));
    slow.until_caught_up().await;
    for _ in 0..100 {
        world.place("ada").await;
    }
    world.visible().await;
    slow.until(|heard| heard.iter().filter(|update| matches!(update, SubscriptionEvent::CaughtUp(_))).count() == 2)
        .await;
    assert_eq!(slow.positions(), (1..=200).collect::<Vec<_>>());
    assert!(slow.story().starts_with("subscribed@0 caught_up@0 fell_behind@0 1 2"), "{}", slow.story());
    assert_eq!(world.hub.metrics().fell_behind.get(), 1);
}

#[actix_web::test]
async fn one_whose_order_rests_does_not_fall_behind_while_others_are_busy() {
    let world = World::with_ring(4).await;
    let ours = world.place("ada").await;
    world.visible().await;
    let mut subscriber = world.subscribe(request(Topic::Order(ours)));
    let _everything = world.subscribe(request(Topic::Orders));
    subscriber.until_caught_up().await;
    for _ in 0..50 {
        world.place("bob").await;
    }
    world.submit(ours).await;
    subscriber.until_position(Position(103)).await;
    assert_eq!(subscriber.story(), "subscribed@2 caught_up@2 103");
}

#[actix_web::test]
async fn a_quiet_subscription_moves_with_the_log() {
    let world = World::new().await;
    let ours = world.place("ada").await;
    world.visible().await;
    let mut subscriber = world.subscribe(request(Topic::Order(ours)));
    subscriber.until_caught_up().await;
    world.place("bob").await;
    world.visible().await;
    assert_eq!(subscriber.subscription.position(), Position(4));
    world.submit(ours).await;
    world.visible().await;
    assert_eq!(subscriber.subscription.position(), Position(4), "what was not sent does not count");
}
