//! The record of a key: kept with the commit that carries it, and in the way of every other.

use std::sync::Arc;

use super::building::{
    append, appended, commit, conflict, counted, duplicate, exact, head, increments, key, keyed, micro, record, second,
    stream_of, verdict, verdicts, versions, with_snapshot,
};
use crate::log::{
    event::{Position, StreamId, Version},
    store::{Commit, EventStore, ExpectedVersion, IdempotencyKey, IdempotencyRecord},
};

async fn kept(store: &dyn EventStore, key: &IdempotencyKey) -> Option<IdempotencyRecord> {
    store.idempotency(key).await.expect("an answer")
}

/// A commit of one event to a stream of its own.
fn one_event(record: IdempotencyRecord) -> Commit {
    keyed(record, counted(StreamId::generate(), exact(0), 1))
}

pub async fn a_key_that_was_not_used_has_no_record(store: Arc<dyn EventStore>) {
    append(&*store, one_event(record("other"))).await;
    assert_eq!(kept(&*store, &key("caller", "k")).await, None);
}

pub async fn a_record_reads_back_with_the_position_of_its_commit(store: Arc<dyn EventStore>) {
    append(&*store, counted(StreamId::generate(), exact(0), 2)).await;
    let written = IdempotencyRecord { fingerprint: [9; 32], recorded_at: micro(3), ..record("k") };
    append(&*store, keyed(written.clone(), counted(StreamId::generate(), exact(0), 3))).await;
    let expected = IdempotencyRecord { position: Position(5), ..written };
    assert_eq!(kept(&*store, &key("caller", "k")).await, Some(expected));
}

pub async fn the_position_written_with_a_record_is_ignored(store: Arc<dyn EventStore>) {
    append(&*store, one_event(IdempotencyRecord { position: Position(999), ..record("k") })).await;
    assert_eq!(kept(&*store, &key("caller", "k")).await.map(|record| record.position), Some(Position(1)));
}

pub async fn a_key_is_used_once(store: Arc<dyn EventStore>) {
    append(&*store, one_event(record("k"))).await;
    let first = kept(&*store, &key("caller", "k")).await.expect("a record");
    let second = IdempotencyRecord { answer: b"another".to_vec(), fingerprint: [8; 32], ..record("k") };
    assert_eq!(duplicate(verdict(&*store, one_event(second)).await), first);
    assert_eq!(kept(&*store, &key("caller", "k")).await, Some(first));
}

pub async fn a_duplicate_writes_nothing(store: Arc<dyn EventStore>) {
    append(&*store, one_event(record("k"))).await;
    let stream = StreamId::generate();
    let write = with_snapshot(1, "{}", increments(stream, exact(0), 1));
    duplicate(verdict(&*store, keyed(record("k"), commit([write]))).await);
    assert_eq!(head(&*store).await, Position(1));
    assert_eq!(stream_of(&*store, stream).await, []);
    assert!(store.snapshot(stream).await.expect("an answer").is_none());
}

pub async fn a_key_is_looked_at_before_the_versions(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, keyed(record("k"), counted(stream, exact(0), 1))).await;
    let again = verdict(&*store, keyed(record("k"), counted(stream, exact(0), 1))).await;
    assert_eq!(duplicate(again).position, Position(1));
}

pub async fn a_key_is_used_once_in_a_batch(store: Arc<dyn EventStore>) {
    let other = IdempotencyRecord { answer: b"another".to_vec(), ..record("k") };
    let batch = [one_event(record("k")), one_event(other), counted(StreamId::generate(), exact(0), 1)];
    let mut verdicts = verdicts(&*store, batch).await;
    assert_eq!(appended(verdicts.pop().expect("the third")).1, Position(2));
    let expected = IdempotencyRecord { position: Position(1), ..record("k") };
    assert_eq!(duplicate(verdicts.pop().expect("the second")), expected);
    assert_eq!(head(&*store).await, Position(2));
}

pub async fn a_key_is_looked_at_before_the_versions_within_a_batch(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let batch = [0, 0].map(|_| keyed(record("k"), counted(stream, exact(0), 1)));
    let mut verdicts = verdicts(&*store, batch).await;
    duplicate(verdicts.pop().expect("the second"));
    assert_eq!(versions(&stream_of(&*store, stream).await), [1]);
}

pub async fn the_key_of_a_loser_is_free_for_those_after_it(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 1)).await;
    let batch = [0, 1].map(|version| keyed(record("k"), counted(stream, exact(version), 1)));
    let verdicts = verdicts(&*store, batch).await;
    assert_eq!(conflict(&verdicts[0]), (stream, Version(1)));
    assert_eq!(appended(verdicts[1].clone()).1, Position(2));
    assert_eq!(kept(&*store, &key("caller", "k")).await.map(|record| record.position), Some(Position(2)));
}

pub async fn keys_of_different_scopes_never_meet(store: Arc<dyn EventStore>) {
    for (scope, name) in [("a", "k"), ("b", "k"), ("", "k"), ("ab", "c"), ("a", "bc"), ("A", "k"), ("a", "K")] {
        append(&*store, one_event(IdempotencyRecord { key: key(scope, name), ..record(name) })).await;
        assert_eq!(kept(&*store, &key(scope, name)).await.map(|record| record.key), Some(key(scope, name)));
    }
    assert_eq!(head(&*store).await, Position(7));
}

pub async fn a_key_may_be_any_text(store: Arc<dyn EventStore>) {
    for name in ["Größe 42 🚀", " leading and trailing ", "'; --", "a%b_c", "\\", "\"", &"k".repeat(255)] {
        append(&*store, one_event(record(name))).await;
        duplicate(verdict(&*store, one_event(record(name))).await);
        assert_eq!(kept(&*store, &key("caller", name)).await.map(|record| record.key.key), Some(name.to_owned()));
    }
}

pub async fn a_record_without_events_is_kept_with_the_head(store: Arc<dyn EventStore>) {
    append(&*store, counted(StreamId::generate(), exact(0), 4)).await;
    let (events, position) = appended(verdict(&*store, keyed(record("k"), commit([]))).await);
    assert_eq!((events, position), (vec![], Position(4)));
    assert_eq!(kept(&*store, &key("caller", "k")).await.map(|record| record.position), Some(Position(4)));
    assert_eq!(duplicate(verdict(&*store, one_event(record("k"))).await).position, Position(4));
}

pub async fn a_record_without_events_is_kept_on_an_empty_log(store: Arc<dyn EventStore>) {
    let (_, position) = appended(verdict(&*store, keyed(record("k"), commit([]))).await);
    assert_eq!(position, Position::START);
    assert_eq!(kept(&*store, &key("caller", "k")).await.map(|record| record.position), Some(Position::START));
}

pub async fn a_record_without_events_gets_the_head_at_its_place_in_the_batch(store: Arc<dyn EventStore>) {
    let batch = [one_event(record("a")), keyed(record("b"), commit([])), one_event(record("c"))];
    verdicts(&*store, batch).await;
    assert_eq!(kept(&*store, &key("caller", "b")).await.map(|record| record.position), Some(Position(1)));
}

pub async fn a_record_whose_demand_fails_is_not_kept(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    conflict(&verdict(&*store, keyed(record("k"), counted(stream, exact(1), 0))).await);
    assert_eq!(kept(&*store, &key("caller", "k")).await, None);
}

pub async fn a_record_with_a_demand_that_holds_is_kept(store: Arc<dyn EventStore>) {
    let write = increments(StreamId::generate(), ExpectedVersion::NoStream, 0);
    appended(verdict(&*store, keyed(record("k"), commit([write]))).await);
    assert!(kept(&*store, &key("caller", "k")).await.is_some());
}

pub async fn an_answer_is_kept_byte_for_byte(store: Arc<dyn EventStore>) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for (name, answer) in [("none", vec![]), ("every byte", every_byte), ("big", vec![0xA5; 1 << 20])] {
        append(&*store, one_event(IdempotencyRecord { answer: answer.clone(), ..record(name) })).await;
        let record = kept(&*store, &key("caller", name)).await.expect("a record");
        assert!(record.answer == answer, "{name}: the answer changed");
    }
}

pub async fn a_fingerprint_is_kept_byte_for_byte(store: Arc<dyn EventStore>) {
    let fingerprint = std::array::from_fn(|index| u8::try_from(index * 8).expect("a byte"));
    append(&*store, one_event(IdempotencyRecord { fingerprint, ..record("k") })).await;
    assert_eq!(kept(&*store, &key("caller", "k")).await.map(|record| record.fingerprint), Some(fingerprint));
}

pub async fn records_before_a_time_are_forgotten(store: Arc<dyn EventStore>) {
    for (name, seconds) in [("new", 3), ("old", 1), ("middle", 2)] {
        append(&*store, one_event(IdempotencyRecord { recorded_at: second(seconds), ..record(name) })).await;
    }
    assert_eq!(store.forget_idempotency(second(2), 100).await.expect("an answer"), 1);
    assert_eq!(kept(&*store, &key("caller", "old")).await, None);
    assert!(kept(&*store, &key("caller", "middle")).await.is_some(), "recorded at that very time");
    assert!(kept(&*store, &key("caller", "new")).await.is_some());
}

pub async fn at_most_the_limit_is_forgotten_at_once(store: Arc<dyn EventStore>) {
    for name in ["a", "b", "c", "d", "e"] {
        append(&*store, one_event(record(name))).await;
    }
    for forgotten in [2, 2, 1, 0] {
        assert_eq!(store.forget_idempotency(second(1), 2).await.expect("an answer"), forgotten);
    }
}

pub async fn a_limit_of_zero_forgets_nothing(store: Arc<dyn EventStore>) {
    append(&*store, one_event(record("k"))).await;
    assert_eq!(store.forget_idempotency(second(1), 0).await.expect("an answer"), 0);
    assert!(kept(&*store, &key("caller", "k")).await.is_some());
}

pub async fn a_forgotten_key_can_be_used_again(store: Arc<dyn EventStore>) {
    append(&*store, one_event(record("k"))).await;
    assert_eq!(store.forget_idempotency(second(1), 10).await.expect("an answer"), 1);
    append(&*store, one_event(IdempotencyRecord { recorded_at: second(5), ..record("k") })).await;
    assert_eq!(kept(&*store, &key("caller", "k")).await.map(|record| record.position), Some(Position(2)));
    assert_eq!(store.forget_idempotency(second(5), 10).await.expect("an answer"), 0);
}

pub async fn forgetting_keys_leaves_the_events(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, keyed(record("k"), counted(stream, exact(0), 2))).await;
    store.forget_idempotency(second(1), 10).await.expect("an answer");
    assert_eq!(versions(&stream_of(&*store, stream).await), [1, 2]);
}
