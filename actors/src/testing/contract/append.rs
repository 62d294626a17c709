//! What one append leaves behind.

use std::sync::Arc;

use uuid::Uuid;

use super::building::{
    COUNTER, INCREMENTED, append, appended, at, commit, counted, event, exact, head, increments, log_of, micro,
    positions, second, stream_of, verdict, verdicts, versions, write,
};
use crate::log::{
    event::{Metadata, Position, StreamId, Version},
    store::{Commit, EventStore, ExpectedVersion, NewEvent, StreamWrite},
};

pub async fn a_new_log_is_empty(store: Arc<dyn EventStore>) {
    assert_eq!(head(&*store).await, Position::START);
    assert_eq!(log_of(&*store).await, []);
}

pub async fn an_empty_batch_changes_nothing(store: Arc<dyn EventStore>) {
    assert!(verdicts(&*store, []).await.is_empty());
    assert_eq!(head(&*store).await, Position::START);
}

pub async fn the_first_event_has_version_one_and_position_one(store: Arc<dyn EventStore>) {
    let events = append(&*store, counted(StreamId::generate(), ExpectedVersion::NoStream, 1)).await;
    assert_eq!((versions(&events), positions(&events)), (vec![1], vec![1]));
}

pub async fn an_event_reads_back_from_its_stream_as_it_was_answered(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let answered = append(&*store, counted(stream, ExpectedVersion::NoStream, 3)).await;
    assert_eq!(answered.len(), 3);
    assert_eq!(stream_of(&*store, stream).await, answered);
}

pub async fn an_event_reads_back_from_the_log_as_it_was_answered(store: Arc<dyn EventStore>) {
    let answered = append(&*store, counted(StreamId::generate(), ExpectedVersion::NoStream, 3)).await;
    assert_eq!(answered.len(), 3);
    assert_eq!(log_of(&*store).await, answered);
}

pub async fn an_event_carries_what_the_commit_said(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let event_id = Uuid::new_v4();
    let metadata = Arc::new(Metadata { principal: Some("ann".to_owned()), ..Metadata::default() });
    let new = NewEvent { event_id, schema_version: 3, ..event("Doubled") };
    let write = StreamWrite { aggregate_type: "Doubler".into(), ..write(stream, exact(0), [new]) };
    let commit = Commit { metadata: Arc::clone(&metadata), ..at(micro(7), commit([write])) };
    append(&*store, commit).await;

    let stored = stream_of(&*store, stream).await.remove(0);
    assert_eq!(stored.event_id, event_id);
    assert_eq!(stored.event_type, "Doubled");
    assert_eq!(stored.schema_version, 3);
    assert_eq!(stored.aggregate_id, stream);
    assert_eq!(stored.aggregate_type, "Doubler");
    assert_eq!(stored.version, Version(1));
    assert_eq!(stored.position, Position(1));
    assert_eq!(stored.timestamp, micro(7));
    assert_eq!(stored.payload.get(), r#"{"by":1}"#);
    assert_eq!(stored.metadata, metadata);
}

pub async fn the_events_of_a_commit_keep_their_order(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let names = ["C", "A", "B", "A"];
    append(&*store, commit([write(stream, exact(0), names.map(event))])).await;
    let stored = stream_of(&*store, stream).await;
    assert_eq!(stored.iter().map(|event| event.event_type.as_ref()).collect::<Vec<_>>(), names);
}

pub async fn versions_go_on_from_commit_to_commit(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 2)).await;
    append(&*store, counted(stream, exact(2), 1)).await;
    append(&*store, counted(stream, exact(3), 2)).await;
    assert_eq!(versions(&stream_of(&*store, stream).await), [1, 2, 3, 4, 5]);
}

pub async fn every_stream_counts_its_own_versions(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    append(&*store, counted(a, exact(0), 1)).await;
    append(&*store, counted(b, exact(0), 2)).await;
    append(&*store, counted(a, exact(1), 1)).await;
    assert_eq!(versions(&stream_of(&*store, a).await), [1, 2]);
    assert_eq!(versions(&stream_of(&*store, b).await), [1, 2]);
}

pub async fn positions_go_on_over_all_streams(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    append(&*store, counted(a, exact(0), 1)).await;
    append(&*store, counted(b, exact(0), 2)).await;
    append(&*store, counted(a, exact(1), 1)).await;
    assert_eq!(positions(&stream_of(&*store, a).await), [1, 4]);
    assert_eq!(positions(&stream_of(&*store, b).await), [2, 3]);
}

pub async fn a_commit_answers_the_position_of_its_last_event(store: Arc<dyn EventStore>) {
    append(&*store, counted(StreamId::generate(), exact(0), 2)).await;
    let (_, position) = appended(verdict(&*store, counted(StreamId::generate(), exact(0), 3)).await);
    assert_eq!(position, Position(5));
}

pub async fn a_commit_without_events_answers_the_head_and_appends_nothing(store: Arc<dyn EventStore>) {
    append(&*store, counted(StreamId::generate(), exact(0), 2)).await;
    let (events, position) = appended(verdict(&*store, commit([])).await);
    assert_eq!((events, position), (vec![], Position(2)));
    assert_eq!(head(&*store).await, Position(2));
}

pub async fn a_commit_without_events_answers_zero_on_an_empty_log(store: Arc<dyn EventStore>) {
    let (events, position) = appended(verdict(&*store, commit([])).await);
    assert_eq!((events, position), (vec![], Position::START));
}

pub async fn the_head_is_the_position_of_the_last_event(store: Arc<dyn EventStore>) {
    append(&*store, counted(StreamId::generate(), exact(0), 4)).await;
    assert_eq!(head(&*store).await, Position(4));
}

pub async fn the_epoch_is_the_same_at_every_look(store: Arc<dyn EventStore>) {
    let before = store.head().await.expect("a head").epoch;
    append(&*store, counted(StreamId::generate(), exact(0), 1)).await;
    assert_eq!(store.head().await.expect("a head").epoch, before);
    assert!(!before.0.is_nil(), "an epoch is drawn, not zero");
}

pub async fn a_ping_is_answered(store: Arc<dyn EventStore>) {
    store.ping().await.expect("an answer");
}

pub async fn a_stream_may_have_any_uuid(store: Arc<dyn EventStore>) {
    for id in [Uuid::nil(), Uuid::max(), Uuid::new_v4(), Uuid::now_v7(), Uuid::new_v5(&Uuid::NAMESPACE_OID, b"x")] {
        append(&*store, counted(StreamId(id), exact(0), 1)).await;
        let stored = stream_of(&*store, StreamId(id)).await;
        assert_eq!(stored.iter().map(|event| event.aggregate_id.0).collect::<Vec<_>>(), [id]);
    }
}

pub async fn a_commit_of_two_thousand_events_is_written_whole(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let events = append(&*store, counted(stream, exact(0), 2000)).await;
    assert_eq!(versions(&events), (1..=2000).collect::<Vec<_>>());
    assert_eq!(stream_of(&*store, stream).await, events);
}

pub async fn a_batch_of_a_thousand_commits_is_written_whole(store: Arc<dyn EventStore>) {
    let batch = (0..1000).map(|_| counted(StreamId::generate(), exact(0), 1));
    for (verdict, expected) in verdicts(&*store, batch).await.into_iter().zip(1..) {
        assert_eq!(appended(verdict).1, Position(expected));
    }
    assert_eq!(positions(&log_of(&*store).await), (1..=1000).collect::<Vec<_>>());
}

pub async fn long_names_of_types_are_kept(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let (event_type, aggregate_type) = ("E".repeat(200), "Ä".repeat(100));
    let write = StreamWrite {
        aggregate_type: aggregate_type.clone().into(),
        ..write(stream, exact(0), [event(event_type.clone())])
    };
    append(&*store, commit([write])).await;
    let stored = stream_of(&*store, stream).await.remove(0);
    assert_eq!((stored.event_type.as_ref(), stored.aggregate_type.as_ref()), (&*event_type, &*aggregate_type));
}

pub async fn a_large_schema_version_is_kept(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let new = NewEvent { schema_version: u32::MAX, ..event(INCREMENTED) };
    append(&*store, commit([write(stream, exact(0), [new])])).await;
    assert_eq!(stream_of(&*store, stream).await.remove(0).schema_version, u32::MAX);
}

pub async fn two_streams_are_written_by_one_commit(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    let commit = at(second(1), commit([increments(a, exact(0), 1), increments(b, exact(0), 2)]));
    let (events, position) = appended(verdict(&*store, commit).await);
    assert_eq!(position, Position(3));
    assert_eq!(events.iter().map(|event| event.aggregate_id).collect::<Vec<_>>(), [a, b, b]);
    assert_eq!(versions(&events), [1, 1, 2]);
    assert_eq!(positions(&events), [1, 2, 3]);
    assert_eq!(log_of(&*store).await, events);
}

pub async fn the_order_of_the_writes_is_the_order_in_the_log(store: Arc<dyn EventStore>) {
    let mut streams = [StreamId::generate(), StreamId::generate(), StreamId::generate()];
    streams.reverse();
    append(&*store, commit(streams.map(|stream| increments(stream, exact(0), 1)))).await;
    assert_eq!(log_of(&*store).await.iter().map(|event| event.aggregate_id).collect::<Vec<_>>(), streams);
}

pub async fn streams_of_different_aggregate_types_share_a_commit(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    let saga = StreamWrite { aggregate_type: "Saga".into(), ..increments(b, exact(0), 1) };
    append(&*store, commit([increments(a, exact(0), 1), saga])).await;
    let types: Vec<_> = log_of(&*store).await.iter().map(|event| event.aggregate_type.clone()).collect();
    assert_eq!(types, [COUNTER, "Saga"]);
}
