//! What an asker and the next one see when the store fails.

use ordo_actors::{
    aggregate::request::Failure,
    log::{
        event::StreamId,
        store::{ExpectedVersion, StoreError},
    },
    testing::{
        AppendFault,
        contract::building::{append, commit, event, write},
    },
};

use crate::rig::*;

#[test]
fn a_command_that_was_not_written_leaves_no_trace() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.fail_next_append(AppendFault::Unavailable);
        let failure = rig.ask(stream, Increment(10)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
        assert_eq!(rig.read(stream).await.answer.value, 1);
        assert_eq!(rig.told(stream, Increment(100)).await.answer.value, 101);
    });
}

#[test]
fn a_command_of_unknown_outcome_that_was_written_is_seen_by_the_next() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.fail_next_append(AppendFault::UnknownWritten);
        let failure = rig.ask(stream, Increment(10)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unknown(_)), "{failure}");
        assert_eq!(rig.read(stream).await.answer.value, 10);
        assert_eq!(rig.told(stream, Increment(1)).await.answer.value, 11);
    });
}

#[test]
fn a_command_of_unknown_outcome_that_was_not_written_is_not_seen() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.fail_next_append(AppendFault::UnknownUnwritten);
        rig.ask(stream, Increment(10)).await.expect_err("a failure");
        assert_eq!(rig.read(stream).await.answer.value, 1);
    });
}

#[test]
fn a_read_behind_a_commit_that_failed_does_not_show_it() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.before_append().close();
        rig.store.fail_next_append(AppendFault::Unavailable);
        let _written = rig.decide(stream, rig.execute(Increment(10))).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.before_append().open();
        match answer(read).await {
            Ok(read) => assert_eq!(read.answer.value, 1),
            Err(failure) => assert!(matches!(failure, Failure::Unavailable(_)), "{failure}"),
        }
    });
}

#[test]
fn what_gathered_behind_a_commit_of_unknown_outcome_is_certain_not_to_have_happened() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        rig.store.fail_next_append(AppendFault::UnknownWritten);
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let second = rig.decide(stream, rig.execute(Increment(10))).await;
        rig.store.before_append().open();
        assert!(matches!(answer(first).await, Err(Failure::Unknown(_))));
        assert!(matches!(answer(second).await, Err(Failure::Unavailable(_))));
        assert_eq!(rig.read(stream).await.answer.value, 1);
    });
}

#[test]
fn a_failed_append_fails_everyone_in_it_and_nobody_else() {
    run(async {
        let rig = Rig::start();
        rig.store.before_append().close();
        let first = rig.decide(StreamId::generate(), rig.execute(Increment(1))).await;
        rig.store.before_append().holds(1).await;
        rig.store.fail_next_append(AppendFault::Unavailable);
        let failing: Vec<_> = (0..5).map(|_| rig.send(StreamId::generate(), rig.execute(Increment(1)))).collect();
        rig.decided(6).await;
        rig.store.before_append().open();
        answer(first).await.expect("an answer");
        for asked in failing {
            assert!(matches!(answer(asked).await, Err(Failure::Unavailable(_))));
        }
        rig.told(StreamId::generate(), Increment(1)).await;
        assert_eq!(rig.head().await, 2);
    });
}

#[test]
fn a_store_that_broke_calls_the_failure_hook() {
    run(async {
        let mut rig = Rig::start();
        rig.store.fail_next_append(AppendFault::BrokenWritten);
        let failure = rig.ask(StreamId::generate(), Increment(1)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unknown(_)), "{failure}");
        rig.broken.wait_for(Option::is_some).await.expect("the hook was called");
    });
}

#[test]
fn an_appender_that_dies_calls_the_failure_hook_and_leaves_nobody_waiting() {
    run(async {
        let mut rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.fail_next_append(AppendFault::Panic);
        let failure = rig.ask(stream, Increment(1)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unknown(_)), "{failure}");
        rig.broken.wait_for(Option::is_some).await.expect("the hook was called");
        let later = rig.ask(stream, Increment(1)).await.expect_err("a failure");
        assert!(matches!(later, Failure::Unavailable(_)), "{later}");
        assert_eq!(rig.read(stream).await.answer.value, 0, "reading goes on");
    });
}

#[test]
fn nothing_is_appended_after_the_store_broke() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        rig.store.fail_next_append(AppendFault::BrokenUnwritten);
        let breaking = rig.decide(stream, rig.execute(Increment(1))).await;
        rig.store.before_append().holds(1).await;
        let queued = rig.decide(StreamId::generate(), rig.execute(Increment(1))).await;
        rig.store.before_append().open();
        answer(breaking).await.expect_err("a failure");
        assert!(matches!(answer(queued).await, Err(Failure::Unknown(_))));
        let later = rig.ask(stream, Increment(1)).await.expect_err("a failure");
        assert!(matches!(later, Failure::Unavailable(_)), "{later}");
        assert_eq!((rig.store.appends(), rig.head().await), (1, 0));
    });
}

#[test]
fn a_stream_that_could_not_be_read_is_read_by_the_next() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(stream, 3).await;
        rig.store.fail_reads(1, StoreError::Unavailable("as told".into()));
        let failure = rig.ask(stream, Increment(1)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
        assert_eq!(rig.told(stream, Increment(1)).await.answer.value, 4);
    });
}

#[test]
fn all_who_wait_for_a_reading_share_its_failure() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_read().close();
        rig.store.fail_reads(20, StoreError::Unavailable("as told".into()));
        let askers: Vec<_> = (0..10).map(|_| rig.send(stream, rig.execute(Increment(1)))).collect();
        rig.store.before_read().holds(1).await;
        let_others_run().await;
        rig.store.before_read().open();
        for asker in askers {
            let failure = answer(asker).await.expect_err("a failure");
            assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
        }
        assert_eq!(rig.store.stream_reads(), 1);
    });
}

#[test]
fn a_stream_of_another_type_is_not_touched() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let mut foreign = write(stream, ExpectedVersion::NoStream, [event("Incremented")]);
        foreign.aggregate_type = "Clock".into();
        append(rig.store.below(), commit([foreign])).await;
        for request in [rig.execute(Increment(1)), assuming_new(rig.execute(Increment(1))), rig.reading()] {
            let failure = rig.engine.ask(stream, request).await.expect_err("a failure");
            assert!(matches!(&failure, Failure::OtherType(name) if name == "Clock"), "{failure}");
        }
        assert_eq!(rig.head().await, 1);
    });
}

#[test]
fn a_stream_with_an_event_nobody_can_read_is_not_touched() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        append(rig.store.below(), commit([write(stream, ExpectedVersion::NoStream, [event("Melted")])])).await;
        let failure = rig.ask(stream, Increment(1)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unreadable(_)), "{failure}");
        assert_eq!(rig.head().await, 1);
    });
}

#[test]
fn a_corrupt_store_is_told_and_nothing_is_remembered() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.fail_next_append(AppendFault::Corrupt);
        let failure = rig.ask(stream, Increment(1)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unreadable(_)), "{failure}");
        assert_eq!(rig.read(stream).await.answer.value, 0);
    });
}
