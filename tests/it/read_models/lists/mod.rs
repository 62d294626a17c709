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
        Projections, ReadModelKind, ReadModelProgress, ReadModels, ReadPosition,
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
        ProjectionMetrics,
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
    projections: Projections,
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
        let projections = Projections::start(&parts, &core.states);
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
        let models = Data::new(projections.models.clone());
        Self { _core: core, state: Data::new(state), models, projections }
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

mod customers_and_products;
mod orders;
mod paging;
