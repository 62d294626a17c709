//! Snapshots: the newest of a stream, written with its events.

use std::sync::Arc;

use super::building::{
    append, commit, counted, exact, increments, json, snapshot, stream_of, verdict, verdicts, versions, with_snapshot,
};
use crate::log::{
    event::{Position, StreamId, Version},
    store::{EventStore, Snapshot, StreamWrite},
};

async fn kept(store: &dyn EventStore, stream: StreamId) -> Option<Snapshot> {
    store.snapshot(stream).await.expect("an answer")
}

async fn kept_state(store: &dyn EventStore, stream: StreamId) -> Option<String> {
    kept(store, stream).await.map(|snapshot| snapshot.state.get().to_owned())
}

pub async fn a_stream_that_does_not_exist_has_no_snapshot(store: Arc<dyn EventStore>) {
    assert!(kept(&*store, StreamId::generate()).await.is_none());
}

pub async fn a_stream_without_a_snapshot_has_none(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 3)).await;
    assert!(kept(&*store, stream).await.is_none());
}

pub async fn a_snapshot_reads_back_as_written(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, commit([with_snapshot(2, r#"{"value":2}"#, increments(stream, exact(0), 2))])).await;
    let snapshot = kept(&*store, stream).await.expect("a snapshot");
    assert_eq!((snapshot.version, snapshot.schema), (Version(2), 1));
    assert_eq!(snapshot.state.get(), r#"{"value":2}"#);
}

pub async fn a_snapshot_carries_the_position_of_its_version(store: Arc<dyn EventStore>) {
    let (stream, other) = (StreamId::generate(), StreamId::generate());
    append(&*store, counted(other, exact(0), 3)).await;
    let writes = [with_snapshot(2, "{}", increments(stream, exact(0), 2)), increments(other, exact(3), 4)];
    append(&*store, commit(writes)).await;
    assert_eq!(kept(&*store, stream).await.map(|snapshot| snapshot.position), Some(Position(5)));
}

pub async fn the_position_written_with_a_snapshot_is_ignored(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let snapshot = Snapshot { position: Position(999), ..snapshot(1, "{}") };
    let write = StreamWrite { snapshot: Some(snapshot), ..increments(stream, exact(0), 1) };
    append(&*store, commit([write])).await;
    assert_eq!(kept(&*store, stream).await.map(|snapshot| snapshot.position), Some(Position(1)));
}

pub async fn a_newer_snapshot_takes_the_place_of_the_older(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, commit([with_snapshot(1, "1", increments(stream, exact(0), 1))])).await;
    append(&*store, commit([with_snapshot(3, "3", increments(stream, exact(1), 2))])).await;
    let snapshot = kept(&*store, stream).await.expect("a snapshot");
    assert_eq!((snapshot.version, snapshot.position, snapshot.state.get()), (Version(3), Position(3), "3"));
}

pub async fn later_events_leave_a_snapshot_as_it_is(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, commit([with_snapshot(1, "1", increments(stream, exact(0), 1))])).await;
    append(&*store, counted(stream, exact(1), 5)).await;
    let snapshot = kept(&*store, stream).await.expect("a snapshot");
    assert_eq!((snapshot.version, snapshot.position, snapshot.state.get()), (Version(1), Position(1), "1"));
}

pub async fn a_snapshot_may_come_without_events(store: Arc<dyn EventStore>) {
    let (stream, other) = (StreamId::generate(), StreamId::generate());
    append(&*store, counted(stream, exact(0), 2)).await;
    append(&*store, counted(other, exact(0), 2)).await;
    append(&*store, commit([with_snapshot(2, "2", increments(stream, exact(2), 0))])).await;
    let snapshot = kept(&*store, stream).await.expect("a snapshot");
    assert_eq!((snapshot.version, snapshot.position, snapshot.state.get()), (Version(2), Position(2), "2"));
    assert_eq!(versions(&stream_of(&*store, stream).await), [1, 2]);
}

pub async fn a_snapshot_of_the_same_version_is_replaced(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, commit([with_snapshot(1, "1", increments(stream, exact(0), 1))])).await;
    let write = with_snapshot(1, "2", increments(stream, exact(1), 0));
    append(&*store, commit([write])).await;
    assert_eq!(kept_state(&*store, stream).await.as_deref(), Some("2"));
}

pub async fn a_snapshot_of_another_schema_takes_the_place(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, commit([with_snapshot(1, "1", increments(stream, exact(0), 1))])).await;
    let snapshot = Snapshot { schema: 0, ..snapshot(2, "2") };
    let write = StreamWrite { snapshot: Some(snapshot), ..increments(stream, exact(1), 1) };
    append(&*store, commit([write])).await;
    let snapshot = kept(&*store, stream).await.expect("a snapshot");
    assert_eq!((snapshot.schema, snapshot.state.get()), (0, "2"));
}

pub async fn a_large_snapshot_schema_is_kept(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let snapshot = Snapshot { schema: u32::MAX, ..snapshot(1, "{}") };
    let write = StreamWrite { snapshot: Some(snapshot), ..increments(stream, exact(0), 1) };
    append(&*store, commit([write])).await;
    assert_eq!(kept(&*store, stream).await.map(|snapshot| snapshot.schema), Some(u32::MAX));
}

pub async fn streams_have_their_own_snapshots(store: Arc<dyn EventStore>) {
    let (a, b, c) = (StreamId::generate(), StreamId::generate(), StreamId::generate());
    let writes = [
        with_snapshot(1, r#""a""#, increments(a, exact(0), 1)),
        with_snapshot(1, r#""b""#, increments(b, exact(0), 1)),
        increments(c, exact(0), 1),
    ];
    append(&*store, commit(writes)).await;
    assert_eq!(kept_state(&*store, a).await.as_deref(), Some(r#""a""#));
    assert_eq!(kept_state(&*store, b).await.as_deref(), Some(r#""b""#));
    assert_eq!(kept_state(&*store, c).await, None);
}

pub async fn of_the_snapshots_of_a_batch_the_last_remains(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [0, 1, 2].map(|version| {
        commit([with_snapshot(version + 1, &version.to_string(), increments(stream, exact(version), 1))])
    });
    verdicts(&*store, batch).await;
    let snapshot = kept(&*store, stream).await.expect("a snapshot");
    assert_eq!((snapshot.version, snapshot.position, snapshot.state.get()), (Version(3), Position(3), "2"));
}

pub async fn the_snapshot_of_a_loser_leaves_the_kept_one(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, commit([with_snapshot(1, "1", increments(stream, exact(0), 1))])).await;
    verdict(&*store, commit([with_snapshot(1, "9", increments(stream, exact(0), 1))])).await;
    assert_eq!(kept_state(&*store, stream).await.as_deref(), Some("1"));
}

pub async fn the_state_of_a_snapshot_is_kept_byte_for_byte(store: Arc<dyn EventStore>) {
    let big = format!(r#"{{"text":"{}"}}"#, "é".repeat(1 << 19));
    for state in ["null", r#"{ "z":1, "a":[1.10,1e400,-0] }"#, r#""\u00fc🚀\u0000""#, &big] {
        let stream = StreamId::generate();
        append(&*store, commit([with_snapshot(1, state, increments(stream, exact(0), 1))])).await;
        assert!(kept_state(&*store, stream).await.as_deref() == Some(json(state).get()), "{state:.40}");
    }
}
