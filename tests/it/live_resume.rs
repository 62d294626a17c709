//! Clients that are cut off at any moment and come back: each sees exactly its part of the log, in order.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::{
    live_client::PATIENCE,
    test_app::{Store, TestApp, widget},
};

const CUSTOMERS: [&str; 3] = ["ada", "bob", "cyd"];

/// How many clients: `ORDO_TEST_ROUNDS`, or a hundred.
#[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
fn clients() -> usize {
    std::env::var("ORDO_TEST_ROUNDS").ok().map_or(100, |rounds| rounds.parse().unwrap())
}

/// A client: what it wants, what it saw, and where it is.
struct Listener {
    topic: String,
    seen: Vec<u64>,
    position: u64,
    epoch: Option<String>,
    resets: usize,
}

impl Listener {
    /// Listens until it is cut off, by lot, or for good when it has seen the end.
    async fn listen(&mut self, url: &str, frames: usize, end: Option<u64>) -> Result<(), Box<dyn std::error::Error>> {
        let (mut socket, _) = timeout(PATIENCE, connect_async(url)).await??;
        let subscribe =
            json!({"type": "subscribe", "id": "a", "topic": self.topic, "after": self.position, "epoch": self.epoch});
        socket.send(Message::text(subscribe.to_string())).await?;
        for _ in 0..frames {
            let message = timeout(PATIENCE, socket.next()).await?.ok_or("cut off")??;
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            if let Some(position) = frame["position"].as_u64() {
                assert!(position >= self.position, "{} went back from {} to {frame}", self.topic, self.position);
                self.position = position;
            }
            match frame["type"].as_str().unwrap() {
                "event" => self.seen.push(self.position),
                "subscribed" => self.epoch = frame["epoch"].as_str().map(str::to_owned),
                "reset" | "error" => self.resets += 1,
                "caught_up" if end.is_some_and(|end| self.position >= end) => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Numbers that look random and are the same every time (Knuth's MMIX generator).
struct Lot(u64);

impl Lot {
    fn draw(&mut self, range: Range<usize>) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.start + usize::try_from(self.0 >> 33).unwrap() % range.len()
    }
}

/// Changes orders until `rounds` have passed.
fn work(app: &TestApp, orders: &[String], rounds: usize) {
    for round in 0..rounds {
        app.post(&format!("{}/items", orders[round % orders.len()]), &widget(1)).expect(200);
        if round % 5 == 0 {
            app.place(&json!({"customer_id": CUSTOMERS[round % 3], "items": [widget(1)]}));
        }
    }
}

/// What each topic should have shown, out of the log itself.
fn expected(app: &TestApp) -> impl Fn(&str) -> Vec<u64> + use<> {
    let mut log = Vec::new();
    loop {
        let after = log.last().map_or(0, |event: &Value| event["position"].as_u64().unwrap());
        let page = app.get(&format!("/events?after={after}&limit=1000")).expect(200).json();
        let page = page.as_array().unwrap().clone();
        if page.is_empty() {
            break;
        }
        log.extend(page);
    }
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

#[test]
fn whoever_is_cut_off_at_any_moment_even_by_a_kill_sees_its_part_of_the_log_once_and_in_order() {
    let mut app = TestApp::start_on(Store::sqlite(), &["--live-ring-events", "64"]);
    let orders: Vec<_> = (0..9).map(|number| app.place(&json!({"customer_id": CUSTOMERS[number % 3]}))).collect();
    let topics = |number: usize| match number % 3 {
        0 => "orders".to_owned(),
        1 => format!("customer:{}", CUSTOMERS[number / 3 % 3]),
        _ => format!("order:{}", crate::live_client::id_of(&orders[number / 3 % orders.len()])),
    };
    let url = format!("ws://{}/ws", app.address());
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listeners: Vec<_> = (0..clients())
        .map(|number| {
            let mut listener =
                Listener { topic: topics(number), seen: Vec::new(), position: 0, epoch: None, resets: 0 };
            let (url, stop) = (url.clone(), Arc::clone(&stop));
            runtime.spawn(async move {
                let mut lot = Lot(u64::try_from(number).unwrap());
                let mut cuts = 0;
                while !stop.load(Ordering::Relaxed) {
                    // The server may be away: that is a cut like any other.
                    let _ = timeout(
                        Duration::from_millis(lot.draw(1..400) as u64),
                        listener.listen(&url, lot.draw(1..60), None),
                    )
                    .await;
                    cuts += 1;
                    tokio::task::yield_now().await;
                }
                (listener, cuts)
            })
        })
        .collect();
    for _ in 0..3 {
        work(&app, &orders, 60);
        app.restart_in_place();
    }
    work(&app, &orders, 30);
    stop.store(true, Ordering::Relaxed);
    let (head, expected) = (app.head(), expected(&app));
    for listener in listeners {
        let (mut listener, cuts) = runtime.block_on(listener).unwrap();
        runtime.block_on(listener.listen(&url, usize::MAX, Some(head))).unwrap();
        assert_eq!(listener.resets, 0);
        assert!(cuts > 1);
        assert_eq!(listener.seen, expected(&listener.topic), "{}", listener.topic);
    }
}
