//! Clients that want to cost as much as they can, of a server that may have 1 GiB; somebody else is served meanwhile.
//!
//! `ORDO_TEST_ROUNDS` says how often everything is done.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::support::{
    api::{Reply, large_order},
    effort::rounds,
    event_stream::Stream,
    live_client::{LiveClient, PATIENCE},
    ordo_command::verify,
    raw_socket::{half_a_body, header, pour},
    test_app::{Store, TestApp},
};

/// In MiB.
const MOST_MEMORY: u64 = 1024;

/// Starts the server with that limit on what it may write to; the allocator takes no more of it than it needs.
const LIMITED: [&str; 5] =
    ["env", "MIMALLOC_ARENA_EAGER_COMMIT=0", "sh", "-c", r#"ulimit -d 1048576 && exec "$0" "$@""#];

/// How long the server may refuse somebody who does nothing wrong, after an attack.
const SERVED_WITHIN: Duration = Duration::from_secs(10);

/// Connections that send half a body, when there may be so many.
const HALF_BODIES: u64 = 5000;

/// What became of the requests of somebody who does nothing wrong.
#[derive(Debug, Default)]
struct Served {
    answered: AtomicU64,
    refused: AtomicU64,
    is_over: AtomicBool,
}

impl Served {
    /// Places orders and reads them until it is over.
    fn go_on(&self, app: &TestApp) {
        while !self.is_over.load(Ordering::Relaxed) {
            let placed = app.post("/orders", &json!({"customer_id": "grace"}));
            if self.is_answered(&placed, 201) {
                let path = placed.header("location").unwrap();
                self.is_answered(&app.get(path), 200);
            }
        }
    }

    /// Answered as it should be, or told to come back.
    fn is_answered(&self, reply: &Reply, status: u16) -> bool {
        if reply.status == 503 {
            assert!(reply.header("retry-after").is_some(), "{}", reply.body);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        assert_eq!(reply.status, status, "{}", reply.body);
        self.answered.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// After an attack: the server has stayed within its memory, and it answers.
#[track_caller]
fn withstood(app: &TestApp, served: &Served, attack: &str, started: Instant) {
    let before = served.answered.load(Ordering::Relaxed);
    let over = Instant::now();
    while served.answered.load(Ordering::Relaxed) < before + 4 {
        assert!(over.elapsed() < SERVED_WITHIN, "nobody is served after {attack}");
        app.get("/livez").expect(200);
    }
    let most = app.most_memory();
    tell(&format!("{attack}: {:?}, {most} MiB, {served:?}", started.elapsed()));
    assert!(most < MOST_MEMORY, "{most} MiB after {attack}");
}

fn giant_frames(app: &TestApp) {
    let endless = [[0x01, 0x80, 0, 0, 0, 0], [0x00, 0x80, 0, 0, 0, 0]].concat();
    for length in [1 << 40, (1 << 63) - 1] {
        // Together they pour twice as much as the server may have.
        let mut clients: Vec<_> = (0..32).map(|_| LiveClient::connect(app)).collect();
        for client in &mut clients {
            let stream = client.socket.get_mut();
            stream.write_all(&header(length)).unwrap();
            pour(stream, 64 << 20);
        }
    }
    let mut fragments: Vec<_> = (0..10).map(|_| LiveClient::connect(app)).collect();
    for client in &mut fragments {
        let _ = client.socket.get_mut().write_all(&endless.repeat(50_000));
    }
}

/// As many files as this process may have open.
fn allow_files() -> u64 {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    most.unwrap_or(u64::MAX)
}

fn half_bodies(app: &TestApp) {
    let count = HALF_BODIES.min(allow_files().saturating_sub(500));
    tell(&format!("{count} half bodies"));
    let bodies: Vec<_> = (0..count).map(|_| half_a_body(app, 4 << 20, 100 << 10)).collect();
    drop(bodies);
}

/// Places a large order while somebody listens in every way, and some of them never read.
fn large_orders(app: &TestApp) -> String {
    let mut listeners: Vec<_> = ["orders", "customer:ada"].map(|topic| LiveClient::subscribed(app, topic, None)).into();
    let deaf: Vec<_> = (0..5).map(|_| LiveClient::subscribed(app, "orders", Some(0))).collect();
    let streams: Vec<_> = ["topic=orders", "topic=customer:ada"].map(|query| Stream::open(app, query, None)).into();
    let order = large_order(10_000, 300);
    let path = placed(app, &order);
    for listener in &mut listeners {
        while listener.next()["order"].is_null() {}
    }
    drop((deaf, streams));
    path
}

/// Places an order, again when told to come back.
fn placed(app: &TestApp, order: &Value) -> String {
    let started = Instant::now();
    loop {
        let reply = app.post("/orders", order);
        if reply.status == 201 {
            return reply.header("location").unwrap().to_owned();
        }
        reply.problem(503, "overloaded");
        assert!(started.elapsed() < PATIENCE);
    }
}

/// Asks, and never reads the answer.
fn unread(app: &TestApp, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let (method, path) = request.split_once(' ').unwrap();
    let body = if method == "POST" { "{}" } else { "" };
    let key = uuid::Uuid::now_v7();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nIdempotency-Key: {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        app.address(),
        body.len()
    )
    .unwrap();
    stream
}

/// Each has begun to be answered: what there is to hold is held.
fn begun(mut answers: Vec<TcpStream>) {
    for answer in &mut answers {
        let mut first = [0; 12];
        answer.read_exact(&mut first).unwrap();
        let status = std::str::from_utf8(&first[9..]).unwrap();
        assert!(["200", "503", "409"].contains(&status), "{status}");
    }
}

fn answers_nobody_reads(app: &TestApp, orders: &[String]) {
    let (order, head) = (&orders[0], app.head());
    let requests = [
        format!("GET {order}"),
        format!("GET {order}/events?limit=1000"),
        "GET /orders?limit=500&sort=-created_at".into(),
        "GET /customers/ada/orders?limit=500".into(),
        format!("GET /events?limit=1000&after={}", head.saturating_sub(5000)),
        "GET /orders?limit=500&product_id=product-1".into(),
        "GET /orders?limit=500&state=Draft&customer_id=ada&sort=total_cents".into(),
    ];
    begun((0..70).map(|number| unread(app, &requests[number % requests.len()])).collect());
}

/// The steps of large orders: each answer is large, and each has a key of its own.
fn floods_of_keys(app: &TestApp, orders: &[String]) {
    let step = |number: usize| format!("POST {}/submit", orders[number % orders.len()]);
    begun((0..20).map(|number| unread(app, &step(number))).collect());
}

fn pages_at_once(app: &TestApp) {
    let paths = ["/events?limit=1000", "/orders?limit=500", "/orders?limit=500&product_id=product-1"];
    thread::scope(|scope| {
        for path in paths.iter().cycle().take(20 * paths.len()) {
            scope.spawn(move || {
                let reply = app.get(path);
                assert!(reply.status == 200 || reply.header("retry-after").is_some(), "{}", reply.status);
            });
        }
    });
}

#[test]
fn hostile_clients_cost_a_gibibyte_at_most_and_others_are_served_meanwhile() {
    let mut app = TestApp::launch(&LIMITED, Store::sqlite(), &["--max-order-lines", "10000"]);
    let served = Served::default();
    thread::scope(|scope| {
        let (app, served) = (&app, &served);
        let _over = Over(served);
        scope.spawn(move || served.go_on(app));
        let mut orders = Vec::new();
        for _ in 0..rounds(1) {
            let attack = |name: &str, act: &mut dyn FnMut()| {
                let started = Instant::now();
                act();
                withstood(app, served, name, started);
            };
            attack("giant frames", &mut || giant_frames(app));
            attack("half bodies", &mut || half_bodies(app));
            attack("large orders", &mut || orders.push(large_orders(app)));
            attack("answers nobody reads", &mut || answers_nobody_reads(app, &orders));
            attack("floods of keys", &mut || floods_of_keys(app, &orders));
            attack("pages at once", &mut || pages_at_once(app));
        }
    });
    // It has never been started again.
    app.get("/readyz").expect(200);
    assert!(app.terminate().success());
    verify(&app.store());
}

#[expect(clippy::print_stdout, reason = "what an attack cost is worth knowing when another one succeeds")]
fn tell(what: &str) {
    println!("{what}");
}

/// Ends what goes on beside, also when an attack has succeeded.
struct Over<'s>(&'s Served);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}
