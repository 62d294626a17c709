//! The states that readers share: at exactly the version asked for, read once, bounded in bytes, and never ahead of the log.

use std::sync::Arc;

use ordo_actors::{
    aggregate::{
        rehydrate::{Loaded, Until, rehydrate},
        stream_cache::StreamCache,
    },
    log::{
        event::{EventEnvelope, Position, StreamId, Version},
        store::EventStore,
    },
    projection::{ReaderStates, Sources, StreamChange, TakeError},
    stores::memory::{MemoryRows, MemoryStore},
    testing::{
        AppendFault, Counter, CounterEvent, FaultyStore,
        contract::building::{append, counted, event_saying, exact, stream_of},
    },
};

use crate::rig::*;

const MOST_BYTES: usize = 1 << 20;

/// A log of one stream of so many events, each of which counts one up.
async fn log_of(events: usize) -> (FaultyStore<MemoryStore>, StreamId) {
    let (log, stream) = (FaultyStore::new(MemoryStore::new()), StreamId::generate());
    append(&log, counted(stream, exact(0), events)).await;
    (log, stream)
}

fn state(version: u64, value: u64) -> Arc<Loaded<Counter>> {
    let state = Counter { value, ..Counter::default() };
    Arc::new(Loaded { state, version: Version(version), ..Loaded::default() })
}

async fn values(cache: &StreamCache<Counter>, log: &dyn EventStore, stream: StreamId, versions: &[u64]) -> Vec<u64> {
    let mut values = Vec::new();
    for version in versions {
        values.push(cache.at(log, stream, Version(*version)).await.expect("a state").state.value);
    }
    values
}

#[tokio::test]
async fn a_state_is_of_the_version_asked_for_and_no_other() {
    let (log, stream) = log_of(5).await;
    let cache = StreamCache::new(MOST_BYTES);
    let asked = [3, 5, 4, 3, 0, 1, 5];
    assert_eq!(values(&cache, &log, stream, &asked).await, asked);
    let reads = log.stream_reads();
    assert_eq!(values(&cache, &log, stream, &asked).await, asked);
    assert_eq!(log.stream_reads(), reads, "all of them are kept");
}

#[tokio::test]
async fn readers_that_miss_a_state_together_read_it_once() {
    let (log, stream) = log_of(5).await;
    let cache = StreamCache::<Counter>::new(MOST_BYTES);
    let ask = || cache.at(&log, stream, Version(5));
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    let first = first.expect("a state");
    assert!([second, third].into_iter().all(|other| Arc::ptr_eq(&first, &other.expect("a state"))));
    assert_eq!(log.stream_reads(), 1);
}

#[tokio::test]
async fn it_keeps_no_more_bytes_than_its_limit_and_drops_what_was_used_longest_ago() {
    let cache = StreamCache::new(100_000);
    let streams: Vec<_> = (0..10).map(|_| StreamId::generate()).collect();
    for stream in &streams[..7] {
        cache.put(*stream, state(1, 10_000));
    }
    let known = |stream: &StreamId| cache.get(*stream, Version(1)).is_some();
    assert!(streams[..7].iter().all(known));
    assert!(known(&streams[0]), "used again");
    cache.put(streams[7], state(1, 10_000));
    assert!(known(&streams[0]) && !known(&streams[1]) && known(&streams[7]));
    cache.put(streams[8], state(1, 200_000));
    assert!(!known(&streams[8]), "larger than everything together");
    assert!(cache.bytes() <= 100_000);
    cache.clear();
    assert_eq!(cache.bytes(), 0);
}

#[tokio::test]
async fn the_versions_of_a_busy_stream_drop_no_other_stream() {
    let cache = StreamCache::new(100_000);
    let (quiet, busy) = (StreamId::generate(), StreamId::generate());
    cache.put(quiet, state(1, 10_000));
    for version in 1..=100 {
        cache.put(busy, state(version, 10_000));
    }
    let known = |stream, version| cache.get(stream, Version(version)).is_some();
    assert!(known(quiet, 1) && known(busy, 100) && known(busy, 99) && !known(busy, 90));
    // What a reader far behind folds does not take the place of the newest.
    cache.put(busy, state(3, 10_000));
    assert!(known(busy, 100) && known(busy, 3));
    assert!(cache.bytes() <= 100_000);
}

#[tokio::test]
async fn every_way_to_a_state_gives_the_same_one() {
    let (log, stream) = log_of(30).await;
    let events = stream_of(&log, stream).await;
    for most_bytes in [0, 2_000, MOST_BYTES] {
        let cache = StreamCache::<Counter>::new(most_bytes);
        for (from, to) in [(0, 30), (4, 9), (9, 12), (9, 10), (10, 12), (0, 1), (29, 30), (2, 29)] {
            let change = StreamChange::of(events[from..to].to_vec(), &cache, &log).await.expect("a change");
            for (side, version) in [(&change.before, from), (&change.after, to)] {
                let version = Version(version as u64);
                let read: Loaded<Counter> = rehydrate(&log, stream, Until::Version(version), 7).await.expect("a state");
                assert_eq!((&side.state, side.version, side.position), (&read.state, version, read.position));
            }
        }
    }
}

#[tokio::test]
async fn a_hole_between_events_is_no_change_even_if_the_state_behind_it_is_kept() {
    let (log, stream) = log_of(5).await;
    let mut events = stream_of(&log, stream).await;
    let cache = StreamCache::<Counter>::new(MOST_BYTES);
    StreamChange::of(events.clone(), &cache, &log).await.expect("a change");
    events.remove(2);
    let refused = StreamChange::of(events, &cache, &log).await.expect_err("a hole");
    assert!(matches!(refused, TakeError::Unprocessable { version: Version(4), .. }), "{refused}");
}

#[tokio::test]
async fn a_reader_far_behind_the_log_leaves_the_shared_states_alone() {
    let (log, stream) = log_of(3).await;
    let (events, rows) = (stream_of(&log, stream).await, MemoryRows::new());
    let shared = Arc::new(StreamCache::<Counter>::new(MOST_BYTES));
    let mut states = ReaderStates::sharing(Arc::clone(&shared));
    let sources = |head| Sources { log: &log, rows: &rows, generation: 1, head: Position(head) };
    for batch in [&events[..1], &events[1..]] {
        let changes = states.changes(batch, sources(1_000_000)).await.expect("changes");
        assert_eq!(changes.len(), 1);
    }
    assert_eq!((shared.bytes(), log.stream_reads()), (0, 1), "only the events themselves were read");
    states.changes(&events, sources(3)).await.expect("changes");
    assert!(shared.get(stream, Version(3)).is_some());
}

#[tokio::test]
async fn an_envelope_is_decoded_once_and_a_copy_decodes_its_own_payload() {
    let (log, stream) = log_of(1).await;
    let event = &stream_of(&log, stream).await[0];
    let typed = || event.typed::<CounterEvent>().expect("a typed event");
    assert!(Arc::ptr_eq(&typed(), &typed()));
    let mut copy = EventEnvelope::clone(event);
    copy.payload = event_saying(r#"{"by":7}"#).payload;
    assert_eq!(*copy.typed::<CounterEvent>().expect("a typed event"), CounterEvent::Incremented { by: 7 });
    copy = EventEnvelope::clone(&copy);
    copy.payload = event_saying("7").payload;
    let refused = || copy.typed::<CounterEvent>().expect_err("no such payload");
    assert!(Arc::ptr_eq(&refused(), &refused()));
}

#[test]
fn an_actor_hands_over_the_state_that_its_next_events_are_folded_onto() {
    run(async {
        let rig = Rig::start();
        let counter = StreamId::generate();
        rig.seed(counter, 3).await;
        rig.told(counter, Increment(1)).await;
        let reads = rig.store.stream_reads();
        let before = rig.states.at(&*rig.store, counter, Version(3)).await.expect("a state");
        assert_eq!((before.state.value, rig.store.stream_reads()), (3, reads));
    });
}

#[test]
fn a_state_that_is_not_durable_is_not_handed_over() {
    run(async {
        let rig = Rig::start();
        let counter = StreamId::generate();
        rig.seed(counter, 3).await;
        rig.store.fail_next_append(AppendFault::Unavailable);
        rig.store.before_append().close();
        let first = rig.decide(counter, rig.execute(Increment(1))).await;
        let second = rig.decide(counter, rig.execute(Increment(1))).await;
        let known = |version| rig.states.get(counter, Version(version)).is_some();
        assert_eq!([3, 4, 5].map(known), [true, false, false]);
        rig.store.before_append().open();
        assert!(first.await.expect("a task").is_err());
        assert!(second.await.expect("a task").is_err());
        assert!(!known(4));
    });
}
