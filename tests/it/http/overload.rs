//! More than the server takes: who is refused is refused at once, who is not waits, and the log stays small.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Instant,
};

use serde_json::json;

use crate::support::{
    api::widget,
    test_app::{Store, TestApp},
};

/// Clients that all want the one place there is.
const CLIENTS: usize = 16;
const ROUNDS: usize = 100;

/// Lines that are no greeting of a server: what it warns of.
fn warnings(app: &TestApp) -> Vec<String> {
    let log = app.log();
    let warnings = log.lines().filter(|line| line.contains("\"warn\"") || line.contains("\"error\""));
    warnings.map(str::to_owned).collect()
}

#[test]
fn refusals_are_counted_and_told_once_a_second() {
    let app = TestApp::start_on(Store::sqlite(), &["--max-in-flight", "1"]);
    let started = Instant::now();
    let place = || app.post("/orders", &json!({"items": [widget(1)]})).status;
    let refused: usize = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| (0..ROUNDS).filter(|_| place() == 503).count())).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(refused > 100, "{refused}");
    // The last second is told when it is over.
    let told = || -> usize {
        let counts = warnings(&app).into_iter().filter_map(|line| {
            line.split("answered within a second: ").nth(1)?.split(" overloaded").next()?.parse::<usize>().ok()
        });
        counts.sum()
    };
    while told() < refused {
        app.get("/livez").expect(200);
    }
    assert_eq!(told(), refused);
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap() + 2;
    assert!(warnings(&app).len() <= seconds, "{:?}", warnings(&app));
}

#[test]
fn what_clients_do_wrong_leaves_no_line() {
    let app = TestApp::start();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(app.address()).unwrap();
        stream.write_all(b"nonsense\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| app.get("/events?min_position=99").problem(503, "position-not-reached"));
        }
    });
    assert_eq!(warnings(&app), [""; 0]);
}

#[test]
fn a_request_is_refused_before_its_body_is_read() {
    let app = TestApp::start_on(Store::sqlite(), &["--max-in-flight", "1"]);
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n",
        app.address()
    );
    let place = || app.post("/orders", &json!({"items": [widget(1)]})).status;
    let refused = std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| (0..ROUNDS).filter(|_| place() == 201).count());
        }
        // Of many that come while the place is taken one is answered although it sends nothing.
        (0..ROUNDS).any(|_| {
            let mut stream = TcpStream::connect(app.address()).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).is_ok() && status.ends_with(b"503")
        })
    });
    assert!(refused);
}
