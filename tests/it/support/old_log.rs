//! Orders as earlier versions stored them, when fewer things were refused.

use std::sync::Arc;

use chrono::DateTime;
use ordo::{application::open_stores, config::StoreUrl};
use ordo_actors::log::{
    event::{Metadata, StreamId},
    store::{Commit, ExpectedVersion, NewEvent, StreamWrite},
};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

fn event((event_type, payload): &(&str, Value)) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        event_type: (*event_type).to_owned().into(),
        schema_version: 1,
        payload: RawValue::from_string(payload.to_string()).unwrap(),
    }
}

/// Appends events of a new order, whatever they hold.
pub fn append(store: &str, id: Uuid, correlation_id: Option<&str>, events: &[(&str, Value)]) {
    let write = StreamWrite {
        stream: StreamId(id),
        aggregate_type: "Order".into(),
        expected: ExpectedVersion::NoStream,
        events: events.iter().map(event).collect(),
        snapshot: None,
    };
    let metadata = Metadata { correlation_id: correlation_id.map(str::to_owned), ..Metadata::default() };
    let commit = Commit {
        timestamp: DateTime::UNIX_EPOCH,
        metadata: Arc::new(metadata),
        writes: vec![write],
        idempotency: None,
    };
    let store: StoreUrl = store.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { open_stores(&store, false).await.unwrap().log.append(vec![commit]).await.unwrap() });
}

/// A draft of one line.
pub fn draft(customer: &str, product: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("OrderCreated", json!({"customer_id": customer, "currency": "USD"})),
        (
            "ItemAdded",
            json!({"line_id": 1, "product_id": product, "product_name": product, "quantity": 2, "unit_price_cents": 1000}),
        ),
    ]
}
