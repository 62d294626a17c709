//! Stored rows held against the reference fold.

use ordo_actors::{
    log::event::{Position, Version},
    projection::row_store::{DeadLetter, Value},
};

use super::{
    Comparison, CurrentOrders, ReferenceFold,
    examples::*,
    tables::{CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS},
};

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

#[test]
fn the_reference_fold_has_rows_for_every_table() {
    let fold = ReferenceFold::default();
    for table in super::all().iter().flat_map(|model| model.tables()) {
        assert_eq!(fold.rows(table).count(), 0, "{}", table.name);
    }
}
