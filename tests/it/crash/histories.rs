//! Clients that ask any of several servers on one log, while servers are killed, see every order as if there were one server.
//!
//! A state is known by its version, so a history is linearizable when every answer agrees with the log at the version it names,
//! shows what it was asked to do, and is no older than any answer that was complete before it was asked for.
//! `ORDO_TEST_ROUNDS` says how many hundreds of requests there are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use reqwest::{
    Method,
    blocking::{Client, RequestBuilder},
};
use serde_json::{Value, json};

use crate::support::{
    api::{Reply, widget},
    effort::rounds,
    nodes::Nodes,
    ordo_command::verify,
    rng::Rng,
    test_app::TestApp,
};

const CLIENTS: usize = 64;
/// Orders that all clients ask for; each has one of its own besides.
const SHARED: usize = 4;
/// A server is killed after so many requests.
const REQUESTS_PER_KILL: u64 = 1500;

const STATES: [&str; 6] = ["Draft", "Submitted", "Reserved", "Processing", "Completed", "Cancelled"];
const STEPS: [&str; 4] = ["submit", "reserve", "process", "complete"];

/// What a request asked for.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Look,
    Quantity(u64),
    /// The same at this version only.
    QuantityAt(u64, u64),
    Step(usize),
}

/// What the answer showed.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Order { version: u64, quantity: u64, state: usize },
    Elsewhere { version: u64 },
    Refused { state: usize },
}

/// A request and its answer, if there was one.
#[derive(Debug)]
struct Asked {
    order: String,
    wish: Wish,
    began: u64,
    ended: u64,
    shown: Option<Shown>,
}

/// What all clients share.
struct Shared {
    bases: Vec<String>,
    /// The orders to ask for; one that has come to its end makes room for the next.
    slots: Vec<Mutex<String>>,
    moments: AtomicU64,
    position: AtomicU64,
    unanswered: AtomicUsize,
}

struct Customer<'a> {
    shared: &'a Shared,
    client: Client,
    rng: Rng,
    /// Its own slot.
    own: usize,
    seen: HashMap<String, u64>,
}

impl Customer<'_> {
    fn request(&self, node: usize, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.shared.bases[node]))
    }

    fn node(&mut self) -> usize {
        usize::try_from(self.rng.below(self.shared.bases.len() as u64)).unwrap()
    }

    fn wish(&mut self, order: &str) -> Wish {
        let quantity = 1 + self.rng.below(3);
        match self.rng.below(100) {
            0..40 => Wish::Look,
            40..80 => Wish::Quantity(quantity),
            80..92 => Wish::QuantityAt(quantity, self.seen.get(order).copied().unwrap_or(2)),
            step => Wish::Step(if step < 98 { usize::try_from(1 + step % 3).unwrap() } else { 0 }),
        }
    }

    fn ask(&mut self) -> Asked {
        let slot =
            if self.rng.percent(50) { self.own } else { usize::try_from(self.rng.below(SHARED as u64)).unwrap() };
        let order = self.shared.slots[slot].lock().unwrap().clone();
        let (node, wish) = (self.node(), self.wish(&order));
        let request = match wish {
            Wish::Look if self.rng.percent(30) => {
                let position = self.shared.position.load(Ordering::SeqCst);
                self.request(node, Method::GET, &format!("{order}?min_position={position}"))
            }
            Wish::Look => self.request(node, Method::GET, &order),
            Wish::Quantity(quantity) => {
                self.request(node, Method::PATCH, &format!("{order}/items/1")).json(&json!({"quantity": quantity}))
            }
            Wish::QuantityAt(quantity, version) => self
                .request(node, Method::PATCH, &format!("{order}/items/1"))
                .header("If-Match", format!("\"{version}\""))
                .json(&json!({"quantity": quantity})),
            Wish::Step(step) => self.request(node, Method::POST, &format!("{order}/{}", STEPS[step])).json(&json!({})),
        };
        let began = self.shared.moments.fetch_add(1, Ordering::SeqCst);
        let reply = request.send().ok().and_then(|response| {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            response.text().ok().map(|body| Reply { status, headers, body })
        });
        let ended = self.shared.moments.fetch_add(1, Ordering::SeqCst);
        let shown = reply.as_ref().and_then(shown);
        match shown {
            Some(Shown::Order { version, state, .. }) => {
                let position = reply.and_then(|reply| reply.header("x-position")?.parse().ok()).unwrap_or(0);
                self.shared.position.fetch_max(position, Ordering::SeqCst);
                self.seen.insert(order.clone(), version);
                if state >= 4 {
                    self.replace(slot, &order);
                }
            }
            Some(Shown::Elsewhere { version }) => drop(self.seen.insert(order.clone(), version)),
            Some(Shown::Refused { .. }) => {}
            None => drop(self.shared.unanswered.fetch_add(1, Ordering::SeqCst)),
        }
        Asked { order, wish, began, ended, shown }
    }

    /// Places an order where one has come to its end, unless somebody was faster or no server answers.
    fn replace(&mut self, slot: usize, ended: &str) {
        let node = self.node();
        let mut order = self.shared.slots[slot].lock().unwrap();
        if *order == ended
            && let Ok(placed) = self.request(node, Method::POST, "/orders").json(&json!({"items": [widget(1)]})).send()
            && let Some(path) = placed.headers().get("location")
        {
            path.to_str().unwrap().clone_into(&mut order);
        }
    }
}

/// What an answer shows; nothing when the server could not say.
fn shown(reply: &Reply) -> Option<Shown> {
    let state = |name: &Value| STATES.iter().position(|state| name == state).unwrap();
    match reply.status {
        200 => {
            let order = reply.json();
            Some(Shown::Order {
                version: order["version"].as_u64().unwrap(),
                quantity: order["items"][0]["quantity"].as_u64().unwrap(),
                state: state(&order["state"]),
            })
        }
        412 => Some(Shown::Elsewhere { version: reply.problem(412, "version-conflict")["version"].as_u64().unwrap() }),
        409 => Some(Shown::Refused { state: state(&reply.problem(409, "state-conflict")["state"]) }),
        503 => None,
        other => panic!("{other}: {}", reply.body),
    }
}

/// What the log says of one order: quantity and state at each version, from the one with the first item on.
fn states_in_log(app: &TestApp, order: &str) -> BTreeMap<u64, (u64, usize)> {
    let (mut states, mut now, mut from) = (BTreeMap::new(), (0, 0), 1);
    loop {
        let page = app.get(&format!("{order}/events?limit=1000&from_version={from}")).expect(200).json();
        let page = page.as_array().unwrap();
        for event in page {
            match event["event_type"].as_str().unwrap() {
                "ItemAdded" => now.0 = event["payload"]["quantity"].as_u64().unwrap(),
                "ItemQuantityUpdated" => now.0 = event["payload"]["new_quantity"].as_u64().unwrap(),
                "OrderCreated" => {}
                name => now.1 = STATES.iter().position(|state| name.strip_prefix("Order") == Some(*state)).unwrap(),
            }
            from = event["version"].as_u64().unwrap() + 1;
            states.insert(from - 1, now);
        }
        if page.len() < 1000 {
            return states;
        }
    }
}

/// Fails on the first answer that one server could not have given.
fn check(history: &[Asked], logs: &HashMap<String, BTreeMap<u64, (u64, usize)>>) {
    let mut moments: Vec<(u64, &Asked)> =
        history.iter().flat_map(|asked| [(asked.began, asked), (asked.ended, asked)]).collect();
    moments.sort_unstable_by_key(|(moment, _)| *moment);
    // By order: the newest version and state that an answer has shown by now.
    let mut newest: HashMap<&str, (u64, usize)> = HashMap::new();
    let mut known: HashMap<u64, (u64, usize)> = HashMap::new();
    for (moment, asked) in moments {
        let newest = newest.entry(&asked.order).or_default();
        if moment == asked.began {
            known.insert(moment, *newest);
            continue;
        }
        let Some(shown) = asked.shown else { continue };
        let (version, state) = known.remove(&asked.began).unwrap();
        let log = &logs[&asked.order];
        match shown {
            Shown::Order { version: seen, quantity, state: seen_state } => {
                assert!(seen >= version, "version {version} was known: {asked:?}");
                assert_eq!(log.get(&seen), Some(&(quantity, seen_state)), "the log says otherwise: {asked:?}");
                match asked.wish {
                    Wish::Look => {}
                    Wish::Quantity(wanted) | Wish::QuantityAt(wanted, _) => assert_eq!(quantity, wanted, "{asked:?}"),
                    Wish::Step(step) => assert!(seen_state > step, "{asked:?}"),
                }
                if let Wish::QuantityAt(_, demanded) = asked.wish {
                    assert!(seen == demanded || seen == demanded + 1, "{asked:?}");
                }
                *newest = (seen.max(newest.0), seen_state.max(newest.1));
            }
            Shown::Elsewhere { version: seen } => {
                assert!(seen >= version, "version {version} was known: {asked:?}");
                assert!(matches!(asked.wish, Wish::QuantityAt(_, demanded) if demanded != seen), "{asked:?}");
                newest.0 = seen.max(newest.0);
            }
            Shown::Refused { state: seen } => {
                assert!(seen >= state, "{} was known: {asked:?}", STATES[state]);
                newest.1 = seen.max(newest.1);
            }
        }
    }
}

/// Kills a server now and then and starts it again where it was, until all requests have been made.
fn disturb(nodes: &mut Nodes, requests: &mpsc::Receiver<()>, rng: &mut Rng) {
    for made in 1.. {
        if requests.recv().is_err() {
            return;
        }
        if made % REQUESTS_PER_KILL == 0 {
            let victim = usize::try_from(rng.below(nodes.servers.len() as u64)).unwrap();
            nodes.servers[victim].restart_in_place();
        }
    }
}

fn history_of(number_of_nodes: usize, seed: u64) {
    let mut nodes = Nodes::start(number_of_nodes);
    let place = |_| Mutex::new(nodes.servers[0].place(&json!({"items": [widget(1)]})));
    let shared = Shared {
        bases: nodes.servers.iter().map(|server| server.url("")).collect(),
        slots: (0..SHARED + CLIENTS).map(place).collect(),
        moments: AtomicU64::new(0),
        position: AtomicU64::new(0),
        unanswered: AtomicUsize::new(0),
    };
    let each = rounds(20) * 100 / CLIENTS as u64;
    let (made, requests) = mpsc::channel();
    let history: Vec<Asked> = thread::scope(|scope| {
        let customers: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let client = Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
                let rng = Rng::new(seed + number as u64);
                let mut customer =
                    Customer { shared: &shared, client, rng, own: SHARED + number, seen: HashMap::new() };
                let made = made.clone();
                scope.spawn(move || {
                    let tell = |asked| {
                        made.send(()).unwrap();
                        asked
                    };
                    (0..each).map(|_| tell(customer.ask())).collect::<Vec<_>>()
                })
            })
            .collect();
        drop(made);
        disturb(&mut nodes, &requests, &mut Rng::new(seed));
        customers.into_iter().flat_map(|customer| customer.join().unwrap()).collect()
    });
    let unanswered = shared.unanswered.into_inner();
    assert!(unanswered * 4 < history.len(), "{unanswered} of {} were not answered", history.len());
    let mut logs = HashMap::new();
    for asked in &history {
        if !logs.contains_key(&asked.order) {
            logs.insert(asked.order.clone(), states_in_log(&nodes.servers[0], &asked.order));
        }
    }
    check(&history, &logs);
    nodes.servers.clear();
    verify(&nodes.database.url());
}

#[test]
fn clients_of_two_nodes_see_every_order_as_if_there_were_one() {
    history_of(2, 0x9e37_79b9);
}

#[test]
fn clients_of_three_nodes_see_every_order_as_if_there_were_one() {
    history_of(3, 0x7f4a_7c15);
}
