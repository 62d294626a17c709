//! Actors come and go; memory stays bounded and nothing is lost.

use std::{
    cell::RefCell,
    sync::{Arc, Weak},
    time::Duration,
};

use actix::Arbiter;
use ordo_actors::{
    aggregate::{
        engine::{Engine, Lifespan},
        request::{Failure, IdempotencyUse, Request},
    },
    log::event::StreamId,
    testing::{Counter, contract::building::key},
};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::task::JoinHandle;

use crate::rig::*;

fn few(most_actors: usize) -> Lifespan {
    Lifespan { most_actors, ..Lifespan::default() }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_crowd_that_came_at_once_leaves_by_itself() {
    run(async {
        let rig = Rig::living(Lifespan { most_actors: 8, idle: Duration::from_millis(80), ..Lifespan::default() });
        let crowd: Vec<_> = (0..500).map(|_| rig.send(StreamId::generate(), rig.execute(Increment(1)))).collect();
        for asked in crowd {
            answer(asked).await.expect("an answer");
        }
        until(|| rig.engine.live() <= 16).await;
    });
}

#[test]
fn no_more_counters_stay_in_memory_than_allowed() {
    run(async {
        let rig = Rig::living(few(8));
        for _ in 0..500 {
            rig.told(StreamId::generate(), Increment(1)).await;
            let_others_run().await;
            assert!(rig.engine.live() <= 16, "{} are alive", rig.engine.live());
        }
    });
}

#[test]
fn heavy_counters_leave_memory_when_there_is_no_room_for_all() {
    run(async {
        let rig = Rig::living(Lifespan { most_bytes: 1 << 20, ..Lifespan::default() });
        let streams: Vec<_> = (0..50).map(|_| StreamId::generate()).collect();
        for stream in &streams {
            // A tenth of the room.
            rig.told(*stream, Increment(100 << 10)).await;
            let_others_run().await;
            assert!(rig.engine.live() <= 11, "{} are alive", rig.engine.live());
        }
        // Those used last have stayed.
        let reads = rig.store.stream_reads();
        for stream in &streams[45..] {
            assert_eq!(rig.read(*stream).await.answer.value, 100 << 10);
        }
        assert_eq!(rig.store.stream_reads(), reads);
        assert_eq!(rig.read(streams[0]).await.answer.value, 100 << 10);
    });
}

#[test]
fn light_counters_stay_however_heavy_others_are() {
    run(async {
        let rig = Rig::living(Lifespan { most_bytes: 1 << 20, ..Lifespan::default() });
        let light = StreamId::generate();
        rig.told(light, Increment(1)).await;
        for _ in 0..20 {
            rig.told(StreamId::generate(), Increment(500_000)).await;
            let_others_run().await;
        }
        let reads = rig.store.stream_reads();
        rig.read(light).await;
        assert_eq!(rig.store.stream_reads(), reads);
    });
}

#[test]
fn room_is_made_again_by_a_counter_that_becomes_lighter() {
    run(async {
        let rig = Rig::living(Lifespan { most_bytes: 1 << 20, ..Lifespan::default() });
        let streams: Vec<_> = (0..10).map(|_| StreamId::generate()).collect();
        for stream in &streams {
            for command in [Increment(600_000), Reset, Increment(1)] {
                rig.told(*stream, command).await;
            }
        }
        let_others_run().await;
        assert_eq!(rig.engine.live(), 10);
    });
}

#[test]
fn a_counter_nobody_asks_leaves_memory() {
    run(async {
        let rig = Rig::living(Lifespan { idle: Duration::ZERO, ..Lifespan::default() });
        let stream = StreamId::generate();
        rig.told(stream, Increment(5)).await;
        until(|| rig.engine.live() == 0 && rig.metric("ordo_live_actors", None) == 0).await;
        assert_eq!(rig.read(stream).await.answer.value, 5);
    });
}

#[test]
fn a_stream_that_does_not_exist_takes_no_room() {
    run(async {
        let rig = Rig::start();
        for _ in 0..20 {
            rig.read(StreamId::generate()).await;
            rig.told(StreamId::generate(), Decrement(1)).await;
        }
        let_others_run().await;
        assert_eq!((rig.engine.live(), rig.metric("ordo_live_actors", None)), (0, 0));
    });
}

#[test]
fn a_stream_that_does_not_exist_takes_no_room_after_a_refusal_with_a_key() {
    run(async {
        let rig = Rig::start();
        rig.engine.ask(StreamId::generate(), keyed("a", 0, rig.execute(Decrement(1)))).await.expect("an answer");
        let_others_run().await;
        assert_eq!(rig.engine.live(), 0);
    });
}

thread_local! {
    /// What to do while an answer is read back from its record.
    static WHILE_REPLAYING: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// An answer that interferes when it is given again.
#[derive(Debug, Serialize)]
struct Meddling;

impl<'de> Deserialize<'de> for Meddling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if let Some(meddle) = WHILE_REPLAYING.take() {
            meddle();
        }
        <()>::deserialize(deserializer).map(|()| Self)
    }
}

#[test]
fn a_request_that_reaches_an_actor_while_it_retires_is_answered_by_the_next() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let request = || {
            let mut request = Request::<Counter, Meddling>::execute(Decrement(1), |_| Meddling);
            request.idempotency = Some(IdempotencyUse { key: key("caller", "a"), fingerprint: [0; 32] });
            request
        };
        rig.engine.ask(stream, request()).await.expect("an answer");
        // The stream does not exist, so the actor retires after the answer. Just before, another thread's request comes in.
        let (engine, reading) = (Arc::clone(&rig.engine), rig.reading());
        let (late, read) = std::sync::mpsc::channel::<JoinHandle<Asked>>();
        WHILE_REPLAYING.set(Some(Box::new(move || {
            let mut asked = Box::pin(async move { engine.ask(stream, reading).await });
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(asked.as_mut().poll(&mut context).is_pending(), "it is in the mailbox");
            late.send(actix::spawn(asked)).expect("the test waits");
        })));
        assert!(rig.engine.ask(stream, request()).await.expect("an answer").replayed);
        let read = answer(read.recv().expect("a request")).await.expect("an answer");
        assert_eq!(read.answer.version, 0);
    });
}

#[test]
fn counters_whose_thread_has_ended_are_opened_again() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        elsewhere(&rig, [stream]).await;
        assert_eq!(rig.told(stream, Increment(1)).await.answer.value, 2);
    });
}

/// Increments counters from another thread, so that they live there, and ends that thread.
async fn elsewhere(rig: &Rig, streams: impl IntoIterator<Item = StreamId>) {
    let arbiter = Arbiter::new();
    for stream in streams {
        let (engine, request) = (Arc::clone(&rig.engine), rig.execute(Increment(1)));
        let (reply, told) = tokio::sync::oneshot::channel();
        arbiter.spawn(async move {
            let _ = reply.send(engine.ask(stream, request).await);
        });
        told.await.expect("a reply").expect("an answer");
    }
    end(arbiter).await;
}

async fn end(arbiter: Arbiter) {
    arbiter.stop();
    tokio::task::spawn_blocking(move || arbiter.join()).await.expect("a join").expect("a thread that ends well");
}

#[test]
fn closing_lets_everything_go_and_the_appender_ends() {
    run(async {
        let rig = Rig::start();
        for _ in 0..10 {
            rig.told(StreamId::generate(), Increment(1)).await;
        }
        let engine: Weak<Engine<Counter>> = Arc::downgrade(&rig.engine);
        rig.stop().await;
        assert!(engine.upgrade().is_none(), "nobody holds the engine");
    });
}

#[test]
fn closing_finishes_what_is_in_flight_and_what_has_gathered() {
    run(async {
        let rig = Rig::start();
        let (stream, store) = (StreamId::generate(), Arc::clone(&rig.store));
        store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let second = rig.decide(stream, rig.execute(Increment(1))).await;
        store.before_append().holds(1).await;
        rig.engine.close();
        store.before_append().open();
        assert_eq!(answer(first).await.expect("an answer").answer.value, 1);
        assert_eq!(answer(second).await.expect("an answer").answer.value, 2);
        rig.stop().await;
    });
}

#[test]
fn closing_finishes_what_waits_for_a_reading() {
    run(async {
        let rig = Rig::start();
        let (stream, store) = (StreamId::generate(), Arc::clone(&rig.store));
        rig.seed(stream, 3).await;
        store.before_read().close();
        let first = rig.send(stream, rig.execute(Increment(1)));
        let second = rig.send(stream, rig.execute(Increment(1)));
        store.before_read().holds(1).await;
        rig.engine.close();
        store.before_read().open();
        assert_eq!(answer(first).await.expect("an answer").answer.value, 4);
        assert_eq!(answer(second).await.expect("an answer").answer.value, 5);
        rig.stop().await;
    });
}

#[test]
fn nothing_is_asked_of_a_closed_engine() {
    run(async {
        let rig = Rig::start();
        rig.engine.close();
        let failure = rig.ask(StreamId::generate(), Increment(1)).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
        assert_eq!(rig.engine.live(), 0);
    });
}

#[test]
fn a_counter_with_a_commit_in_flight_does_not_leave() {
    run(async {
        let rig = Rig::living(few(1));
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let asked = rig.decide(stream, rig.execute(Increment(1))).await;
        for _ in 0..200 {
            rig.read(StreamId::generate()).await;
        }
        assert_eq!(rig.metric("ordo_passivations_total", None), 0);
        let second = rig.decide(stream, rig.execute(Increment(1))).await;
        assert_eq!(rig.metric("ordo_rehydrations_total", None), 201, "it was in memory still");
        rig.store.before_append().open();
        answer(asked).await.expect("an answer");
        assert_eq!(answer(second).await.expect("an answer").answer.value, 2);
    });
}

#[test]
fn a_counter_that_left_memory_comes_back_as_it_was() {
    run(async {
        let rig = Rig::living(few(1));
        let stream = StreamId::generate();
        let told = rig.told(stream, Increment(5)).await;
        for _ in 0..10 {
            rig.told(StreamId::generate(), Increment(1)).await;
        }
        let_others_run().await;
        assert!(rig.metric("ordo_passivations_total", None) >= 9);
        let read = rig.read(stream).await;
        assert_eq!((read.answer.value, read.answer.version, read.position), (5, 1, told.position));
    });
}

#[test]
fn a_counter_that_is_opened_again_has_seen_the_commits_of_the_one_that_died() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let arbiter = Arbiter::new();
        let (engine, request) = (Arc::clone(&rig.engine), rig.execute(Increment(1)));
        arbiter.spawn(async move { drop(engine.ask(stream, request).await) });
        rig.store.before_append().holds(1).await;
        end(arbiter).await;
        let read = rig.send(stream, assuming_new(rig.reading()));
        let_others_run().await;
        rig.store.before_append().open();
        assert_eq!(answer(read).await.expect("an answer").answer.value, 1);
    });
}

#[test]
fn counters_whose_thread_has_ended_leave_the_registry() {
    run(async {
        let rig = Rig::living(few(8));
        elsewhere(&rig, (0..8).map(|_| StreamId::generate())).await;
        for _ in 0..200 {
            rig.told(StreamId::generate(), Increment(1)).await;
            let_others_run().await;
        }
        assert!(rig.engine.live() <= 16, "{} are alive", rig.engine.live());
    });
}
