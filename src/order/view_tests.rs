//! What clients see, exactly; and what an order weighs.

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use ordo_actors::{aggregate::Aggregate, log::event::Version};
use proptest::prelude::*;

use super::{CreateOrder, Currency, CustomerId, Line, MAX_LINES, Order, OrderCommand, OrderState, examples::*};

fn json(order: &Order, version: u64) -> String {
    serde_json::to_string(&order.view(order_id(), Version(version)).unwrap()).unwrap()
}

fn seen(state: OrderState) -> serde_json::Value {
    let events = history(Some(state));
    serde_json::from_str(&json(&fold(&events), events.len() as u64)).unwrap()
}

#[test]
fn an_order_is_shown_with_exactly_these_fields() {
    let more = [given_back("ret-1", &[(1, 1)], 1_000), refunded("ret-1", "ref-1", 1_000)];
    let order = fold(&[history(Some(OrderState::Completed)), more.to_vec()].concat());
    assert_eq!(
        json(&order, 8),
        concat!(
            r#"{"id":"00000000-0000-0000-0000-000000000007","customer_id":"alice","state":"Completed","currency":"USD","#,
            r#""items":[{"line_id":1,"product_id":"widget","product_name":"The widget","quantity":2,"returned":1,"#,
            r#""unit_price_cents":1000}],"total_cents":2000,"refunded_cents":1000,"version":8,"#,
            r#""created_at":"1970-01-01T00:00:01.000000Z","updated_at":"1970-01-01T00:00:08.000000Z","#,
            r#""reservation_id":"res-1","payment_id":"pay-1","tracking_number":"track-1","cancel_reason":null}"#,
        )
    );
}

#[test]
fn a_draft_shows_null_for_what_it_does_not_have() {
    let draft = seen(OrderState::Draft);
    for absent in ["reservation_id", "payment_id", "tracking_number", "cancel_reason"] {
        assert_eq!(draft.get(absent), Some(&serde_json::Value::Null), "{absent}");
    }
}

#[test]
fn a_cancelled_order_shows_why_and_what_it_had_reached() {
    let cancelled = seen(OrderState::Cancelled);
    assert_eq!(cancelled["cancel_reason"], "no stock");
    assert_eq!(cancelled["reservation_id"], "res-1");
    assert_eq!(cancelled["payment_id"], "pay-1");
}

#[test]
fn an_order_nobody_created_is_not_shown() {
    assert_eq!(Order::default().view(order_id(), Version::NONE), None);
}

#[test]
fn an_order_placed_before_it_was_recorded_was_created_when_it_was_placed() {
    let placed = OrderCommand::CreateOrder(CreateOrder {
        customer_id: CustomerId::new("alice").unwrap(),
        currency: Currency::USD,
        placed_at: Some(at(5)),
        items: vec![],
        most_lines: MAX_LINES,
    });
    let order = fold_from(100, &Order::default().decide(&placed).unwrap());
    let view = order.view(order_id(), Version(1)).unwrap();
    assert_eq!((view.created_at, view.updated_at), (at(5), at(100)));
}

#[test]
fn removed_lines_do_not_count_and_returned_items_do() {
    let draft = [history(Some(OrderState::Draft)), vec![added(2, "gadget", 1, 500), removed(1)]].concat();
    assert_eq!(fold(&draft).total().unwrap().to_string(), "$5.00");
    let returned = [history(Some(OrderState::Completed)), vec![given_back("ret-1", &[(1, 2)], 2_000)]].concat();
    let view = fold(&returned);
    let view = view.view(order_id(), Version(7)).unwrap();
    assert_eq!((view.total_cents, view.refunded_cents), (2_000, 0));
}

#[test]
fn an_order_of_ten_lines_weighs_less_than_a_kilobyte_besides_its_longer_names() {
    let items = (1..=10).map(|price| item("widget", 1, price)).collect();
    let mut events = Order::default().decide(&create(items)).unwrap();
    events.push(submitted(55, 10));
    let Order::Submitted(contents) = fold(&events) else { panic!("not submitted") };
    assert_eq!(contents.lines.capacity(), 10, "no room is kept for lines that cannot come");
    let weight = size_of::<Order>() + contents.lines.capacity() * size_of::<Line>();
    assert!(weight <= 1_024, "{weight} bytes");
}

proptest! {
    #[test]
    fn a_time_is_written_as_the_calendar_has_it(micros in -62_200_000_000_000_000_i64..260_000_000_000_000_000) {
        let time = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(micros);
        let order = fold(&[created()]);
        let mut view = order.view(order_id(), Version(1)).unwrap();
        view.created_at = time;
        let json: serde_json::Value = serde_json::to_value(view).unwrap();
        prop_assert_eq!(&json["created_at"], &time.to_rfc3339_opts(SecondsFormat::Micros, true), "year {}", time.year());
    }
}
