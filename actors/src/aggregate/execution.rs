//! One request on its way through an actor: attempted on the state, perhaps several times, then answered once.
//!
//! Free of actix: the actor owns the order of things, this owns what one request means.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    aggregate::{
        Aggregate, DomainEvent,
        rehydrate::{Loaded, SnapshotBody},
        request::{Answer, Answered, CommandOutcome, Failure, Intent, Request},
    },
    log::{
        event::{Name, Position, StreamId, Version},
        store::{Commit, ExpectedVersion, IdempotencyRecord, NewEvent, Snapshot, StreamWrite},
    },
    metrics::EngineMetrics,
};

/// What an actor lends to a request while it is attempted.
pub(crate) struct DecisionContext {
    pub stream: StreamId,
    pub now: DateTime<Utc>,
    pub snapshot_every: u64,
}

/// How a request ended, from the actor's point of view.
pub(crate) enum Resolution {
    /// All it depends on is durable, up to this position.
    Durable(Position),
    /// Its key had been used: this was answered then.
    Duplicate(IdempotencyRecord),
    /// It got no answer.
    Failed(Failure),
}

/// A request on its way through an actor, whatever type its answer has.
pub(crate) trait Execution<A: Aggregate>: Send {
    /// Decides on the state and moves it. Gives the commit that must be durable before the answer leaves, if any.
    fn attempt(&mut self, on: &mut Loaded<A>, context: &DecisionContext) -> Result<Option<Commit>, Failure>;

    /// How often it has been attempted.
    fn attempts(&self) -> u32;

    /// Whether the stream is assumed not to exist.
    fn assumes_new_stream(&self) -> bool;

    /// Whether it only looks: what it is told may come from the store as well as from memory.
    fn is_read(&self) -> bool;

    /// Does not count the last attempt: it was lost because of another request of this process, which has been answered.
    fn forgive(&mut self);

    /// Answers.
    fn resolve(self: Box<Self>, resolution: Resolution, metrics: &EngineMetrics);

    /// Gives the request back to the engine: this actor has retired.
    fn hand_back(self: Box<Self>);
}

/// What comes back over the reply channel: an answer, or the request itself, to be sent to the next incarnation.
pub(crate) type Reply<A, R> = Result<Result<Answered<R>, Failure>, Box<Request<A, R>>>;

/// A request, its reply channel, and how far it has come.
pub(crate) struct PendingRequest<A: Aggregate, R> {
    request: Box<Request<A, R>>,
    reply: oneshot::Sender<Reply<A, R>>,
    attempts: u32,
    rendered: Option<R>,
    decided: Option<Decided>,
}

/// How the last attempt at a command ended; counted when it is durable.
#[derive(Clone, Copy)]
enum Decided {
    Accepted,
    Unchanged,
    Rejected,
}

impl<A: Aggregate, R: Answer> PendingRequest<A, R> {
    pub(crate) fn new(request: Box<Request<A, R>>) -> (Self, oneshot::Receiver<Reply<A, R>>) {
        let (reply, answer) = oneshot::channel();
        (Self { request, reply, attempts: 0, rendered: None, decided: None }, answer)
    }

    /// The state, the version and what the renderer makes of them, without moving anything.
    fn look(&mut self, on: &Loaded<A>) {
        self.rendered = Some((self.request.render)(&CommandOutcome::Accepted {
            state: &on.state,
            version: on.version,
            events: &[],
        }));
    }

    fn dry_run(&mut self, on: &Loaded<A>, now: DateTime<Utc>) {
        let mut shadow = on.clone();
        let Intent::DryRun(command) = &self.request.intent else { return };
        let rendered = match shadow.state.decide(command) {
            Ok(events) => {
                evolve(&mut shadow, &events, now.max(on.last_at));
                let outcome =
                    CommandOutcome::Accepted { state: &shadow.state, version: shadow.version, events: &events };
                (self.request.render)(&outcome)
            }
            Err(rejection) => {
                let outcome = CommandOutcome::Rejected { rejection: &rejection, state: &on.state, version: on.version };
                (self.request.render)(&outcome)
            }
        };
        self.rendered = Some(rendered);
    }

    fn execute(&mut self, on: &mut Loaded<A>, context: &DecisionContext) -> Result<Option<Commit>, Failure> {
        let Intent::Execute(command) = &self.request.intent else { return Ok(None) };
        let before = on.version;
        let events = match on.state.decide(command) {
            Ok(events) => events,
            Err(rejection) => {
                let outcome = CommandOutcome::Rejected { rejection: &rejection, state: &on.state, version: on.version };
                self.rendered = Some((self.request.render)(&outcome));
                return self.refusal(on, context);
            }
        };
        let encoded = encode(&events)?;
        let at = context.now.max(on.last_at).max(self.request.min_timestamp);
        evolve(on, &events, at);
        self.decided = Some(if events.is_empty() { Decided::Unchanged } else { Decided::Accepted });
        let outcome = CommandOutcome::Accepted { state: &on.state, version: on.version, events: &events };
        self.rendered = Some((self.request.render)(&outcome));
        let snapshot = snapshot_if_due(before, on, context.snapshot_every);
        let write = write::<A>(context.stream, before, encoded, snapshot);
        let extra =
            self.request.extra_writes.as_ref().map_or_else(|| Ok(Vec::new()), |make| make(&on.state, &events))?;
        self.commit(write, extra, context, on.last_at)
    }

    /// The commit for this decision; none when there is nothing to keep.
    fn commit(
        &self,
        write: StreamWrite,
        extra: Vec<StreamWrite>,
        context: &DecisionContext,
        at: DateTime<Utc>,
    ) -> Result<Option<Commit>, Failure> {
        if write.events.is_empty() && extra.is_empty() && self.request.idempotency.is_none() {
            return Ok(None);
        }
        let idempotency = self.record(context.now)?;
        let mut writes = Vec::with_capacity(1 + extra.len());
        writes.push(write);
        writes.extend(extra);
        Ok(Some(Commit {
            timestamp: at.max(context.now).max(self.request.min_timestamp),
            metadata: Arc::new(self.request.metadata.clone()),
            writes,
            idempotency,
        }))
    }

    /// A commit that only keeps the answer to a refused request, if it is to be kept.
    fn refusal(&mut self, on: &Loaded<A>, context: &DecisionContext) -> Result<Option<Commit>, Failure> {
        self.decided = Some(Decided::Rejected);
        self.commit(write::<A>(context.stream, on.version, Vec::new(), None), Vec::new(), context, on.last_at)
    }

    fn record(&self, now: DateTime<Utc>) -> Result<Option<IdempotencyRecord>, Failure> {
        let Some(used) = &self.request.idempotency else { return Ok(None) };
        let answer = serde_json::to_vec(&self.rendered).map_err(|error| Failure::Unreadable(error.to_string()))?;
        Ok(Some(IdempotencyRecord {
            key: used.key.clone(),
            fingerprint: used.fingerprint,
            answer,
            position: Position::START,
            recorded_at: now,
        }))
    }

    /// The answer given to the first request with this key.
    fn replay(&self, record: &IdempotencyRecord) -> Result<Answered<R>, Failure> {
        if self.request.idempotency.as_ref().is_none_or(|used| used.fingerprint != record.fingerprint) {
            return Err(Failure::KeyReused);
        }
        serde_json::from_slice(&record.answer)
            .map(|answer| Answered { answer, position: record.position, replayed: true })
            .map_err(|error| Failure::Unreadable(format!("the answer kept with the key: {error}")))
    }
}

impl<A: Aggregate, R: Answer> Execution<A> for PendingRequest<A, R> {
    fn attempt(&mut self, on: &mut Loaded<A>, context: &DecisionContext) -> Result<Option<Commit>, Failure> {
        self.attempts += 1;
        self.request.stamp();
        let demanded = &self.request.if_version;
        if !demanded.is_empty() && !demanded.contains(&on.version) {
            let outcome = CommandOutcome::VersionMismatch { state: &on.state, version: on.version };
            self.rendered = Some((self.request.render)(&outcome));
            return match self.request.intent {
                Intent::Execute(_) => self.refusal(on, context),
                Intent::Read | Intent::DryRun(_) => Ok(None),
            };
        }
        match self.request.intent {
            Intent::Read => self.look(on),
            Intent::DryRun(_) => self.dry_run(on, context.now),
            Intent::Execute(_) => return self.execute(on, context),
        }
        Ok(None)
    }

    fn attempts(&self) -> u32 {
        self.attempts
    }

    fn assumes_new_stream(&self) -> bool {
        self.request.assume_new_stream && self.attempts == 0
    }

    fn is_read(&self) -> bool {
        match self.request.intent {
            Intent::Read | Intent::DryRun(_) => true,
            Intent::Execute(_) => false,
        }
    }

    fn forgive(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
    }

    fn resolve(self: Box<Self>, resolution: Resolution, metrics: &EngineMetrics) {
        let answer = match resolution {
            Resolution::Duplicate(record) => {
                metrics.replayed.inc();
                self.replay(&record)
            }
            Resolution::Failed(failure) => Err(failure),
            Resolution::Durable(position) => {
                match self.decided {
                    Some(Decided::Accepted) => metrics.accepted.inc(),
                    Some(Decided::Unchanged) => metrics.unchanged.inc(),
                    Some(Decided::Rejected) => metrics.rejected.inc(),
                    None => {}
                }
                match self.rendered {
                    Some(answer) => Ok(Answered { answer, position, replayed: false }),
                    None => Err(Failure::Panicked),
                }
            }
        };
        if answer.is_err() {
            metrics.failed.inc();
        }
        // The caller may have gone; what is durable stays durable.
        let _ = self.reply.send(Ok(answer));
    }

    fn hand_back(self: Box<Self>) {
        let _ = self.reply.send(Err(self.request));
    }
}

fn evolve<A: Aggregate>(on: &mut Loaded<A>, events: &[A::Event], at: DateTime<Utc>) {
    for event in events {
        on.state.evolve(event, at);
        on.version = on.version.plus(1);
        on.last_at = at;
    }
}

fn write<A: Aggregate>(
    stream: StreamId,
    before: Version,
    events: Vec<NewEvent>,
    snapshot: Option<Snapshot>,
) -> StreamWrite {
    StreamWrite {
        stream,
        aggregate_type: Name::Borrowed(A::TYPE),
        expected: ExpectedVersion::Exact(before),
        events,
        snapshot,
    }
}

pub(crate) fn encode<E: DomainEvent>(events: &[E]) -> Result<Vec<NewEvent>, Failure> {
    events
        .iter()
        .map(|event| {
            Ok(NewEvent {
                event_id: Uuid::now_v7(),
                event_type: Name::Borrowed(event.event_type()),
                schema_version: event.schema_version(),
                payload: event.encode().map_err(|error| Failure::Unreadable(error.to_string()))?,
            })
        })
        .collect()
}

/// A snapshot, when the stream has just passed a multiple of `every` events.
fn snapshot_if_due<A: Aggregate>(before: Version, on: &Loaded<A>, every: u64) -> Option<Snapshot> {
    if every == 0 || before.0 / every == on.version.0 / every {
        return None;
    }
    let state = serde_json::value::to_raw_value(&SnapshotBody { last_at: on.last_at, state: &on.state })
        .inspect_err(|error| log::warn!("a snapshot of type {} was not written: {error}", A::TYPE))
        .ok()?;
    Some(Snapshot { version: on.version, position: Position::START, schema: A::SNAPSHOT_SCHEMA, state })
}
