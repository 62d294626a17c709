//! A server that says what a test wants it to say, to clients that come back.

use std::{
    net::{TcpListener, TcpStream},
    thread,
};

use serde_json::{Value, json};
use socket2::SockRef;
use tokio_tungstenite::tungstenite::{
    Message, WebSocket, accept_hdr,
    handshake::server::{Request, Response},
    http::HeaderValue,
};

use crate::support::live_client::PATIENCE;

/// A place where a client is expected.
pub struct Script {
    listener: TcpListener,
}

impl Script {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // A client that does not come is not waited for forever.
        SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).unwrap();
        Self { listener }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.listener.local_addr().unwrap())
    }

    /// The next connection, and what its client asks for.
    #[expect(clippy::result_large_err, reason = "how the library wants to be told about a refusal")]
    fn accept(&self) -> (WebSocket<TcpStream>, Value) {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let agree = |_: &Request, mut response: Response| {
            let subprotocol = HeaderValue::from_static("ordo.v1.json");
            response.headers_mut().insert("sec-websocket-protocol", subprotocol);
            Ok(response)
        };
        let mut socket = accept_hdr(stream, agree).unwrap();
        let asked = socket.read().unwrap();
        (socket, serde_json::from_str(asked.to_text().unwrap()).unwrap())
    }

    /// Ends a client's subscription because the store is away, speaks of later positions, and gives what the client asks for
    /// when it comes back.
    pub fn store_goes_away(self) -> thread::JoinHandle<Value> {
        thread::spawn(move || {
            let (mut socket, asked) = self.accept();
            let id = &asked["id"];
            let order = json!({"state": "Draft", "version": 7, "total_cents": 0});
            let event = json!({"event_type": "ItemAdded", "position": 7});
            for frame in [
                json!({"type": "subscribed", "id": id, "position": 6, "epoch": "7d444840-9dc0-41d1-b245-5ffdce74fad2"}),
                json!({"type": "event", "id": id, "position": 7, "event": event, "order": order}),
                json!({"type": "error", "id": id, "problem": {"status": 503, "detail": "the store is away"}}),
                json!({"type": "heartbeat", "position": 99}),
            ] {
                // A client that has heard enough is gone.
                let _ = socket.send(Message::text(frame.to_string()));
            }
            let _ = socket.flush();
            while socket.read().is_ok() {}
            self.accept().1
        })
    }
}
