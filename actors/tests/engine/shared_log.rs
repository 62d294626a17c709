//! A log that other processes append to as well.

use std::{sync::Arc, time::Duration};

use ordo_actors::{
    aggregate::{
        engine::Lifespan,
        request::{Failure, Intent, Request},
    },
    log::{appender::AppenderLimits, event::StreamId, event_feed::FeedItem, store::StoreError},
    stores::memory::MemoryStore,
    testing::FaultyStore,
};

use crate::rig::*;

fn shared() -> Rig {
    let limits = AppenderLimits { shared_poll: Duration::from_millis(1), ..AppenderLimits::default() };
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    store.share();
    Rig::on(store, Lifespan::default(), limits)
}

/// Two processes on one log.
fn two() -> (Rig, Rig) {
    let here = shared();
    let there = Rig::on(Arc::clone(&here.store), Lifespan::default(), AppenderLimits::default());
    (here, there)
}

/// A counter that both have in memory, at three; then the other one sets it to five.
async fn moved_on_elsewhere(here: &Rig, there: &Rig) -> StreamId {
    let stream = StreamId::generate();
    here.told(stream, Increment(3)).await;
    there.told(stream, Increment(1)).await;
    here.read(stream).await;
    there.told(stream, Increment(1)).await;
    stream
}

#[test]
fn a_read_sees_what_another_process_has_been_told() {
    run(async {
        let (here, there) = two();
        let stream = moved_on_elsewhere(&here, &there).await;
        let read = here.read(stream).await;
        assert_eq!((read.answer.value, read.answer.version, read.position.0), (5, 3, 3));
    });
}

#[test]
fn a_command_that_changes_nothing_is_decided_on_what_is_really_there() {
    run(async {
        let (here, there) = two();
        let stream = moved_on_elsewhere(&here, &there).await;
        here.told(stream, Reset).await;
        there.told(stream, Increment(1)).await;
        // Nothing to reset, as far as this process remembers.
        let reset = here.told(stream, Reset).await.answer;
        assert_eq!((reset.events, reset.value), (1, 0));
        assert_eq!(there.read(stream).await.answer.value, 0);
    });
}

#[test]
fn a_rejection_is_decided_on_what_is_really_there() {
    run(async {
        let (here, there) = two();
        let stream = moved_on_elsewhere(&here, &there).await;
        let told = here.told(stream, Decrement(5)).await.answer;
        assert_eq!((told.what, told.value), (What::Accepted, 0));
        let refused = there.told(stream, Decrement(1)).await.answer;
        assert_eq!((refused.what, refused.version), (What::Rejected, 4));
    });
}

#[test]
fn a_demanded_version_is_compared_with_what_is_really_there() {
    run(async {
        let (here, there) = two();
        let stream = moved_on_elsewhere(&here, &there).await;
        let right = here.engine.ask(stream, at_version(3, here.execute(Touch))).await.expect("an answer").answer;
        assert_eq!((right.what, right.version), (What::Accepted, 3));
        let late = there.engine.ask(stream, at_version(2, there.execute(Touch))).await.expect("an answer").answer;
        assert_eq!((late.what, late.version), (What::Mismatch, 3));
    });
}

#[test]
fn a_dry_run_is_decided_on_what_is_really_there() {
    run(async {
        let (here, there) = two();
        let stream = moved_on_elsewhere(&here, &there).await;
        let trying = Request::new(Intent::DryRun(Decrement(5)), here.show());
        assert_eq!(here.engine.ask(stream, trying).await.expect("an answer").answer.what, What::Accepted);
    });
}

#[test]
fn a_read_behind_a_commit_in_flight_sees_what_others_have_written_since() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.store.after_append().close();
        let written = rig.decide(stream, rig.execute(Increment(1))).await;
        // The commit is done, nobody has been told, and another process writes and is told.
        rig.store.after_append().holds(1).await;
        rig.seed(stream, 1).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.after_append().open();
        answer(written).await.expect("an answer");
        assert_eq!(answer(read).await.expect("an answer").answer.value, 2);
    });
}

#[test]
fn what_goes_with_a_commit_needs_no_check() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let read = rig.decide(stream, rig.reading()).await;
        let second = rig.decide(stream, rig.execute(Increment(1))).await;
        rig.store.before_append().open();
        for asked in [first, read, second] {
            answer(asked).await.expect("an answer");
        }
        assert_eq!(rig.store.checks().len(), 0);
    });
}

#[test]
fn what_goes_with_repeated_commands_only_is_looked_up() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.engine.ask(stream, keyed("a", 0, rig.execute(Touch))).await.expect("an answer");
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let repeated = rig.decide(stream, keyed("a", 0, rig.execute(Touch))).await;
        let read = rig.decide(stream, rig.reading()).await;
        rig.store.before_append().let_through(1);
        answer(first).await.expect("an answer");
        rig.store.before_append().holds(1).await;
        rig.seed(stream, 1).await;
        rig.store.before_append().open();
        assert!(answer(repeated).await.expect("an answer").replayed);
        assert_eq!(answer(read).await.expect("an answer").answer.value, 3);
    });
}

#[test]
fn a_check_answers_only_those_who_came_before_it_was_sent() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.before_check().close();
        let early = rig.decide(stream, rig.reading()).await;
        rig.store.before_check().holds(1).await;
        let late = rig.decide(stream, rig.reading()).await;
        rig.store.before_check().let_through(1);
        assert_eq!(answer(early).await.expect("an answer").answer.value, 1);
        rig.seed(stream, 1).await;
        rig.store.before_check().open();
        assert_eq!(answer(late).await.expect("an answer").answer.value, 2);
        assert_eq!(rig.store.checks(), [1, 1]);
    });
}

#[test]
fn checks_of_many_streams_gather_behind_the_one_under_way() {
    run(async {
        let rig = shared();
        let streams: Vec<_> = (0..50).map(|_| StreamId::generate()).collect();
        for stream in &streams {
            rig.told(*stream, Increment(1)).await;
        }
        rig.store.before_check().close();
        let mut reads = vec![rig.decide(streams[0], rig.reading()).await];
        rig.store.before_check().holds(1).await;
        for stream in &streams[1..] {
            reads.push(rig.decide(*stream, rig.reading()).await);
        }
        rig.store.before_check().open();
        for read in reads {
            assert_eq!(answer(read).await.expect("an answer").answer.value, 1);
        }
        assert_eq!(rig.store.checks(), [1, 49]);
        assert_eq!(rig.metric("ordo_version_checks_total", Some("confirmed")), 50);
    });
}

#[test]
fn a_check_that_fails_is_told_and_the_next_one_is_asked() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.store.fail_reads(1, StoreError::Unavailable("as told".into()));
        let failure = rig.engine.ask(stream, rig.reading()).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
        assert_eq!(rig.read(stream).await.answer.value, 1);
        assert_eq!(rig.metric("ordo_version_checks_total", Some("failed")), 1);
    });
}

#[test]
fn what_has_just_been_read_needs_no_check() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.seed(stream, 3).await;
        assert_eq!(rig.read(stream).await.answer.value, 3);
        assert_eq!(rig.read(StreamId::generate()).await.answer.version, 0);
        assert_eq!(rig.store.checks().len(), 0);
    });
}

#[test]
fn a_log_of_one_process_is_never_asked_for_versions() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.read(stream).await;
        rig.told(stream, Decrement(2)).await;
        assert_eq!((rig.store.checks().len(), rig.store.stream_reads()), (0, 1));
    });
}

#[test]
fn the_feed_hears_of_events_that_others_have_written() {
    run(async {
        let rig = shared();
        let mut subscription = rig.feed.subscribe();
        rig.seed(StreamId::generate(), 3).await;
        let FeedItem::Appended(news) = subscription.next().await else { panic!("no news") };
        assert_eq!((news.head.0, news.events.len()), (3, 0));
    });
}
