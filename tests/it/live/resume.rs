//! Clients that are cut off at any moment and come back: each sees exactly its part of the log, in order.
//!
//! `ORDO_TEST_ROUNDS` says how many clients there are.

use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{
    api::widget,
    effort::rounds,
    history_checker::read_log,
    live_client::{PATIENCE, id_of},
    rng::Rng,
    test_app::{Store, TestApp},
};

const CUSTOMERS: [&str; 3] = ["ada", "bob", "cyd"];
const ORDERS: usize = 9;

/// A client: what it wants, how it listens, what it saw, and where it is.
struct Listener {
    topic: String,
    over: Transport,
    seen: Vec<u64>,
    position: u64,
    epoch: Option<String>,
    /// How often it was cut off in the middle: after the first and before the last of what there was.
    cuts: u64,
}

#[derive(Clone, Copy)]
enum Transport {
    WebSocket,
    Events,
}

type Cut = Box<dyn Error + Send + Sync>;

impl Listener {
    /// The first tenth listens to event streams, the others over WebSockets; the topics take turns.
    fn new(number: usize, of: usize, orders: &[String]) -> Self {
        let topic = match number % 3 {
            0 => "orders".to_owned(),
            1 => format!("customer:{}", CUSTOMERS[number / 3 % CUSTOMERS.len()]),
            _ => format!("order:{}", id_of(&orders[number / 3 % orders.len()])),
        };
        let over = if number < of.div_ceil(10) { Transport::Events } else { Transport::WebSocket };
        Self { topic, over, seen: Vec::new(), position: 0, epoch: None, cuts: 0 }
    }

    /// Listens until it is cut off or has taken so many frames; `end` is where it has seen everything.
    async fn listen(&mut self, address: &str, frames: u64, end: Option<u64>) -> Result<(), Cut> {
        match self.over {
            Transport::WebSocket => self.listen_to_socket(address, frames, end).await,
            Transport::Events => self.listen_to_events(address, frames, end).await,
        }
    }

    async fn listen_to_socket(&mut self, address: &str, frames: u64, end: Option<u64>) -> Result<(), Cut> {
        let (mut socket, _) = timeout(PATIENCE, connect_async(format!("ws://{address}/ws"))).await??;
        let subscribe =
            json!({"type": "subscribe", "id": "a", "topic": self.topic, "after": self.position, "epoch": self.epoch});
        socket.send(Message::text(subscribe.to_string())).await?;
        for _ in 0..frames {
            let message = timeout(PATIENCE, socket.next()).await?.ok_or("cut off")??;
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            let position = frame["position"].as_u64();
            if self.take(frame["type"].as_str().unwrap(), position, &frame) && end <= Some(self.position) {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn listen_to_events(&mut self, address: &str, frames: u64, end: Option<u64>) -> Result<(), Cut> {
        let epoch = self.epoch.as_ref().map_or_else(String::new, |epoch| format!("&epoch={epoch}"));
        let url = format!("http://{address}/stream?topic={}&after=0{epoch}", self.topic);
        let request = reqwest::Client::new().get(url).header("Last-Event-ID", self.position);
        let mut response = timeout(PATIENCE, request.send()).await??.error_for_status()?;
        let (mut text, mut frames) = (String::new(), frames);
        while frames > 0 {
            let chunk = timeout(PATIENCE, response.chunk()).await??.ok_or("cut off")?;
            text.push_str(std::str::from_utf8(&chunk)?);
            while let Some((block, rest)) = text.split_once("\n\n") {
                let line = |name| block.lines().find_map(|line| line.strip_prefix(name));
                let id = line("id: ").map(|id| id.parse().unwrap());
                let frame = line("data: ").map(|data| serde_json::from_str(data).unwrap()).unwrap_or_default();
                let caught_up = self.take(line("event: ").unwrap_or("heartbeat"), id, &frame);
                text = rest.to_owned();
                if caught_up && end <= Some(self.position) {
                    return Ok(());
                }
                frames = frames.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Takes a frame; true when an end could have been reached with it.
    fn take(&mut self, kind: &str, position: Option<u64>, frame: &Value) -> bool {
        if let Some(position) = position {
            assert!(position >= self.position, "{} went back from {} to {frame}", self.topic, self.position);
            self.position = position;
        }
        match kind {
            "event" => {
                assert_eq!(frame["event"]["position"], self.position, "{frame}");
                // An order is created with its line by one command.
                let shown = if frame["event"]["version"] == 1 { &Value::Null } else { &frame["event"]["version"] };
                assert_eq!(&frame["order"]["version"], shown, "{frame}");
                self.seen.push(self.position);
            }
            "subscribed" | "hello" => self.epoch = frame["epoch"].as_str().map(str::to_owned),
            "reset" | "error" => panic!("{} after {}: {frame}", self.topic, self.position),
            _ => {}
        }
        kind == "caught_up"
    }

    /// Listens and is cut off, again and again, until there is no more to be done.
    async fn be_cut_off(
        mut self,
        seed: u64,
        of: u64,
        address: String,
        done: Arc<AtomicBool>,
        cuts: Arc<AtomicU64>,
    ) -> Self {
        let mut rng = Rng::new(seed);
        // The more clients there are, the longer each stays.
        let longest = 400.max(4 * of);
        while !done.load(Ordering::Relaxed) {
            let (stay, frames, before) = (1 + rng.below(longest), 1 + rng.below(60), self.position);
            // The server may be away: that is a cut like any other.
            let _ = timeout(Duration::from_millis(stay), self.listen(&address, frames, None)).await;
            if self.position > before {
                self.cuts += 1;
                cuts.fetch_add(1, Ordering::Relaxed);
            }
            tokio::task::yield_now().await;
        }
        self
    }
}

/// Changes orders, in turn, and places new ones.
fn work(app: &TestApp, orders: &[String], rounds: usize) {
    for round in 0..rounds {
        let path = &orders[round % orders.len()];
        app.patch(&format!("{path}/items/1"), &json!({"quantity": 2 + round / orders.len() % 2})).expect(200);
        if round % 5 == 0 {
            app.place(&json!({"customer_id": CUSTOMERS[round % 3], "items": [widget(1)]}));
        }
    }
}

/// What each topic should have shown, out of the log itself.
fn expected(app: &TestApp) -> impl Fn(&str) -> Vec<u64> + use<> {
    let log = read_log(app);
    let owners: HashMap<_, _> = log
        .iter()
        .filter(|event| event["event_type"] == "OrderCreated")
        .map(|event| (event["aggregate_id"].to_string(), event["payload"]["customer_id"].as_str().unwrap().to_owned()))
        .collect();
    move |topic| {
        let wanted = |event: &&Value| match topic.split_once(':') {
            None => true,
            Some(("order", id)) => event["aggregate_id"] == id,
            Some((_, customer)) => owners[&event["aggregate_id"].to_string()] == customer,
        };
        log.iter().filter(wanted).map(|event| event["position"].as_u64().unwrap()).collect()
    }
}

fn each_sees_its_part_once_and_in_order(store: Store, clients: u64) {
    let mut app = TestApp::start_on(store, &["--live-ring-events", "64"]);
    let place = |number| app.place(&json!({"customer_id": CUSTOMERS[number % 3], "items": [widget(1)]}));
    let orders: Vec<_> = (0..ORDERS).map(place).collect();
    let address = app.address();
    let (done, cuts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listeners: Vec<_> = (0..clients)
        .map(|number| {
            let of = usize::try_from(clients).unwrap();
            let listener = Listener::new(usize::try_from(number).unwrap(), of, &orders);
            runtime.spawn(listener.be_cut_off(number, clients, address.clone(), Arc::clone(&done), Arc::clone(&cuts)))
        })
        .collect();
    let mut kills = 0;
    while kills < 3 || cuts.load(Ordering::Relaxed) < 3 * clients {
        work(&app, &orders, 60.max(listeners.len() / 5));
        app.restart_in_place();
        kills += 1;
    }
    work(&app, &orders, 30);
    done.store(true, Ordering::Relaxed);
    let (head, expected) = (app.head(), expected(&app));
    let mut checked = 0;
    for listener in listeners {
        let mut listener = runtime.block_on(listener).unwrap();
        runtime.block_on(listener.listen(&address, u64::MAX, Some(head))).unwrap();
        let expected = expected(&listener.topic);
        assert!(!expected.is_empty());
        assert_eq!(listener.seen, expected, "{}", listener.topic);
        checked += listener.seen.len();
    }
    say(&format!(
        "{clients} subscriptions, {} cuts, {kills} kills of the server: {checked} events of a log of {head}, each once and in order",
        cuts.load(Ordering::Relaxed)
    ));
}

#[expect(clippy::print_stderr, reason = "how much was tried is worth knowing")]
fn say(what: &str) {
    eprintln!("{what}");
}

#[test]
fn whoever_is_cut_off_at_any_moment_even_by_a_kill_sees_its_part_of_the_log_once_and_in_order_on_sqlite() {
    each_sees_its_part_once_and_in_order(Store::sqlite(), rounds(60));
}

#[test]
fn whoever_is_cut_off_at_any_moment_even_by_a_kill_sees_its_part_of_the_log_once_and_in_order_on_postgres() {
    each_sees_its_part_once_and_in_order(Store::postgres(), rounds(40));
}
