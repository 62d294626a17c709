//! Other writers on the same streams.

use ordo_actors::{
    aggregate::{
        engine::Lifespan,
        request::{Failure, Request, always},
    },
    clock::Clock,
    log::{
        event::{StreamId, Version},
        store::{ExpectedVersion, StreamWrite},
    },
    testing::{
        Counter, CounterEvent,
        contract::building::{exact, increments},
    },
};

use crate::rig::*;

fn alongside(request: Request<Counter, Seen>, write: StreamWrite) -> Request<Counter, Seen> {
    Request { extra_writes: Some(always(vec![write])), ..request }
}

#[test]
fn a_command_that_lost_is_decided_again_on_what_is_really_there() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.intrude_before_next_append(intruder(stream));
        let told = rig.told(stream, Increment(5)).await;
        assert_eq!((told.answer.value, told.answer.version, told.position.0), (7, 3, 3));
        assert_eq!(rig.stream(stream).await.len(), 3);
    });
}

#[test]
fn a_command_that_lost_may_be_rejected_then() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(999_999)).await;
        rig.store.intrude_before_next_append(intruder(stream));
        let told = rig.told(stream, Increment(1)).await;
        assert_eq!((told.answer.what, told.answer.value), (What::Rejected, 1_000_000));
        assert_eq!(told.position.0, 2, "it has seen the other writer's event");
    });
}

#[test]
fn a_command_that_keeps_losing_gives_up() {
    run(async {
        let rig = Rig::living(Lifespan { attempts: 3, ..Lifespan::default() });
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        for nth in 1..=3 {
            rig.store.intrude_before_nth_append(nth, intruder(stream));
        }
        let failure = rig.ask(stream, Increment(500)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Contended(3)), "{failure}");
        assert_eq!(rig.read(stream).await.answer.value, 4, "nothing of it was done");
    });
}

#[test]
fn a_command_decided_on_top_of_a_repeated_one_loses_with_it() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(3)).await;
        rig.engine.ask(stream, keyed("reset", 0, rig.execute(Reset))).await.expect("an answer");
        rig.told(stream, Increment(3)).await;
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let reset = rig.decide(stream, keyed("reset", 0, rig.execute(Reset))).await;
        let full = rig.decide(stream, rig.execute(Increment(1_000_000))).await;
        rig.store.before_append().holds(1).await;
        rig.store.intrude_before_next_append(intruder(stream));
        rig.store.before_append().open();
        answer(first).await.expect("an answer");
        assert!(answer(reset).await.expect("an answer").replayed);
        assert_eq!(answer(full).await.expect("an answer").answer.what, What::Rejected);
        assert_eq!(rig.read(stream).await.answer.value, 5);
    });
}

#[test]
fn a_command_decided_on_top_of_a_loser_loses_with_it() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(3))).await;
        let reset = rig.decide(stream, rig.execute(Reset)).await;
        // Allowed at zero only. Its version fits the stream again once the other writer has taken that of the reset.
        let full = rig.decide(stream, rig.execute(Increment(1_000_000))).await;
        rig.store.before_append().holds(1).await;
        rig.store.intrude_before_next_append(intruder(stream));
        rig.store.before_append().open();
        for asked in [first, reset, full] {
            assert_eq!(answer(asked).await.expect("an answer").answer.what, What::Accepted);
        }
        assert_eq!(rig.types(stream).await, ["Incremented", "Incremented", "Reset", "Incremented"]);
        assert_eq!(rig.read(stream).await.answer.value, 1_000_000, "the limit holds");
    });
}

#[test]
fn a_read_behind_a_loser_sees_what_is_really_there() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.before_append().close();
        rig.store.intrude_before_next_append(intruder(stream));
        let written = rig.decide(stream, rig.execute(Increment(10))).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.before_append().open();
        answer(written).await.expect("an answer");
        let read = answer(read).await.expect("an answer");
        assert_eq!((read.answer.value, read.position.0), (2, 2), "it does not wait for what is decided again");
    });
}

#[test]
fn what_goes_alongside_is_in_the_log_with_the_command() {
    run(async {
        let rig = Rig::start();
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        let request = alongside(rig.execute(Increment(1)), increments(other, exact(0), 2));
        let told = rig.engine.ask(stream, request).await.expect("an answer");
        assert_eq!((told.position.0, rig.store.commits()), (3, 1));
        assert_eq!((rig.stream(stream).await.len(), rig.stream(other).await.len()), (1, 2));
    });
}

#[test]
fn what_goes_alongside_goes_with_a_command_that_changes_nothing() {
    run(async {
        let rig = Rig::start();
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        rig.told(stream, Increment(1)).await;
        let request = alongside(rig.execute(Touch), increments(other, exact(0), 1));
        assert_eq!(rig.engine.ask(stream, request).await.expect("an answer").position.0, 2);
        assert_eq!(rig.read(stream).await.answer.version, 1);
    });
}

#[test]
fn nothing_goes_alongside_a_rejection() {
    run(async {
        let rig = Rig::start();
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        let request = alongside(rig.execute(Decrement(1)), increments(other, exact(0), 1));
        assert_eq!(rig.engine.ask(stream, request).await.expect("an answer").answer.what, What::Rejected);
        assert_eq!(rig.head().await, 0);
    });
}

#[test]
fn a_conflict_alongside_is_the_askers_to_resolve() {
    run(async {
        let rig = Rig::start();
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        rig.seed(other, 2).await;
        let request = alongside(rig.execute(Increment(1)), increments(other, exact(1), 1));
        let failure = rig.engine.ask(stream, request).await.expect_err("a failure");
        assert!(
            matches!(failure, Failure::ExtraWriteConflict { stream, actual: Version(2) } if stream == other),
            "{failure}"
        );
        assert_eq!((rig.head().await, rig.read(stream).await.answer.value), (2, 0));
    });
}

#[test]
fn a_command_behind_a_conflict_alongside_is_decided_again() {
    run(async {
        let rig = Rig::start();
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        rig.seed(other, 2).await;
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let lost = rig.decide(stream, alongside(rig.execute(Increment(10)), increments(other, exact(1), 1))).await;
        let next = rig.decide(stream, rig.execute(Increment(100))).await;
        rig.store.before_append().open();
        answer(first).await.expect("an answer");
        answer(lost).await.expect_err("a failure");
        assert_eq!(answer(next).await.expect("an answer").answer.value, 101);
        assert_eq!(rig.read(stream).await.answer.value, 101);
    });
}

#[test]
fn commands_that_change_nothing_lose_alongside_one_by_one() {
    run(async {
        let rig = Rig::living(Lifespan { attempts: 2, ..Lifespan::default() });
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        rig.told(stream, Increment(1)).await;
        rig.seed(other, 2).await;
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let mut losers = Vec::new();
        for _ in 0..8 {
            losers.push(rig.decide(stream, alongside(rig.execute(Touch), increments(other, exact(1), 1))).await);
        }
        let last = rig.decide(stream, rig.execute(Increment(1))).await;
        rig.store.before_append().open();
        answer(first).await.expect("an answer");
        for loser in losers {
            let failure = answer(loser).await.expect_err("a failure");
            assert!(matches!(failure, Failure::ExtraWriteConflict { .. }), "{failure}");
        }
        assert_eq!(answer(last).await.expect("an answer").answer.value, 3);
    });
}

#[test]
fn what_goes_alongside_is_made_of_the_state_the_command_was_decided_on() {
    run(async {
        let rig = Rig::start();
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        rig.told(stream, Increment(1)).await;
        rig.store.intrude_before_next_append(intruder(stream));
        // As many events as the counter stands at.
        let make = move |counter: &Counter, events: &[CounterEvent]| {
            assert_eq!(events.len(), 1);
            Ok(vec![increments(other, exact(0), usize::try_from(counter.value).expect("a few"))])
        };
        let request = Request { extra_writes: Some(Box::new(make)), ..rig.execute(Increment(2)) };
        assert_eq!(rig.engine.ask(stream, request).await.expect("an answer").answer.value, 4);
        assert_eq!(rig.stream(other).await.len(), 4, "not the three it was first decided with");
    });
}

#[test]
fn a_command_behind_many_that_lose_alongside_is_not_given_up() {
    run(async {
        let rig = Rig::living(Lifespan { attempts: 2, ..Lifespan::default() });
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        rig.seed(other, 2).await;
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let mut losers = Vec::new();
        for _ in 0..8 {
            let lost = alongside(rig.execute(Increment(10)), increments(other, exact(1), 1));
            losers.push(rig.decide(stream, lost).await);
        }
        let last = rig.decide(stream, rig.execute(Increment(1))).await;
        rig.store.before_append().open();
        answer(first).await.expect("an answer");
        for loser in losers {
            let failure = answer(loser).await.expect_err("a failure");
            assert!(matches!(failure, Failure::ExtraWriteConflict { .. }), "{failure}");
        }
        assert_eq!(answer(last).await.expect("an answer").answer.value, 2);
    });
}

#[test]
fn a_commit_is_not_earlier_than_what_it_is_written_alongside() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let later = rig.clock.now() + chrono::TimeDelta::hours(1);
        let request = Request { min_timestamp: later, ..rig.execute(Increment(1)) };
        rig.engine.ask(stream, request).await.expect("an answer");
        assert_eq!(rig.stream(stream).await[0].timestamp, later);
    });
}

#[test]
fn a_conflict_in_the_own_stream_comes_first() {
    run(async {
        let rig = Rig::start();
        let (stream, other) = (StreamId::generate(), StreamId::generate());
        rig.told(stream, Increment(1)).await;
        rig.store.intrude_before_next_append(intruder(stream));
        let write = increments(other, ExpectedVersion::NoStream, 1);
        let told = rig.engine.ask(stream, alongside(rig.execute(Increment(1)), write)).await.expect("an answer");
        assert_eq!((told.answer.value, rig.stream(other).await.len()), (3, 1));
    });
}
