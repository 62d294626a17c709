//! What an application does for its sagas: the calls, the commits, and the index of those that are open.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    failure::Failure,
    log::{
        appender::Appender,
        event::{Metadata, StreamId},
        store::{Commit, ExpectedVersion, StoreError, StreamWrite, Verdict},
    },
    saga::{CallStatus, Saga, SagaDefinition, SagaEvent, StepOutcome, StepPolicy},
};

/// The steps of the sagas that these effects run.
pub type StepOf<E> = <<E as SagaEffects>::Definition as SagaDefinition>::Step;

/// What one kind of saga does to the world.
#[async_trait]
pub trait SagaEffects: Send + Sync + 'static {
    /// What its sagas are made of.
    type Definition: SagaDefinition;

    /// The limits of a step.
    fn policy(&self, step: StepOf<Self>) -> StepPolicy;

    /// Calls a partner: the same key has one effect, however often. Cut off after the step's `call_timeout`.
    async fn call(&self, step: StepOf<Self>, key: &str, saga: &Saga<Self::Definition>) -> StepOutcome;

    /// Asks a partner what became of a key. `NotReceived` has the call made again, which must be harmless.
    async fn query_status(&self, step: StepOf<Self>, key: &str, saga: &Saga<Self::Definition>) -> CallStatus;

    /// Has a partner undo the call with the key `of`, and end that key; the same undo has one effect, however often.
    async fn undo(&self, step: StepOf<Self>, key: &str, of: &str, saga: &Saga<Self::Definition>) -> StepOutcome;

    /// Appends a saga's events, in one commit with what they mean to others.
    ///
    /// # Errors
    /// Nothing was written, or nobody knows.
    async fn commit(&self, commit: SagaCommit<'_, Self::Definition>) -> Result<(), CommitError>;
}

/// Events of a saga on their way into the log.
#[derive(Debug)]
pub struct SagaCommit<'a, D> {
    /// The saga before these events.
    pub saga: &'a Saga<D>,
    /// What happened.
    pub events: &'a [SagaEvent<D>],
    /// The same for the store.
    pub write: StreamWrite,
    /// The commit must not be earlier.
    pub min_timestamp: DateTime<Utc>,
    /// Whether the saga's events go alone: those whom they mean something to have said no.
    pub alone: bool,
}

/// Why a saga's events were not appended. Named by what the saga does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another runner has moved the saga on: read it and go on from there.
    #[error("the saga was moved on by somebody else")]
    Conflict,
    /// An aggregate that the events concern rejected its part of the commit. Nothing was written.
    #[error("{0}")]
    Unwanted(String),
    /// It may or may not have been written: wait, then read.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl<D> SagaCommit<'_, D> {
    /// Appends the saga's events and nothing else.
    ///
    /// # Errors
    /// As [`SagaEffects::commit`].
    pub async fn append_alone(self, appender: &Appender, now: DateTime<Utc>) -> Result<(), CommitError> {
        let commit = Commit {
            timestamp: now.max(self.min_timestamp),
            metadata: std::sync::Arc::new(self.metadata()),
            writes: vec![self.write],
            idempotency: None,
        };
        match appender.append(commit).await? {
            Verdict::Appended { .. } => Ok(()),
            Verdict::Conflict { .. } | Verdict::Duplicate(_) => Err(CommitError::Conflict),
        }
    }

    /// What its events will say of their cause: all that a saga does is tied together by its id.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata {
            correlation_id: Some(self.write.stream.to_string()),
            command_id: Some(Uuid::now_v7()),
            ..Metadata::default()
        }
    }
}

/// The write that starts a saga: in a commit of its own, or alongside what starts it.
///
/// # Errors
/// The definition cannot be written as JSON.
pub fn start_write<D: SagaDefinition>(saga_id: StreamId, definition: D) -> Result<StreamWrite, Failure> {
    use crate::aggregate::Aggregate;
    let command = crate::saga::SagaCommand::Start { saga_id, definition };
    let events = Saga::<D>::default().decide(&command).map_err(|error| Failure::Unreadable(error.to_string()))?;
    Ok(StreamWrite {
        stream: saga_id,
        aggregate_type: D::TYPE.into(),
        expected: ExpectedVersion::NoStream,
        events: crate::aggregate::execution::encode(&events)?,
        snapshot: None,
    })
}

/// Where the open sagas are written down, durably: what is in nobody's memory is found here.
#[async_trait]
pub trait OpenSagas: Send + Sync + 'static {
    /// Sagas that go on by themselves and to which nothing has happened since `quiet_since`, in an order that stays, after
    /// one of them; at most `limit`. May be behind the log.
    async fn open(
        &self,
        quiet_since: DateTime<Utc>,
        after: Option<OpenSaga>,
        limit: usize,
    ) -> Result<Vec<OpenSaga>, StoreError>;

    /// How many sagas are stuck, up to `most`.
    async fn stuck(&self, most: usize) -> Result<usize, StoreError>;
}

/// An entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenSaga {
    /// Which saga.
    pub saga_id: StreamId,
    /// When something happened to it last.
    pub updated_at: DateTime<Utc>,
}
