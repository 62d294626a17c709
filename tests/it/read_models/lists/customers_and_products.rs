//! Customers, and the demand for products.

use super::*;

#[actix_web::test]
async fn customers_come_by_what_they_spent_by_orders_and_by_id() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    for (customer, quantity, steps) in [("ada", 2, 4), ("bob", 9, 3), ("bob", 1, 4), ("cy", 7, 4), ("bob", 1, 0)] {
        server.order(customer, "widget", quantity, steps).await;
    }
    let by = async |sort: &str| server.see(&format!("/customers?{sort}")).await.each("customer_id").join(" ");
    assert_eq!(by("").await, "cy ada bob");
    assert_eq!(by("sort=total_spent").await, "cy ada bob");
    assert_eq!(by("sort=-total_spent").await, "cy ada bob");
    assert_eq!(by("sort=total_orders").await, "bob cy ada");
    assert_eq!(by("sort=customer_id").await, "ada bob cy");
    assert_eq!(by("sort=-customer_id").await, "cy bob ada");
    for sort in ["total_spent", "total_orders", "customer_id", "-customer_id"] {
        let pages = server.follow(&format!("/customers?sort={sort}&limit=1"), "customer_id").await;
        assert_eq!(pages.concat().join(" "), by(&format!("sort={sort}")).await);
    }
}

#[actix_web::test]
async fn a_customer_is_shown_with_sums_and_times() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    let done = server.order_at("2026-01-02T00:00:00Z", "ada", "widget", 5, 4).await;
    let gone = server.order_at("2026-01-01T00:00:00Z", "ada", "widget", 3, 0).await;
    server.post(&format!("/orders/{gone}/cancel"), &json!({"reason": "no"})).await;
    server.order_at("2026-01-03T00:00:00.5Z", "ada", "widget", 3, 2).await;
    server
        .post(&format!("/orders/{done}/returns"), &json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "no"}))
        .await;
    assert_eq!(
        server.see("/customers/ada").await.body,
        "{\"customer_id\":\"ada\",\"total_orders\":3,\"active_orders\":1,\"completed_orders\":1,\
         \"cancelled_orders\":1,\"total_spent_cents\":500,\"first_order_at\":\"2026-01-01T00:00:00.000000Z\",\
         \"last_order_at\":\"2026-01-03T00:00:00.500000Z\"}"
    );
    assert_eq!(
        server.see("/inventory/widget").await.body,
        "{\"product_id\":\"widget\",\"product_name\":\"A thing\",\"quantity_ordered\":8,\"quantity_active\":3,\
         \"quantity_reserved\":3,\"quantity_completed\":4,\"revenue_cents\":500,\"order_count\":2}"
    );
}

#[actix_web::test]
async fn the_orders_of_a_customer_are_all_orders_in_any_state() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    let mut orders = Vec::new();
    for (day, steps) in [(1, 0), (2, 4), (3, 2)] {
        orders.push(server.order_at(&format!("2026-01-0{day}T00:00:00Z"), "ada", "widget", 1, steps).await);
    }
    server.order("bob", "widget", 1, 0).await;
    orders.reverse();
    assert_eq!(server.see("/customers/ada/orders").await.each("id"), orders);
    assert_eq!(server.follow("/customers/ada/orders?limit=2", "id").await, [&orders[..2], &orders[2..]]);
    assert_eq!(server.see("/customers/ada/orders?state=Completed").await.each("id"), orders[1..2]);
    assert_eq!(server.see("/customers/ada/orders?created_after=2026-01-03T00:00:00Z").await.each("id"), orders[..1]);
    assert_eq!(server.see("/customers/ada/orders?state=Cancelled").await.body, "[]");
}

#[actix_web::test]
async fn ids_may_hold_blanks_and_any_printable_character() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    let names = [
        ("Jo Ann", "Jo%20Ann"),
        ("50%", "50%25"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a+b", "a+b"),
        ("a+b", "a%2Bb"),
        ("ünï", "%C3%BCn%C3%AF"),
        ("?#&=", "%3F%23&="),
        ("\"<x>\"", "%22%3Cx%3E%22"),
    ];
    for (name, path) in names {
        server.order(name, name, 1, 0).await;
        let customer = server.see(&format!("/customers/{path}")).await;
        assert_eq!(customer.json()["customer_id"], name, "{}", customer.body);
        assert_eq!(server.see(&format!("/inventory/{path}")).await.json()["product_id"], name);
        server.order(name, name, 1, 0).await;
        let pages = server.follow(&format!("/customers/{path}/orders?limit=1"), "customer_id").await;
        assert!(pages.len() >= 2 && pages.iter().all(|page| *page == [name]), "{pages:?}");
    }
}

#[actix_web::test]
async fn customers_and_products_nobody_has_heard_of_are_not_found() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    server.order("ada", "widget", 1, 0).await;
    for path in ["/customers/bob", "/customers/bob/orders", "/customers/%FF", "/inventory/gadget"] {
        server.see(path).await.problem(404, "not-found");
    }
}

#[actix_web::test]
async fn products_come_by_quantity_by_revenue_and_by_id() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    for (product, quantity, steps) in [("axe", 2, 4), ("bolt", 9, 3), ("cog", 7, 4)] {
        server.order("ada", product, quantity, steps).await;
    }
    let by = async |sort: &str| server.see(&format!("/inventory?{sort}")).await.each("product_id").join(" ");
    assert_eq!(by("").await, "bolt cog axe");
    assert_eq!(by("sort=quantity").await, "bolt cog axe");
    assert_eq!(by("sort=revenue").await, "cog axe bolt");
    assert_eq!(by("sort=product_id").await, "axe bolt cog");
    assert_eq!(server.follow("/inventory?sort=revenue&limit=2", "product_id").await.concat().join(" "), "cog axe bolt");
}
