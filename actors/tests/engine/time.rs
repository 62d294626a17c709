//! Timestamps never go backwards within a stream.

use chrono::{TimeDelta, Utc};
use ordo_actors::{
    aggregate::{
        engine::Lifespan,
        request::{Intent, Request},
    },
    clock::Clock,
    log::event::StreamId,
};

use crate::rig::*;

#[test]
fn an_event_has_the_time_the_aggregate_saw() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.clock.advance(std::time::Duration::from_secs(9));
        let told = rig.told(stream, Increment(1)).await;
        let stored = rig.stream(stream).await;
        assert_eq!((told.answer.changed_at, stored[0].timestamp), (Some(rig.clock.now()), rig.clock.now()));
    });
}

#[test]
fn a_clock_that_goes_back_does_not_take_the_events_along() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let start = rig.clock.now();
        rig.told(stream, Increment(1)).await;
        rig.clock.set(start - TimeDelta::hours(1));
        let told = rig.told(stream, Increment(1)).await;
        let times: Vec<_> = rig.stream(stream).await.iter().map(|event| event.timestamp).collect();
        assert_eq!((times, told.answer.changed_at), (vec![start, start], Some(start)));
    });
}

#[test]
fn a_clock_that_goes_back_while_a_counter_is_out_of_memory_does_not_either() {
    run(async {
        let rig = Rig::living(Lifespan { most_actors: 1, snapshot_every: 16, ..Lifespan::default() });
        let stream = StreamId::generate();
        let start = rig.clock.now();
        rig.told(stream, IncrementEach(16)).await;
        for _ in 0..5 {
            rig.told(StreamId::generate(), Increment(1)).await;
        }
        rig.clock.set(start - TimeDelta::hours(1));
        rig.told(stream, Increment(1)).await;
        assert!(rig.stream(stream).await.iter().all(|event| event.timestamp == start));
    });
}

#[test]
fn a_clock_that_goes_back_between_two_commands_of_a_group_does_not_either() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let start = rig.clock.now();
        rig.store.before_append().close();
        let mut asked = Vec::new();
        for minutes in [0, 5, -5, 3] {
            rig.clock.set(start + TimeDelta::minutes(minutes));
            asked.push(rig.decide(stream, rig.execute(Increment(1))).await);
        }
        rig.store.before_append().open();
        for asked in asked {
            answer(asked).await.expect("an answer");
        }
        let minutes: Vec<_> =
            rig.stream(stream).await.iter().map(|event| (event.timestamp - start).num_minutes()).collect();
        assert_eq!(minutes, [0, 5, 5, 5]);
    });
}

#[test]
fn a_dry_run_sees_the_time_the_command_would_see() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let start = rig.clock.now();
        rig.told(stream, Increment(1)).await;
        rig.clock.set(start - TimeDelta::hours(1));
        let dry = rig.engine.ask(stream, Request::new(Intent::DryRun(Increment(1)), rig.show())).await;
        assert_eq!(dry.expect("an answer").answer.changed_at, Some(start.with_timezone(&Utc)));
    });
}
