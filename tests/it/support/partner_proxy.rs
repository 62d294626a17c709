//! Stands between a server and its partners and holds single calls: before they arrive, or when they are done and not answered
//! yet. Whoever kills the server then knows what is durable where.

use std::{collections::HashMap, sync::Arc, thread, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    web::{self, Bytes, Data},
};
use ordo::fulfilment::call::CallKind;
use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::sync::watch;

const KEY: &str = "idempotency-key";
/// Longer than any call is held.
const PATIENCE: Duration = Duration::from_mins(3);

/// Where a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It has not arrived.
    Before,
    /// It has arrived; the answer is held.
    After,
    /// It was answered, and what was made of that is durable: the next request of the saga is held.
    Next,
    /// The next request, whatever it is.
    Now,
}

/// What becomes of a call that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    On,
    /// It goes on.
    Released,
    /// The connection is as good as broken.
    Cut,
}

struct Plan {
    call: &'static str,
    moment: Moment,
    answered: bool,
    held: bool,
    hold: watch::Sender<Hold>,
}

/// A call that was held before it arrived.
struct Ghost {
    path: String,
    key: String,
    body: Bytes,
}

/// How an answer is spoilt on its way.
pub type Spoil = Arc<dyn Fn(&str, HttpResponse) -> HttpResponse + Send + Sync>;

#[derive(Default)]
struct Shared {
    partners: String,
    plans: Mutex<HashMap<String, Plan>>,
    /// Whose key it is.
    keys: Mutex<HashMap<String, String>>,
    ghosts: Mutex<Vec<Ghost>>,
    spoil: Mutex<Option<Spoil>>,
    client: Client,
}

/// The proxy; it goes with this value.
pub struct PartnerProxy {
    base: String,
    shared: Arc<Shared>,
    server: ServerHandle,
}

impl PartnerProxy {
    /// In front of these partners.
    pub fn before(partners: &str) -> Self {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let shared = Arc::new(Shared { partners: partners.to_owned(), client, ..Shared::default() });
        let (tell, told) = std::sync::mpsc::channel();
        let state = Data::from(Arc::clone(&shared));
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || App::new().app_data(state.clone()).default_service(web::to(pass));
                let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                tell.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, server) = told.recv().unwrap();
        Self { base: format!("http://{address}"), shared, server }
    }

    /// The flags of a server that goes through it.
    pub fn flags(&self) -> Vec<String> {
        let flag = |name: &str| [format!("--{name}-url"), format!("{}/{name}", self.base)];
        ["inventory", "payments", "shipping"].iter().flat_map(|name| flag(name)).collect()
    }

    /// Holds one call for an order, in place of what was planned for it before, which goes on.
    pub fn plan(&self, order: &str, call: &'static str, moment: Moment) {
        let plan = Plan { call, moment, answered: false, held: false, hold: watch::Sender::new(Hold::On) };
        if let Some(before) = self.shared.plans.lock().insert(order.to_owned(), plan) {
            before.hold.send_replace(Hold::Released);
        }
    }

    /// Whether the call is held now.
    pub fn is_held(&self, order: &str) -> bool {
        self.shared.plans.lock().get(order).is_some_and(|plan| plan.held)
    }

    /// Lets what is planned for an order go on.
    pub fn release(&self, order: &str) {
        if let Some(plan) = self.shared.plans.lock().remove(order) {
            plan.hold.send_replace(Hold::Released);
        }
    }

    /// Breaks every call that is held, and plans nothing more.
    pub fn cut_all(&self) {
        for (_, plan) in self.shared.plans.lock().drain() {
            plan.hold.send_replace(Hold::Cut);
        }
    }

    /// Lets calls arrive at last that were held before they did, however long ago.
    pub fn deliver_the_late(&self) {
        let ghosts = std::mem::take(&mut *self.shared.ghosts.lock());
        let client = reqwest::blocking::Client::new();
        for Ghost { path, key, body } in ghosts {
            let late = || {
                let call = client.post(format!("{}{path}", self.shared.partners)).header(KEY, &key);
                call.header("content-type", "application/json").body(body.to_vec()).send().unwrap().status().as_u16()
            };
            // What was scripted for it may still be to come: at most once.
            assert!((0..2).any(|_| [200, 409].contains(&late())), "{path} does not arrive");
        }
    }

    /// Changes answers on their way, by the name of the call; `look_up` for questions.
    pub fn spoil(&self, how: impl Fn(&str, HttpResponse) -> HttpResponse + Send + Sync + 'static) {
        *self.shared.spoil.lock() = Some(Arc::new(how));
    }
}

impl Drop for PartnerProxy {
    fn drop(&mut self) {
        self.cut_all();
        // It is told at once; nobody waits.
        drop(self.server.stop(false));
    }
}

/// What a request is, and for which order.
struct Asked {
    name: &'static str,
    order: Option<String>,
}

impl Shared {
    fn read(&self, request: &HttpRequest, body: &Bytes) -> Asked {
        let path = request.path();
        if request.method() == Method::GET.as_str() {
            let key = path.rsplit('/').next().unwrap_or_default().replace("%3A", ":");
            return Asked { name: "look_up", order: self.keys.lock().get(&key).cloned() };
        }
        let is_it = |kind: &&CallKind| path == format!("/{}/{}", kind.partner().name(), kind.path());
        let name = CallKind::ALL.iter().find(is_it).map_or("nothing", |kind| kind.name());
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let order = body["order_id"].as_str().map(ToOwned::to_owned);
        if let (Some(order), Some(key)) = (&order, key(request)) {
            self.keys.lock().insert(key, order.clone());
        }
        Asked { name, order }
    }

    /// Whether such a call is held at this point; and how it will be told to go on.
    fn holds(&self, asked: &Asked, at: Moment) -> Option<watch::Receiver<Hold>> {
        let mut plans = self.plans.lock();
        let plan = plans.get_mut(asked.order.as_ref()?)?;
        let is_it = match plan.moment {
            Moment::Before | Moment::After => plan.moment == at && plan.call == asked.name,
            Moment::Next => at == Moment::Before && plan.answered,
            Moment::Now => at == Moment::Before,
        };
        plan.held |= is_it;
        is_it.then(|| plan.hold.subscribe())
    }

    fn note_answer(&self, asked: &Asked) {
        let mut plans = self.plans.lock();
        if let Some(plan) = asked.order.as_ref().and_then(|order| plans.get_mut(order)) {
            plan.answered |= plan.call == asked.name;
        }
    }

    async fn forward(&self, request: &HttpRequest, body: Bytes) -> HttpResponse {
        let method = Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
        let mut forwarded = self.client.request(method, format!("{}{}", self.partners, request.path()));
        if let Some(key) = key(request) {
            forwarded = forwarded.header(KEY, key).header("content-type", "application/json");
        }
        let Ok(answer) = forwarded.body(body).send().await else { return HttpResponse::BadGateway().finish() };
        let mut response = HttpResponse::build(answer.status().as_u16().try_into().unwrap());
        for name in [CONTENT_TYPE, RETRY_AFTER] {
            if let Some(value) = answer.headers().get(name.as_str()) {
                response.insert_header((name, HeaderValue::from_bytes(value.as_bytes()).unwrap()));
            }
        }
        match answer.bytes().await {
            Ok(body) => response.body(body),
            Err(_) => HttpResponse::BadGateway().finish(),
        }
    }
}

fn key(request: &HttpRequest) -> Option<String> {
    Some(request.headers().get(KEY)?.to_str().ok()?.to_owned())
}

async fn is_released(mut hold: watch::Receiver<Hold>) -> bool {
    hold.wait_for(|hold| *hold != Hold::On).await.is_ok_and(|hold| *hold == Hold::Released)
}

async fn pass(shared: Data<Shared>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let asked = shared.read(&request, &body);
    if let Some(hold) = shared.holds(&asked, Moment::Before) {
        if let Some(key) = key(&request) {
            shared.ghosts.lock().push(Ghost { path: request.path().to_owned(), key, body: body.clone() });
        }
        if !is_released(hold).await {
            return HttpResponse::BadGateway().finish();
        }
    }
    let answer = shared.forward(&request, body).await;
    if let Some(hold) = shared.holds(&asked, Moment::After)
        && !is_released(hold).await
    {
        return HttpResponse::BadGateway().finish();
    }
    shared.note_answer(&asked);
    let spoil = shared.spoil.lock().clone();
    match spoil {
        Some(spoil) => spoil(asked.name, answer),
        None => answer,
    }
}
