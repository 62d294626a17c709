//! Pages, cursors and parameters.

use super::*;

#[actix_web::test]
async fn the_pages_of_a_list_lead_to_every_order_once() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    let mut orders = Vec::new();
    for number in 0..11_u32 {
        orders.push(server.order("ada", "widget", 1 + number % 3, 0).await);
    }
    for query in ["", "sort=created_at&", "sort=-total_cents&", "product_id=widget&", "customer_id=ada&state=Draft&"] {
        let pages = server.follow(&format!("/orders?{query}limit=4"), "id").await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 3], "{query}");
        let mut found = pages.concat();
        found.sort();
        let mut all = orders.clone();
        all.sort();
        assert_eq!(found, all, "{query}");
    }
    assert_eq!(server.follow("/orders?limit=11", "id").await.len(), 1);
}

#[actix_web::test]
async fn the_next_page_keeps_filters_sort_and_limit() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    for quantity in [1, 2, 3] {
        server.order("a & b", "50% off/+", quantity, 0).await;
        server.order("carl", "50% off/+", quantity, 0).await;
    }
    let path = "/orders?customer_id=a%20%26%20b&product_id=50%25%20off/%2B&state=Draft&created_after=2025-01-01T00:00:00Z\
                &created_before=2027-01-01T00:00:00Z&sort=total_cents&limit=1";
    assert_eq!(server.follow(path, "total_cents").await, [["100"], ["200"], ["300"]]);
}

#[actix_web::test]
async fn a_cursor_of_another_list_and_what_is_no_cursor_are_refused() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    for _ in 0..3 {
        server.order("ada", "widget", 1, 0).await;
    }
    let next = server.see("/orders?limit=1&sort=created_at").await.next().unwrap();
    let cursor = next.split("cursor=").nth(1).unwrap().to_owned();
    assert_eq!(server.get(&format!("/orders?sort=created_at&cursor={cursor}")).await.each("id").len(), 2);
    for foreign in [
        "/orders?",
        "/orders?sort=created_at&state=Draft&",
        "/orders/history?sort=created_at&",
        "/customers?",
        "/inventory?",
    ] {
        let detail = server.get(&format!("{foreign}cursor={cursor}")).await.problem(400, "invalid-request");
        assert!(detail.contains("another path, other filters or another sort"), "{foreign}: {detail}");
    }
    for none in ["", "x", "%00", "AQ"] {
        let detail = server.get(&format!("/orders?cursor={none}")).await.problem(400, "invalid-request");
        assert!(detail.contains("none that this server made"), "{none}: {detail}");
    }
}

#[actix_web::test]
async fn unknown_parameters_are_refused_by_name() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    let lists = ["/orders", "/orders/history", "/customers", "/customers/ada", "/customers/ada/orders", "/inventory"];
    for path in lists.into_iter().chain(["/inventory/widget"]) {
        let detail = server.get(&format!("{path}?colour=red")).await.problem(400, "invalid-request");
        assert!(detail.contains("colour"), "{path}: {detail}");
    }
}

#[actix_web::test]
async fn every_value_out_of_range_is_named() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    let faults = async |path: &str| {
        let reply = server.get(path).await;
        reply.problem(422, "validation-failed");
        let problem = reply.json();
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| error["pointer"].to_string()).collect::<String>()
    };
    let bad = "state=draft&customer_id=%20&product_id=&created_after=yesterday&created_before=0&sort=name&limit=0&min_position=-1";
    let all = "\"?customer_id\"\"?product_id\"\"?state\"\"?created_after\"\"?created_before\"\"?sort\"\"?limit\"\"?min_position\"";
    assert_eq!(faults(&format!("/orders?{bad}")).await, all);
    assert_eq!(faults(&format!("/orders/history?{bad}")).await, all);
    assert_eq!(faults("/customers?sort=name&limit=501").await, "\"?sort\"\"?limit\"");
    assert_eq!(faults("/customers/ada/orders?state=x&sort=total_cents").await, "\"?state\"\"?sort\"");
    assert_eq!(faults("/inventory?sort=--quantity").await, "\"?sort\"");
    assert_eq!(faults("/inventory/widget?min_position=99999999999999999999").await, "\"?min_position\"");
}
