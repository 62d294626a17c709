//! Reads the whole log and checks what every reader relies on, and that it is still what was written.

mod chain;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use ordo_actors::{
    aggregate::{Aggregate, DomainEvent},
    log::{
        checksum::Check,
        event::{EventEnvelope, Position, StreamId, Version},
        inspection::{Inspect, LogEntry, Seal},
        store::{EventStore, StoreError, StoredKind},
        upcast::Upcasters,
    },
    saga::SagaEvent,
};
use serde::Serialize;

use self::chain::ChainWalk;
use crate::{
    fulfilment::{Fulfilment, FulfilmentSaga},
    order::{Order, OrderEvent},
};

/// Findings that are told in words; more are counted.
const MOST_FINDINGS: usize = 100;

/// Events, snapshots or records read at a time.
const PAGE: usize = 1000;

/// What an audit found. Needs about 60 bytes of memory per stream while it runs.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Events read.
    pub events: u64,
    /// Streams they belong to.
    pub streams: u64,
    /// The head of the log when the audit began: it read up to there.
    pub head: u64,
    /// Where checksums begin: events before this position were written before there were any. Absent when the store keeps none.
    pub checksums_from: Option<u64>,
    /// Events from there on that have no checksum of their own and are covered by the chain alone: a server of an earlier
    /// version appended them.
    pub without_checksum: u64,
    /// Snapshots and idempotency records that were held against their checksums.
    pub snapshots: u64,
    /// See `snapshots`.
    pub idempotency_records: u64,
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

/// What has been read so far.
struct Reading<'a> {
    upcasters: &'a Upcasters,
    streams: HashMap<StreamId, End>,
    kinds: HashSet<StoredKind>,
    chain: Option<ChainWalk>,
    checked_after: Position,
    last: Position,
}

impl Audit {
    /// Checks that positions are 1, 2, ... without a hole up to the head, that every stream's versions are, that no stream's
    /// time runs backwards, that this code can read every event, and that events, their order, snapshots and idempotency
    /// records are what was written, as far as they have checksums. `progress` hears how far it has come.
    ///
    /// # Errors
    /// The store failed; a fault of the log is a finding, not an error.
    pub async fn of(
        store: &dyn EventStore,
        inspect: &dyn Inspect,
        upcasters: &Upcasters,
        progress: impl Fn(u64),
    ) -> Result<Self, StoreError> {
        let head = store.head().await?;
        let seal = inspect.seal().await?;
        let mut audit = Self { head: seal.map_or(head.position, |seal| seal.position).0, ..Self::default() };
        let mut reading = Reading {
            upcasters,
            streams: HashMap::new(),
            kinds: HashSet::new(),
            chain: seal.map(ChainWalk::new),
            checked_after: seal.map_or(head.position, |seal| seal.checked_after),
            last: Position::START,
        };
        audit.read_log(inspect, &mut reading, progress).await?;
        audit.streams = reading.streams.len() as u64;
        if let Some(finding) = reading.chain.take().and_then(|chain| chain.end(reading.last)) {
            audit.find(finding);
        }
        if let Some(seal) = seal {
            audit.checksums_from = Some(seal.checked_after.0 + 1);
            audit.look_beyond(inspect, seal).await?;
        }
        audit.check_kinds(store, &reading.kinds).await?;
        audit.check_snapshots(inspect).await?;
        audit.check_records(inspect).await?;
        inspect.structure().await?.into_iter().for_each(|fault| audit.find(fault));
        Ok(audit)
    }

    async fn read_log(
        &mut self,
        inspect: &dyn Inspect,
        reading: &mut Reading<'_>,
        progress: impl Fn(u64),
    ) -> Result<(), StoreError> {
        let head = self.head;
        while reading.last.0 < head {
            let entries = inspect.entries(reading.last, PAGE).await?;
            let before = reading.last;
            for entry in entries.iter().take_while(|entry| entry.position.0 <= head) {
                self.check(entry, reading);
                reading.last = entry.position;
            }
            if reading.last == before {
                self.find(format!("the log ends at position {before}, its head says {head}"));
                break;
            }
            progress(reading.last.0);
        }
        Ok(())
    }

    fn check(&mut self, entry: &LogEntry, reading: &mut Reading<'_>) {
        self.events += 1;
        if entry.position != reading.last.plus(1) {
            self.find(format!("position {} follows {}", entry.position, reading.last));
        }
        if let Some(finding) = reading.chain.as_mut().and_then(|chain| chain.take(entry, reading.last)) {
            self.find(finding);
        }
        match &entry.event {
            Ok(event) => self.check_event(event, entry.check, reading),
            Err(reason) => self.find(format!("the event at position {} cannot be read: {reason}", entry.position)),
        }
    }

    fn check_event(&mut self, event: &Arc<EventEnvelope>, check: Check, reading: &mut Reading<'_>) {
        match check {
            Check::Holds => {}
            Check::Absent => self.without_checksum += u64::from(reading.checked_after < event.position),
            Check::Differs => self.find(event.altered()),
        }
        let kind = StoredKind {
            aggregate_type: event.aggregate_type.clone(),
            event_type: event.event_type.clone(),
            schema_version: event.schema_version,
        };
        reading.kinds.insert(kind);
        let before = reading.streams.insert(event.aggregate_id, End { version: event.version, at: event.timestamp });
        let before = before.unwrap_or(End { version: Version::NONE, at: DateTime::UNIX_EPOCH });
        let place = || format!("{}@{}", event.aggregate_id, event.version);
        if event.version != before.version.plus(1) {
            self.find(format!("{} follows version {}", place(), before.version));
        }
        if event.timestamp < before.at {
            self.find(format!("{} was recorded before the event before it", place()));
        }
        if let Err(reason) = decode(event, reading.upcasters) {
            self.find(format!("{} cannot be read: {reason}", place()));
        }
    }

    /// What stands where no event may stand.
    async fn look_beyond(&mut self, inspect: &dyn Inspect, seal: Seal) -> Result<(), StoreError> {
        if seal.before_first > 0 {
            self.find(format!("{} events stand before the first position", seal.before_first));
        }
        let beyond = inspect.entries(seal.position, 1).await?;
        let Some(beyond) = beyond.first().map(|entry| entry.position) else { return Ok(()) };
        // Unless it has been appended meanwhile.
        if inspect.seal().await?.is_some_and(|seal| seal.position < beyond) {
            self.find(format!("position {beyond} lies beyond the head of the log, {}", seal.position));
        }
        Ok(())
    }

    /// Start looks at the kinds, and searches by them, instead of reading the log.
    async fn check_kinds(&mut self, store: &dyn EventStore, seen: &HashSet<StoredKind>) -> Result<(), StoreError> {
        let listed: HashSet<_> = store.kinds().await?.into_iter().collect();
        for StoredKind { aggregate_type, event_type, schema_version } in seen.difference(&listed) {
            self.find(format!("{aggregate_type} {event_type} {schema_version} is missing in the list of kinds"));
        }
        Ok(())
    }

    async fn check_snapshots(&mut self, inspect: &dyn Inspect) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let page = inspect.snapshots(last, PAGE).await?;
            for kept in &page {
                self.snapshots += 1;
                if kept.check == Check::Differs {
                    self.find(format!("the snapshot of {} is not what was written", kept.key));
                }
            }
            match page.last() {
                Some(kept) => last = Some(kept.key),
                None => return Ok(()),
            }
        }
    }

    async fn check_records(&mut self, inspect: &dyn Inspect) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let page = inspect.records(last, PAGE).await?;
            for kept in &page {
                self.idempotency_records += 1;
                if kept.check == Check::Differs {
                    self.find(format!("the record of idempotency key {:?} is not what was written", kept.key.key));
                }
            }
            match page.into_iter().next_back() {
                Some(kept) => last = Some(kept.key),
                None => return Ok(()),
            }
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

/// Whether this code can read an event.
fn decode(event: &Arc<EventEnvelope>, upcasters: &Upcasters) -> Result<(), String> {
    let event = upcasters.upcast(Arc::clone(event)).map_err(|error| error.to_string())?;
    let read = if event.aggregate_type == Order::TYPE {
        OrderEvent::decode(&event.event_type, &event.payload).err()
    } else if event.aggregate_type == FulfilmentSaga::TYPE {
        SagaEvent::<Fulfilment>::decode(&event.event_type, &event.payload).err()
    } else {
        None
    };
    read.map_or(Ok(()), |error| Err(error.to_string()))
}
