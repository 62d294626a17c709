//! A log that other processes append to as well.

use std::{sync::Arc, time::Duration};

use ordo_actors::{
    appender::AppenderLimits,
    event::{Position, StreamId},
    event_feed::Heard,
    memory_store::MemoryStore,
    registry::Lifespan,
    request::Request,
    testing::FaultyStore,
};

use crate::rig::*;

fn shared() -> Rig {
    let limits = AppenderLimits { shared_poll: Duration::from_millis(1), ..AppenderLimits::default() };
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    store.share();
    Rig::on(store, Lifespan::default(), limits)
}

fn at_least(
    position: u64,
    request: Request<ordo_actors::testing::Counter, Seen>,
) -> Request<ordo_actors::testing::Counter, Seen> {
    Request { at_least: Position(position), ..request }
}

#[test]
fn a_read_that_asks_for_a_position_sees_what_others_have_written_up_to_it() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.seed(stream, 1).await;
        let read = rig.engine.ask(stream, at_least(2, rig.reading())).await.expect("an answer");
        assert_eq!((read.answer.value, read.position.0), (2, 2));
    });
}

#[test]
fn a_read_that_asks_for_a_position_sees_it_while_a_commit_is_in_flight() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.store.after_append().close();
        let written = rig.decide(stream, rig.execute(Increment(1))).await;
        rig.store.after_append().holds(1).await;
        rig.seed(stream, 1).await;
        let read = rig.decide(stream, at_least(2, rig.reading())).await;
        let next = rig.decide(stream, rig.execute(Increment(10))).await;
        rig.store.after_append().open();
        assert_eq!(answer(written).await.expect("an answer").answer.value, 1);
        let read = answer(read).await.expect("an answer");
        assert!(read.answer.value >= 2, "{read:?}");
        assert_eq!(answer(next).await.expect("an answer").answer.value, 12);
    });
}

#[test]
fn a_read_that_asks_for_a_position_it_has_seen_does_not_read_again() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        let told = rig.engine.ask(stream, fresh(rig.execute(Increment(1)))).await.expect("an answer");
        rig.engine.ask(stream, at_least(told.position.0, rig.reading())).await.expect("an answer");
        assert_eq!(rig.store.stream_reads(), 0);
    });
}

#[test]
fn a_position_of_another_stream_is_looked_for_once() {
    run(async {
        let rig = shared();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        rig.seed(StreamId::generate(), 5).await;
        let before = rig.store.stream_reads();
        for _ in 0..5 {
            rig.engine.ask(stream, at_least(6, rig.reading())).await.expect("an answer");
        }
        assert_eq!(rig.store.stream_reads(), before + 1);
    });
}

#[test]
fn the_feed_hears_of_events_that_others_have_written() {
    run(async {
        let rig = shared();
        let mut subscription = rig.feed.subscribe();
        rig.seed(StreamId::generate(), 3).await;
        let Heard::News(news) = subscription.next().await else { panic!("no news") };
        assert_eq!((news.head.0, news.events.len()), (3, 0));
    });
}
