//! Who and what caused an event, and when.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use uuid::Uuid;

use super::building::{append, at, commit, counted, exact, increments, log_of, micro, second, stream_of, verdicts};
use crate::log::{
    event::{Metadata, StreamId},
    store::{Commit, EventStore},
};

async fn comes_back(store: &dyn EventStore, metadata: Metadata) {
    let stream = StreamId::generate();
    let answered = append(store, Commit { metadata: Arc::new(metadata.clone()), ..counted(stream, exact(0), 2) }).await;
    let read = stream_of(store, stream).await;
    assert_eq!([answered.len(), read.len()], [2, 2]);
    for event in answered.iter().chain(&read) {
        assert_eq!(*event.metadata, metadata);
    }
}

async fn time_comes_back(store: &dyn EventStore, time: DateTime<Utc>) {
    let stream = StreamId::generate();
    let answered = append(store, at(time, counted(stream, exact(0), 1))).await;
    assert_eq!(answered[0].timestamp, time);
    assert_eq!(stream_of(store, stream).await[0].timestamp, time);
}

pub async fn empty_metadata_comes_back(store: Arc<dyn EventStore>) {
    comes_back(&*store, Metadata::default()).await;
}

pub async fn full_metadata_comes_back(store: Arc<dyn EventStore>) {
    let metadata = Metadata {
        correlation_id: Some("request 7".to_owned()),
        causation_id: Some(Uuid::new_v4()),
        command_id: Some(Uuid::now_v7()),
        principal: Some("ann@example.org".to_owned()),
    };
    comes_back(&*store, metadata).await;
}

pub async fn every_part_of_the_metadata_may_stand_alone(store: Arc<dyn EventStore>) {
    let (text, id) = (Some("alone".to_owned()), Some(Uuid::new_v4()));
    comes_back(&*store, Metadata { correlation_id: text.clone(), ..Metadata::default() }).await;
    comes_back(&*store, Metadata { causation_id: id, ..Metadata::default() }).await;
    comes_back(&*store, Metadata { command_id: id, ..Metadata::default() }).await;
    comes_back(&*store, Metadata { principal: text, ..Metadata::default() }).await;
}

pub async fn metadata_may_be_any_text(store: Arc<dyn EventStore>) {
    for text in ["", " ", "Zoë 🚀", r#"{"json":"\"inside\""}"#, "'; --", "line\nbreak\ttab", &"x".repeat(10_000)] {
        let metadata =
            Metadata { correlation_id: Some(text.to_owned()), principal: Some(text.to_owned()), ..Metadata::default() };
        comes_back(&*store, metadata).await;
    }
}

pub async fn every_commit_of_a_batch_keeps_its_own_metadata_and_time(store: Arc<dyn EventStore>) {
    let batch = ["a", "b", "c"].into_iter().zip(1..).map(|(name, seconds)| Commit {
        metadata: Arc::new(Metadata { principal: Some(name.to_owned()), ..Metadata::default() }),
        ..at(second(seconds), counted(StreamId::generate(), exact(0), 1))
    });
    verdicts(&*store, batch).await;
    let log = log_of(&*store).await;
    let kept: Vec<_> =
        log.iter().map(|event| (event.metadata.principal.as_deref().unwrap_or_default(), event.timestamp)).collect();
    assert_eq!(kept, [("a", second(1)), ("b", second(2)), ("c", second(3))]);
}

pub async fn the_streams_of_a_commit_share_its_metadata_and_time(store: Arc<dyn EventStore>) {
    let writes = [0, 0].map(|_| increments(StreamId::generate(), exact(0), 1));
    let metadata = Arc::new(Metadata { command_id: Some(Uuid::new_v4()), ..Metadata::default() });
    append(&*store, Commit { metadata: Arc::clone(&metadata), ..at(micro(5), commit(writes)) }).await;
    let log = log_of(&*store).await;
    assert_eq!(log.len(), 2);
    for event in log {
        assert_eq!((&event.metadata, event.timestamp), (&metadata, micro(5)));
    }
}

pub async fn a_time_comes_back_to_the_microsecond(store: Arc<dyn EventStore>) {
    for micros in [0, 1, 10, 999_999, 123_456, 100_000] {
        time_comes_back(&*store, micro(micros)).await;
    }
}

pub async fn a_time_before_1970_comes_back(store: Arc<dyn EventStore>) {
    let epoch = Utc.timestamp_opt(0, 0).single().expect("a time");
    time_comes_back(&*store, epoch - TimeDelta::microseconds(1)).await;
    time_comes_back(&*store, epoch - TimeDelta::days(30_000)).await;
}

pub async fn a_time_of_the_far_future_comes_back(store: Arc<dyn EventStore>) {
    let time = Utc.with_ymd_and_hms(9999, 12, 31, 23, 59, 59).single().expect("a time");
    time_comes_back(&*store, time + TimeDelta::microseconds(999_999)).await;
}
