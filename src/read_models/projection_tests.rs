//! What each read model holds, and that it holds it however the events arrive.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use ordo_actors::{
    aggregate::Aggregate,
    log::{
        event::{Epoch, EventEnvelope, Position, StreamId, Version},
        store::{EventStore, StoreError},
    },
    projection::{
        Sources, TakeError,
        row_store::{Checkpoint, DeadLetter, Page, Row, RowCommit, RowStore, RowVerdict, Table, Value},
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Comparison, CurrentOrders, CustomerOrders, InventoryDemand, OrderHistory, OrderProjection, ReferenceFold,
    examples::*,
    tables::{
        CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS, CUSTOMER_ORDERS, CUSTOMERS, INVENTORY, ORDER_HISTORY,
        ORDER_HISTORY_PRODUCTS,
    },
};
use crate::order::{LineId, NewItem, Order, OrderCommand};

/// What an order id looks like in a row.
const ONE: &str = "00000000-0000-0000-0000-000000000001";

/// An order of three widgets, taken so many steps on.
async fn shop_with_an_order(steps: usize) -> Shop {
    let mut shop = Shop::new();
    shop.run(id(1), create("ada", vec![widgets(3)])).await;
    shop.advance(id(1), steps).await;
    shop
}

#[actix_web::test]
async fn an_order_is_current_until_it_is_completed() {
    for (steps, state) in [(0, "Draft"), (1, "Submitted"), (2, "Reserved"), (3, "Processing")] {
        let shop = shop_with_an_order(steps).await;
        let current = Follower::up_to_date::<CurrentOrders>(&shop).await;
        assert_eq!(current.shown(&CURRENT_ORDERS).await, [format!("{ONE} ada {state} 1001000000 300")]);
        assert_eq!(current.shown(&CURRENT_ORDER_PRODUCTS).await, [format!("widget 1001000000 {ONE}")]);
        assert!(Follower::up_to_date::<OrderHistory>(&shop).await.shown(&ORDER_HISTORY).await.is_empty());
    }
    let shop = shop_with_an_order(4).await;
    let current = Follower::up_to_date::<CurrentOrders>(&shop).await;
    assert!(current.shown(&CURRENT_ORDERS).await.is_empty());
    assert!(current.shown(&CURRENT_ORDER_PRODUCTS).await.is_empty());
}

#[actix_web::test]
async fn a_completed_order_is_in_the_history_with_its_products() {
    let shop = shop_with_an_order(4).await;
    let history = Follower::up_to_date::<OrderHistory>(&shop).await;
    assert_eq!(history.shown(&ORDER_HISTORY).await, [format!("{ONE} ada Completed 1001000000 300")]);
    assert_eq!(history.shown(&ORDER_HISTORY_PRODUCTS).await, [format!("widget 1001000000 {ONE}")]);
}

#[actix_web::test]
async fn a_cancelled_order_is_in_the_history_and_no_longer_current() {
    let mut shop = shop_with_an_order(2).await;
    shop.run(id(1), cancel()).await;
    assert!(Follower::up_to_date::<CurrentOrders>(&shop).await.shown(&CURRENT_ORDERS).await.is_empty());
    let history = Follower::up_to_date::<OrderHistory>(&shop).await;
    assert_eq!(history.shown(&ORDER_HISTORY).await, [format!("{ONE} ada Cancelled 1001000000 300")]);
}

#[actix_web::test]
async fn an_order_leaves_the_current_ones_when_it_ends_in_a_later_batch() {
    let mut shop = shop_with_an_order(3).await;
    let mut current = Follower::up_to_date::<CurrentOrders>(&shop).await;
    assert_eq!(current.rows(&CURRENT_ORDERS).await.len(), 1);
    let known = shop.events().await.len();
    shop.advance(id(1), 1).await;
    current.take(&shop.events().await[known..], &shop).await.unwrap();
    assert!(current.rows(&CURRENT_ORDERS).await.is_empty());
    assert!(current.rows(&CURRENT_ORDER_PRODUCTS).await.is_empty());
}

#[actix_web::test]
async fn the_stored_text_is_the_order_as_clients_see_it() {
    let mut shop = shop_with_an_order(4).await;
    shop.run(id(1), give_back("back", 1, 2)).await;
    shop.refund(id(1), "back").await;
    let history = Follower::up_to_date::<OrderHistory>(&shop).await;
    let customers = Follower::up_to_date::<CustomerOrders>(&shop).await;
    let (row, of_customer) = (&history.rows(&ORDER_HISTORY).await[0], &customers.rows(&CUSTOMER_ORDERS).await[0]);
    let loaded = ordo_actors::aggregate::rehydrate::rehydrate::<Order>(
        &shop.log,
        id(1),
        ordo_actors::aggregate::rehydrate::Until::Now,
        100,
    );
    let loaded = loaded.await.unwrap();
    let view = serde_json::to_string(&loaded.state.view(id(1), loaded.version).unwrap()).unwrap();
    assert_eq!(row[5], Value::Text(view.as_str().into()));
    assert_eq!(of_customer[4], row[5]);
    assert!(view.contains("\"refunded_cents\":200") && view.contains("\"version\":8"), "{view}");
}

#[actix_web::test]
async fn a_product_taken_out_of_a_draft_is_no_longer_held_by_it() {
    let mut shop = Shop::new();
    shop.run(id(1), create("ada", vec![widgets(1), item("gadget", "Gadget", 1, 5)])).await;
    let mut current = Follower::up_to_date::<CurrentOrders>(&shop).await;
    let known = shop.events().await.len();
    shop.run(id(1), OrderCommand::RemoveItem { line_id: LineId(1) }).await;
    current.take(&shop.events().await[known..], &shop).await.unwrap();
    assert_eq!(current.shown(&CURRENT_ORDER_PRODUCTS).await, [format!("gadget 1001000000 {ONE}")]);
}

#[actix_web::test]
async fn a_customer_is_the_sum_of_all_orders() {
    let mut shop = Shop::new();
    for (order, placed, steps) in [(1, 50, 0), (2, 20, 4), (3, 90, 4), (4, 60, 3)] {
        shop.run(id(order), create_at("ada", Some(placed), vec![widgets(i64::try_from(order).unwrap())])).await;
        shop.advance(id(order), steps).await;
    }
    shop.run(id(4), cancel()).await;
    shop.run(id(5), create_at("bob", Some(7), vec![])).await;
    let customers = Follower::up_to_date::<CustomerOrders>(&shop).await;
    // id, all, active, completed, cancelled, spent, first, last
    assert_eq!(
        customers.shown(&CUSTOMERS).await,
        ["ada 4 1 2 1 500 20000000 90000000", "bob 1 1 0 0 0 7000000 7000000"]
    );
    let orders: Vec<_> = customers.shown(&CUSTOMER_ORDERS).await;
    assert_eq!(orders.len(), 5);
    assert!(orders[2].starts_with("ada 60000000") && orders[2].contains("Cancelled"), "{orders:?}");
}

#[actix_web::test]
async fn what_was_spent_falls_with_the_refund_and_not_with_the_return() {
    let mut shop = shop_with_an_order(4).await;
    shop.run(id(1), give_back("back", 1, 2)).await;
    let spent =
        async |shop: &Shop| Follower::up_to_date::<CustomerOrders>(shop).await.rows(&CUSTOMERS).await[0][5].clone();
    assert_eq!(spent(&shop).await, Value::Int(300));
    shop.refund(id(1), "back").await;
    assert_eq!(spent(&shop).await, Value::Int(100));
}

#[actix_web::test]
async fn demand_follows_an_order_through_its_states() {
    // product, name, ordered, active, reserved, completed, revenue, orders, and where its name was given
    for (steps, sums) in
        [(0, "3 3 0 0 0 1"), (1, "3 3 0 0 0 1"), (2, "3 3 3 0 0 1"), (3, "3 3 3 0 0 1"), (4, "3 0 0 3 300 1")]
    {
        let demand = Follower::up_to_date::<InventoryDemand>(&shop_with_an_order(steps).await).await;
        assert_eq!(demand.shown(&INVENTORY).await, [format!("widget Widget {sums} 2")]);
    }
}

#[actix_web::test]
async fn returned_pieces_are_no_longer_sold_and_their_money_goes_with_the_refund() {
    let mut shop = Shop::new();
    shop.run(id(1), create("ada", vec![widgets(3), item("gadget", "Gadget", 2, 10)])).await;
    shop.advance(id(1), 4).await;
    shop.run(id(1), give_back("back", 1, 2)).await;
    let demand = Follower::up_to_date::<InventoryDemand>(&shop).await;
    assert_eq!(demand.shown(&INVENTORY).await, ["gadget Gadget 2 0 0 2 20 1 3", "widget Widget 3 0 0 1 300 1 2"]);
    shop.refund(id(1), "back").await;
    let demand = Follower::up_to_date::<InventoryDemand>(&shop).await;
    assert_eq!(demand.shown(&INVENTORY).await, ["gadget Gadget 2 0 0 2 20 1 3", "widget Widget 3 0 0 1 100 1 2"]);
}

#[actix_web::test]
async fn two_lines_of_a_product_count_as_one_order() {
    let mut shop = Shop::new();
    shop.run(id(1), create("ada", vec![widgets(1), item("widget", "Widget", 2, 99)])).await;
    let demand = Follower::up_to_date::<InventoryDemand>(&shop).await;
    assert_eq!(demand.shown(&INVENTORY).await, ["widget Widget 3 3 0 0 0 1 3"]);
}

#[actix_web::test]
async fn a_product_nobody_wants_any_more_stays_with_zeros() {
    let mut shop = shop_with_an_order(2).await;
    shop.run(id(1), cancel()).await;
    shop.run(id(2), create("ada", vec![item("gadget", "Gadget", 1, 5)])).await;
    shop.run(id(2), OrderCommand::RemoveItem { line_id: LineId(1) }).await;
    let demand = Follower::up_to_date::<InventoryDemand>(&shop).await;
    assert_eq!(demand.shown(&INVENTORY).await, ["gadget Gadget 0 0 0 0 0 0 7", "widget Widget 0 0 0 0 0 0 2"]);
}

#[actix_web::test]
async fn a_product_is_called_what_it_was_called_last_whichever_order_that_was() {
    let mut shop = Shop::new();
    shop.run(id(1), create("ada", vec![item("widget", "Old name", 1, 100)])).await;
    shop.run(id(2), create("ada", vec![item("widget", "New name", 1, 100)])).await;
    shop.run(id(1), OrderCommand::add_item(item("gadget", "Gadget", 1, 100))).await;
    let demand = Follower::up_to_date::<InventoryDemand>(&shop).await;
    assert_eq!(demand.shown(&INVENTORY).await[1], "widget New name 2 2 0 0 0 2 4");
}

#[actix_web::test]
async fn sums_beyond_64_bits_wrap_around_and_come_back() {
    let mut shop = Shop::new();
    let dear = || vec![item("diamond", "Diamond", 1, i64::MAX)];
    for order in [1, 2] {
        shop.run(id(order), create("ada", dear())).await;
        shop.advance(id(order), 4).await;
    }
    shop.run(id(1), give_back("back", 1, 1)).await;
    shop.refund(id(1), "back").await;
    let demand = Follower::up_to_date::<InventoryDemand>(&shop).await;
    assert_eq!(demand.rows(&INVENTORY).await[0][6], Value::Int(i64::MAX));
}

#[actix_web::test]
async fn other_aggregates_are_passed_over() {
    let mut shop = shop_with_an_order(0).await;
    let payload = RawValue::from_string("{}".into()).unwrap();
    shop.append(id(9), "FulfilmentSaga", vec![("SagaStarted", payload)]).await;
    for model in all_models(10) {
        let mut follower = Follower::of(model, &shop).await;
        follower.take(&shop.events().await, &shop).await.unwrap();
        assert_eq!(follower.checkpoint.position, Position(3));
    }
}

/// Events of order 1, with one in a later place exchanged or left out.
async fn poisoned(change: impl Fn(&mut Vec<Arc<EventEnvelope>>)) -> (Shop, Vec<Arc<EventEnvelope>>) {
    let shop = shop_with_an_order(4).await;
    let mut events = shop.events().await;
    change(&mut events);
    (shop, events)
}

fn expect_poison(taken: Result<(), TakeError>, at: Version, why: &str) {
    match taken {
        Err(TakeError::Unprocessable { stream, version, position, reason }) => {
            assert_eq!((stream, version, position), (id(1), at, Position(at.0)));
            assert!(reason.contains(why), "{reason}");
        }
        other => panic!("expected poison, found {other:?}"),
    }
}

#[actix_web::test]
async fn a_hole_in_a_stream_is_poison() {
    for model in all_models(10) {
        let (shop, events) = poisoned(|events| drop(events.remove(3))).await;
        let mut follower = Follower::of(model, &shop).await;
        expect_poison(follower.take(&events, &shop).await, Version(5), "version 5 follows 3");
    }
}

#[actix_web::test]
async fn a_hole_between_two_calls_is_poison() {
    for model in all_models(10) {
        let (shop, events) = poisoned(|_| {}).await;
        let mut follower = Follower::of(model, &shop).await;
        follower.take(&events[..3], &shop).await.unwrap();
        expect_poison(follower.take(&events[4..], &shop).await, Version(5), "version 5 follows 3");
    }
}

#[actix_web::test]
async fn an_event_that_comes_twice_is_poison() {
    let (shop, events) = poisoned(|_| {}).await;
    let mut follower = Follower::up_to_date::<CustomerOrders>(&shop).await;
    expect_poison(follower.take(&events[5..], &shop).await, Version(6), "version 6 follows 6");
}

#[actix_web::test]
async fn an_event_that_cannot_be_read_is_poison() {
    for (event_type, payload, why) in [
        ("OrderFrozen", "{}", "no reader for event type \"OrderFrozen\""),
        ("OrderSubmitted", "{\"total_cents\":\"much\"}", "the payload of a OrderSubmitted does not fit: "),
    ] {
        let (shop, events) = poisoned(|events| {
            let mut event = EventEnvelope::clone(&events[2]);
            event.event_type = event_type.into();
            event.payload = RawValue::from_string(payload.into()).unwrap();
            events[2] = Arc::new(event);
        })
        .await;
        let mut follower = Follower::of(Box::new(OrderProjection::<CurrentOrders>::default()), &shop).await;
        expect_poison(follower.take(&events, &shop).await, Version(3), why);
    }
}

#[actix_web::test]
async fn a_stream_whose_beginning_cannot_be_read_is_poison() {
    let mut shop = Shop::new();
    shop.append(id(1), Order::TYPE, vec![("OrderFrozen", RawValue::from_string("{}".into()).unwrap())]).await;
    shop.run(id(1), create("ada", vec![])).await;
    let mut follower = Follower::of(Box::new(OrderProjection::<CurrentOrders>::default()), &shop).await;
    expect_poison(follower.take(&shop.events().await[1..], &shop).await, Version(2), "no reader for event type");
}

#[actix_web::test]
async fn a_call_that_errs_leaves_nothing_behind() {
    for model in all_models(10) {
        let (shop, events) = poisoned(|_| {}).await;
        let mut follower = Follower::of(model, &shop).await;
        let mut broken = events.clone();
        broken.remove(4);
        follower.take(&broken, &shop).await.unwrap_err();
        follower.take(&events, &shop).await.unwrap();
        assert_as_expected(&follower, &expected(&shop).await).await;
    }
}

#[actix_web::test]
async fn a_call_whose_rows_could_not_be_read_leaves_nothing_behind() {
    let shop = shop_with_an_order(4).await;
    let events = shop.events().await;
    for mut model in [all_models(10).remove(2), all_models(10).remove(3)] {
        let sources = Sources { log: &shop.log, rows: &CountingRows::failing(), generation: 1 };
        let error = model.take(&events, sources).await.unwrap_err();
        assert!(matches!(error, TakeError::Store(StoreError::Unavailable(_))), "{error}");
        let mut follower = Follower::of(model, &shop).await;
        follower.take(&events, &shop).await.unwrap();
        assert_as_expected(&follower, &expected(&shop).await).await;
    }
}

#[actix_web::test]
async fn what_was_not_committed_is_forgotten_and_taken_in_again() {
    for mut model in all_models(10) {
        let shop = shop_with_an_order(4).await;
        let events = shop.events().await;
        let sources = Sources { log: &shop.log, rows: &CountingRows::default(), generation: 1 };
        model.take(&events[..4], sources).await.unwrap();
        model.forget();
        let mut follower = Follower::of(model, &shop).await;
        follower.take(&events, &shop).await.unwrap();
        assert_as_expected(&follower, &expected(&shop).await).await;
    }
}

#[actix_web::test]
async fn rows_that_orders_share_are_fetched_once_for_all_of_them() {
    let mut shop = Shop::new();
    for (order, customer) in [(1, "ada"), (2, "bob"), (3, "ada")] {
        shop.run(id(order), create(customer, vec![widgets(1), item("gadget", "Gadget", 1, 1)])).await;
    }
    for (model, fetches) in all_models(10).into_iter().zip([0, 0, 1, 1]) {
        let mut model = model;
        let rows = CountingRows::default();
        model.take(&shop.events().await, Sources { log: &shop.log, rows: &rows, generation: 1 }).await.unwrap();
        assert_eq!(rows.fetches.load(Ordering::Relaxed), fetches, "{}", model.name());
    }
}

#[actix_web::test]
async fn a_comparison_names_what_differs_what_is_missing_and_what_is_too_much() {
    let mut shop = shop_with_an_order(0).await;
    let follower = Follower::up_to_date::<CurrentOrders>(&shop).await;
    let compare = async |expected: &ReferenceFold| {
        let found = Comparison::of(expected, &*follower.rows, &CURRENT_ORDER_PRODUCTS, 1).await.unwrap();
        (found.rows, found.findings)
    };
    assert_eq!(compare(&expected(&shop).await).await, (1, vec![]));
    let too_much = format!("current_order_products widget, 1001000000, {ONE}: must not be there");
    assert_eq!(compare(&ReferenceFold::default()).await, (0, vec![too_much]));
    shop.run(id(2), create("ada", vec![widgets(1), item("zebra", "Zebra", 1, 1), item("ape", "Ape", 1, 1)])).await;
    let two = "00000000-0000-0000-0000-000000000002";
    let missing = ["ape", "widget", "zebra"]
        .map(|product| format!("current_order_products {product}, 1002000000, {two}: is missing"));
    assert_eq!(compare(&expected(&shop).await).await, (4, missing.to_vec()));
    shop.advance(id(1), 1).await;
    let orders = Comparison::of(&expected(&shop).await, &*follower.rows, &CURRENT_ORDERS, 1).await.unwrap();
    assert_eq!(orders.findings[0], format!("current_orders {ONE}: state is Draft, must be Submitted"));
}

#[actix_web::test]
async fn a_fold_leaves_out_what_a_read_model_has_parked() {
    let shop = shop_with_an_order(4).await;
    let letter = DeadLetter::of(id(1), Version(4), Position(4), "");
    let mut expected = ReferenceFold::without(&[letter]);
    expected.go_on(&shop.log, Position(6)).await.unwrap();
    let rows: Vec<_> = expected.rows(&CURRENT_ORDERS).collect();
    assert_eq!(rows[0][2], Value::Text("Submitted".into()));
    assert_eq!(expected.position(), Position(6));
}

#[actix_web::test]
async fn an_order_taken_in_late_does_not_bring_an_older_name_back() {
    let mut shop = Shop::new();
    for (order, name) in [(1, "Old name"), (2, "New name")] {
        shop.run(id(order), create("ada", vec![item("p", name, 1, 100)])).await;
    }
    let (events, expected) = (shop.events().await, expected(&shop).await);
    let (late, soon) = events.split_at(2);
    let mut demand = Follower::of(Box::new(OrderProjection::<InventoryDemand>::default()), &shop).await;
    demand.take(soon, &shop).await.unwrap();
    demand.take(late, &shop).await.unwrap();
    assert_as_expected(&demand, &expected).await;
    assert_eq!(demand.rows(&INVENTORY).await[0][1], Value::Text("New name".into()));
}

/// What the rows must be after all that happened.
async fn expected(shop: &Shop) -> ReferenceFold {
    let mut expected = ReferenceFold::default();
    expected.go_on(&shop.log, shop.log.head().await.unwrap().position).await.unwrap();
    expected
}

async fn assert_as_expected(follower: &Follower, expected: &ReferenceFold) {
    for table in follower.model.tables() {
        assert_eq!(follower.rows(table).await, expected.rows(table).collect::<Vec<_>>(), "{}", table.name);
        let compared = Comparison::of(expected, &*follower.rows, table, 1).await.unwrap();
        assert_eq!(compared.findings, Vec::<String>::new());
    }
}

/// Something a client does to one of a few orders.
#[derive(Debug, Clone)]
enum Deed {
    Command(OrderCommand),
    Advance(usize),
    Refund(&'static str),
}

fn items() -> impl Strategy<Value = NewItem> {
    let (products, names) = (select(vec!["p", "q", "r"]), select(vec!["Thing", "Other thing"]));
    let quantities = prop_oneof![4 => 1..4_i64, 1 => Just(1_000_000_000)];
    let prices = select(vec![100, 250, i64::MAX / 1_000_000_000, i64::MAX / 4, i64::MAX / 2, i64::MAX]);
    (products, names, quantities, prices)
        .prop_map(|(product, name, quantity, price)| item(product, name, quantity, price))
}

fn deeds() -> impl Strategy<Value = Deed> {
    let customers = select(vec!["ada", "bob"]);
    let create = (customers, option::of(0..100_i64), vec(items(), 0..4))
        .prop_map(|(customer, placed, items)| create_at(customer, placed, items));
    let commands = prop_oneof![
        3 => create,
        3 => items().prop_map(OrderCommand::add_item),
        2 => (1..5_u32).prop_map(|line| OrderCommand::RemoveItem { line_id: LineId(line) }),
        2 => (1..5_u32, 0..5_i64).prop_map(|(line, quantity)| OrderCommand::UpdateItemQuantity {
            line_id: LineId(line), quantity
        }),
        1 => Just(cancel()),
        4 => (select(vec!["x", "y"]), 1..4_u32, 1..3_i64).prop_map(|(name, line, quantity)| give_back(name, line, quantity)),
    ];
    prop_oneof![
        8 => commands.prop_map(Deed::Command),
        5 => (1..5_usize).prop_map(Deed::Advance),
        2 => select(vec!["x", "y"]).prop_map(Deed::Refund),
    ]
}

/// Completed orders of one customer and one product, some of them come back, with amounts that no client could have ordered:
/// as a log holds them that was written by something else.
async fn unheard_of(shop: &mut Shop, orders: &[(u32, i64, u32, i64)]) {
    let json = |text: String| RawValue::from_string(text).unwrap();
    for (number, (quantity, price, returned, refund)) in (1..).zip(orders) {
        let line = |id: u32| {
            json(format!(
                r#"{{"line_id":{id},"product_id":"p","product_name":"P","quantity":{quantity},"unit_price_cents":{price}}}"#
            ))
        };
        let back = |line: u32| {
            json(format!(
                r#"{{"return_id":"{line}","items":[{{"line_id":{line},"quantity":{returned}}}],"reason":"why","refund_cents":{refund}}}"#
            ))
        };
        let paid = |line: u32| json(format!(r#"{{"return_id":"{line}","refund_id":"r","refund_cents":{refund}}}"#));
        let none = || json("{}".into());
        let events = vec![
            ("OrderCreated", json(r#"{"customer_id":"ada","currency":"USD"}"#.into())),
            ("ItemAdded", line(1)),
            ("ItemAdded", line(2)),
            ("OrderSubmitted", json(r#"{"total_cents":1,"item_count":2}"#.into())),
            ("OrderReserved", none()),
            ("OrderProcessing", none()),
            ("OrderCompleted", none()),
            ("ItemsReturned", back(1)),
            ("RefundIssued", paid(1)),
            ("ItemsReturned", back(2)),
            ("RefundIssued", paid(2)),
        ];
        shop.append(id(number), Order::TYPE, events).await;
    }
}

async fn assert_no_cut_matters(shop: &Shop, cuts: &[(usize, bool)], remembered: usize) {
    let (events, expected) = (shop.events().await, expected(shop).await);
    for model in all_models(remembered) {
        let mut follower = Follower::of(model, shop).await;
        let (mut rest, mut cuts) = (events.as_slice(), cuts.iter().cycle());
        while let Some((length, forget)) = cuts.next().filter(|_| !rest.is_empty()) {
            let (batch, later) = rest.split_at((*length).min(rest.len()));
            follower.take(batch, shop).await.unwrap();
            if *forget {
                follower.model.forget();
            }
            rest = later;
        }
        assert_as_expected(&follower, &expected).await;
    }
}

async fn happen(shop: &mut Shop, deeds: &[(u128, Deed)]) {
    for (order, deed) in deeds {
        match deed {
            Deed::Command(command) => shop.run(id(*order), command.clone()).await,
            Deed::Advance(steps) => shop.advance(id(*order), *steps).await,
            Deed::Refund(name) => shop.refund(id(*order), name).await,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn however_the_events_are_cut_the_rows_are_those_of_the_final_orders(
        deeds in vec((1..5_u128, deeds()), 1..60),
        cuts in vec((1..9_usize, any::<bool>()), 1..20),
        remembered in select(vec![0, 3, 8, 50_000]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut shop = Shop::new();
            happen(&mut shop, &deeds).await;
            assert_no_cut_matters(&shop, &cuts, remembered).await;
        });
    }

    #[test]
    fn sums_beyond_all_bounds_are_the_same_however_the_events_are_cut(
        orders in vec((any::<u32>(), any::<i64>(), any::<u32>(), any::<i64>()), 1..6),
        cuts in vec((1..9_usize, any::<bool>()), 1..20),
        remembered in select(vec![0, 3, 50_000]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut shop = Shop::new();
            unheard_of(&mut shop, &orders).await;
            assert_no_cut_matters(&shop, &cuts, remembered).await;
        });
    }
}

/// Rows that are empty, count how often they are asked for, or do not answer.
#[derive(Default)]
struct CountingRows {
    fetches: AtomicUsize,
    fails: bool,
}

impl CountingRows {
    fn failing() -> Self {
        Self { fails: true, ..Self::default() }
    }
}

#[async_trait]
impl RowStore for CountingRows {
    async fn fetch(&self, _: &'static Table, _: u32, keys: &[Row]) -> Result<Vec<Option<Row>>, StoreError> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        if self.fails { Err(StoreError::Unavailable("gone".into())) } else { Ok(vec![None; keys.len()]) }
    }

    async fn live(&self, _: &'static str) -> Result<Option<Checkpoint>, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn checkpoint(&self, _: &'static str, _: u32) -> Result<Option<Checkpoint>, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn claim(&self, _: &'static str, _: u32, _: Epoch, _: Uuid) -> Result<Checkpoint, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn commit(&self, _: RowCommit) -> Result<RowVerdict, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn switch(&self, _: &'static str, _: Checkpoint) -> Result<RowVerdict, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn discard(&self, _: &'static str, _: &[&'static Table], _: u32, _: usize) -> Result<bool, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn page(&self, _: &Page) -> Result<Vec<Row>, StoreError> {
        unreachable!("a read model only fetches")
    }

    async fn dead_letters(&self, _: &'static str, _: u32) -> Result<Vec<DeadLetter>, StoreError> {
        unreachable!("a read model only fetches")
    }
}

#[test]
fn memory_is_bounded_by_orders_and_lines_and_keeps_those_used_last() {
    use super::remembered_orders::{KnownOrder, RememberedOrders};
    let mut remembered = RememberedOrders::with_limit(3);
    let order = || Arc::new(KnownOrder::default());
    for number in 1..=3 {
        remembered.put(id(number), order());
    }
    assert!(remembered.get(id(1)).is_some());
    remembered.put(id(4), order());
    let known = |remembered: &mut RememberedOrders, of: u128| remembered.get(StreamId(Uuid::from_u128(of))).is_some();
    assert!(!known(&mut remembered, 2));
    assert!([1, 3, 4].iter().all(|number| known(&mut remembered, *number)));
}
