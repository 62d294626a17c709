//! Many clients at once, each noting what it sent and what came back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::watch, task::JoinHandle, time::timeout};

use crate::support::{
    api::item,
    history_checker::{Answer, Attempt, Command, Effect},
    rng::Rng,
};

/// Longer than anything takes; what takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of the orders known to all clients, how many of the newest are chosen from: few enough to meet on them.
const KNOWN_ORDERS: usize = 12;

/// Numbers that make every command of a test process its own.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// A name no other command has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", SERIAL.fetch_add(1, Ordering::Relaxed))
}

/// What the clients do.
#[derive(Clone)]
pub enum Mix {
    /// Everything, to many orders.
    Everything,
    /// Adding items to the order at this path.
    OneOrder(String),
}

/// Clients at work. They stop when the server no longer answers.
pub struct Clients {
    runtime: Runtime,
    tasks: Vec<JoinHandle<Vec<Command>>>,
    answered: watch::Sender<u64>,
    unavailable: watch::Sender<u64>,
}

struct Shared {
    http: Client,
    base: String,
    mix: Mix,
    /// Paths of orders that were acknowledged.
    orders: Mutex<Vec<String>>,
    answered: watch::Sender<u64>,
    unavailable: watch::Sender<u64>,
    /// What a client does with a 503: most loads take it for the end, some wait for the store to come back.
    goes_on: bool,
    ends: watch::Receiver<bool>,
}

impl Clients {
    /// Starts clients at a server.
    pub fn start(base: &str, clients: u64, mix: &Mix, seed: u64) -> Self {
        Self::begin(base, clients, mix, seed, false, watch::channel(false).1)
    }

    /// Clients that go on after a 503, until `ends` is true.
    pub fn persistent(base: &str, clients: u64, seed: u64, ends: watch::Receiver<bool>) -> Self {
        Self::begin(base, clients, &Mix::Everything, seed, true, ends)
    }

    fn begin(base: &str, clients: u64, mix: &Mix, seed: u64, goes_on: bool, ends: watch::Receiver<bool>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (answered, unavailable) = (watch::Sender::new(0), watch::Sender::new(0));
        let http = Client::builder().timeout(PATIENCE).build().unwrap();
        let shared = Arc::new(Shared {
            http,
            base: base.to_owned(),
            mix: mix.clone(),
            orders: Mutex::default(),
            answered: answered.clone(),
            unavailable: unavailable.clone(),
            goes_on,
            ends,
        });
        let tasks = (0..clients)
            .map(|client| runtime.spawn(work(Arc::clone(&shared), Rng::new(seed.wrapping_mul(1000) + client))))
            .collect();
        Self { runtime, tasks, answered, unavailable }
    }

    /// Waits until so many commands have been accepted or refused.
    pub fn until_answered(&self, count: u64) {
        self.until(&self.answered, count);
    }

    /// Waits until so many commands have met a 503.
    pub fn until_unavailable(&self, count: u64) {
        self.until(&self.unavailable, count);
    }

    /// How many commands have been accepted or refused by now.
    pub fn answered(&self) -> u64 {
        *self.answered.borrow()
    }

    /// How many commands have met a 503 by now.
    pub fn unavailable(&self) -> u64 {
        *self.unavailable.borrow()
    }

    fn until(&self, counter: &watch::Sender<u64>, count: u64) {
        let mut counter = counter.subscribe();
        let reached = async { timeout(PATIENCE, counter.wait_for(|counted| *counted >= count)).await.map(|_| ()) };
        self.runtime.block_on(reached).expect("the server to answer");
    }

    /// Waits until every client has stopped; gives all they sent.
    pub fn finish(self) -> Vec<Command> {
        let Self { runtime, tasks, .. } = self;
        let finished = async {
            let mut commands = Vec::new();
            for client in tasks {
                commands.extend(timeout(PATIENCE, client).await.expect("a client to stop").expect("a sound client"));
            }
            commands
        };
        runtime.block_on(finished)
    }
}

/// Sends commands until the server is gone.
async fn work(shared: Arc<Shared>, mut rng: Rng) -> Vec<Command> {
    let mut commands = Vec::new();
    while !*shared.ends.borrow() {
        let mut command = shared.next_command(&mut rng);
        let answer = send(&shared.http, &shared.base, &mut command).await;
        let placed = answer.as_ref().and_then(Answer::created);
        commands.push(command);
        let Some(answer) = answer else { break };
        let counter = if answer.status == 503 { &shared.unavailable } else { &shared.answered };
        counter.send_modify(|count| *count += 1);
        shared.orders.lock().extend(placed);
        if answer.status == 503 {
            if !shared.goes_on {
                break;
            }
            // Leaves the machine to the server for as long as it takes to answer something small.
            let _ = shared.http.get(format!("{}/livez", shared.base)).send().await;
        }
    }
    commands
}

/// Sends a command once more and notes what comes back, if anything does.
pub async fn send(http: &Client, base: &str, command: &mut Command) -> Option<Answer> {
    let request_id = unique("request");
    let mut request = http
        .request(command.method.clone(), format!("{base}{}", command.path))
        .header("X-Request-Id", &request_id)
        .json(&command.body);
    if let Some(key) = &command.key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = match request.send().await {
        Ok(response) => Answer::read(response).await,
        Err(_) => None,
    };
    command.attempts.push(Attempt { request_id, answer: answer.clone() });
    answer
}

impl Shared {
    fn next_command(&self, rng: &mut Rng) -> Command {
        let mut command = match &self.mix {
            Mix::OneOrder(path) => add(path, rng),
            Mix::Everything => self.any_command(rng),
        };
        command.key = rng.percent(50).then(|| unique("key"));
        command
    }

    fn any_command(&self, rng: &mut Rng) -> Command {
        let Some(order) = self.known_order(rng) else { return place(rng) };
        match rng.below(100) {
            0..30 => place(rng),
            30..64 => add(&order, rng),
            64..70 => submit(&order),
            70..74 => cancel(&order),
            74..82 => change(&order, rng),
            82..88 => reserve(&order),
            _ => wrong(&order, rng),
        }
    }

    fn known_order(&self, rng: &mut Rng) -> Option<String> {
        let orders = self.orders.lock();
        let newest = &orders[orders.len().saturating_sub(KNOWN_ORDERS)..];
        (!newest.is_empty()).then(|| rng.pick(newest).clone())
    }
}

fn command(method: Method, path: String, body: Value, effect: Effect) -> Command {
    Command { method, path, body, key: None, effect, attempts: Vec::new() }
}

/// A new order of one to four items.
pub fn place(rng: &mut Rng) -> Command {
    let customer = unique("customer");
    let lines = 1 + rng.below(4);
    let items: Vec<_> = (0..lines).map(|_| item(&unique("product"), 1, 250)).collect();
    let mut body = json!({"customer_id": customer, "items": items});
    if rng.percent(30) {
        body["order_id"] = uuid::Builder::from_random_bytes(rng.wide().to_be_bytes()).into_uuid().to_string().into();
    }
    command(Method::POST, "/orders".into(), body, Effect::Placed { customer, lines })
}

fn add(order: &str, rng: &mut Rng) -> Command {
    let product = unique("product");
    let body = item(&product, 1 + i64::try_from(rng.below(9)).unwrap(), 100);
    command(Method::POST, format!("{order}/items"), body, Effect::Added { product })
}

fn change(order: &str, rng: &mut Rng) -> Command {
    let quantity = 10 + rng.below(1_000_000);
    let body = json!({"quantity": quantity});
    command(Method::PATCH, format!("{order}/items/1"), body, Effect::Changed { quantity })
}

fn submit(order: &str) -> Command {
    command(Method::POST, format!("{order}/submit"), json!({}), Effect::Step("OrderSubmitted"))
}

fn reserve(order: &str) -> Command {
    command(Method::POST, format!("{order}/reserve"), json!({}), Effect::Step("OrderReserved"))
}

fn cancel(order: &str) -> Command {
    let body = json!({"reason": unique("reason")});
    command(Method::POST, format!("{order}/cancel"), body, Effect::Step("OrderCancelled"))
}

/// Something that is refused in any case.
fn wrong(order: &str, rng: &mut Rng) -> Command {
    let nowhere = format!("/orders/{}", uuid::Uuid::from_u128(rng.wide()));
    let (path, body) = match rng.below(4) {
        0 => (format!("{nowhere}/submit"), json!({})),
        1 => (format!("{order}/items"), item("nothing", 0, 100)),
        2 => (format!("{order}/cancel"), json!({})),
        _ => (format!("{nowhere}/items"), item(&unique("product"), 1, 100)),
    };
    command(Method::POST, path, body, Effect::Nothing)
}
