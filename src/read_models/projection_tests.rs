//! What each read model holds.

use ordo_actors::{
    aggregate::rehydrate::{Until, rehydrate},
    log::event::Position,
    projection::row_store::Value,
};
use serde_json::value::RawValue;

use super::{
    CurrentOrders, CustomerOrders, InventoryDemand, OrderHistory,
    examples::*,
    tables::{
        CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS, CUSTOMER_ORDERS, CUSTOMERS, INVENTORY, ORDER_HISTORY,
        ORDER_HISTORY_PRODUCTS,
    },
};
use crate::order::{LineId, Order, OrderCommand};

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
    let loaded = rehydrate::<Order>(&shop.log, id(1), Until::Now, 100);
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
    for model in all_models(10_000) {
        let mut follower = Follower::of(model, &shop).await;
        follower.take(&shop.events().await, &shop).await.unwrap();
        assert_eq!(follower.checkpoint.position, Position(3));
    }
}
