//! Old events read as new ones, and a log that is refused because nobody can read it.

use std::sync::Arc;

use ordo_actors::{
    aggregate::EventKind,
    log::{
        event::{Position, StreamId, Version},
        store::{Commit, EventStore, LogQuery, NewEvent, StoreError, StreamWrite},
        upcast::{Readable, UnreadableLog, Upcasters, Upcasting, Why, readable, refuse_unreadable},
    },
    stores::memory::MemoryStore,
    testing::{
        Counter,
        contract::building::{append, commit, event, exact, json, write},
    },
};
use serde_json::value::RawValue;

/// The shared contract, through upcasters that have something to do only for events the contract does not write.
mod contract {
    use super::{Arc, EventStore, MemoryStore, Upcasting, two_steps};

    ordo_actors::store_contract!(|| async {
        Arc::new(Upcasting::new(Arc::new(MemoryStore::new()), two_steps())) as Arc<dyn EventStore>
    });
}

const COUNTED: &[EventKind] = &[("Counted", 3), ("Reset", 1)];
const KNOWN: &[Readable] = &[("Counter", COUNTED)];

/// Version 1 says `{"n":1}`, version 2 `{"by":1}`, version 3 `{"by":1,"unit":"one"}`.
fn two_steps() -> Upcasters {
    Upcasters::new().with("Counter", "Counted", 1, rename).with("Counter", "Counted", 2, add_unit)
}

fn rename(payload: &RawValue) -> serde_json::Result<Box<RawValue>> {
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(payload.get())?;
    let by = object.remove("n").unwrap_or_default();
    object.insert("by".to_owned(), by);
    serde_json::value::to_raw_value(&object)
}

fn add_unit(payload: &RawValue) -> serde_json::Result<Box<RawValue>> {
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(payload.get())?;
    object.insert("unit".to_owned(), "one".into());
    serde_json::value::to_raw_value(&object)
}

fn counted(schema_version: u32, payload: &str) -> NewEvent {
    NewEvent { schema_version, payload: json(payload), ..event("Counted") }
}

/// A store with one stream of these events, and the stream.
async fn store_with(aggregate_type: &str, events: impl IntoIterator<Item = NewEvent>) -> (Arc<MemoryStore>, StreamId) {
    let (store, stream) = (Arc::new(MemoryStore::new()), StreamId::generate());
    append(&*store, commit_of(aggregate_type, stream, events)).await;
    (store, stream)
}

fn commit_of(aggregate_type: &str, stream: StreamId, events: impl IntoIterator<Item = NewEvent>) -> Commit {
    commit([StreamWrite { aggregate_type: aggregate_type.to_owned().into(), ..write(stream, exact(0), events) }])
}

async fn refusal(store: &dyn EventStore, known: &[Readable], upcasters: &Upcasters) -> UnreadableLog {
    refuse_unreadable(store, known, upcasters).await.expect_err("a refusal")
}

fn reasons(refusal: &UnreadableLog) -> Vec<Why> {
    match refusal {
        UnreadableLog::Kinds(kinds) => kinds.0.iter().map(|kind| kind.why).collect(),
        UnreadableLog::Store(error) => panic!("the store failed: {error}"),
    }
}

#[tokio::test]
async fn an_old_event_is_read_from_its_stream_as_the_newest_version() {
    let (store, stream) = store_with("Counter", [counted(1, r#"{"n":4}"#)]).await;
    let events = Upcasting::new(store, two_steps()).read_stream(stream, Version(1), 10).await.expect("a stream");
    assert_eq!((events[0].schema_version, events[0].payload.get()), (3, r#"{"by":4,"unit":"one"}"#));
}

#[tokio::test]
async fn an_old_event_is_read_from_the_log_as_the_newest_version() {
    let (store, _) = store_with("Counter", [counted(1, r#"{"n":4}"#)]).await;
    let query = LogQuery::after(Position::START, 10);
    let events = Upcasting::new(store, two_steps()).read_all(&query).await.expect("the log");
    assert_eq!((events[0].schema_version, events[0].payload.get()), (3, r#"{"by":4,"unit":"one"}"#));
}

#[tokio::test]
async fn an_event_enters_the_chain_at_its_own_version() {
    let (store, stream) = store_with("Counter", [counted(2, r#"{"by":4}"#), counted(3, r#"{"by":5}"#)]).await;
    let events = Upcasting::new(store, two_steps()).read_stream(stream, Version(1), 10).await.expect("a stream");
    assert_eq!(events.iter().map(|event| event.schema_version).collect::<Vec<_>>(), [3, 3]);
    assert_eq!([events[0].payload.get(), events[1].payload.get()], [r#"{"by":4,"unit":"one"}"#, r#"{"by":5}"#]);
}

#[tokio::test]
async fn all_but_payload_and_schema_version_stays() {
    let (store, stream) = store_with("Counter", [counted(1, r#"{"n":4}"#)]).await;
    let old = store.read_stream(stream, Version(1), 10).await.expect("a stream")[0].clone();
    let new =
        Upcasting::new(store, two_steps()).read_stream(stream, Version(1), 10).await.expect("a stream")[0].clone();
    let mut expected = (*old).clone();
    expected.schema_version = 3;
    expected.payload = json(r#"{"by":4,"unit":"one"}"#);
    assert_eq!(*new, expected);
}

#[tokio::test]
async fn the_log_itself_keeps_the_old_event() {
    let (store, stream) = store_with("Counter", [counted(1, r#"{"n":4}"#)]).await;
    let upcasting = Upcasting::new(Arc::clone(&store) as Arc<dyn EventStore>, two_steps());
    upcasting.read_stream(stream, Version(1), 10).await.expect("a stream");
    let kept = store.read_stream(stream, Version(1), 10).await.expect("a stream")[0].clone();
    assert_eq!((kept.schema_version, kept.payload.get()), (1, r#"{"n":4}"#));
    assert_eq!(upcasting.kinds().await.expect("kinds")[0].schema_version, 1);
}

#[tokio::test]
async fn the_same_event_type_of_another_aggregate_is_left_alone() {
    let (store, stream) = store_with("Scale", [counted(1, r#"{"n":4}"#)]).await;
    let events = Upcasting::new(store, two_steps()).read_stream(stream, Version(1), 10).await.expect("a stream");
    assert_eq!((events[0].schema_version, events[0].payload.get()), (1, r#"{"n":4}"#));
}

#[tokio::test]
async fn a_step_that_cannot_read_the_payload_makes_the_log_corrupt_and_names_the_event() {
    let (store, stream) = store_with("Counter", [counted(3, "{}"), counted(1, "[]")]).await;
    let error = Upcasting::new(store, two_steps()).read_stream(stream, Version(1), 10).await.expect_err("an error");
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("the Counted at position 2 does not read as schema version 1"), "{said}");
}

#[tokio::test]
async fn steps_of_two_sets_work_together() {
    let one = Upcasters::new().with("Counter", "Counted", 1, rename);
    let both = one.and(Upcasters::new().with("Counter", "Counted", 2, add_unit));
    let (store, stream) = store_with("Counter", [counted(1, r#"{"n":4}"#)]).await;
    let events = Upcasting::new(store, both).read_stream(stream, Version(1), 10).await.expect("a stream");
    assert_eq!(events[0].schema_version, 3);
}

#[tokio::test]
async fn an_empty_log_is_readable_by_anyone() {
    refuse_unreadable(&MemoryStore::new(), &[], &Upcasters::new()).await.expect("nothing to read");
}

#[tokio::test]
async fn a_log_of_known_kinds_is_readable() {
    let (store, _) = store_with("Counter", [counted(3, "{}"), event("Reset")]).await;
    refuse_unreadable(&*store, KNOWN, &Upcasters::new()).await.expect("a reader for all");
}

#[tokio::test]
async fn an_old_version_is_readable_when_every_step_to_the_newest_is_there() {
    let (store, _) = store_with("Counter", [counted(1, "{}"), counted(2, "{}")]).await;
    refuse_unreadable(&*store, KNOWN, &two_steps()).await.expect("a reader for all");
}

#[tokio::test]
async fn an_old_version_is_refused_when_a_step_is_missing() {
    let (store, _) = store_with("Counter", [counted(1, "{}")]).await;
    let first_only = Upcasters::new().with("Counter", "Counted", 1, rename);
    assert_eq!(reasons(&refusal(&*store, KNOWN, &first_only).await), [Why::NoUpcasterFrom(2)]);
    let second_only = Upcasters::new().with("Counter", "Counted", 2, add_unit);
    assert_eq!(reasons(&refusal(&*store, KNOWN, &second_only).await), [Why::NoUpcasterFrom(1)]);
}

#[tokio::test]
async fn a_version_newer_than_the_code_is_refused() {
    let (store, _) = store_with("Counter", [counted(4, "{}")]).await;
    assert_eq!(reasons(&refusal(&*store, KNOWN, &two_steps()).await), [Why::NewerThan(3)]);
}

#[tokio::test]
async fn an_unknown_event_type_is_refused() {
    let (store, _) = store_with("Counter", [event("Exploded")]).await;
    assert_eq!(reasons(&refusal(&*store, KNOWN, &two_steps()).await), [Why::UnknownEventType]);
}

#[tokio::test]
async fn an_unknown_aggregate_type_is_refused_even_when_the_event_type_is_known_elsewhere() {
    let (store, _) = store_with("Scale", [event("Reset")]).await;
    assert_eq!(reasons(&refusal(&*store, KNOWN, &two_steps()).await), [Why::UnknownAggregateType]);
}

#[tokio::test]
async fn a_refusal_names_every_kind_without_a_reader() {
    let (store, _) = store_with("Counter", [counted(9, "{}"), event("Exploded"), event("Reset")]).await;
    append(&*store, commit_of("Scale", StreamId::generate(), [event("Tared")])).await;
    append(&*store, commit_of("Counter", StreamId::generate(), [counted(1, "{}")])).await;
    let refusal = refusal(&*store, KNOWN, &Upcasters::new()).await;
    assert_eq!(
        refusal.to_string(),
        "the log holds events this program cannot read: \
         Counter/Counted version 1 (no upcaster from version 1); \
         Counter/Counted version 9 (newer than version 3, the newest known); \
         Counter/Exploded version 1 (unknown event type); \
         Scale/Tared version 1 (unknown aggregate type)"
    );
}

#[tokio::test]
async fn an_aggregate_reads_the_kinds_it_writes() {
    let kinds = ["Incremented", "Decremented", "Reset"].map(event);
    let (store, _) = store_with("Counter", kinds).await;
    refuse_unreadable(&*store, &[readable::<Counter>()], &Upcasters::new()).await.expect("a reader for all");
}
