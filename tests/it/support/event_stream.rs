//! A client of Server-Sent Events.

use std::io::{BufRead, BufReader, Read};

use reqwest::{Method, blocking::Response};
use serde_json::Value;

use super::test_app::TestApp;

pub struct Stream(pub BufReader<Response>);

#[derive(Debug, Default, PartialEq)]
pub struct Block {
    pub id: Option<String>,
    pub event: String,
    pub data: Value,
}

impl Stream {
    pub fn open(app: &TestApp, query: &str, last_event_id: Option<&str>) -> Self {
        let mut request = app.request(Method::GET, &format!("/stream?{query}"));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self(BufReader::new(response))
    }

    /// The next block with an event, as a browser would read it; none at the end.
    pub fn try_next(&mut self) -> Option<Block> {
        let mut block = Block::default();
        for line in self.0.by_ref().lines() {
            let line = line.ok()?;
            match line.split_once(": ") {
                None if line.is_empty() && block.event.is_empty() => block = Block::default(),
                None if line.is_empty() => return Some(block),
                Some(("id", id)) => block.id = Some(id.to_owned()),
                Some(("event", event)) => event.clone_into(&mut block.event),
                Some(("data", data)) => block.data = serde_json::from_str(data).unwrap(),
                Some(("retry" | "", _)) => {}
                other => panic!("{other:?}"),
            }
        }
        None
    }

    #[track_caller]
    pub fn expect(&mut self, event: &str) -> Block {
        let block = self.try_next().unwrap();
        assert_eq!(block.event, event, "{block:?}");
        block
    }

    /// Reads until this many events have come; gives their positions.
    pub fn positions(&mut self, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        while positions.len() < count {
            let block = self.try_next().unwrap();
            assert_ne!(block.event, "error", "{block:?}");
            if block.event == "event" {
                positions.push(block.data["position"].as_u64().unwrap());
            }
        }
        positions
    }
}
