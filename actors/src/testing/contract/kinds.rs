//! The kinds of events that occur in a log.

use std::sync::Arc;

use super::building::{append, commit, counted, event, exact, increments, keyed, record, verdict, verdicts, write};
use crate::log::{
    event::StreamId,
    store::{EventStore, NewEvent, StoredKind, StreamWrite},
};

async fn kinds(store: &dyn EventStore) -> Vec<(String, String, u32)> {
    let kinds = store.kinds().await.expect("kinds").into_iter();
    let mut kinds: Vec<_> = kinds
        .map(|StoredKind { aggregate_type, event_type, schema_version }| {
            (aggregate_type.into_owned(), event_type.into_owned(), schema_version)
        })
        .collect();
    kinds.sort();
    kinds
}

fn kind(aggregate_type: &str, event_type: &str, schema_version: u32) -> (String, String, u32) {
    (aggregate_type.to_owned(), event_type.to_owned(), schema_version)
}

pub async fn an_empty_log_has_no_kinds(store: Arc<dyn EventStore>) {
    assert_eq!(kinds(&*store).await, []);
}

pub async fn a_kind_is_listed_once_however_often_it_occurs(store: Arc<dyn EventStore>) {
    for _ in 0..3 {
        append(&*store, counted(StreamId::generate(), exact(0), 3)).await;
    }
    assert_eq!(kinds(&*store).await, [kind("Counter", "Incremented", 1)]);
}

pub async fn event_types_are_kinds_of_their_own(store: Arc<dyn EventStore>) {
    append(&*store, commit([write(StreamId::generate(), exact(0), ["A", "B"].map(event))])).await;
    append(&*store, commit([write(StreamId::generate(), exact(0), ["B", "C"].map(event))])).await;
    let expected = ["A", "B", "C"].map(|name| kind("Counter", name, 1));
    assert_eq!(kinds(&*store).await, expected);
}

pub async fn schema_versions_are_kinds_of_their_own(store: Arc<dyn EventStore>) {
    let new = [2, 1, 3].map(|schema_version| NewEvent { schema_version, ..event("A") });
    append(&*store, commit([write(StreamId::generate(), exact(0), new)])).await;
    assert_eq!(kinds(&*store).await, [1, 2, 3].map(|version| kind("Counter", "A", version)));
}

pub async fn aggregate_types_are_kinds_of_their_own(store: Arc<dyn EventStore>) {
    let saga = StreamWrite { aggregate_type: "Saga".into(), ..increments(StreamId::generate(), exact(0), 1) };
    append(&*store, commit([increments(StreamId::generate(), exact(0), 1), saga])).await;
    assert_eq!(kinds(&*store).await, ["Counter", "Saga"].map(|name| kind(name, "Incremented", 1)));
}

pub async fn the_kinds_of_a_whole_batch_are_listed(store: Arc<dyn EventStore>) {
    let batch = ["A", "B", "A"].map(|name| commit([write(StreamId::generate(), exact(0), [event(name)])]));
    verdicts(&*store, batch).await;
    assert_eq!(kinds(&*store).await, ["A", "B"].map(|name| kind("Counter", name, 1)));
}

pub async fn a_conflict_leaves_no_kind(store: Arc<dyn EventStore>) {
    verdict(&*store, commit([write(StreamId::generate(), exact(7), [event("Never")])])).await;
    assert_eq!(kinds(&*store).await, []);
}

pub async fn a_duplicate_leaves_no_kind(store: Arc<dyn EventStore>) {
    append(&*store, keyed(record("k"), commit([]))).await;
    let write = write(StreamId::generate(), exact(0), [event("Never")]);
    verdict(&*store, keyed(record("k"), commit([write]))).await;
    assert_eq!(kinds(&*store).await, []);
}
