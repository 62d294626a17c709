//! Orders in lists: which there are, and how far the lists have come.

use super::*;

#[actix_web::test]
async fn an_order_is_listed_exactly_as_it_is_shown() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    let (draft, done) = (server.order("ada", "widget", 2, 1).await, server.order("ada", "widget", 2, 4).await);
    for (list, id) in [("/orders", &draft), ("/orders/history", &done)] {
        let (listed, shown) = (server.see(list).await, server.get(&format!("/orders/{id}")).await);
        assert_eq!(listed.body, format!("[{}]", shown.body));
        assert_eq!(listed.header("content-type"), Some("application/json"));
        assert_eq!(listed.next(), None);
    }
    let of_customer = server.see("/customers/ada/orders?sort=created_at").await;
    assert_eq!(of_customer.each("id"), [draft, done]);
}

#[actix_web::test]
async fn a_list_without_orders_is_an_empty_array() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    for list in ["/orders", "/orders/history", "/customers", "/inventory"] {
        let reply = server.get(list).await;
        assert_eq!((reply.status, reply.body.as_str(), reply.header("x-position")), (200, "[]", Some("0")), "{list}");
    }
}

/// A read model that has not looked yet which of its rows are live.
struct NotStarted;

#[async_trait]
impl ReadModelProgress for NotStarted {
    fn name(&self) -> &'static str {
        "current_orders"
    }

    fn now(&self) -> ReadPosition {
        ReadPosition::default()
    }

    async fn wait_until(&self, _: Position) {
        std::future::pending::<()>().await;
    }
}

#[actix_web::test]
async fn a_list_whose_read_model_has_not_started_is_not_shown_as_an_empty_one() {
    let mut parts = Parts::start().await;
    let handles = parts.projections.handles.clone();
    let progress = |kind| -> Arc<dyn ReadModelProgress> {
        if kind == ReadModelKind::CurrentOrders {
            Arc::new(NotStarted)
        } else {
            Arc::new(handles[kind as usize].clone())
        }
    };
    parts.models = Data::new(ReadModels::new(Arc::clone(&parts.models.rows), progress));
    let server = serve!(parts);
    let detail = server.get("/orders").await.problem(503, "position-not-reached");
    assert_eq!(detail, "the read model current_orders has not started yet");
    assert_eq!(server.get("/orders/history").await.status, 200);
}

#[actix_web::test]
async fn a_list_has_seen_what_min_position_demands_and_says_how_far_it_is() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    for _ in 0..20 {
        let id = server.order("ada", "widget", 1, 0).await;
        let head = server.get("/readyz").await.json()["position"].as_u64().unwrap();
        let reply = server.get(&format!("/orders?min_position={head}")).await;
        assert!(reply.each("id").contains(&id));
        assert!(reply.header("x-position").unwrap().parse::<u64>().unwrap() >= head);
    }
}

#[actix_web::test]
async fn a_position_that_is_not_reached_in_time_is_told() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    server.order("ada", "widget", 1, 0).await;
    server.see("/orders").await;
    let lists = ["/orders", "/orders/history", "/customers", "/customers/ada", "/customers/ada/orders", "/inventory"];
    for path in lists.into_iter().chain(["/inventory/widget"]) {
        let reply = server.get(&format!("{path}?min_position=1000000")).await;
        let detail = reply.problem(503, "position-not-reached");
        assert!(detail.ends_with("is at position 2, not yet at 1000000"), "{path}: {detail}");
        assert_eq!((&reply.json()["position"], reply.header("retry-after")), (&json!(2), Some("1")));
    }
}

#[actix_web::test]
async fn orders_are_found_by_state_customer_product_and_time_and_by_all_together() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    let a = server.order_at("2026-01-01T00:00:00Z", "ada", "widget", 3, 0).await;
    let b = server.order_at("2026-01-02T00:00:00Z", "ada", "gadget", 1, 1).await;
    let c = server.order_at("2026-01-03T00:00:00Z", "bob smith", "widget", 2, 1).await;
    let find = async |query: &str| server.see(&format!("/orders?{query}")).await.each("id");
    assert_eq!(find("sort=-created_at").await, [&c, &b, &a].map(String::clone));
    assert_eq!(find("").await, [&c, &b, &a].map(String::clone));
    assert_eq!(find("sort=created_at").await, [&a, &b, &c].map(String::clone));
    assert_eq!(find("sort=total_cents").await, [&b, &c, &a].map(String::clone));
    assert_eq!(find("sort=-total_cents&state=Submitted").await, [&c, &b].map(String::clone));
    assert_eq!(find("state=Submitted").await, [&c, &b].map(String::clone));
    assert_eq!(find("customer_id=ada").await, [&b, &a].map(String::clone));
    assert_eq!(find("customer_id=bob%20smith").await, [&c].map(String::clone));
    assert_eq!(find("customer_id=bob+smith").await, [&c].map(String::clone));
    assert_eq!(find("product_id=widget").await, [&c, &a].map(String::clone));
    assert_eq!(find("product_id=widget&sort=total_cents").await, [&c, &a].map(String::clone));
    assert_eq!(find("product_id=widget&customer_id=ada&state=Draft").await, [&a].map(String::clone));
    assert_eq!(find("state=Completed").await, Vec::<String>::new());
    assert_eq!(find("created_after=2026-01-02T00:00:00Z").await, [&c, &b].map(String::clone));
    assert_eq!(find("created_before=2026-01-02T00:00:00Z").await, [&a].map(String::clone));
    assert_eq!(
        find("created_after=2026-01-02T01:00:00%2B01:00&created_before=2026-01-02T00:00:00.000001Z").await,
        [&b].map(String::clone)
    );
}

#[actix_web::test]
async fn lists_can_be_looked_at_without_their_body() {
    let parts = Parts::start().await;
    let server = serve!(parts);
    for path in ["/orders", "/orders/history", "/customers", "/inventory"] {
        assert_eq!(server.send(Method::HEAD, path, None).await.status, 200, "{path}");
        assert_eq!(server.send(Method::DELETE, path, None).await.status, 405, "{path}");
    }
}

#[actix_web::test]
async fn what_comes_before_the_poison_in_its_batch_is_in_the_rows() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let stream = StreamId(Uuid::from_u128(7));
    let payload = |json: &str| RawValue::from_string(json.into()).unwrap();
    let events = [
        ("OrderCreated", payload("{\"customer_id\":\"ada\",\"currency\":\"USD\"}")),
        (
            "ItemAdded",
            payload(
                "{\"line_id\":1,\"product_id\":\"p\",\"product_name\":\"P\",\"quantity\":4,\"unit_price_cents\":1}",
            ),
        ),
        ("OrderSubmitted", payload("{\"total_cents\":\"much\"}")),
        ("OrderSubmitted", payload("{\"total_cents\":4,\"item_count\":1}")),
    ];
    let event = |(event_type, payload): (&'static str, _)| NewEvent {
        event_id: Uuid::new_v4(),
        event_type: event_type.into(),
        schema_version: 1,
        payload,
    };
    let events = events.into_iter().map(event).collect();
    let expected = ExpectedVersion::NoStream;
    let write = StreamWrite { stream, aggregate_type: "Order".into(), expected, events, snapshot: None };
    let timestamp = chrono::DateTime::from_timestamp(1, 0).unwrap();
    let commit = Commit { timestamp, metadata: Arc::new(Metadata::default()), writes: vec![write], idempotency: None };
    store.append(vec![commit]).await.unwrap();
    let parts = Parts::start_on(store).await;
    let server = serve!(parts);
    assert_eq!(server.see("/orders").await.each("state"), ["Draft"]);
    assert_eq!(server.see("/inventory/p").await.json()["quantity_ordered"], 4);
    let letters = async || parts.models.rows.dead_letters("inventory_demand", 1).await.unwrap();
    let letter = &letters().await[0];
    assert_eq!((letter.stream, letter.version, letter.attempts), (stream, Version(3), 1));
    assert!(!parts.projections.handles[ReadModelKind::InventoryDemand as usize].retry(stream).await.unwrap());
    let letter = &letters().await[0];
    assert_eq!((letter.stream, letter.version, letter.attempts), (stream, Version(3), 2));
    let demand = parts.models.rows.fetch(&INVENTORY, 1, &[vec![RowValue::Text("p".into())]]).await.unwrap();
    assert_eq!(demand[0].as_ref().unwrap()[2], RowValue::Int(4));
    let order = parts.models.rows.fetch(&CURRENT_ORDERS, 1, &[vec![RowValue::Text(stream.to_string().into())]]).await;
    assert!(order.unwrap()[0].is_some());
}
