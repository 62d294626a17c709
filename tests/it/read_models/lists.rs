//! Lists of orders, customers and demand over HTTP, with projections that follow a log in memory.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actix::Arbiter;
use actix_web::{
    App, Error,
    body::{MessageBody, to_bytes},
    dev::{Service, ServiceResponse},
    http::{Method, header::HeaderMap},
    middleware::from_fn,
    test::{TestRequest, init_service},
    web::Data,
};
use async_trait::async_trait;
use ordo::{
    application::{Core, Stores},
    config::FulfilmentSettings,
    fulfilment::settings::Partners,
    guard::{origin::Origins, rules::Guard},
    http::{
        admission::Admission,
        body_budget::BodyBudget,
        command_input::KeysInFlight,
        http_metrics::HttpMetrics,
        request_context,
        routes::routes,
        state::{AppState, HttpLimits},
    },
    partner_sim::in_process::SimulatedPartners,
    read_models::{
        CurrentOrders, CustomerOrders, InventoryDemand, OrderHistory, OrderProjection, ReadModelProgress, ReadModels,
        ReadPosition, SagaList,
        tables::{CURRENT_ORDERS, INVENTORY},
    },
};
use ordo_actors::{
    aggregate::engine::Lifespan,
    log::{
        event::{Metadata, Position, StreamId, Version},
        store::{Commit, EventStore, ExpectedVersion, NewEvent, StreamWrite},
    },
    projection::{
        ProjectionActor, ProjectionHandle, ProjectionMetrics, ReadModel,
        progress::{ProjectionLimits, ProjectionParts},
        row_store::{RowStore, Value as RowValue},
    },
    stores::memory::{MemoryRows, MemoryStore},
};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

/// The parts of a server on a log in memory.
struct Parts {
    _core: Core,
    state: Data<AppState>,
    models: Data<ReadModels>,
    demand: ProjectionHandle,
}

impl Parts {
    async fn start() -> Self {
        Self::start_on(Arc::new(MemoryStore::new())).await
    }

    async fn start_on(store: Arc<dyn EventStore>) -> Self {
        let rows: Arc<dyn RowStore> = Arc::new(MemoryRows::new());
        let stores = Stores { log: store, rows: Arc::clone(&rows) };
        let core = Core::start(stores, Lifespan::default(), vec![Arbiter::current()]).await.unwrap();
        let parts = ProjectionParts {
            log: Arc::clone(&core.store),
            rows: Arc::clone(&rows),
            feed: core.feed.clone(),
            clock: Arc::clone(&core.clock),
            limits: ProjectionLimits::default(),
            metrics: ProjectionMetrics::register(&core.metrics).unwrap(),
        };
        let start = |make: fn() -> Box<dyn ReadModel>| ProjectionActor::start_with(parts.clone(), Arc::new(make));
        let demand = start(|| Box::new(OrderProjection::<InventoryDemand>::default()));
        let models = ReadModels {
            rows,
            current_orders: Arc::new(start(|| Box::new(OrderProjection::<CurrentOrders>::default()))),
            order_history: Arc::new(start(|| Box::new(OrderProjection::<OrderHistory>::default()))),
            customer_orders: Arc::new(start(|| Box::new(OrderProjection::<CustomerOrders>::default()))),
            inventory_demand: Arc::new(demand.clone()),
            sagas: Arc::new(start(|| Box::new(SagaList::default()))),
        };
        let partners = Partners::all(&Arc::new(SimulatedPartners::default()));
        let sagas = core.start_sagas(partners, &FulfilmentSettings::default()).unwrap();
        // Nothing moves by itself here.
        sagas.stop().await;
        let state = AppState {
            orders: Arc::clone(&core.orders),
            store: Arc::clone(&core.store),
            feed: core.feed.clone(),
            clock: Arc::clone(&core.clock),
            guard: Guard::new([127, 0, 0, 1].into(), Vec::new(), Origins::default()),
            bodies: BodyBudget::new(1 << 20),
            limits: HttpLimits { position_wait: Duration::from_millis(500), ..HttpLimits::default() },
            sagas,
            fulfil_on_submit: false,
            answers: Arc::default(),
            keys_in_flight: KeysInFlight::default(),
            http_metrics: HttpMetrics::register(&core.metrics).unwrap(),
            metrics: core.metrics.clone(),
            store_name: "memory".into(),
            draining: AtomicBool::new(false),
            admission: Admission::new(1024, Duration::from_secs(5)),
            fault_tally: Arc::default(),
        };
        Self { _core: core, state: Data::new(state), models: Data::new(models), demand }
    }
}

/// A server in this process.
macro_rules! serve {
    ($parts:expr) => {
        Server(
            init_service(
                App::new()
                    .app_data($parts.state.clone())
                    .app_data($parts.models.clone())
                    .wrap(from_fn(request_context::wrap))
                    .configure(routes),
            )
            .await,
        )
    };
}

struct Server<S>(S);

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    #[track_caller]
    fn problem(&self, status: u16, name: &str) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.json()["type"], format!("/problems/{name}"));
        self.json()["detail"].as_str().unwrap().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Where the next page is.
    fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
    }

    /// One member of every entry, as text.
    #[track_caller]
    fn each(&self, member: &str) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.body);
        let text = |entry: &Value| entry[member].as_str().map_or_else(|| entry[member].to_string(), str::to_owned);
        self.json().as_array().unwrap().iter().map(text).collect()
    }
}

impl<S, B> Server<S>
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let mut request = TestRequest::with_uri(path).method(method).insert_header(("Host", "localhost"));
        if let Some(body) = body {
            request = request.set_json(body);
        }
        let response = self.0.call(request.to_request()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let Ok(body) = to_bytes(response.into_body()).await else { panic!("a body") };
        Reply { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    /// What everybody sees who has seen the log as it is now.
    async fn see(&self, path: &str) -> Reply {
        let head = self.get("/readyz").await.json()["position"].clone();
        let sign = if path.contains('?') { '&' } else { '?' };
        self.get(&format!("{path}{sign}min_position={head}")).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        let reply = self.send(Method::POST, path, Some(body)).await;
        assert!(reply.status < 300, "{}", reply.body);
        reply
    }

    /// Places an order of so many of a product for 1.00 each and takes it so many steps on; gives its id.
    async fn order(&self, customer: &str, product: &str, quantity: u32, steps: usize) -> String {
        self.order_at("2026-01-01T00:00:00Z", customer, product, quantity, steps).await
    }

    async fn order_at(&self, time: &str, customer: &str, product: &str, quantity: u32, steps: usize) -> String {
        let item =
            json!({"product_id": product, "product_name": "A thing", "quantity": quantity, "unit_price_cents": 100});
        let order = json!({"customer_id": customer, "placed_at": time, "items": [item]});
        let id = self.post("/orders", &order).await.json()["order_id"].as_str().unwrap().to_owned();
        for step in ["submit", "reserve", "process", "complete"].into_iter().take(steps) {
            self.post(&format!("/orders/{id}/{step}"), &json!({})).await;
        }
        id
    }

    /// Follows a list to its end; one member of every entry.
    async fn follow(&self, path: &str, member: &str) -> Vec<Vec<String>> {
        let mut page = self.see(path).await;
        let mut pages = vec![page.each(member)];
        while let Some(next) = page.next() {
            page = self.get(&next).await;
            pages.push(page.each(member));
        }
        pages
    }
}

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
    parts.models = Data::new(ReadModels { current_orders: Arc::new(NotStarted), ..(**parts.models).clone() });
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
    assert!(!parts.demand.retry(stream).await.unwrap());
    let letter = &letters().await[0];
    assert_eq!((letter.stream, letter.version, letter.attempts), (stream, Version(3), 2));
    let demand = parts.models.rows.fetch(&INVENTORY, 1, &[vec![RowValue::Text("p".into())]]).await.unwrap();
    assert_eq!(demand[0].as_ref().unwrap()[2], RowValue::Int(4));
    let order = parts.models.rows.fetch(&CURRENT_ORDERS, 1, &[vec![RowValue::Text(stream.to_string().into())]]).await;
    assert!(order.unwrap()[0].is_some());
}
