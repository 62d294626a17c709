//! Runs one saga: what is next, do it, record the outcome, until it has ended, is stuck, or this process stops.
//!
//! Free of actix: the actor owns the mailbox, this owns what one saga means. It may stop at any point and be run again, here or
//! elsewhere, even twice at the same time: the log decides which of two runners was first, and partners know both by the same
//! keys.
//!
//! Invariant: at most one call of the saga is out. Requests are answered meanwhile.

use std::{future::Future, ops::ControlFlow, pin::pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::{
    Action, CallKnowledge, CallStatus, Saga, SagaCommand, SagaDefinition, SagaEvent, SagaState, StepOutcome,
    context::{SagaContext, SagaRefusal, SagaRequest},
    effects::{CommitError, SagaCommit, SagaEffects, StepOf},
};
use crate::{
    aggregate::{
        Aggregate,
        execution::encode,
        rehydrate::{Loaded, Until, rehydrate},
        request::Failure,
    },
    log::{
        event::{StreamId, Version},
        store::{ExpectedVersion, StreamWrite},
    },
    retry::{Backoff, until},
};

/// Events of a saga read at a time.
const PAGE: usize = 200;

/// How often a request is decided before it gives up against another runner.
const ATTEMPTS: u32 = 6;

/// Pauses while the store does not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// The saga is in a state in which nothing happens by itself.
    Settled(SagaState),
    /// It goes on, but not in this run.
    Open,
}

/// One run of one saga.
pub(crate) struct Runner<E: SagaEffects> {
    pub saga_id: StreamId,
    pub context: Arc<SagaContext<E>>,
    pub inbox: mpsc::Receiver<SagaRequest<E::Definition>>,
    /// The version at which this process has started the saga itself, if it has.
    pub begun_at: Option<Version>,
}

/// Why a run is interrupted.
enum Break {
    /// What is in memory is not to be trusted any more: read the saga.
    Reload,
    /// The process stops, or the saga cannot be read.
    Leave,
}

type Flow<T = ()> = ControlFlow<Break, T>;

/// The saga in memory, and what is known beyond the log.
struct Held<D: SagaDefinition> {
    loaded: Loaded<Saga<D>>,
    knowledge: CallKnowledge,
}

impl<E: SagaEffects> Runner<E> {
    /// Runs it.
    pub async fn run(mut self) -> RunEnd {
        let mut patience = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, u32::MAX);
        loop {
            match self.load().await {
                Ok(mut held) => match self.drive(&mut held, &mut patience).await {
                    ControlFlow::Continue(end) => return end,
                    ControlFlow::Break(Break::Reload) => {}
                    ControlFlow::Break(Break::Leave) => return RunEnd::Open,
                },
                Err(failure) => {
                    log::warn!(saga = self.saga_id.to_string(); "a saga could not be read: {failure}");
                    if self.unless_stopping(patience.pause()).await.is_none() {
                        return RunEnd::Open;
                    }
                }
            }
        }
    }

    async fn load(&mut self) -> Result<Held<E::Definition>, Failure> {
        let loaded = rehydrate::<Saga<E::Definition>>(&*self.context.store, self.saga_id, Until::Now, PAGE).await?;
        let begun = self.begun_at.take().is_some_and(|version| version == loaded.version);
        let knowledge = if begun { CallKnowledge::Begun } else { CallKnowledge::Nothing };
        Ok(Held { loaded, knowledge })
    }

    async fn drive(&mut self, held: &mut Held<E::Definition>, patience: &mut Backoff) -> Flow<RunEnd> {
        loop {
            while let Ok(ask) = self.inbox.try_recv() {
                self.answer(ask, held).await;
            }
            let effects = Arc::clone(&self.context.effects);
            let action = held.loaded.state.next(self.now(), |step| effects.policy(step), held.knowledge);
            let done = match action {
                Action::Ended | Action::Stuck => {
                    if let Some(end) = self.settle(held).await {
                        return Flow::Continue(end);
                    }
                    Ok(())
                }
                Action::WaitUntil(time) => {
                    self.wait(time, held).await?;
                    Ok(())
                }
                Action::Begin { step } => self.decide(held, &SagaCommand::Begin { step }).await,
                Action::GiveUp { step } => self.decide(held, &SagaCommand::GiveUp { step }).await,
                Action::QueryStatus { step, key } => self.query_status(held, step, key).await?,
                Action::Call { step, key } => self.call(held, step, key).await?,
                Action::Undo { step, key, of } => self.undo(held, step, key, of).await?,
            };
            if let Err(error) = done {
                return self.recover(&error, patience).await;
            }
            *patience = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, u32::MAX);
        }
    }

    /// Calls the partner and records the outcome.
    async fn call(
        &mut self,
        held: &mut Held<E::Definition>,
        step: StepOf<E>,
        key: String,
    ) -> Flow<Result<(), CommitError>> {
        let (effects, saga) = (Arc::clone(&self.context.effects), held.loaded.state.clone());
        let call = async move { effects.call(step, &key, &saga).await };
        let outcome = self.with_partner(held, step, call, StepOutcome::Unknown).await?;
        Flow::Continue(self.record(held, step, outcome).await)
    }

    /// Has the partner undo a call and records the outcome.
    async fn undo(
        &mut self,
        held: &mut Held<E::Definition>,
        step: StepOf<E>,
        key: String,
        of: String,
    ) -> Flow<Result<(), CommitError>> {
        let (effects, saga) = (Arc::clone(&self.context.effects), held.loaded.state.clone());
        let undo = async move { effects.undo(step, &key, &of, &saga).await };
        let outcome = self.with_partner(held, step, undo, StepOutcome::Unknown).await?;
        let policy = self.context.effects.policy(step);
        let command = SagaCommand::RecordUndo { step, outcome, at: self.now(), policy };
        Flow::Continue(self.decide(held, &command).await)
    }

    /// Asks the partner for the status of a call that a runner may have made.
    async fn query_status(
        &mut self,
        held: &mut Held<E::Definition>,
        step: StepOf<E>,
        key: String,
    ) -> Flow<Result<(), CommitError>> {
        let (effects, saga) = (Arc::clone(&self.context.effects), held.loaded.state.clone());
        let query = async move { effects.query_status(step, &key, &saga).await };
        let outcome = match self.with_partner(held, step, query, CallStatus::Unknown).await? {
            CallStatus::NotReceived => {
                held.knowledge = CallKnowledge::NotReceived;
                return Flow::Continue(Ok(()));
            }
            CallStatus::Done(reference) => StepOutcome::Done(reference),
            CallStatus::Refused(error) => StepOutcome::Refused(error),
            CallStatus::Undone => StepOutcome::Refused("it was undone".into()),
            CallStatus::Unknown(error) => StepOutcome::Unknown(error),
        };
        Flow::Continue(self.record(held, step, outcome).await)
    }

    /// Waits for a partner, as long as the step's policy allows, and answers requests meanwhile. `late` makes the answer of a
    /// partner that took too long.
    async fn with_partner<T>(
        &mut self,
        held: &mut Held<E::Definition>,
        step: StepOf<E>,
        call: impl Future<Output = T>,
        late: impl FnOnce(String) -> T,
    ) -> Flow<T> {
        let context = Arc::clone(&self.context);
        let limit = context.effects.policy(step).call_timeout;
        let limited = async move {
            let _place = context.place().await;
            tokio::time::timeout(limit, call).await.unwrap_or_else(|_| late("no answer in time".into()))
        };
        self.meanwhile(held, limited).await
    }

    /// Records the outcome of a call. A result that is unwanted by now is recorded, too, and undone.
    async fn record(
        &self,
        held: &mut Held<E::Definition>,
        step: StepOf<E>,
        outcome: StepOutcome,
    ) -> Result<(), CommitError> {
        let policy = self.context.effects.policy(step);
        let reference = if let StepOutcome::Done(reference) = &outcome { reference.clone() } else { String::new() };
        match self.decide(held, &SagaCommand::Record { step, outcome, at: self.now(), policy }).await {
            Err(CommitError::Unwanted(reason)) => {
                let events = decided(held, &SagaCommand::RecordUnwanted { step, reference, reason });
                self.commit(held, events, true).await
            }
            done => done,
        }
    }

    /// Decides and commits.
    async fn decide(
        &self,
        held: &mut Held<E::Definition>,
        command: &SagaCommand<E::Definition>,
    ) -> Result<(), CommitError> {
        self.commit_whole(held, decided(held, command)).await
    }

    /// Makes events durable with what they mean to others. The end of a saga is recorded even when an aggregate rejects its part.
    async fn commit_whole(
        &self,
        held: &mut Held<E::Definition>,
        events: Vec<SagaEvent<E::Definition>>,
    ) -> Result<(), CommitError> {
        let ends = events.iter().any(|event| matches!(event, SagaEvent::SagaFailed(_)));
        match self.commit(held, events.clone(), false).await {
            Err(CommitError::Unwanted(reason)) if ends => {
                log::warn!(saga = self.saga_id.to_string(); "the end of a saga changes nothing else: {reason}");
                self.commit(held, events, true).await
            }
            done => done,
        }
    }

    /// Makes events durable and moves the saga past them.
    async fn commit(
        &self,
        held: &mut Held<E::Definition>,
        events: Vec<SagaEvent<E::Definition>>,
        alone: bool,
    ) -> Result<(), CommitError> {
        if events.is_empty() {
            return Ok(());
        }
        let loaded = &mut held.loaded;
        let write = StreamWrite {
            stream: self.saga_id,
            aggregate_type: <E::Definition as SagaDefinition>::TYPE.into(),
            expected: ExpectedVersion::Exact(loaded.version),
            events: encode(&events)?,
            snapshot: None,
        };
        let commit = SagaCommit { saga: &loaded.state, events: &events, write, min_timestamp: loaded.last_at, alone };
        self.context.effects.commit(commit).await?;
        self.context.metrics.count(&events);
        let at = self.now().max(loaded.last_at);
        for event in &events {
            loaded.state.evolve(event, at);
        }
        loaded.version = loaded.version.plus(events.len() as u64);
        loaded.last_at = at;
        let begun = events.iter().any(|event| matches!(event, SagaEvent::StepStarted(_)));
        held.knowledge = if begun { CallKnowledge::Begun } else { CallKnowledge::Nothing };
        if loaded.state.state().has_ended() {
            self.context.metrics.took(at - loaded.state.started_at());
        }
        Ok(())
    }

    /// Answers a request. One that loses against another runner is decided again on what that one has written; and where there may
    /// be another one, nothing is told of memory that has not been held against the log.
    async fn answer(&mut self, ask: SagaRequest<E::Definition>, held: &mut Held<E::Definition>) {
        let mut answer = Err(SagaRefusal::Failed(Failure::Contended(ATTEMPTS)));
        let mut is_true = !self.context.store.is_shared();
        for _ in 0..ATTEMPTS {
            let decided = held.loaded.state.decide(&ask.command);
            if !is_true && decided.as_ref().map_or(true, Vec::is_empty) {
                match self.load().await {
                    Ok(now) if now.loaded.version != held.loaded.version => *held = now,
                    Ok(_) => {}
                    Err(failure) => {
                        answer = Err(SagaRefusal::Failed(failure));
                        break;
                    }
                }
                is_true = true;
                continue;
            }
            let tried = match decided {
                Err(rejection) => Err(SagaRefusal::Rejected(rejection)),
                Ok(events) => match self.commit_whole(held, events).await {
                    Ok(()) => Ok(held.loaded.state.state()),
                    Err(CommitError::Conflict) => match self.load().await {
                        Ok(again) => {
                            *held = again;
                            is_true = true;
                            continue;
                        }
                        Err(failure) => Err(SagaRefusal::Failed(failure)),
                    },
                    Err(CommitError::Failed(failure)) => Err(SagaRefusal::Failed(failure)),
                    Err(CommitError::Unwanted(reason)) => Err(SagaRefusal::Failed(Failure::Unavailable(reason))),
                },
            };
            answer = tried;
            break;
        }
        // The caller may have gone; what is durable stays durable.
        let _ = ask.reply.send(answer);
    }

    /// Waits for a partner, answering requests. What it does in the end says what there is to undo, so it is waited for even
    /// when the saga is cancelled meanwhile.
    async fn meanwhile<T>(&mut self, held: &mut Held<E::Definition>, call: impl Future<Output = T>) -> Flow<T> {
        let mut call = pin!(call);
        let mut stopping = self.context.stopping.clone();
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return Flow::Break(Break::Leave),
                Some(ask) = self.inbox.recv() => self.answer(ask, held).await,
                outcome = &mut call => return Flow::Continue(outcome),
            }
        }
    }

    /// Waits for a time, or for a request that changes what is next.
    async fn wait(&mut self, time: DateTime<Utc>, held: &mut Held<E::Definition>) -> Flow {
        let clock = Arc::clone(&self.context.clock);
        let mut stopping = self.context.stopping.clone();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return Flow::Break(Break::Leave),
            Some(ask) = self.inbox.recv() => self.answer(ask, held).await,
            () = until(time, &*clock) => {}
        }
        Flow::Continue(())
    }

    /// The saga has nothing to do: takes no further requests, answers those that are there, and ends unless they changed that.
    async fn settle(&mut self, held: &mut Held<E::Definition>) -> Option<RunEnd> {
        self.inbox.close();
        while let Some(ask) = self.inbox.recv().await {
            self.answer(ask, held).await;
        }
        let state = held.loaded.state.state();
        Some(if state.goes_on() { RunEnd::Open } else { RunEnd::Settled(state) })
    }

    /// What to do when a commit came to nothing.
    async fn recover(&mut self, error: &CommitError, patience: &mut Backoff) -> Flow<RunEnd> {
        if *error != CommitError::Conflict {
            log::warn!(saga = self.saga_id.to_string(); "a saga waits: {error}");
            if self.unless_stopping(patience.pause()).await.is_none() {
                return Flow::Break(Break::Leave);
            }
        }
        Flow::Break(Break::Reload)
    }

    async fn unless_stopping<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut stopping = self.context.stopping.clone();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => None,
            done = future => Some(done),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.context.clock.now()
    }
}

/// What comes of a command that the runner gives itself: no rule forbids those.
fn decided<D: SagaDefinition>(held: &Held<D>, command: &SagaCommand<D>) -> Vec<SagaEvent<D>> {
    held.loaded.state.decide(command).unwrap_or_default()
}
