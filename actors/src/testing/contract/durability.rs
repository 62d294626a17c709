//! What a durable store still knows when it is opened again.

use super::{
    ContractFixture,
    building::{
        append, commit, conflict, counted, duplicate, event, event_saying, exact, head, increments, key, keyed, log_of,
        positions, record, second, stream_of, verdict, verdicts, versions, with_snapshot, write,
    },
};
use crate::log::{
    event::{Position, StreamId, Version},
    store::{EventStore, StoredKind},
};

async fn epoch(store: &dyn EventStore) -> crate::log::event::Epoch {
    store.head().await.expect("a head").epoch
}

pub async fn acknowledged_events_survive<F: ContractFixture>(fixture: F) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    append(&*fixture.store(), counted(a, exact(0), 3)).await;
    append(&*fixture.store(), commit([increments(b, exact(0), 1), increments(a, exact(3), 1)])).await;
    let before = log_of(&*fixture.store()).await;
    let fixture = fixture.reopen().await;
    assert_eq!(before.len(), 5);
    assert_eq!(log_of(&*fixture.store()).await, before);
    assert_eq!(versions(&stream_of(&*fixture.store(), a).await), [1, 2, 3, 4]);
}

pub async fn every_winner_of_a_batch_survives_and_no_loser<F: ContractFixture>(fixture: F) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    let batch = [counted(a, exact(0), 1), counted(a, exact(0), 1), counted(b, exact(0), 1)];
    verdicts(&*fixture.store(), batch).await;
    let fixture = fixture.reopen().await;
    let streams: Vec<_> = log_of(&*fixture.store()).await.iter().map(|event| event.aggregate_id).collect();
    assert_eq!(streams, [a, b]);
}

pub async fn payloads_survive_byte_for_byte<F: ContractFixture>(fixture: F) {
    let stream = StreamId::generate();
    let payload = r#"{ "z":1e400,"a":-0, "ü":"\u00fc🚀" }"#;
    append(&*fixture.store(), commit([write(stream, exact(0), [event_saying(payload)])])).await;
    let fixture = fixture.reopen().await;
    assert_eq!(stream_of(&*fixture.store(), stream).await[0].payload.get(), payload);
}

pub async fn the_epoch_survives<F: ContractFixture>(fixture: F) {
    let before = epoch(&*fixture.store()).await;
    append(&*fixture.store(), counted(StreamId::generate(), exact(0), 1)).await;
    let fixture = fixture.reopen().await;
    assert_eq!(epoch(&*fixture.store()).await, before);
}

pub async fn the_epoch_of_an_empty_log_survives<F: ContractFixture>(fixture: F) {
    let before = epoch(&*fixture.store()).await;
    let fixture = fixture.reopen().await;
    assert_eq!(epoch(&*fixture.store()).await, before);
    assert_eq!(head(&*fixture.store()).await, Position::START);
}

pub async fn positions_go_on_without_a_hole<F: ContractFixture>(fixture: F) {
    append(&*fixture.store(), counted(StreamId::generate(), exact(0), 2)).await;
    let fixture = fixture.reopen().await;
    append(&*fixture.store(), counted(StreamId::generate(), exact(0), 1)).await;
    let fixture = fixture.reopen().await;
    append(&*fixture.store(), counted(StreamId::generate(), exact(0), 1)).await;
    assert_eq!(positions(&log_of(&*fixture.store()).await), [1, 2, 3, 4]);
    assert_eq!(head(&*fixture.store()).await, Position(4));
}

pub async fn versions_go_on_and_are_still_demanded<F: ContractFixture>(fixture: F) {
    let stream = StreamId::generate();
    append(&*fixture.store(), counted(stream, exact(0), 2)).await;
    let fixture = fixture.reopen().await;
    let lost = verdict(&*fixture.store(), counted(stream, exact(0), 1)).await;
    assert_eq!(conflict(&lost), (stream, Version(2)));
    assert_eq!(versions(&append(&*fixture.store(), counted(stream, exact(2), 1)).await), [3]);
}

pub async fn idempotency_records_survive<F: ContractFixture>(fixture: F) {
    append(&*fixture.store(), keyed(record("k"), counted(StreamId::generate(), exact(0), 2))).await;
    let before = fixture.store().idempotency(&key("caller", "k")).await.expect("an answer");
    let fixture = fixture.reopen().await;
    assert!(before.is_some());
    assert_eq!(fixture.store().idempotency(&key("caller", "k")).await.expect("an answer"), before);
    let again = verdict(&*fixture.store(), keyed(record("k"), commit([]))).await;
    assert_eq!(Some(duplicate(again)), before);
}

pub async fn a_record_without_events_survives<F: ContractFixture>(fixture: F) {
    append(&*fixture.store(), keyed(record("k"), commit([]))).await;
    let fixture = fixture.reopen().await;
    duplicate(verdict(&*fixture.store(), keyed(record("k"), commit([]))).await);
}

pub async fn forgotten_records_stay_forgotten<F: ContractFixture>(fixture: F) {
    append(&*fixture.store(), keyed(record("k"), commit([]))).await;
    fixture.store().forget_idempotency(second(1), 10).await.expect("an answer");
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.store().idempotency(&key("caller", "k")).await.expect("an answer"), None);
}

pub async fn snapshots_survive<F: ContractFixture>(fixture: F) {
    let stream = StreamId::generate();
    append(&*fixture.store(), commit([with_snapshot(2, r#"{"value":2}"#, increments(stream, exact(0), 2))])).await;
    let fixture = fixture.reopen().await;
    let snapshot = fixture.store().snapshot(stream).await.expect("an answer").expect("a snapshot");
    assert_eq!((snapshot.version, snapshot.position, snapshot.schema), (Version(2), Position(2), 1));
    assert_eq!(snapshot.state.get(), r#"{"value":2}"#);
}

pub async fn kinds_survive<F: ContractFixture>(fixture: F) {
    append(&*fixture.store(), commit([write(StreamId::generate(), exact(0), ["A", "B", "A"].map(event))])).await;
    let fixture = fixture.reopen().await;
    let mut kinds = fixture.store().kinds().await.expect("kinds");
    kinds.sort();
    let expected = ["A", "B"].map(|event_type| StoredKind {
        aggregate_type: "Counter".into(),
        event_type: event_type.into(),
        schema_version: 1,
    });
    assert_eq!(kinds, expected);
}
