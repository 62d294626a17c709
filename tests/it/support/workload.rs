//! Clients who share a few customers and products and take orders all the way, so that every read model has work to do.

use std::{sync::Arc, time::Duration};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::support::{api::item, rng::Rng};

/// Longer than anything takes; what takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Few enough that many orders meet on one row.
const CUSTOMERS: u64 = 5;
const PRODUCTS: u64 = 7;

/// Clients at work. They stop when they are told to, or when the server no longer answers.
pub struct Workload {
    runtime: Runtime,
    clients: Vec<JoinHandle<()>>,
    home: watch::Sender<bool>,
    ended: watch::Sender<u64>,
}

struct Shopper {
    http: Client,
    base: String,
    /// What their customers and products begin with.
    name: Arc<str>,
    rng: Rng,
}

impl Workload {
    /// Starts clients at a server. All their customers and products begin with `name`.
    pub fn start(base: &str, clients: u64, name: &str, seed: u64) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (home, ended) = (watch::Sender::new(false), watch::Sender::new(0));
        let (http, name) = (Client::builder().timeout(PATIENCE).build().unwrap(), Arc::<str>::from(name));
        let clients = (0..clients)
            .map(|client| {
                let rng = Rng::new(seed.wrapping_mul(1000) + client);
                let mut shopper = Shopper { http: http.clone(), base: base.to_owned(), name: Arc::clone(&name), rng };
                let (home, ended) = (home.subscribe(), ended.clone());
                runtime.spawn(async move {
                    while !*home.borrow() && shopper.one_order().await.is_some() {
                        ended.send_modify(|count| *count += 1);
                    }
                })
            })
            .collect();
        Self { runtime, clients, home, ended }
    }

    /// Waits until so many orders have come as far as their clients wanted.
    pub fn until_ended(&self, count: u64) {
        let mut ended = self.ended.subscribe();
        let reached = async { timeout(PATIENCE, ended.wait_for(|ended| *ended >= count)).await.map(|_| ()) };
        self.runtime.block_on(reached).expect("the server to answer");
    }

    /// How many orders have come as far as their clients wanted.
    pub fn ended(&self) -> u64 {
        *self.ended.borrow()
    }

    /// Tells all to stop and waits until they have; gives how many orders came as far as their clients wanted.
    pub fn finish(self) -> u64 {
        self.home.send_replace(true);
        let Self { runtime, clients, ended, .. } = self;
        runtime.block_on(async {
            for client in clients {
                timeout(PATIENCE, client).await.expect("a client to stop").expect("a sound client");
            }
        });
        *ended.borrow()
    }
}

impl Shopper {
    /// Places an order and takes it some way; nothing when the server is gone.
    async fn one_order(&mut self) -> Option<()> {
        let lines = 1 + self.rng.below(3);
        let items: Vec<_> = (0..lines).map(|_| self.item()).collect();
        let customer = format!("{}-{}", self.name, self.rng.below(CUSTOMERS));
        let placed = self.post("/orders", &json!({"customer_id": customer, "items": items})).await?;
        // A server that stops refuses everything.
        let order = format!("/orders/{}", placed["order_id"].as_str()?);
        if self.rng.percent(30) {
            let item = self.item();
            self.post(&format!("{order}/items"), &item).await?;
        }
        for step in ["submit", "reserve", "process", "complete"] {
            if self.rng.percent(8) {
                self.post(&format!("{order}/cancel"), &json!({"reason": "ordered twice"})).await?;
            }
            if self.rng.percent(8) {
                return Some(());
            }
            self.post(&format!("{order}/{step}"), &json!({})).await?;
        }
        if self.rng.percent(20) {
            let back = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "too small"});
            self.post(&format!("{order}/returns"), &back).await?;
        }
        Some(())
    }

    fn item(&mut self) -> Value {
        let product = format!("{}-{}", self.name, self.rng.below(PRODUCTS));
        item(&product, 1 + i64::try_from(self.rng.below(9)).unwrap(), 100)
    }

    /// Whatever the server answers; nothing when it is gone.
    async fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let sent = self.http.post(format!("{}{path}", self.base)).json(body).send().await.ok()?;
        sent.json().await.ok()
    }
}
