//! What a write may demand of its stream, and what happens when the stream is otherwise.

use std::sync::Arc;

use super::building::{
    append, appended, commit, conflict, counted, exact, head, increments, key, keyed, log_of, positions, record,
    stream_of, verdict, versions, with_snapshot,
};
use crate::log::{
    event::{Position, StreamId, Version},
    store::{EventStore, ExpectedVersion},
};

async fn stream_with(store: &dyn EventStore, events: usize) -> StreamId {
    let stream = StreamId::generate();
    append(store, counted(stream, ExpectedVersion::NoStream, events)).await;
    stream
}

pub async fn no_stream_refuses_a_stream_that_has_events(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 2).await;
    let lost = verdict(&*store, counted(stream, ExpectedVersion::NoStream, 1)).await;
    assert_eq!(conflict(&lost), (stream, Version(2)));
}

pub async fn exact_zero_refuses_a_stream_that_has_events(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 1).await;
    let lost = verdict(&*store, counted(stream, exact(0), 1)).await;
    assert_eq!(conflict(&lost), (stream, Version(1)));
}

pub async fn exact_accepts_the_end_of_the_stream(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 2).await;
    assert_eq!(versions(&append(&*store, counted(stream, exact(2), 1)).await), [3]);
}

pub async fn exact_refuses_a_version_that_has_been_passed(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 3).await;
    let lost = verdict(&*store, counted(stream, exact(2), 1)).await;
    assert_eq!(conflict(&lost), (stream, Version(3)));
}

pub async fn exact_refuses_a_version_that_is_still_to_come(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 1).await;
    let lost = verdict(&*store, counted(stream, exact(2), 1)).await;
    assert_eq!(conflict(&lost), (stream, Version(1)));
}

pub async fn exact_refuses_a_stream_that_does_not_exist(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let lost = verdict(&*store, counted(stream, exact(1), 1)).await;
    assert_eq!(conflict(&lost), (stream, Version::NONE));
}

pub async fn any_accepts_a_stream_that_does_not_exist(store: Arc<dyn EventStore>) {
    let events = append(&*store, counted(StreamId::generate(), ExpectedVersion::Any, 2)).await;
    assert_eq!(versions(&events), [1, 2]);
}

pub async fn any_accepts_a_stream_that_has_events(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 2).await;
    assert_eq!(versions(&append(&*store, counted(stream, ExpectedVersion::Any, 2)).await), [3, 4]);
}

pub async fn a_conflict_writes_nothing(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 1).await;
    let before = log_of(&*store).await;
    conflict(&verdict(&*store, counted(stream, exact(0), 3)).await);
    assert_eq!(log_of(&*store).await, before);
    assert_eq!(stream_of(&*store, stream).await, before);
    assert_eq!(head(&*store).await, Position(1));
}

pub async fn a_conflict_takes_no_position(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 1).await;
    conflict(&verdict(&*store, counted(stream, exact(0), 3)).await);
    assert_eq!(positions(&append(&*store, counted(stream, exact(1), 1)).await), [2]);
}

pub async fn a_conflict_does_not_use_its_key(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 1).await;
    conflict(&verdict(&*store, keyed(record("k"), counted(stream, exact(0), 1))).await);
    assert_eq!(store.idempotency(&key("caller", "k")).await.expect("an answer"), None);
    append(&*store, keyed(record("k"), counted(stream, exact(1), 1))).await;
}

pub async fn a_conflict_leaves_no_snapshot(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 1).await;
    let write = with_snapshot(1, r#"{"value":9}"#, increments(stream, exact(0), 1));
    conflict(&verdict(&*store, commit([write])).await);
    assert!(store.snapshot(stream).await.expect("an answer").is_none());
}

pub async fn after_a_conflict_the_version_it_told_is_accepted(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 3).await;
    let (_, actual) = conflict(&verdict(&*store, counted(stream, exact(1), 1)).await);
    assert_eq!(versions(&append(&*store, counted(stream, ExpectedVersion::Exact(actual), 1)).await), [4]);
}

pub async fn a_write_without_events_accepts_the_version_it_demands(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 2).await;
    let (events, position) = appended(verdict(&*store, counted(stream, exact(2), 0)).await);
    assert_eq!((events, position), (vec![], Position(2)));
    assert_eq!(head(&*store).await, Position(2));
}

pub async fn a_write_without_events_refuses_another_version(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 2).await;
    assert_eq!(conflict(&verdict(&*store, counted(stream, exact(1), 0)).await), (stream, Version(2)));
}

pub async fn a_write_without_events_makes_no_stream(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    appended(verdict(&*store, counted(stream, ExpectedVersion::NoStream, 0)).await);
    assert_eq!(stream_of(&*store, stream).await, []);
    assert_eq!(versions(&append(&*store, counted(stream, ExpectedVersion::NoStream, 1)).await), [1]);
}

pub async fn a_write_without_events_leaves_the_version_where_it_is(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 2).await;
    appended(verdict(&*store, counted(stream, ExpectedVersion::Any, 0)).await);
    assert_eq!(versions(&append(&*store, counted(stream, exact(2), 1)).await), [3]);
}

pub async fn one_stream_in_conflict_refuses_the_whole_commit(store: Arc<dyn EventStore>) {
    let (taken, fresh) = (stream_with(&*store, 1).await, StreamId::generate());
    let both = commit([increments(fresh, exact(0), 1), increments(taken, exact(0), 1)]);
    assert_eq!(conflict(&verdict(&*store, both).await), (taken, Version(1)));
    assert_eq!(stream_of(&*store, fresh).await, []);
    assert_eq!(head(&*store).await, Position(1));
}

pub async fn a_conflict_in_the_first_stream_refuses_the_second(store: Arc<dyn EventStore>) {
    let (taken, fresh) = (stream_with(&*store, 1).await, StreamId::generate());
    let both = commit([increments(taken, exact(0), 1), increments(fresh, exact(0), 1)]);
    assert_eq!(conflict(&verdict(&*store, both).await), (taken, Version(1)));
    assert_eq!(stream_of(&*store, fresh).await, []);
}

pub async fn the_first_write_in_conflict_is_the_one_named(store: Arc<dyn EventStore>) {
    let (a, b) = (stream_with(&*store, 1).await, stream_with(&*store, 2).await);
    let ab = commit([increments(a, exact(0), 1), increments(b, exact(0), 1)]);
    assert_eq!(conflict(&verdict(&*store, ab).await), (a, Version(1)));
    let ba = commit([increments(b, exact(0), 1), increments(a, exact(0), 1)]);
    assert_eq!(conflict(&verdict(&*store, ba).await), (b, Version(2)));
}

pub async fn a_demand_on_one_stream_guards_the_events_of_another(store: Arc<dyn EventStore>) {
    let (guard, other) = (stream_with(&*store, 2).await, StreamId::generate());
    let late = commit([increments(guard, exact(1), 0), increments(other, exact(0), 1)]);
    assert_eq!(conflict(&verdict(&*store, late).await), (guard, Version(2)));
    let in_time = commit([increments(guard, exact(2), 0), increments(other, exact(0), 1)]);
    let (events, _) = appended(verdict(&*store, in_time).await);
    assert_eq!(events.iter().map(|event| event.aggregate_id).collect::<Vec<_>>(), [other]);
}

pub async fn a_stream_is_no_other_stream(store: Arc<dyn EventStore>) {
    stream_with(&*store, 3).await;
    assert_eq!(stream_of(&*store, StreamId::generate()).await, []);
}

pub async fn the_ends_of_streams_are_told_in_the_order_asked(store: Arc<dyn EventStore>) {
    let (two, none, one) = (stream_with(&*store, 2).await, StreamId::generate(), stream_with(&*store, 1).await);
    assert_eq!(store.versions(&[one, none, two]).await.expect("versions"), [Version(1), Version::NONE, Version(2)]);
    append(&*store, counted(one, exact(1), 4)).await;
    assert_eq!(store.versions(&[two, one]).await.expect("versions"), [Version(2), Version(5)]);
    assert_eq!(store.versions(&[]).await.expect("versions"), []);
}

pub async fn a_stream_asked_for_twice_is_told_twice(store: Arc<dyn EventStore>) {
    let stream = stream_with(&*store, 3).await;
    assert_eq!(store.versions(&[stream, stream]).await.expect("versions"), [Version(3), Version(3)]);
}

pub async fn the_ends_of_a_thousand_streams_are_told_at_once(store: Arc<dyn EventStore>) {
    let streams: Vec<_> = (0..1000).map(|_| StreamId::generate()).collect();
    let batch =
        streams.iter().zip((1..=3).cycle()).map(|(stream, events)| counted(*stream, exact(0), events)).collect();
    store.append(batch).await.expect("verdicts");
    let wanted: Vec<_> = (1..=3).cycle().map(Version).take(1000).collect();
    assert_eq!(store.versions(&streams).await.expect("versions"), wanted);
}
