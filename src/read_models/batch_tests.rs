//! The rows are the same however the events are cut into batches, whatever states are kept, and however late an order comes.

use ordo_actors::{aggregate::Aggregate, projection::row_store::Value};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::value::RawValue;

use super::{InventoryDemand, OrderProjection, examples::*, tables::INVENTORY};
use crate::order::{LineId, NewItem, Order, OrderCommand};

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

async fn assert_no_cut_matters(shop: &Shop, cuts: &[(usize, bool)], bytes: usize) {
    let (events, expected) = (shop.events().await, expected(shop).await);
    for model in all_models(bytes) {
        let mut follower = Follower::of(model, shop).await;
        let (mut rest, mut cuts) = (events.as_slice(), cuts.iter().cycle());
        while let Some((length, is_far)) = cuts.next().filter(|_| !rest.is_empty()) {
            let (batch, later) = rest.split_at((*length).min(rest.len()));
            follower.behind = if *is_far { 1_000_000 } else { 0 };
            follower.take(batch, shop).await.unwrap();
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
        bytes in select(vec![0, 1_500, 4_000, 1 << 20]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut shop = Shop::new();
            happen(&mut shop, &deeds).await;
            assert_no_cut_matters(&shop, &cuts, bytes).await;
        });
    }

    #[test]
    fn sums_beyond_all_bounds_are_the_same_however_the_events_are_cut(
        orders in vec((any::<u32>(), any::<i64>(), any::<u32>(), any::<i64>()), 1..6),
        cuts in vec((1..9_usize, any::<bool>()), 1..20),
        bytes in select(vec![0, 1_500, 1 << 20]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut shop = Shop::new();
            unheard_of(&mut shop, &orders).await;
            assert_no_cut_matters(&shop, &cuts, bytes).await;
        });
    }
}
