//! The format of the log: names and fields, exactly.

use chrono::{DateTime, Utc};
use ordo_actors::aggregate::{Aggregate, DecodeError, DomainEvent};
use serde_json::value::RawValue;

use super::{
    Currency, CustomerId, Order, OrderCreated, OrderEvent, OrderState, ProductId,
    examples::{self, *},
};

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn decode(event_type: &str, json: &str) -> Result<OrderEvent, DecodeError> {
    OrderEvent::decode(event_type, &raw(json))
}

fn placed(placed_at: DateTime<Utc>) -> OrderEvent {
    let customer_id = CustomerId::new("alice").unwrap();
    OrderCreated { customer_id, currency: Currency::new("EUR").unwrap(), placed_at: Some(placed_at) }.into()
}

/// Every event as it is stored, with and without what is optional.
fn stored() -> Vec<(OrderEvent, &'static str, &'static str)> {
    vec![
        (created(), "OrderCreated", r#"{"customer_id":"alice","currency":"USD"}"#),
        (
            placed(examples::at(1_291_191_960)),
            "OrderCreated",
            r#"{"customer_id":"alice","currency":"EUR","placed_at":"2010-12-01T08:26:00.000000Z"}"#,
        ),
        (
            named_added(1, "widget", "Widget \"blue\" é", 2, 1_000),
            "ItemAdded",
            r#"{"line_id":1,"product_id":"widget","product_name":"Widget \"blue\" é","quantity":2,"unit_price_cents":1000}"#,
        ),
        (removed(1), "ItemRemoved", r#"{"line_id":1}"#),
        (updated(1, 2, 5), "ItemQuantityUpdated", r#"{"line_id":1,"old_quantity":2,"new_quantity":5}"#),
        (submitted(2_000, 1), "OrderSubmitted", r#"{"total_cents":2000,"item_count":1}"#),
        (reserved(None), "OrderReserved", "{}"),
        (reserved(Some("res-1")), "OrderReserved", r#"{"reservation_id":"res-1"}"#),
        (processing(None), "OrderProcessing", "{}"),
        (processing(Some("pay-1")), "OrderProcessing", r#"{"payment_id":"pay-1"}"#),
        (completed(None), "OrderCompleted", "{}"),
        (completed(Some("track-1")), "OrderCompleted", r#"{"tracking_number":"track-1"}"#),
        (cancelled("no stock", None), "OrderCancelled", r#"{"reason":"no stock"}"#),
        (cancelled("no stock", Some("alice")), "OrderCancelled", r#"{"reason":"no stock","cancelled_by":"alice"}"#),
        (
            given_back("ret-1", &[(1, 2), (3, 1)], 2_500),
            "ItemsReturned",
            r#"{"return_id":"ret-1","items":[{"line_id":1,"quantity":2},{"line_id":3,"quantity":1}],"reason":"too small","refund_cents":2500}"#,
        ),
        (
            refunded("ret-1", "ref-1", 2_500),
            "RefundIssued",
            r#"{"return_id":"ret-1","refund_id":"ref-1","refund_cents":2500}"#,
        ),
    ]
}

#[test]
fn every_event_is_stored_under_its_name_with_exactly_its_fields() {
    for (event, event_type, payload) in stored() {
        assert_eq!(event.event_type(), event_type);
        assert_eq!(event.encode().unwrap().get(), payload);
        assert_eq!(event.schema_version(), 1, "{event_type}");
    }
}

#[test]
fn every_event_is_read_back_as_it_was() {
    for (event, event_type, payload) in stored() {
        assert_eq!(decode(event_type, payload).unwrap(), event);
    }
}

#[test]
fn the_kinds_are_the_eleven_events_at_their_newest_version() {
    let mut names: Vec<_> = stored().iter().map(|(_, name, _)| (*name, 1)).collect();
    names.dedup();
    assert_eq!(OrderEvent::KINDS, names);
}

#[test]
fn an_optional_field_may_be_null() {
    assert_eq!(decode("OrderReserved", r#"{"reservation_id":null}"#).unwrap(), reserved(None));
}

#[test]
fn values_that_would_be_refused_today_are_still_read() {
    let long = "x".repeat(1_000);
    let payload = format!(
        r#"{{"line_id":1,"product_id":" {long}","product_name":"\u0001","quantity":4294967295,"unit_price_cents":-1}}"#
    );
    assert!(ProductId::new(&format!(" {long}")).is_err());
    assert!(decode("ItemAdded", &payload).is_ok());
    assert!(decode("OrderCreated", r#"{"customer_id":"","currency":"ZZZ"}"#).is_ok());
}

#[test]
fn a_payload_of_another_shape_is_not_read() {
    for (event_type, payload) in [
        ("OrderCreated", r#"{"customer_id":"alice"}"#),
        ("OrderCreated", r#"{"customer_id":"alice","currency":"dollars"}"#),
        ("OrderCreated", r#"{"customer_id":7,"currency":"USD"}"#),
        ("ItemRemoved", r#"{"line_id":"1"}"#),
        ("ItemRemoved", r#"{"line_id":-1}"#),
        ("ItemQuantityUpdated", r#"{"line_id":1,"old_quantity":1,"new_quantity":1.5}"#),
        ("OrderSubmitted", "[]"),
    ] {
        match decode(event_type, payload) {
            Err(DecodeError::Payload { event_type: named, .. }) => assert_eq!(named, event_type),
            other => panic!("{event_type} {payload} was read as {other:?}"),
        }
    }
}

#[test]
fn an_event_of_another_name_is_not_read() {
    assert!(matches!(decode("OrderShipped", "{}"), Err(DecodeError::UnknownType(name)) if name == "OrderShipped"));
}

#[test]
fn a_snapshot_of_every_state_reads_back_as_it_was() {
    for state in STATES {
        let mut order = fold(&history(state));
        if state == Some(OrderState::Completed) {
            let more = [given_back("ret-1", &[(1, 1)], 1_000), refunded("ret-1", "ref-1", 1_000)];
            order = fold(&[history(state), more.to_vec()].concat());
        }
        let json = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order, "{json}");
    }
}

/// Snapshots of the example order in every state, as schema 1 has them.
const SNAPSHOTS: (u32, &str) = (1, include_str!("snapshots.json"));

#[test]
fn a_snapshot_of_another_shape_has_another_schema_number() {
    let mut states: Vec<_> = STATES.iter().map(|state| fold(&history(*state))).collect();
    let returned = [given_back("ret-1", &[(1, 1)], 1_000), refunded("ret-1", "ref-1", 1_000)];
    states.push(fold(&[history(Some(OrderState::Completed)), returned.to_vec()].concat()));
    let shape = serde_json::to_string_pretty(&states).unwrap();
    let advice =
        "the shape of a snapshot has changed: raise SNAPSHOT_SCHEMA, then store the new shape with the new number";
    assert_eq!((Order::SNAPSHOT_SCHEMA, shape.as_str()), (SNAPSHOTS.0, SNAPSHOTS.1.trim_end()), "{advice}");
    assert_eq!(serde_json::from_str::<Vec<Order>>(SNAPSHOTS.1).unwrap(), states);
}
