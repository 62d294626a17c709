//! Reading streams and the log: every condition alone, together, with limits and cursors.

use std::sync::Arc;

use super::building::{
    INCREMENTED, append, at, commit, counted, event, event_saying, exact, found, increments, log_of, micro, positions,
    second, versions, write,
};
use crate::log::{
    event::{Position, StreamId, Version},
    store::{EVENT_BYTES, EventStore, LogQuery, MAX_READ, NewEvent, READ_BYTES, StreamWrite},
};

async fn read(store: &dyn EventStore, stream: StreamId, from: u64, limit: usize) -> Vec<u64> {
    versions(&store.read_stream(stream, Version(from), limit).await.expect("a stream"))
}

async fn positions_of(store: &dyn EventStore, query: LogQuery) -> Vec<u64> {
    positions(&found(store, query).await)
}

fn everything() -> LogQuery {
    LogQuery::after(Position::START, MAX_READ)
}

/// A log of eight events, one per second, position `n` at `second(n)`:
/// 1, 2, 5, 8 in stream `a`, 3, 6 in `b` (type `Counter`), 4, 7 in `c` (type `Saga`);
/// of type `Up` 1, 3, 4, 5; `Down` 2, 6, 7; `Reset` 8.
struct Sample {
    a: StreamId,
    b: StreamId,
    c: StreamId,
}

async fn sample(store: &dyn EventStore) -> Sample {
    let [a, b, c] = [0, 0, 0].map(|_| StreamId::generate());
    let log = [
        (a, "Counter", 0, "Up"),
        (a, "Counter", 1, "Down"),
        (b, "Counter", 0, "Up"),
        (c, "Saga", 0, "Up"),
        (a, "Counter", 2, "Up"),
        (b, "Counter", 1, "Down"),
        (c, "Saga", 1, "Down"),
        (a, "Counter", 3, "Reset"),
    ];
    for ((stream, aggregate_type, version, event_type), seconds) in log.into_iter().zip(1..) {
        let write =
            StreamWrite { aggregate_type: aggregate_type.into(), ..write(stream, exact(version), [event(event_type)]) };
        append(store, at(second(seconds), commit([write]))).await;
    }
    Sample { a, b, c }
}

fn types<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

pub async fn a_stream_reads_from_a_version_on(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 5)).await;
    assert_eq!(read(&*store, stream, 1, 100).await, [1, 2, 3, 4, 5]);
    assert_eq!(read(&*store, stream, 3, 100).await, [3, 4, 5]);
    assert_eq!(read(&*store, stream, 5, 100).await, [5]);
}

pub async fn a_stream_reads_whole_from_version_zero(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 2)).await;
    assert_eq!(read(&*store, stream, 0, 100).await, [1, 2]);
}

pub async fn a_stream_reads_nothing_past_its_end(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 2)).await;
    for from in [3, 4, u64::from(u32::MAX), i64::MAX.unsigned_abs(), u64::MAX] {
        assert!(read(&*store, stream, from, 100).await.is_empty(), "from {from}");
    }
}

pub async fn a_stream_reads_at_most_the_limit(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 5)).await;
    assert_eq!(read(&*store, stream, 2, 2).await, [2, 3]);
    assert!(read(&*store, stream, 1, 0).await.is_empty());
    assert_eq!(read(&*store, stream, 4, usize::MAX).await, [4, 5]);
}

pub async fn a_stream_that_does_not_exist_reads_as_nothing(store: Arc<dyn EventStore>) {
    assert!(read(&*store, StreamId::generate(), 1, 100).await.is_empty());
}

pub async fn a_stream_reads_in_order_across_other_streams(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    for version in 0..20 {
        append(&*store, commit([increments(b, exact(version), 1), increments(a, exact(version * 2), 2)])).await;
    }
    assert_eq!(read(&*store, a, 1, 100).await, (1..=40).collect::<Vec<_>>());
    assert_eq!(read(&*store, a, 20, 5).await, [20, 21, 22, 23, 24]);
    assert_eq!(read(&*store, b, 19, 5).await, [19, 20]);
}

pub async fn the_log_reads_after_a_position(store: Arc<dyn EventStore>) {
    append(&*store, counted(StreamId::generate(), exact(0), 5)).await;
    assert_eq!(positions_of(&*store, LogQuery::after(Position(0), 100)).await, [1, 2, 3, 4, 5]);
    assert_eq!(positions_of(&*store, LogQuery::after(Position(3), 100)).await, [4, 5]);
    assert!(positions_of(&*store, LogQuery::after(Position(5), 100)).await.is_empty());
}

pub async fn the_log_reads_nothing_past_its_end(store: Arc<dyn EventStore>) {
    append(&*store, counted(StreamId::generate(), exact(0), 2)).await;
    for after in [2, 3, u64::from(u32::MAX), i64::MAX.unsigned_abs(), u64::MAX] {
        assert!(positions_of(&*store, LogQuery::after(Position(after), 100)).await.is_empty(), "after {after}");
    }
}

pub async fn the_log_reads_at_most_the_limit(store: Arc<dyn EventStore>) {
    append(&*store, counted(StreamId::generate(), exact(0), 5)).await;
    assert_eq!(positions_of(&*store, LogQuery::after(Position(1), 2)).await, [2, 3]);
    assert!(positions_of(&*store, LogQuery::after(Position(1), 0)).await.is_empty());
    assert_eq!(positions_of(&*store, LogQuery::after(Position(3), usize::MAX)).await, [4, 5]);
}

pub async fn the_log_reads_in_pages_without_gap_or_double(store: Arc<dyn EventStore>) {
    for events in [3, 1, 4, 1, 5, 9] {
        append(&*store, counted(StreamId::generate(), exact(0), events)).await;
    }
    let mut read = Vec::new();
    loop {
        let after = Position(read.last().copied().unwrap_or(0));
        let page = positions_of(&*store, LogQuery::after(after, 4)).await;
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, (1..=23).collect::<Vec<_>>());
}

pub async fn the_log_stays_in_commit_order_when_clocks_go_back(store: Arc<dyn EventStore>) {
    for seconds in [50, 10, 30] {
        append(&*store, at(second(seconds), counted(StreamId::generate(), exact(0), 1))).await;
    }
    let times: Vec<_> = log_of(&*store).await.iter().map(|event| event.timestamp).collect();
    assert_eq!(times, [second(50), second(10), second(30)]);
    let query = LogQuery { from: Some(second(10)), to: Some(second(40)), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [2, 3]);
}

pub async fn the_log_filters_by_stream(store: Arc<dyn EventStore>) {
    let Sample { a, b, c } = sample(&*store).await;
    for (stream, expected) in [(a, vec![1, 2, 5, 8]), (b, vec![3, 6]), (c, vec![4, 7]), (StreamId::generate(), vec![])]
    {
        let query = LogQuery { stream: Some(stream), ..everything() };
        assert_eq!(positions_of(&*store, query).await, expected);
    }
}

pub async fn the_log_filters_by_one_event_type(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let query = LogQuery { event_types: types(["Down"]), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [2, 6, 7]);
}

pub async fn the_log_filters_by_several_event_types(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let query = LogQuery { event_types: types(["Reset", "Down", "Reset"]), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [2, 6, 7, 8]);
}

pub async fn the_log_finds_nothing_of_an_event_type_that_never_was(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    for name in ["Sideways", "up", "UP", "Up ", "U%", "_p", ""] {
        let query = LogQuery { event_types: types([name]), ..everything() };
        assert!(positions_of(&*store, query).await.is_empty(), "{name:?}");
    }
}

pub async fn the_log_takes_names_for_text_and_nothing_else(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let name = "Up' OR '1'='1";
    assert!(positions_of(&*store, LogQuery { event_types: types([name]), ..everything() }).await.is_empty());
    assert!(positions_of(&*store, LogQuery { aggregate_type: Some(name.to_owned()), ..everything() }).await.is_empty());
    append(&*store, commit([write(StreamId::generate(), exact(0), [event(name)])])).await;
    assert_eq!(positions_of(&*store, LogQuery { event_types: types([name]), ..everything() }).await, [9]);
}

pub async fn the_log_filters_by_aggregate_type(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    for (name, expected) in [("Counter", vec![1, 2, 3, 5, 6, 8]), ("Saga", vec![4, 7]), ("saga", vec![]), ("", vec![])]
    {
        let query = LogQuery { aggregate_type: Some(name.to_owned()), ..everything() };
        assert_eq!(positions_of(&*store, query).await, expected, "{name:?}");
    }
}

pub async fn the_log_filters_from_a_time_on(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let query = LogQuery { from: Some(second(6)), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [6, 7, 8]);
}

pub async fn the_log_filters_up_to_a_time_and_not_at_it(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let query = LogQuery { to: Some(second(3)), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [1, 2]);
}

pub async fn the_log_filters_by_a_range_of_time(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    for (from, to, expected) in [(2, 4, vec![2, 3]), (3, 3, vec![]), (4, 2, vec![]), (0, 99, (1..=8).collect())] {
        let query = LogQuery { from: Some(second(from)), to: Some(second(to)), ..everything() };
        assert_eq!(positions_of(&*store, query).await, expected, "{from} to {to}");
    }
}

pub async fn times_are_compared_to_the_microsecond(store: Arc<dyn EventStore>) {
    for micros in [1, 2, 3] {
        append(&*store, at(micro(micros), counted(StreamId::generate(), exact(0), 1))).await;
    }
    let query = LogQuery { from: Some(micro(2)), to: Some(micro(3)), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [2]);
}

pub async fn the_log_filters_by_stream_and_position(store: Arc<dyn EventStore>) {
    let Sample { a, .. } = sample(&*store).await;
    for (after, expected) in [(0, vec![1, 2, 5, 8]), (1, vec![2, 5, 8]), (2, vec![5, 8]), (4, vec![5, 8]), (8, vec![])]
    {
        let query = LogQuery { stream: Some(a), after: Position(after), ..everything() };
        assert_eq!(positions_of(&*store, query).await, expected, "after {after}");
    }
}

pub async fn the_log_filters_by_stream_and_event_type(store: Arc<dyn EventStore>) {
    let Sample { a, .. } = sample(&*store).await;
    let query = LogQuery { stream: Some(a), event_types: types(["Up", "Reset"]), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [1, 5, 8]);
}

pub async fn the_log_filters_by_stream_and_time(store: Arc<dyn EventStore>) {
    let Sample { a, .. } = sample(&*store).await;
    let query = LogQuery { stream: Some(a), from: Some(second(2)), to: Some(second(8)), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [2, 5]);
}

pub async fn the_log_finds_nothing_of_a_stream_under_another_aggregate_type(store: Arc<dyn EventStore>) {
    let Sample { c, .. } = sample(&*store).await;
    for (name, expected) in [("Saga", vec![4, 7]), ("Counter", vec![])] {
        let query = LogQuery { stream: Some(c), aggregate_type: Some(name.to_owned()), ..everything() };
        assert_eq!(positions_of(&*store, query).await, expected, "{name}");
    }
}

pub async fn the_log_filters_by_aggregate_type_and_event_type(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let query = LogQuery { aggregate_type: Some("Counter".to_owned()), event_types: types(["Up"]), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [1, 3, 5]);
}

pub async fn the_log_filters_by_event_type_and_time(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let query = LogQuery { event_types: types(["Up"]), from: Some(second(3)), to: Some(second(5)), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [3, 4]);
}

pub async fn the_log_filters_by_aggregate_type_and_time(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let query = LogQuery { aggregate_type: Some("Saga".to_owned()), from: Some(second(5)), ..everything() };
    assert_eq!(positions_of(&*store, query).await, [7]);
}

pub async fn the_log_filters_by_everything_at_once(store: Arc<dyn EventStore>) {
    let Sample { a, .. } = sample(&*store).await;
    let query = LogQuery {
        after: Position(1),
        limit: 2,
        stream: Some(a),
        event_types: types(["Up", "Down", "Reset"]),
        aggregate_type: Some("Counter".to_owned()),
        from: Some(second(1)),
        to: Some(second(8)),
    };
    assert_eq!(positions_of(&*store, query.clone()).await, [2, 5]);
    assert_eq!(positions_of(&*store, LogQuery { limit: 1, ..query.clone() }).await, [2]);
    assert_eq!(positions_of(&*store, LogQuery { after: Position(2), ..query }).await, [5]);
}

pub async fn a_limit_counts_what_matches(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let query = LogQuery { event_types: types(["Down"]), limit: 2, ..everything() };
    assert_eq!(positions_of(&*store, query).await, [2, 6]);
}

pub async fn a_filtered_log_reads_in_pages_without_gap_or_double(store: Arc<dyn EventStore>) {
    sample(&*store).await;
    let mut read = Vec::new();
    loop {
        let after = Position(read.last().copied().unwrap_or(0));
        let query = LogQuery { after, limit: 2, event_types: types(["Up", "Reset"]), ..LogQuery::default() };
        let page = positions_of(&*store, query).await;
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, [1, 3, 4, 5, 8]);
}

pub async fn a_filtered_stream_reads_in_pages_without_gap_or_double(store: Arc<dyn EventStore>) {
    let Sample { a, .. } = sample(&*store).await;
    let mut read = Vec::new();
    loop {
        let after = Position(read.last().copied().unwrap_or(0));
        let query = LogQuery { after, limit: 1, stream: Some(a), event_types: types(["Up"]), ..LogQuery::default() };
        let page = positions_of(&*store, query).await;
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, [1, 5]);
}

pub async fn no_read_returns_more_than_the_cap(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), MAX_READ / 2)).await;
    append(&*store, counted(stream, exact((MAX_READ / 2) as u64), MAX_READ / 2 + 1)).await;
    assert_eq!(read(&*store, stream, 1, usize::MAX).await.len(), MAX_READ);
    assert_eq!(found(&*store, LogQuery::after(Position::START, usize::MAX)).await.len(), MAX_READ);
    let of_stream = LogQuery { stream: Some(stream), limit: usize::MAX, ..LogQuery::default() };
    assert_eq!(found(&*store, of_stream).await.len(), MAX_READ);
    assert_eq!(positions_of(&*store, LogQuery::after(Position(MAX_READ as u64), 10)).await, [MAX_READ as u64 + 1]);
}

/// A stream of events whose payloads are of so many bytes each.
async fn large(store: &dyn EventStore, sizes: &[usize]) -> StreamId {
    let stream = StreamId::generate();
    let events = sizes.iter().map(|size| event_saying(&format!(r#"{{"text":"{}"}}"#, "x".repeat(size - 11))));
    append(store, commit([write(stream, exact(0), events)])).await;
    stream
}

pub async fn a_read_ends_with_the_event_that_brings_it_to_its_bytes(store: Arc<dyn EventStore>) {
    let full = READ_BYTES / 3 - EVENT_BYTES;
    let stream = large(&*store, &[full, full, full, full + 1, full, full - 1, full, 20]).await;
    let filtered = LogQuery { event_types: types([INCREMENTED]), ..everything() };
    let of_stream = LogQuery { stream: Some(stream), ..everything() };
    for query in [everything(), filtered, of_stream] {
        for (after, read, is_last) in [(0, 3, false), (1, 3, false), (4, 4, false), (5, 3, true), (8, 0, true)] {
            let page = store.read_all(&LogQuery { after: Position(after), ..query.clone() }).await.expect("a page");
            assert_eq!((page.len(), page.is_last()), (read, is_last), "{query:?} after {after}");
            let page = store.read_stream(stream, Version(after + 1), MAX_READ).await.expect("a page");
            assert_eq!((page.len(), page.is_last()), (read, is_last), "after {after}");
        }
    }
}

pub async fn a_read_returns_one_event_however_large(store: Arc<dyn EventStore>) {
    let stream = large(&*store, &[READ_BYTES + 1, READ_BYTES + 1]).await;
    for after in [0, 1] {
        let page = store.read_all(&LogQuery::after(Position(after), 10)).await.expect("a page");
        assert_eq!((positions(&page), page.is_last()), (vec![after + 1], false));
        assert_eq!(read(&*store, stream, after + 1, 10).await, [after + 1]);
    }
}

pub async fn a_read_tells_whether_it_came_to_the_end(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 3)).await;
    for (limit, is_last) in [(2, false), (3, false), (4, true)] {
        let of_log = store.read_all(&LogQuery::after(Position::START, limit)).await.expect("a page");
        let of_stream = store.read_stream(stream, Version(1), limit).await.expect("a page");
        assert_eq!((of_log.is_last(), of_stream.is_last()), (is_last, is_last), "{limit}");
    }
}

pub async fn a_rare_event_is_found_far_down_the_log(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    append(&*store, counted(stream, exact(0), 9000)).await;
    append(&*store, commit([write(StreamId::generate(), exact(0), [event("Rare")])])).await;
    append(&*store, counted(stream, exact(9000), 10)).await;
    let query = LogQuery { event_types: types(["Rare"]), limit: 1, ..LogQuery::default() };
    assert_eq!(positions_of(&*store, query).await, [9001]);
}

pub async fn both_ways_of_reading_show_the_same_event(store: Arc<dyn EventStore>) {
    let Sample { a, .. } = sample(&*store).await;
    let by_log = found(&*store, LogQuery { stream: Some(a), ..everything() }).await;
    assert_eq!(store.read_stream(a, Version(1), 100).await.expect("a stream").into_events(), by_log);
}

pub async fn events_of_several_schema_versions_are_found_by_one_type(store: Arc<dyn EventStore>) {
    let old_and_new = [1, 2].map(|schema_version| NewEvent { schema_version, ..event("Up") });
    append(&*store, commit([write(StreamId::generate(), exact(0), old_and_new)])).await;
    let events = found(&*store, LogQuery { event_types: types(["Up"]), ..everything() }).await;
    assert_eq!(events.iter().map(|event| event.schema_version).collect::<Vec<_>>(), [1, 2]);
}
