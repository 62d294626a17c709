//! Reads the whole log and checks what every reader relies on.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use ordo_actors::{
    aggregate::{Aggregate, DomainEvent},
    event::{EventEnvelope, Position, StreamId, Version},
    saga::SagaEvent,
    store::{EventStore, LogQuery, StoreError},
};
use serde::Serialize;

use crate::{
    fulfilment::{Fulfilment, FulfilmentSaga},
    order::{Order, OrderEvent},
};

/// Findings that are told in words; more are counted.
const MOST_FINDINGS: usize = 100;

/// Events read at a time.
const PAGE: usize = 5000;

/// What an audit found. Needs about 60 bytes of memory per stream while it runs.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Events read.
    pub events: u64,
    /// Streams they belong to.
    pub streams: u64,
    /// The head of the log when the audit began: it read up to there.
    pub head: u64,
    /// How many things were wrong.
    pub faults: u64,
    /// The first hundred of them, in words.
    pub findings: Vec<String>,
}

#[derive(Clone, Copy)]
struct End {
    version: Version,
    at: DateTime<Utc>,
}

impl Audit {
    /// Checks that positions are 1, 2, ... without a hole up to the head, that every stream's versions are, that no stream's
    /// time runs backwards, and that this code can read every event. `progress` hears how far it has come.
    ///
    /// # Errors
    /// The store failed; a fault of the log is a finding, not an error.
    pub async fn of(store: &dyn EventStore, progress: impl Fn(u64)) -> Result<Self, StoreError> {
        let mut audit = Self { head: store.head().await?.position.0, ..Self::default() };
        let mut streams: HashMap<StreamId, End> = HashMap::new();
        let mut last = Position::START;
        while last.0 < audit.head {
            let events = store.read_all(&LogQuery::after(last, PAGE)).await?;
            let Some(end) = events.last().map(|event| event.position) else {
                audit.find(format!("the log ends at position {last}, its head says {}", audit.head));
                break;
            };
            let head = audit.head;
            for event in events.iter().take_while(|event| event.position.0 <= head) {
                audit.check(event, last, &mut streams);
                last = event.position;
            }
            last = last.max(end);
            progress(last.0);
        }
        audit.streams = streams.len() as u64;
        Ok(audit)
    }

    fn check(&mut self, event: &EventEnvelope, last: Position, streams: &mut HashMap<StreamId, End>) {
        self.events += 1;
        if event.position != last.plus(1) {
            self.find(format!("position {} follows {last}", event.position));
        }
        let end = streams.entry(event.aggregate_id).or_insert(End { version: Version::NONE, at: DateTime::UNIX_EPOCH });
        let before = *end;
        *end = End { version: event.version, at: event.timestamp };
        let place = format!("{}@{}", event.aggregate_id, event.version);
        if event.version != before.version.plus(1) {
            self.find(format!("{place} follows version {}", before.version));
        }
        if event.timestamp < before.at {
            self.find(format!("{place} was recorded before the event before it"));
        }
        let read = if event.aggregate_type == Order::TYPE {
            OrderEvent::decode(&event.event_type, &event.payload).err()
        } else if event.aggregate_type == FulfilmentSaga::TYPE {
            SagaEvent::<Fulfilment>::decode(&event.event_type, &event.payload).err()
        } else {
            None
        };
        if let Some(error) = read {
            self.find(format!("{place} cannot be read: {error}"));
        }
    }

    /// Adds a finding.
    pub fn find(&mut self, finding: String) {
        self.faults += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }
}
