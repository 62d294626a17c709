//! Commits that share a batch: in order, each for itself.

use std::sync::Arc;

use super::building::{
    append, appended, commit, conflict, counted, event, exact, head, increments, keyed, log_of, positions, record,
    stream_of, verdicts, versions, write,
};
use crate::log::{
    event::{Position, StreamId, Version},
    store::{EventStore, ExpectedVersion, Verdict},
};

fn won(verdicts: &[Verdict]) -> Vec<bool> {
    verdicts.iter().map(|verdict| matches!(verdict, Verdict::Appended { .. })).collect()
}

pub async fn verdicts_come_in_the_order_of_the_commits(store: Arc<dyn EventStore>) {
    let streams = [StreamId::generate(), StreamId::generate(), StreamId::generate()];
    let verdicts = verdicts(&*store, streams.map(|stream| counted(stream, exact(0), 1))).await;
    let answered: Vec<_> = verdicts.into_iter().map(|verdict| appended(verdict).0[0].aggregate_id).collect();
    assert_eq!(answered, streams);
}

pub async fn a_conflict_loses_alone(store: Arc<dyn EventStore>) {
    let (a, b, c) = (StreamId::generate(), StreamId::generate(), StreamId::generate());
    append(&*store, counted(b, exact(0), 1)).await;
    let verdicts = verdicts(&*store, [a, b, c].map(|stream| counted(stream, exact(0), 1))).await;
    assert_eq!(won(&verdicts), [true, false, true]);
    assert_eq!(conflict(&verdicts[1]), (b, Version(1)));
    let streams: Vec<_> = log_of(&*store).await.iter().map(|event| event.aggregate_id).collect();
    assert_eq!(streams, [b, a, c]);
}

pub async fn a_loser_leaves_no_hole_in_the_positions(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    let batch = [counted(a, exact(0), 1), counted(a, exact(0), 5), counted(b, exact(0), 1)];
    assert_eq!(won(&verdicts(&*store, batch).await), [true, false, true]);
    assert_eq!(positions(&log_of(&*store).await), [1, 2]);
}

pub async fn a_commit_sees_the_versions_of_those_before_it(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [counted(stream, exact(0), 1), counted(stream, exact(1), 2), counted(stream, exact(3), 1)];
    assert_eq!(won(&verdicts(&*store, batch).await), [true, true, true]);
    assert_eq!(versions(&stream_of(&*store, stream).await), [1, 2, 3, 4]);
}

pub async fn of_two_commits_with_the_same_demand_the_first_wins(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [counted(stream, exact(0), 1), counted(stream, exact(1), 1), counted(stream, exact(1), 1)];
    let verdicts = verdicts(&*store, batch).await;
    assert_eq!(won(&verdicts), [true, true, false]);
    assert_eq!(conflict(&verdicts[2]), (stream, Version(2)));
    assert_eq!(versions(&stream_of(&*store, stream).await), [1, 2]);
}

pub async fn a_stream_is_made_once_in_a_batch(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [0, 0].map(|_| counted(stream, ExpectedVersion::NoStream, 2));
    let verdicts = verdicts(&*store, batch).await;
    assert_eq!(won(&verdicts), [true, false]);
    assert_eq!(conflict(&verdicts[1]), (stream, Version(2)));
}

pub async fn any_goes_on_where_the_batch_has_come(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [0, 0, 0].map(|_| counted(stream, ExpectedVersion::Any, 2));
    assert_eq!(won(&verdicts(&*store, batch).await), [true, true, true]);
    assert_eq!(versions(&stream_of(&*store, stream).await), [1, 2, 3, 4, 5, 6]);
}

pub async fn the_events_of_a_loser_do_not_count_for_those_after_it(store: Arc<dyn EventStore>) {
    let (taken, stream) = (StreamId::generate(), StreamId::generate());
    append(&*store, counted(taken, exact(0), 1)).await;
    let loser = commit([increments(stream, exact(0), 3), increments(taken, exact(0), 1)]);
    let batch = [loser, counted(stream, exact(0), 1)];
    assert_eq!(won(&verdicts(&*store, batch).await), [false, true]);
    assert_eq!(versions(&stream_of(&*store, stream).await), [1]);
}

pub async fn a_batch_of_losers_changes_nothing(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 1)).await;
    let batch = [0, 5, 9].map(|version| counted(stream, exact(version), 1));
    assert_eq!(won(&verdicts(&*store, batch).await), [false, false, false]);
    assert_eq!(head(&*store).await, Position(1));
}

pub async fn streams_may_alternate_within_a_batch(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    let batch = [counted(a, exact(0), 1), counted(b, exact(0), 1), counted(a, exact(1), 1), counted(b, exact(1), 1)];
    assert_eq!(won(&verdicts(&*store, batch).await), [true; 4]);
    assert_eq!(positions(&stream_of(&*store, a).await), [1, 3]);
    assert_eq!(positions(&stream_of(&*store, b).await), [2, 4]);
    assert_eq!(versions(&stream_of(&*store, b).await), [1, 2]);
}

pub async fn a_commit_without_events_answers_the_head_at_its_place_in_the_batch(store: Arc<dyn EventStore>) {
    let batch = [counted(StreamId::generate(), exact(0), 2), commit([]), counted(StreamId::generate(), exact(0), 1)];
    let answered: Vec<_> = verdicts(&*store, batch).await.into_iter().map(|verdict| appended(verdict).1).collect();
    assert_eq!(answered, [Position(2), Position(2), Position(3)]);
}

pub async fn a_demand_without_events_sees_the_commits_before_it(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [counted(stream, exact(0), 1), counted(stream, exact(0), 0), counted(stream, exact(1), 0)];
    assert_eq!(won(&verdicts(&*store, batch).await), [true, false, true]);
}

pub async fn commits_over_two_streams_see_each_other(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    let batch = [
        commit([increments(a, exact(0), 1), increments(b, exact(0), 1)]),
        commit([increments(b, exact(1), 1), increments(a, exact(1), 1)]),
        commit([increments(a, exact(2), 1), increments(b, exact(1), 1)]),
    ];
    let verdicts = verdicts(&*store, batch).await;
    assert_eq!(won(&verdicts), [true, true, false]);
    assert_eq!(conflict(&verdicts[2]), (b, Version(2)));
    assert_eq!(versions(&stream_of(&*store, a).await), [1, 2]);
}

pub async fn every_commit_of_a_batch_keeps_its_own_events(store: Arc<dyn EventStore>) {
    let batch = ["A", "B", "C"].map(|name| commit([write(StreamId::generate(), exact(0), [event(name)])]));
    verdicts(&*store, batch).await;
    let names: Vec<_> = log_of(&*store).await.iter().map(|event| event.event_type.clone()).collect();
    assert_eq!(names, ["A", "B", "C"]);
}

fn following(version: u64) -> ExpectedVersion {
    ExpectedVersion::Following(Version(version))
}

pub async fn a_commit_goes_on_from_the_one_it_follows(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [counted(stream, exact(0), 2), counted(stream, following(2), 0), counted(stream, following(2), 1)];
    assert_eq!(won(&verdicts(&*store, batch).await), [true, true, true]);
    assert_eq!(versions(&stream_of(&*store, stream).await), [1, 2, 3]);
}

/// Although the version fits: another writer has appended as many events as the one that lost would have.
pub async fn a_commit_loses_with_the_one_it_follows(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 1)).await;
    let verdicts = verdicts(&*store, [counted(stream, exact(0), 1), counted(stream, following(1), 1)]).await;
    assert_eq!((conflict(&verdicts[0]), conflict(&verdicts[1])), ((stream, Version(1)), (stream, Version(1))));
    assert_eq!(versions(&stream_of(&*store, stream).await), [1]);
}

pub async fn a_commit_loses_with_one_it_follows_from_afar(store: Arc<dyn EventStore>) {
    let (stream, other) = (StreamId::generate(), StreamId::generate());
    append(&*store, counted(stream, exact(0), 2)).await;
    let batch = [
        counted(stream, exact(0), 1),
        counted(stream, following(1), 1),
        counted(stream, following(2), 1),
        counted(other, exact(0), 1),
        counted(stream, exact(2), 1),
    ];
    assert_eq!(won(&verdicts(&*store, batch).await), [false, false, false, true, true]);
}

pub async fn a_commit_loses_with_the_repetition_it_follows(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, keyed(record("a"), counted(stream, exact(0), 1))).await;
    let batch = [keyed(record("a"), counted(stream, exact(0), 1)), counted(stream, following(1), 1)];
    let verdicts = verdicts(&*store, batch).await;
    assert!(matches!(verdicts[0], Verdict::Duplicate(_)));
    assert_eq!(conflict(&verdicts[1]), (stream, Version(1)));
}

pub async fn a_repetition_is_one_whatever_it_follows(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, keyed(record("a"), counted(stream, exact(0), 1))).await;
    let batch = [counted(stream, exact(0), 1), keyed(record("a"), counted(stream, following(1), 1))];
    assert!(matches!(verdicts(&*store, batch).await[1], Verdict::Duplicate(_)));
}

pub async fn a_commit_that_follows_another_demands_its_version_too(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [counted(stream, exact(0), 1), counted(stream, following(2), 1), counted(stream, exact(1), 1)];
    let verdicts = verdicts(&*store, batch).await;
    assert_eq!(won(&verdicts), [true, false, true]);
    assert_eq!(conflict(&verdicts[1]), (stream, Version(1)));
}

pub async fn the_first_of_a_batch_follows_nothing_that_lost(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    assert_eq!(won(&verdicts(&*store, [counted(stream, following(0), 1)]).await), [true]);
}
