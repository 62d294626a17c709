//! Stopping: with grace, and under load.
//!
//! `ORDO_TEST_ROUNDS` says how often a server is stopped.

use std::{
    io::{BufRead, BufReader, Error, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::mpsc::{self, Sender},
    time::{Duration, Instant},
};

use crate::{
    http::durability::under_load,
    support::{
        effort::rounds,
        live_client::{LiveClient, PATIENCE},
        rng::Rng,
        test_app::{Store, TestApp},
    },
};

/// Clients that keep their connections.
const CLIENTS: u64 = 64;

/// What a client keeps: a connection, read through a buffer.
struct Kept(BufReader<TcpStream>);

impl Kept {
    /// Nothing when nobody listens any more.
    fn connect(address: &str) -> Option<Self> {
        let address = address.to_socket_addrs().unwrap().next().unwrap();
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Some(Self(BufReader::new(stream)))
    }

    fn send(&mut self, request: &str) -> Result<(), Error> {
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// Reads one answer: its head. Its body is read and dropped.
    fn answer(&mut self) -> Result<String, Error> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(Error::other("closed without an answer"));
            }
        }
        head.make_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body)?;
        Ok(head)
    }
}

/// Sends one request after the other over connections that it keeps for as long as the server does. How many went without an
/// answer: of those sent over a connection whose end nobody had announced.
fn client(address: &str, seed: u64, answered: &Sender<()>) -> usize {
    let mut rng = Rng::new(seed);
    let mut broken = 0;
    let body = r#"{"customer_id":"ada"}"#;
    let order = format!(
        "POST /orders HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let look = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n");
    while let Some(mut kept) = Kept::connect(address) {
        loop {
            let request = if rng.percent(50) { &order } else { &look };
            let Ok(head) = kept.send(request).and_then(|()| kept.answer()) else {
                broken += 1;
                break;
            };
            // Whoever counts may have enough.
            let _ = answered.send(());
            if head.contains("connection: close") {
                break;
            }
            std::thread::yield_now();
        }
    }
    broken
}

#[test]
fn whoever_sends_while_the_server_stops_is_answered() {
    for round in 0..rounds(3) {
        let mut app = TestApp::start_on(Store::sqlite(), &[]);
        let address = app.address();
        let (answered, answers) = mpsc::channel();
        let broken: usize = std::thread::scope(|scope| {
            let start = |seed| {
                let (address, answered) = (&address, answered.clone());
                scope.spawn(move || client(address, seed, &answered))
            };
            let clients: Vec<_> = (0..CLIENTS).map(|number| start(round * CLIENTS + number)).collect();
            let moment = usize::try_from(200 + Rng::new(round).below(1000)).unwrap();
            assert_eq!(answers.iter().take(moment).count(), moment);
            assert_eq!(app.terminate().code(), Some(0));
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        assert_eq!(broken, 0, "round {round}");
    }
}

#[test]
fn a_server_told_to_stop_first_says_so_and_still_answers() {
    let mut app = TestApp::start_on(Store::Memory, &["--drain-seconds", "2"]);
    let order = app.draft();
    let (address, host) = (app.address(), app.address());
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut idle = Kept::connect(&address).unwrap();
    idle.send(&get("/livez")).unwrap();
    assert!(!idle.answer().unwrap().contains("connection: close"));
    let mut live = LiveClient::connect(&app);
    app.begin_to_terminate();
    assert_eq!(live.close_code(), 4001);
    let mut kept = Kept::connect(&address).unwrap();
    kept.send(&get("/readyz")).unwrap();
    let head = kept.answer().unwrap();
    assert!(head.starts_with("http/1.1 503") && head.contains("connection: close"), "{head}");
    // What was idle meanwhile is still heard, and told that this was the last time.
    idle.send(&get(&order)).unwrap();
    let head = idle.answer().unwrap();
    assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
    assert_eq!(app.wait_for_exit().code(), Some(0));
    assert!(Kept::connect(&address).is_none());
}

#[test]
fn a_server_told_twice_to_stop_stops_at_once() {
    let mut app = TestApp::start_on(Store::Memory, &["--drain-seconds", "60", "--shutdown-seconds", "60"]);
    let mut live = LiveClient::connect(&app);
    app.begin_to_terminate();
    // Told once it closes live connections: the second time is the second time.
    assert_eq!(live.close_code(), 4001);
    let started = Instant::now();
    assert_eq!(app.terminate().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_server_told_to_stop_under_load_exits_with_0_within_ten_seconds() {
    let mut app = TestApp::start_on(Store::Memory, &[]);
    let acknowledged = under_load(&app, TestApp::begin_to_terminate);
    assert_eq!(app.wait_for_exit().code(), Some(0));
    assert!(acknowledged.len() >= 200);
}

#[test]
fn a_server_told_to_stop_does_not_wait_for_idle_connections() {
    let mut app = TestApp::start();
    app.get("/livez").expect(200);
    let idle = std::net::TcpStream::connect(app.address()).unwrap();
    let started = Instant::now();
    assert_eq!(app.terminate().code(), Some(0));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    drop(idle);
}

#[test]
fn a_server_that_waits_for_a_position_stops_in_time() {
    let mut app = TestApp::start();
    let path = app.url(&format!("{}?min_position=99", app.draft()));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| reqwest::blocking::get(path).map(|response| response.status().as_u16()));
        app.get("/livez").expect(200);
        assert_eq!(app.terminate().code(), Some(0));
        // It is answered, or it is cut off; it does not hang.
        if let Ok(status) = reader.join().unwrap() {
            assert_eq!(status, 503);
        }
    });
}
