//! Code that panics costs its actor the memory of its state, and nobody else anything.

use chrono::{DateTime, Utc};
use ordo_actors::{
    aggregate::{
        Aggregate, DecodeError, DomainEvent, EventKind,
        rehydrate::{Until, rehydrate},
        request::{Failure, Request},
    },
    log::event::StreamId,
    testing::Counter,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::rig::*;

#[test]
fn a_decision_that_panics_is_a_failure_and_changes_nothing() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        let failure = rig.ask(stream, Panic).await.expect_err("a failure");
        assert!(matches!(failure, Failure::Panicked), "{failure}");
        assert_eq!(rig.told(stream, Increment(1)).await.answer.value, 2);
        assert_eq!(rig.metric("ordo_actor_panics_total", None), 1);
    });
}

#[test]
fn a_renderer_that_panics_is_a_failure_and_changes_nothing() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        let request = Request::<Counter, Seen>::execute(Increment(10), |_| panic!("as the test wants"));
        assert!(matches!(rig.engine.ask(stream, request).await, Err(Failure::Panicked)));
        assert_eq!(rig.read(stream).await.answer.value, 1);
    });
}

#[test]
fn a_panic_does_not_hurt_what_has_gathered_and_what_comes_after() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let first = rig.decide(stream, rig.execute(Increment(1))).await;
        let second = rig.decide(stream, rig.execute(Increment(10))).await;
        assert!(matches!(rig.ask(stream, Panic).await, Err(Failure::Panicked)));
        let third = rig.send(stream, rig.execute(Increment(100)));
        let_others_run().await;
        rig.store.before_append().open();
        assert_eq!(answer(first).await.expect("an answer").answer.value, 1);
        assert_eq!(answer(second).await.expect("an answer").answer.value, 11);
        assert_eq!(answer(third).await.expect("an answer").answer.value, 111);
        assert_eq!(rig.head().await, 3);
    });
}

#[test]
fn a_panic_does_not_hurt_what_is_in_flight() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let written = rig.decide(stream, rig.execute(Increment(1))).await;
        let read = rig.decide(stream, rig.reading()).await;
        assert!(matches!(rig.ask(stream, Panic).await, Err(Failure::Panicked)));
        rig.store.before_append().open();
        assert_eq!(answer(written).await.expect("an answer").answer.value, 1);
        assert_eq!(answer(read).await.expect("an answer").answer.value, 1);
    });
}

#[test]
fn a_panic_does_not_hurt_other_counters() {
    run(async {
        let rig = Rig::start();
        let (one, two) = (StreamId::generate(), StreamId::generate());
        rig.told(one, Increment(1)).await;
        rig.told(two, Increment(1)).await;
        rig.ask(one, Panic).await.expect_err("a failure");
        rig.told(two, Increment(1)).await;
        assert_eq!(rig.metric("ordo_rehydrations_total", None), 2, "the other one stayed in memory");
    });
}

/// An aggregate with an event that cannot be folded in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Brittle;

#[derive(Debug)]
struct Touched;

impl Aggregate for Brittle {
    const TYPE: &'static str = "Counter";
    const SNAPSHOT_SCHEMA: u32 = 1;
    type Command = ();
    type Event = Touched;
    type Rejection = std::fmt::Error;

    fn decide(&self, (): &()) -> Result<Vec<Touched>, std::fmt::Error> {
        Ok(vec![])
    }

    fn evolve(&mut self, _: &Touched, _: DateTime<Utc>) {
        panic!("it does not bear to be touched");
    }
}

impl DomainEvent for Touched {
    const KINDS: &'static [EventKind] = &[("Incremented", 1)];

    fn event_type(&self) -> &'static str {
        "Incremented"
    }

    fn encode(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(&())
    }

    fn decode(_: &str, _: &RawValue) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

#[test]
fn requests_behind_a_panic_are_answered() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        let panicking = rig.send(stream, rig.execute(Panic));
        let behind: Vec<_> = (0..20).map(|_| rig.send(stream, rig.execute(Increment(1)))).collect();
        assert!(matches!(answer(panicking).await, Err(Failure::Panicked)));
        for asked in behind {
            answer(asked).await.expect("an answer");
        }
        assert_eq!(rig.read(stream).await.answer.value, 21);
    });
}

#[test]
fn an_event_that_panics_is_a_failure_of_the_reading() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(stream, 1).await;
        let read = rehydrate::<Brittle>(rig.store.as_ref(), stream, Until::Now, 100).await;
        assert!(matches!(read, Err(Failure::Panicked)));
    });
}

#[test]
fn an_actor_survives_an_event_that_panics() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(stream, 1).await;
        let brittle = rig.start_another::<Brittle>();
        for _ in 0..2 {
            let failure = brittle.ask(stream, Request::read(|_| ())).await.expect_err("a failure");
            assert!(matches!(failure, Failure::Panicked), "{failure}");
        }
    });
}
