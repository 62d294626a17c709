//! Snapshots shorten the way back into memory and never change what is found there.

use chrono::{DateTime, TimeDelta, Utc};
use ordo_actors::{
    aggregate::{
        engine::Lifespan,
        rehydrate::{Loaded, Until, rehydrate},
    },
    clock::Clock,
    log::{
        event::{StreamId, Version},
        store::{EventStore, ExpectedVersion, MAX_READ, Snapshot},
    },
    testing::{
        Counter,
        contract::building::{append, commit, increments, snapshot, with_snapshot},
    },
};

use crate::rig::*;

fn every(snapshot_every: u64) -> Lifespan {
    Lifespan { snapshot_every, ..Lifespan::default() }
}

async fn stored(rig: &Rig, stream: StreamId) -> Option<Snapshot> {
    rig.store.snapshot(stream).await.expect("a look")
}

/// The JSON of a snapshot, as the engine writes it.
fn body(value: u64) -> String {
    format!(r#"{{"last_at":"2025-01-01T00:00:00Z","state":{{"value":{value},"changes":0,"changed_at":null}}}}"#)
}

/// A stream of so many events, with a snapshot at a version.
async fn with(rig: &Rig, events: usize, version: u64, schema: u32, state: &str) -> StreamId {
    let stream = StreamId::generate();
    let mut write = with_snapshot(version, state, increments(stream, ExpectedVersion::NoStream, events));
    write.snapshot = Some(Snapshot { schema, ..snapshot(version, state) });
    append(rig.store.below(), commit([write])).await;
    stream
}

#[test]
fn a_snapshot_is_written_every_so_many_events() {
    run(async {
        let rig = Rig::living(every(3));
        let stream = StreamId::generate();
        let mut versions = Vec::new();
        for _ in 0..7 {
            rig.told(stream, Increment(1)).await;
            versions.push(stored(&rig, stream).await.map_or(0, |snapshot| snapshot.version.0));
        }
        assert_eq!(versions, [0, 0, 3, 3, 3, 6, 6]);
    });
}

#[test]
fn a_commit_over_several_multiples_writes_one_snapshot_at_its_end() {
    run(async {
        let rig = Rig::living(every(3));
        let stream = StreamId::generate();
        rig.told(stream, Increment(1)).await;
        let told = rig.told(stream, IncrementEach(10)).await;
        let snapshot = stored(&rig, stream).await.expect("a snapshot");
        assert_eq!((snapshot.version, snapshot.position), (Version(11), told.position));
        let state: serde_json::Value = serde_json::from_str(snapshot.state.get()).expect("JSON");
        assert_eq!(state["state"]["value"], 11);
        rig.told(stream, Increment(1)).await;
        assert_eq!(stored(&rig, stream).await.expect("a snapshot").version, Version(12));
    });
}

#[test]
fn no_snapshot_is_written_when_there_are_none() {
    run(async {
        let rig = Rig::living(every(0));
        let stream = StreamId::generate();
        rig.told(stream, IncrementEach(500)).await;
        assert!(stored(&rig, stream).await.is_none());
    });
}

#[test]
fn the_snapshots_of_a_group_are_those_of_their_versions() {
    run(async {
        let rig = Rig::living(every(2));
        let stream = StreamId::generate();
        rig.store.before_append().close();
        let mut asked = Vec::new();
        for _ in 0..6 {
            asked.push(rig.decide(stream, rig.execute(Increment(1))).await);
        }
        rig.store.before_append().open();
        for asked in asked {
            answer(asked).await.expect("an answer");
        }
        let snapshot = stored(&rig, stream).await.expect("a snapshot");
        let state: serde_json::Value = serde_json::from_str(snapshot.state.get()).expect("JSON");
        assert_eq!((snapshot.version, &state["state"]["value"]), (Version(6), &serde_json::json!(6)));
    });
}

#[test]
fn a_snapshot_stands_for_the_events_before_it() {
    run(async {
        let rig = Rig::living(every(16));
        let stream = with(&rig, 40, 32, 1, &body(1_000)).await;
        let read = rig.read(stream).await;
        assert_eq!((read.answer.value, read.answer.version, read.position.0), (1_008, 40, 40));
    });
}

#[test]
fn a_stream_that_ends_with_its_snapshot_has_the_position_of_its_last_event() {
    run(async {
        let rig = Rig::living(every(16));
        let stream = with(&rig, 32, 32, 1, &body(32)).await;
        rig.seed(StreamId::generate(), 5).await;
        let read = rig.read(stream).await;
        assert_eq!((read.answer.version, read.position.0), (32, 32));
    });
}

#[test]
fn a_snapshot_of_another_schema_is_ignored() {
    run(async {
        let rig = Rig::living(every(16));
        let stream = with(&rig, 40, 32, 2, &body(1_000)).await;
        assert_eq!(rig.read(stream).await.answer.value, 40);
    });
}

#[test]
fn a_snapshot_that_does_not_parse_is_ignored() {
    run(async {
        let rig = Rig::living(every(16));
        let stream = with(&rig, 40, 32, 1, r#"{"state":"torn"}"#).await;
        assert_eq!(rig.read(stream).await.answer.value, 40);
    });
}

#[test]
fn a_counter_comes_back_the_same_with_and_without_snapshots() {
    run(async {
        let (with, without) = (Rig::living(every(20)), Rig::living(every(0)));
        let stream = StreamId::generate();
        for rig in [&with, &without] {
            for step in 0..150 {
                rig.clock.advance(std::time::Duration::from_secs(1));
                rig.told(stream, if step % 7 == 6 { Decrement(3) } else { Increment(step) }).await;
            }
        }
        assert!(stored(&with, stream).await.is_some());
        let back = |rig: &Rig| {
            let store = rig.store.clone();
            async move { rehydrate::<Counter>(store.as_ref(), stream, Until::Now, 20).await.expect("a counter") }
        };
        let (with, without): (Loaded<Counter>, Loaded<Counter>) = (back(&with).await, back(&without).await);
        assert_eq!(with.state, without.state);
        assert_eq!((with.version, with.position, with.last_at), (without.version, without.position, without.last_at));
    });
}

#[test]
fn a_counter_is_shown_as_it_was_at_a_version_before_its_snapshot() {
    run(async {
        let rig = Rig::living(every(16));
        let stream = StreamId::generate();
        rig.told(stream, IncrementEach(2_500)).await;
        for version in [0, 1, 999, 1_000, 1_001, 2_499, 2_500, 9_999] {
            let was = rig.engine.as_it_was(stream, Until::Version(Version(version))).await.expect("a counter");
            assert_eq!((was.state.value, was.version.0), (version.min(2_500), version.min(2_500)));
        }
    });
}

#[test]
fn a_counter_is_shown_as_it_was_at_a_time() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        let start = rig.clock.now();
        for _ in 0..5 {
            rig.told(stream, Increment(1)).await;
            rig.clock.advance(std::time::Duration::from_secs(10));
        }
        let at = |seconds| start + TimeDelta::seconds(seconds);
        for (time, value) in [(at(-1), 0), (at(0), 1), (at(19), 2), (at(20), 3), (at(500), 5)] {
            assert_eq!(was(&rig, stream, time).await, value);
        }
    });
}

async fn was(rig: &Rig, stream: StreamId, time: DateTime<Utc>) -> u64 {
    rig.engine.as_it_was(stream, Until::Time(time)).await.expect("a counter").state.value
}

#[test]
fn a_stream_is_read_whole_whatever_the_page() {
    run(async {
        let rig = Rig::start();
        let stream = StreamId::generate();
        rig.seed(stream, MAX_READ + 5).await;
        for page in [0, 1_000, MAX_READ, MAX_READ + 1, usize::MAX] {
            let read = rehydrate::<Counter>(rig.store.below(), stream, Until::Now, page).await.expect("a counter");
            assert_eq!(read.version, Version(MAX_READ as u64 + 5), "page {page}");
        }
    });
}
