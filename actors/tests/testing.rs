//! The test support itself: given/when/then, the counter, the manual clock, gates and the faulty store.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use ordo_actors::{
    aggregate::{Aggregate, DecodeError, DomainEvent},
    clock::Clock,
    log::{
        event::{Position, StreamId, Version},
        store::{EventStore, LogQuery, StoreError},
    },
    stores::memory::MemoryStore,
    testing::{
        AppendFault, Counter, CounterCommand, CounterEvent, CounterRejection, FaultyStore, ManualClock,
        contract::building::{append, appended, conflict, counted, exact, head, json, stream_of, verdict, versions},
        given, nth_second,
    },
};

/// Without faults, a faulty store is a store.
mod contract {
    use super::{Arc, EventStore, FaultyStore, MemoryStore};

    ordo_actors::store_contract!(|| async { Arc::new(FaultyStore::new(MemoryStore::new())) as Arc<dyn EventStore> });
}

fn up(by: u64) -> CounterEvent {
    CounterEvent::Incremented { by }
}

#[test]
fn events_that_happen_are_the_ones_expected() {
    given::<Counter>([up(2)]).when(CounterCommand::Increment(3)).then([up(3)]);
}

#[test]
#[should_panic(expected = "other events than expected")]
fn another_event_than_expected_fails_the_test() {
    given::<Counter>([]).when(CounterCommand::Increment(3)).then([up(2)]);
}

#[test]
#[should_panic(expected = "other events than expected")]
fn more_events_than_expected_fail_the_test() {
    given::<Counter>([]).when(CounterCommand::IncrementEach(2)).then([up(1)]);
}

#[test]
#[should_panic(expected = "rejected: the counter stands at 0 and cannot fall below zero")]
fn a_rejection_instead_of_events_fails_the_test() {
    given::<Counter>([]).when(CounterCommand::Decrement(1)).then([up(1)]);
}

#[test]
fn a_rejection_is_the_one_expected() {
    given::<Counter>([up(2)])
        .when(CounterCommand::Decrement(3))
        .then_rejected(CounterRejection::BelowZero { value: 2 });
}

#[test]
#[should_panic(expected = "rejected for another reason")]
fn a_rejection_for_another_reason_fails_the_test() {
    given::<Counter>([]).when(CounterCommand::Decrement(3)).then_rejected(CounterRejection::BelowZero { value: 2 });
}

#[test]
#[should_panic(expected = "expected a rejection")]
fn events_instead_of_a_rejection_fail_the_test() {
    given::<Counter>([]).when(CounterCommand::Increment(3)).then_rejected(CounterRejection::BelowZero { value: 0 });
}

#[test]
fn nothing_happens_when_nothing_is_expected() {
    given::<Counter>([]).when(CounterCommand::Reset).then_nothing();
}

#[test]
#[should_panic(expected = "expected nothing to happen")]
fn an_event_where_nothing_is_expected_fails_the_test() {
    given::<Counter>([up(1)]).when(CounterCommand::Reset).then_nothing();
}

#[test]
#[should_panic(expected = "expected nothing to happen")]
fn a_rejection_where_nothing_is_expected_fails_the_test() {
    given::<Counter>([]).when(CounterCommand::Decrement(1)).then_nothing();
}

#[test]
fn the_state_is_looked_at_after_the_events() {
    given::<Counter>([up(2)]).when(CounterCommand::Increment(3)).then([up(3)]).then_state(|counter| {
        assert_eq!((counter.value, counter.changes), (5, 2));
    });
    given::<Counter>([up(2)]).when(CounterCommand::Increment(3)).then_state(|counter| assert_eq!(counter.value, 5));
    given::<Counter>([up(2)]).then_state(|counter| assert_eq!(counter.value, 2));
}

#[test]
fn events_of_a_test_happen_one_second_apart() {
    given::<Counter>([up(1), up(1)]).when(CounterCommand::Increment(1)).then([up(1)]).then_state(|counter| {
        assert_eq!(counter.changed_at, Some(nth_second(3)));
    });
    assert_eq!(nth_second(3) - nth_second(2), TimeDelta::seconds(1));
}

#[test]
fn one_command_follows_another() {
    given::<Counter>([])
        .when(CounterCommand::Increment(1))
        .then([up(1)])
        .when(CounterCommand::Decrement(1))
        .then([CounterEvent::Decremented { by: 1 }])
        .when(CounterCommand::Reset)
        .then_nothing();
}

#[test]
fn a_counter_refuses_to_pass_its_limit() {
    given::<Counter>([up(Counter::LIMIT - 1)]).when(CounterCommand::Increment(1)).then([up(1)]);
    for by in [2, u64::MAX] {
        given::<Counter>([up(Counter::LIMIT - 1)])
            .when(CounterCommand::Increment(by))
            .then_rejected(CounterRejection::AboveLimit { value: Counter::LIMIT - 1 });
    }
}

#[test]
#[should_panic(expected = "the counter was told to panic")]
fn a_counter_panics_when_told() {
    let _ = Counter::default().decide(&CounterCommand::Panic);
}

#[test]
fn every_counter_event_reads_back_as_written() {
    for event in [up(7), CounterEvent::Decremented { by: 3 }, CounterEvent::Reset] {
        let payload = event.encode().expect("JSON");
        assert_eq!(CounterEvent::decode(event.event_type(), &payload).expect("an event"), event);
        assert!(CounterEvent::KINDS.contains(&(event.event_type(), event.schema_version())));
    }
}

#[test]
fn a_counter_event_that_does_not_fit_is_refused() {
    let unknown = CounterEvent::decode("Exploded", &json("{}"));
    assert!(matches!(unknown, Err(DecodeError::UnknownType(name)) if name == "Exploded"));
    let misshapen = CounterEvent::decode("Incremented", &json(r#"{"by":"one"}"#));
    assert!(matches!(misshapen, Err(DecodeError::Payload { event_type, .. }) if event_type == "Incremented"));
}

#[test]
fn a_manual_clock_moves_only_when_told_and_with_all_its_clones() {
    let clock = ManualClock::default();
    let (clone, start) = (clock.clone(), clock.now());
    assert_eq!(clone.now(), start);
    clock.advance(Duration::from_millis(1500));
    assert_eq!(clone.now() - start, TimeDelta::milliseconds(1500));
    clone.set(start);
    assert_eq!(clock.now(), start);
}

#[test]
fn a_manual_clock_shows_whole_microseconds() {
    let clock = ManualClock::at(nth_second(1) + TimeDelta::nanoseconds(1999));
    assert_eq!(clock.now(), nth_second(1) + TimeDelta::microseconds(1));
}

fn faulty() -> Arc<FaultyStore<MemoryStore>> {
    Arc::new(FaultyStore::new(MemoryStore::new()))
}

async fn failure(store: &dyn EventStore, stream: StreamId) -> StoreError {
    store.append(vec![counted(stream, exact(0), 1)]).await.expect_err("a failure")
}

#[tokio::test]
async fn an_unavailable_append_writes_nothing_and_the_next_one_works() {
    let (store, stream) = (faulty(), StreamId::generate());
    store.fail_next_append(AppendFault::Unavailable);
    assert!(matches!(failure(&*store, stream).await, StoreError::Unavailable(_)));
    assert_eq!(head(&*store).await, Position::START);
    append(&*store, counted(stream, exact(0), 1)).await;
}

#[tokio::test]
async fn an_append_of_unknown_outcome_may_have_written() {
    let (store, stream) = (faulty(), StreamId::generate());
    store.fail_next_append(AppendFault::UnknownWritten);
    assert!(matches!(failure(&*store, stream).await, StoreError::Unknown(_)));
    assert_eq!(versions(&stream_of(&*store, stream).await), [1]);
}

#[tokio::test]
async fn an_append_of_unknown_outcome_may_not_have_written() {
    let (store, stream) = (faulty(), StreamId::generate());
    store.fail_next_append(AppendFault::UnknownUnwritten);
    assert!(matches!(failure(&*store, stream).await, StoreError::Unknown(_)));
    assert_eq!(stream_of(&*store, stream).await, []);
}

#[tokio::test]
async fn a_broken_append_may_or_may_not_have_written() {
    for (fault, written) in [(AppendFault::BrokenWritten, 1), (AppendFault::BrokenUnwritten, 0)] {
        let store = faulty();
        store.fail_next_append(fault);
        assert!(matches!(failure(&*store, StreamId::generate()).await, StoreError::Broken(_)));
        assert_eq!(head(&*store).await, Position(written));
    }
}

#[tokio::test]
async fn the_nth_append_from_now_fails() {
    let store = faulty();
    append(&*store, counted(StreamId::generate(), exact(0), 1)).await;
    store.fail_nth_append(2, AppendFault::Corrupt);
    append(&*store, counted(StreamId::generate(), exact(0), 1)).await;
    assert!(matches!(failure(&*store, StreamId::generate()).await, StoreError::Corrupt(_)));
    append(&*store, counted(StreamId::generate(), exact(0), 1)).await;
}

#[tokio::test]
#[should_panic(expected = "the store was told to panic")]
async fn an_append_panics_when_told() {
    let store = faulty();
    store.fail_next_append(AppendFault::Panic);
    let _ = failure(&*store, StreamId::generate()).await;
}

#[tokio::test]
async fn an_intruder_comes_in_before_the_append() {
    let (store, stream) = (faulty(), StreamId::generate());
    store.intrude_before_next_append(counted(stream, exact(0), 2));
    let lost = verdict(&*store, counted(stream, exact(0), 1)).await;
    assert_eq!(conflict(&lost), (stream, Version(2)));
    assert_eq!((store.appends(), store.below().head().await.expect("a head").position), (1, Position(2)));
}

#[tokio::test]
async fn reads_fail_as_often_as_told() {
    let (store, stream) = (faulty(), StreamId::generate());
    store.fail_reads(2, StoreError::Unavailable("away".to_owned()));
    store.read_stream(stream, Version(1), 10).await.expect_err("the first read fails");
    store.snapshot(stream).await.expect_err("the second read fails");
    store.read_all(&LogQuery::after(Position::START, 10)).await.expect("the third works");
    assert_eq!((store.stream_reads(), store.log_reads()), (1, 1));
}

#[tokio::test]
async fn a_healed_store_has_no_faults_left() {
    let store = faulty();
    store.fail_appends(3, AppendFault::Unavailable);
    store.fail_reads(3, StoreError::Unavailable("away".to_owned()));
    store.before_append().close();
    store.heal();
    append(&*store, counted(StreamId::generate(), exact(0), 1)).await;
    assert_eq!(store.read_all(&LogQuery::after(Position::START, 10)).await.expect("the log").len(), 1);
}

#[tokio::test]
async fn a_held_append_has_written_nothing() {
    let (store, stream) = (faulty(), StreamId::generate());
    store.before_append().close();
    let appending = tokio::spawn({
        let store = Arc::clone(&store);
        async move { verdict(&*store, counted(stream, exact(0), 1)).await }
    });
    store.before_append().holds(1).await;
    assert_eq!(stream_of(&*store, stream).await, []);
    assert!(!appending.is_finished());
    store.before_append().open();
    appended(appending.await.expect("the append"));
    assert_eq!(versions(&stream_of(&*store, stream).await), [1]);
}

#[tokio::test]
async fn an_append_held_afterwards_has_written_and_told_nobody() {
    let (store, stream) = (faulty(), StreamId::generate());
    store.after_append().close();
    let appending = tokio::spawn({
        let store = Arc::clone(&store);
        async move { verdict(&*store, counted(stream, exact(0), 1)).await }
    });
    store.after_append().holds(1).await;
    assert_eq!(versions(&stream_of(&*store, stream).await), [1]);
    assert!(!appending.is_finished());
    store.after_append().open();
    appended(appending.await.expect("the append"));
}

#[tokio::test]
async fn a_gate_lets_through_as_many_as_told_and_holds_the_rest() {
    let store = faulty();
    store.before_append().close();
    let mut appending = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let store = Arc::clone(&store);
        appending.spawn(async move { verdict(&*store, counted(StreamId::generate(), exact(0), 1)).await });
    }
    store.before_append().holds(3).await;
    store.before_append().let_through(2);
    for _ in 0..2 {
        appending.join_next().await.expect("an append").expect("no panic");
    }
    assert_eq!((head(&*store).await, appending.len()), (Position(2), 1));
    store.before_append().holds(1).await;
    store.before_append().let_through(1);
    appending.join_next().await.expect("an append").expect("no panic");
    assert_eq!(head(&*store).await, Position(3));
}

#[tokio::test]
async fn a_held_read_waits() {
    let store = faulty();
    store.before_read().close();
    let reading = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.read_stream(StreamId::generate(), Version(1), 10).await }
    });
    store.before_read().holds(1).await;
    assert!(!reading.is_finished());
    store.before_read().open();
    assert_eq!(reading.await.expect("the read").expect("a stream").into_events(), []);
}

#[tokio::test]
async fn the_sizes_of_batches_are_counted() {
    let store = faulty();
    for size in [1, 3, 2] {
        let batch = (0..size).map(|_| counted(StreamId::generate(), exact(0), 1)).collect();
        store.append(batch).await.expect("an append");
    }
    assert_eq!((store.appends(), store.commits(), store.batches()), (3, 6, vec![1, 3, 2]));
}
