//! Subscriptions that begin at a position: of this log, of another, beyond the end.

use ordo_actors::{
    log::{
        event::{Epoch, Position},
        store::EventStore,
    },
    stores::memory::MemoryStore,
};
use std::sync::Arc;
use uuid::Uuid;

use super::{
    examples::*,
    subscription::{ResetReason, SubscribeRequest},
    topic::Topic,
};

#[actix_web::test]
async fn a_position_of_another_log_is_reset_to_now() {
    let world = World::new().await;
    world.place("ada").await;
    let epoch = Some(Epoch(Uuid::nil()));
    let mut subscriber =
        world.subscribe(SubscribeRequest { after: Some(Position::START), epoch, ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    assert_eq!(subscriber.story(), format!("subscribed@2 {:?} caught_up@2", ResetReason::OtherEpoch));
}

#[actix_web::test]
async fn a_position_of_this_log_is_not_reset() {
    let world = World::new().await;
    world.place("ada").await;
    let epoch = Some(world.hub.epoch());
    let mut subscriber =
        world.subscribe(SubscribeRequest { after: Some(Position(2)), epoch, ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    assert_eq!(subscriber.story(), "subscribed@2 caught_up@2");
}

#[actix_web::test]
async fn a_position_beyond_the_end_is_reset_to_now() {
    let world = World::new().await;
    world.place("ada").await;
    let mut subscriber = world.subscribe(SubscribeRequest { after: Some(Position(3)), ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    assert_eq!(subscriber.story(), format!("subscribed@2 {:?} caught_up@2", ResetReason::BeyondEnd));
}

#[actix_web::test]
async fn a_position_that_only_another_process_has_heard_of_is_not_reset() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let (here, elsewhere) = (World::on(Arc::clone(&store), 8).await, World::on(store, 8).await);
    elsewhere.place("ada").await;
    let mut subscriber = here.subscribe(SubscribeRequest { after: Some(Position(2)), ..request(Topic::Orders) });
    subscriber.until_caught_up().await;
    here.place("ada").await;
    subscriber.until_position(Position(4)).await;
    assert_eq!(subscriber.story(), "subscribed@2 caught_up@2 3 4");
}

#[actix_web::test]
async fn what_another_process_has_written_is_seen() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let (here, elsewhere) = (World::on(Arc::clone(&store), 8).await, World::on(store, 8).await);
    let mut subscriber = here.subscribe(request(Topic::Orders));
    for _ in 0..20 {
        elsewhere.place("ada").await;
    }
    here.place("ada").await;
    subscriber.until_position(Position(42)).await;
    assert_eq!(subscriber.positions(), (1..=42).collect::<Vec<_>>());
}

#[actix_web::test]
async fn whoever_resumes_gets_a_snapshot_only_when_the_log_is_another() {
    let world = World::new().await;
    let order = world.place("ada").await;
    let resume = SubscribeRequest { snapshot: true, after: Some(Position(1)), ..request(Topic::Order(order)) };
    let mut same = world.subscribe(resume.clone());
    let mut other = world.subscribe(SubscribeRequest { epoch: Some(Epoch(Uuid::nil())), ..resume });
    same.until_caught_up().await;
    other.until_caught_up().await;
    assert_eq!(same.story(), "subscribed@1 2 caught_up@2");
    assert_eq!(other.story(), "subscribed@2 OtherEpoch snapshot@2 caught_up@2");
}
