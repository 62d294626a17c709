//! A real WebSocket client, and what the tests ask of it.

use std::{
    io::ErrorKind,
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    self, Error, Message, WebSocket,
    client::IntoClientRequest,
    handshake::client::Request,
    http::{HeaderName, HeaderValue},
};

use crate::support::test_app::TestApp;

/// Longer than anything a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that has been upgraded.
pub struct LiveClient {
    pub socket: WebSocket<TcpStream>,
}

/// A request for an upgrade, with further headers.
pub fn upgrade(address: &str, headers: &[(&'static str, &str)]) -> Request {
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    request
}

impl LiveClient {
    pub fn connect(app: &TestApp) -> Self {
        let address = app.address();
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(upgrade(&address, &[]), stream).unwrap();
        Self { socket }
    }

    /// Connects and subscribes.
    pub fn subscribed(app: &TestApp, topic: &str, after: Option<u64>) -> Self {
        let mut client = Self::connect(app);
        client.subscribe("a", topic, after);
        client.expect("subscribed");
        client
    }

    pub fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    pub fn subscribe(&mut self, id: &str, topic: &str, after: Option<u64>) {
        self.send(&json!({"type": "subscribe", "id": id, "topic": topic, "after": after}));
    }

    /// The next frame that is no heartbeat.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        let asked = Instant::now();
        loop {
            let frame = self.next_of_all();
            assert!(asked.elapsed() < PATIENCE, "nothing but heartbeats");
            if frame["type"] != "heartbeat" {
                return frame;
            }
        }
    }

    #[track_caller]
    pub fn next_of_all(&mut self) -> Value {
        loop {
            match self.socket.read().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next frame, which is of this type.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next();
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next frame, which is an error with this problem.
    #[track_caller]
    pub fn expect_error(&mut self, status: u16, name: &str) -> Value {
        let frame = self.expect("error");
        let problem = &frame["problem"];
        assert_eq!(
            (&problem["status"], &problem["type"]),
            (&json!(status), &json!(format!("/problems/{name}"))),
            "{frame}"
        );
        assert!(["title", "detail", "request_id"].iter().all(|member| !problem[member].as_str().unwrap().is_empty()));
        frame
    }

    /// Reads frames, whatever they are, until one is of this type.
    #[track_caller]
    pub fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.next());
            if frames.last().unwrap()["type"] == kind {
                return frames;
            }
        }
    }

    /// Reads until this many events have come; gives their positions.
    #[track_caller]
    pub fn positions(&mut self, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        while positions.len() < count {
            let frame = self.next();
            assert_ne!(frame["type"], "error", "{frame}");
            if frame["type"] == "event" {
                positions.push(frame["position"].as_u64().unwrap());
            }
        }
        positions
    }

    /// Shows that the socket is well: it answers.
    #[track_caller]
    pub fn is_well(&mut self) {
        self.send(&json!({"type": "ping"}));
        self.expect("pong");
    }

    /// Reads until the server closes; gives the code.
    #[track_caller]
    pub fn close_code(&mut self) -> u16 {
        loop {
            match self.socket.read().unwrap() {
                Message::Close(Some(close)) => return close.code.into(),
                Message::Close(None) => panic!("closed without a code"),
                _ => {}
            }
        }
    }

    /// Reads until the connection ends after the close; the server does not leave it open.
    #[track_caller]
    pub fn ends(&mut self) {
        loop {
            match self.socket.read() {
                Ok(_) => {}
                Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => return,
                Err(Error::Io(error)) => {
                    assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "still open");
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A number that `/metrics` shows.
pub fn metric(app: &TestApp, name: &str) -> u64 {
    let text = app.get("/metrics").expect(200).body;
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// Waits until a metric is as it should be: asking the server is what lets time pass.
#[track_caller]
pub fn until_metric(app: &TestApp, name: &str, right: impl Fn(u64) -> bool) {
    let started = Instant::now();
    while !right(metric(app, name)) {
        assert!(started.elapsed() < PATIENCE, "{name} is {}", metric(app, name));
    }
}

/// The id in an order's path.
pub fn id_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}
