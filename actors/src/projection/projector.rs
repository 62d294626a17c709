//! One generation of one read model on its way through the log: events in, rows and checkpoint out, unprocessable streams parked.
//!
//! Free of actix: the actor decides when, this decides what.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use crate::{
    log::{
        event::{Epoch, EventEnvelope, Position, StreamId, Version},
        event_feed::EventFeed,
        store::{EventStore, LogQuery, StoreError},
    },
    projection::{
        ReadModel, Sources, TakeError,
        progress::ProjectionParts,
        row_store::{Checkpoint, DeadLetter, MAX_PAGE, RowChange, RowCommit, RowStore, RowVerdict, Skip, Table},
        table_scan::TableScan,
    },
};

/// Where a projector reads and writes.
#[derive(Clone)]
pub(crate) struct ProjectionStores {
    pub log: Arc<dyn EventStore>,
    pub rows: Arc<dyn RowStore>,
    pub feed: EventFeed,
}

impl ProjectionStores {
    pub fn of(parts: &ProjectionParts) -> Self {
        Self { log: Arc::clone(&parts.log), rows: Arc::clone(&parts.rows), feed: parts.feed.clone() }
    }

    fn sources(&self, generation: u32) -> Sources<'_> {
        Sources { log: self.log.as_ref(), rows: self.rows.as_ref(), generation, head: self.feed.head() }
    }
}

/// A read model and where it stands.
pub(crate) struct Projector {
    model: Box<dyn ReadModel>,
    stores: ProjectionStores,
    checkpoint: Checkpoint,
    parked: HashMap<StreamId, DeadLetter>,
}

/// What a step came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// So many events are in the rows now; the last one was recorded then.
    Advanced { events: usize, last: Arc<EventEnvelope> },
    /// There was nothing to take.
    Idle,
    /// Another runner has taken over.
    Superseded,
}

impl Projector {
    /// Takes a generation over, wherever it stands. A checkpoint of another log is an error the caller answers with a new
    /// generation.
    pub async fn claim(
        model: Box<dyn ReadModel>,
        stores: ProjectionStores,
        generation: u32,
        epoch: Epoch,
    ) -> Result<Self, StoreError> {
        let checkpoint = stores.rows.claim(model.name(), generation, epoch, Uuid::new_v4()).await?;
        let letters = stores.rows.dead_letters(model.name(), generation).await?;
        let parked = letters.into_iter().map(|letter| (letter.stream, letter)).collect();
        Ok(Self { model, stores, checkpoint, parked })
    }

    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// Streams that are parked and wait for an operator to retry or skip them.
    pub fn parked_streams(&self) -> usize {
        self.parked.values().filter(|letter| letter.skipped.is_none()).count()
    }

    /// Takes in what comes next: `backlog` if it follows on, else a page of the log. Never goes past `up_to`.
    pub async fn advance(
        &mut self,
        backlog: Vec<Arc<EventEnvelope>>,
        page: usize,
        up_to: Option<Position>,
    ) -> Result<Step, StoreError> {
        let mut events = match backlog.first() {
            Some(first) if first.position == self.checkpoint.position.plus(1) => backlog,
            _ => self.stores.log.read_all(&LogQuery::after(self.checkpoint.position, page)).await?.into_events(),
        };
        if let Some(up_to) = up_to {
            events.retain(|event| event.position <= up_to);
        }
        let Some(last) = events.last().cloned() else { return Ok(Step::Idle) };
        self.demand_gapless(&events)?;
        let (changes, park) = self.take(&events).await?;
        let commit = RowCommit {
            model: self.model.name(),
            expected: self.checkpoint,
            next: Checkpoint { position: last.position, ..self.checkpoint },
            changes,
            park: park.clone(),
            free: Vec::new(),
        };
        Ok(match self.commit(commit).await? {
            RowVerdict::Superseded => Step::Superseded,
            RowVerdict::Committed => {
                self.parked.extend(park.into_iter().map(|letter| (letter.stream, letter)));
                Step::Advanced { events: events.len(), last }
            }
        })
    }

    /// Positions without a hole are what the whole read side stands on.
    fn demand_gapless(&self, events: &[Arc<EventEnvelope>]) -> Result<(), StoreError> {
        let mut last = self.checkpoint.position;
        for event in events {
            if event.position != last.plus(1) {
                return Err(StoreError::Corrupt(format!("position {} follows {last}", event.position)));
            }
            last = event.position;
        }
        Ok(())
    }

    /// What the events change, without those of parked streams. Each unprocessable event parks its stream from there on, so this
    /// ends; what comes before it in its stream is taken in.
    async fn take(&mut self, events: &[Arc<EventEnvelope>]) -> Result<(Vec<RowChange>, Vec<DeadLetter>), StoreError> {
        let mut out: HashMap<StreamId, Version> = HashMap::new();
        let mut park = Vec::new();
        loop {
            let live: Vec<_> = events
                .iter()
                .filter(|event| !self.parked.contains_key(&event.aggregate_id))
                .filter(|event| out.get(&event.aggregate_id).is_none_or(|first| event.version < *first))
                .cloned()
                .collect();
            let sources = self.stores.sources(self.checkpoint.generation);
            match self.model.take(&live, sources).await {
                Ok(changes) => return Ok((changes, park)),
                Err(TakeError::Store(error)) => return Err(error),
                Err(TakeError::Unprocessable { stream, version, position, reason }) => {
                    log::error!(model = self.model.name(), position = position.0; "{stream}@{version} is parked: {reason}");
                    if out.insert(stream, version).is_some() {
                        return Err(StoreError::Corrupt(format!(
                            "{stream} is parked, and its read model refuses it again"
                        )));
                    }
                    park.push(DeadLetter::of(stream, version, position, &reason));
                }
            }
        }
    }

    /// Commits; when the outcome is unknown, looks whether it happened.
    async fn commit(&mut self, commit: RowCommit) -> Result<RowVerdict, StoreError> {
        let (model, next) = (commit.model, commit.next);
        let verdict = match self.stores.rows.commit(commit).await {
            Err(StoreError::Unknown(reason)) => match self.stores.rows.checkpoint(model, next.generation).await {
                Ok(Some(found)) if found == next => Ok(RowVerdict::Committed),
                Ok(_) => Err(StoreError::Unavailable(reason)),
                Err(error) => Err(error),
            },
            other => other,
        };
        if let Ok(RowVerdict::Committed) = verdict {
            self.checkpoint = next;
        }
        verdict
    }

    /// Tries a parked stream again, from the event that was refused up to the checkpoint. True when it is in the rows now.
    pub async fn retry(&mut self, stream: StreamId) -> Result<bool, StoreError> {
        let Some(letter) = self.parked.get(&stream).cloned() else { return Ok(true) };
        let events = self.stream_to_checkpoint(stream, letter.version).await?;
        let sources = self.stores.sources(self.checkpoint.generation);
        let (changes, park, free) = match self.model.take(&events, sources).await {
            Ok(changes) => (changes, Vec::new(), vec![stream]),
            Err(TakeError::Store(error)) => return Err(error),
            Err(TakeError::Unprocessable { reason, .. }) => (Vec::new(), vec![letter.tried_again(&reason)], Vec::new()),
        };
        let freed = !free.is_empty();
        let verdict = self.commit_in_place(changes, park, free).await?;
        Ok(freed && verdict == RowVerdict::Committed)
    }

    /// Notes that the read model does without a parked stream; gives what is noted, which is the first skip if there was one
    /// already, or nothing when the stream is not parked.
    pub async fn skip(&mut self, stream: StreamId, skip: Skip) -> Result<Option<DeadLetter>, StoreError> {
        let Some(letter) = self.parked.get(&stream).cloned() else { return Ok(None) };
        if letter.skipped.is_some() {
            return Ok(Some(letter));
        }
        let letter = DeadLetter { skipped: Some(skip), ..letter };
        self.note(vec![letter.clone()]).await?;
        Ok(Some(letter))
    }

    /// Skips what another generation skips and this one has parked as well.
    pub async fn copy_skips_from(&mut self, other: &Self) -> Result<(), StoreError> {
        let skip_of = |stream| other.parked.get(&stream).and_then(|letter| letter.skipped.clone());
        let waiting = self.parked.values().filter(|letter| letter.skipped.is_none());
        let skipped: Vec<_> = waiting
            .filter_map(|letter| {
                skip_of(letter.stream).map(|skip| DeadLetter { skipped: Some(skip), ..letter.clone() })
            })
            .collect();
        if skipped.is_empty() { Ok(()) } else { self.note(skipped).await }
    }

    async fn note(&mut self, letters: Vec<DeadLetter>) -> Result<(), StoreError> {
        match self.commit_in_place(Vec::new(), letters, Vec::new()).await? {
            RowVerdict::Committed => Ok(()),
            RowVerdict::Superseded => Err(StoreError::Unavailable("another process runs the projection".into())),
        }
    }

    /// Commits without going on.
    ///
    /// The position stays, so a new owner token marks the commit: by it one sees whether a commit without an answer was
    /// written, and one that arrives late finds itself superseded, or supersedes what was computed without it.
    async fn commit_in_place(
        &mut self,
        changes: Vec<RowChange>,
        park: Vec<DeadLetter>,
        free: Vec<StreamId>,
    ) -> Result<RowVerdict, StoreError> {
        let commit = RowCommit {
            model: self.model.name(),
            expected: self.checkpoint,
            next: Checkpoint { owner: Uuid::new_v4(), ..self.checkpoint },
            changes,
            park: park.clone(),
            free: free.clone(),
        };
        let verdict = self.commit(commit).await?;
        if verdict == RowVerdict::Committed {
            self.parked.retain(|stream, _| !free.contains(stream));
            self.parked.extend(park.into_iter().map(|letter| (letter.stream, letter)));
        }
        Ok(verdict)
    }

    async fn stream_to_checkpoint(
        &self,
        stream: StreamId,
        from: Version,
    ) -> Result<Vec<Arc<EventEnvelope>>, StoreError> {
        let mut events = Vec::new();
        let mut next = from;
        loop {
            let page = self.stores.log.read_stream(stream, next, MAX_PAGE).await?;
            let is_last = page.is_last();
            events.extend(page.into_iter().filter(|event| event.position <= self.checkpoint.position));
            match events.last() {
                Some(last) if !is_last => next = last.version.plus(1),
                _ => return Ok(events),
            }
        }
    }

    /// How many rows of this generation another one does not have just so, in either direction.
    pub async fn differences(&self, other: u32) -> Result<u64, StoreError> {
        let mut differences = 0;
        for table in self.model.tables() {
            differences += self.differences_in(table, other).await?;
        }
        Ok(differences)
    }

    /// Walks both generations of a table in key order, a page of each at a time.
    async fn differences_in(&self, table: &'static Table, other: u32) -> Result<u64, StoreError> {
        let mut mine = TableScan::new(table, self.checkpoint.generation);
        let mut theirs = TableScan::new(table, other);
        let rows = self.stores.rows.as_ref();
        let mut differences = 0;
        loop {
            match (mine.peek(rows).await?, theirs.peek(rows).await?) {
                (None, None) => return Ok(differences),
                (Some(a), Some(b)) if a == b => {
                    mine.pop();
                    theirs.pop();
                }
                (Some(a), Some(b)) => {
                    differences += 1;
                    let (a, b) = (a[..table.key].to_vec(), b[..table.key].to_vec());
                    if a <= b {
                        mine.pop();
                    }
                    if b <= a {
                        theirs.pop();
                    }
                }
                (Some(_), None) => {
                    differences += 1;
                    mine.pop();
                }
                (None, Some(_)) => {
                    differences += 1;
                    theirs.pop();
                }
            }
        }
    }

    /// Makes this generation the live one.
    pub async fn go_live(&self) -> Result<RowVerdict, StoreError> {
        self.stores.rows.switch(self.model.name(), self.checkpoint).await
    }
}
