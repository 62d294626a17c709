//! The rules: a table of contents, then one function per command.

use chrono::{DateTime, Utc};

use super::{
    action::later,
    command::{SagaCommand, SagaRejection, StepOutcome},
    definition::{SagaDefinition, SagaStep, StepPolicy},
    event::{
        CompensationStarted, FailedHow, SagaAnnotated, SagaCompleted, SagaEvent, SagaStuck, StepCompleted, StepFailed,
        StepStarted,
    },
    state::{Saga, SagaState, Step, StepState},
};
use crate::{aggregate::Aggregate, log::event::StreamId};

/// What comes of a command: events, none when it changes nothing, or the rule that forbids it.
pub(super) type Decision<D> = Result<Vec<SagaEvent<D>>, SagaRejection>;

impl<D: SagaDefinition> Aggregate for Saga<D> {
    const TYPE: &'static str = D::TYPE;
    const SNAPSHOT_SCHEMA: u32 = 1;

    type Command = SagaCommand<D>;
    type Event = SagaEvent<D>;
    type Rejection = SagaRejection;

    fn decide(&self, command: &SagaCommand<D>) -> Decision<D> {
        match command {
            SagaCommand::Start { saga_id, definition } => self.start(*saga_id, definition),
            SagaCommand::Begin { step } => Ok(self.begin(*step)),
            SagaCommand::Record { step, outcome, at, policy } => Ok(self.record(*step, outcome, *at, policy)),
            SagaCommand::RecordUnwanted { step, reference, reason } => {
                Ok(self.record_unwanted(*step, reference, reason))
            }
            SagaCommand::RecordUndo { step, outcome, at, policy } => Ok(self.record_undo(*step, outcome, *at, policy)),
            SagaCommand::GiveUp { step } => Ok(self.give_up(*step)),
            SagaCommand::Cancel { reason, requested_by } => self.cancel(reason, requested_by.as_deref()),
            SagaCommand::Retry { by } => self.retry(by),
            SagaCommand::Skip { by, reason } => self.skip(by, reason),
            SagaCommand::ForceCompensate { by, reason } => self.force_compensate(by, reason),
            SagaCommand::Annotate { by, note } => self.annotate(by, note),
        }
    }

    fn weight(&self) -> usize {
        let texts = |step: &Step| {
            let optional = [&step.reference, &step.error];
            step.name.len() + step.key.len() + optional.into_iter().flatten().map(String::len).sum::<usize>()
        };
        let steps = self.steps.iter().map(|step| size_of::<Step>() + texts(step)).sum::<usize>();
        steps + self.reason.as_ref().map_or(0, String::len) + self.definition.as_ref().map_or(0, D::weight)
    }

    fn evolve(&mut self, event: &SagaEvent<D>, at: DateTime<Utc>) {
        self.fold(event, at);
    }
}

impl<D: SagaDefinition> Saga<D> {
    fn start(&self, saga_id: StreamId, definition: &D) -> Decision<D> {
        if self.state != SagaState::Absent {
            return Err(SagaRejection::AlreadyStarted);
        }
        let mut events = vec![SagaEvent::SagaStarted(definition.clone())];
        events.extend(definition.steps().first().map(|first| first_attempt(*first, &saga_id.to_string())));
        Ok(events)
    }

    fn begin(&self, step: D::Step) -> Vec<SagaEvent<D>> {
        let Some(current) = self.current(step) else { return Vec::new() };
        vec![SagaEvent::StepStarted(StepStarted {
            step: current.name.clone(),
            attempt: current.attempt.saturating_add(1),
            idempotency_key: current.key.clone(),
        })]
    }

    /// The outcome of a call that was out when compensation began is noted, too: it says what there is to undo.
    fn record(
        &self,
        step: D::Step,
        outcome: &StepOutcome,
        at: DateTime<Utc>,
        policy: &StepPolicy,
    ) -> Vec<SagaEvent<D>> {
        let called = if self.state == SagaState::Compensating { self.out(step) } else { self.current(step) };
        let Some(called) = called else { return Vec::new() };
        match outcome {
            StepOutcome::Done(reference) => self.done(called, step, reference),
            StepOutcome::Refused(error) => {
                let failed = failed(called, FailedHow::Refused, error, None);
                self.over(failed, step, &format!("{} was refused: {error}", step.name()))
            }
            StepOutcome::NotDone { error, retry_after } => {
                let pause = policy.pause_after(called.failures + 1, *retry_after);
                self.again(called, step, FailedHow::NotDone, error, later(at, pause), policy)
            }
            StepOutcome::Unknown(error) => {
                let pause = policy.pause_after(called.failures + 1, None);
                self.again(called, step, FailedHow::Unknown, error, later(at, pause), policy)
            }
        }
    }

    fn done(&self, called: &Step, step: D::Step, reference: &str) -> Vec<SagaEvent<D>> {
        let completed = completed(called, reference);
        if self.state == SagaState::Compensating {
            return vec![completed];
        }
        vec![completed, self.after(called, step)]
    }

    /// What follows a step that is done: the next one, or the end.
    fn after(&self, called: &Step, step: D::Step) -> SagaEvent<D> {
        let steps = self.definition.as_ref().map_or(&[][..], D::steps);
        let next = steps.iter().skip_while(|other| **other != step).nth(1);
        let saga_id = called.key.split(':').next().unwrap_or_default();
        next.map_or(SagaEvent::SagaCompleted(SagaCompleted {}), |next| first_attempt(*next, saga_id))
    }

    /// A step that did not succeed is tried, or its status is queried, again; not for ever.
    fn again(
        &self,
        called: &Step,
        step: D::Step,
        how: FailedHow,
        error: &str,
        retry_at: DateTime<Utc>,
        policy: &StepPolicy,
    ) -> Vec<SagaEvent<D>> {
        if self.state == SagaState::Compensating {
            return vec![failed(called, how, error, None)];
        }
        if called.failures + 1 < policy.attempts {
            return vec![failed(called, how, error, Some(retry_at))];
        }
        let reason = format!("{} failed {} times: {error}", called.name, called.failures + 1);
        self.over(failed(called, how, error, None), step, &reason)
    }

    /// A step has failed for good: undo the others, or wait for an operator when it cannot be undone.
    fn over(&self, failed: SagaEvent<D>, step: D::Step, reason: &str) -> Vec<SagaEvent<D>> {
        let mut events = vec![failed];
        if self.state != SagaState::Compensating {
            events.push(no_further(step, reason));
        }
        self.with_end(events)
    }

    fn record_unwanted(&self, step: D::Step, reference: &str, reason: &str) -> Vec<SagaEvent<D>> {
        let Some(current) = self.current(step) else { return Vec::new() };
        let completed = completed(current, reference);
        if step.has_undo() {
            return vec![completed, no_further(step, reason)];
        }
        // It cannot be undone, so it stands, and what went on beside it is told.
        let told = SagaAnnotated { by: D::TYPE.to_owned(), note: reason.to_owned() };
        vec![completed, SagaEvent::SagaAnnotated(told), self.after(current, step)]
    }

    fn give_up(&self, step: D::Step) -> Vec<SagaEvent<D>> {
        let Some(current) = self.current(step) else { return Vec::new() };
        let why = current.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        vec![no_further(step, &format!("{} was not done in time{why}", current.name))]
    }

    fn cancel(&self, reason: &str, requested_by: Option<&str>) -> Decision<D> {
        match self.state {
            SagaState::Absent => Err(SagaRejection::NotFound),
            SagaState::Completed => Err(SagaRejection::Ended(self.state)),
            SagaState::Failed | SagaState::Compensating => Ok(Vec::new()),
            SagaState::Stuck if self.compensating => Ok(Vec::new()),
            SagaState::Running | SagaState::Stuck if self.next_undo().is_none() => Err(SagaRejection::NoUndo),
            SagaState::Running | SagaState::Stuck => Ok(self.compensation(reason, requested_by)),
        }
    }

    pub(super) fn compensation(&self, reason: &str, requested_by: Option<&str>) -> Vec<SagaEvent<D>> {
        let started =
            CompensationStarted { reason: reason.to_owned(), requested_by: requested_by.map(ToOwned::to_owned) };
        self.with_end(vec![SagaEvent::CompensationStarted(started)])
    }

    /// The step a running saga is at.
    pub(super) fn current(&self, step: D::Step) -> Option<&Step> {
        let is_open = |step: &&Step| matches!(step.state, StepState::Started | StepState::NotDone | StepState::Unknown);
        let last = self.steps.last().filter(|last| last.name == step.name() && self.state == SagaState::Running);
        last.filter(is_open)
    }

    /// The step whose call was out when compensation began, and that has not been undone since.
    fn out(&self, step: D::Step) -> Option<&Step> {
        self.step(step).filter(|step| step.state == StepState::Started)
    }
}

/// What follows a step that has failed for good: compensation, or an operator when the step cannot be undone.
fn no_further<D: SagaDefinition>(step: D::Step, reason: &str) -> SagaEvent<D> {
    if step.has_undo() {
        SagaEvent::CompensationStarted(CompensationStarted { reason: reason.to_owned(), requested_by: None })
    } else {
        SagaEvent::SagaStuck(SagaStuck { step: step.name().to_owned(), error: reason.to_owned() })
    }
}

fn first_attempt<D: SagaDefinition>(step: D::Step, saga_id: &str) -> SagaEvent<D> {
    SagaEvent::StepStarted(StepStarted {
        step: step.name().to_owned(),
        attempt: 1,
        idempotency_key: format!("{saga_id}:{}", step.name()),
    })
}

fn completed<D>(step: &Step, reference: &str) -> SagaEvent<D> {
    SagaEvent::StepCompleted(StepCompleted { step: step.name.clone(), reference: reference.to_owned() })
}

fn failed<D>(step: &Step, outcome: FailedHow, error: &str, retry_at: Option<DateTime<Utc>>) -> SagaEvent<D> {
    let (step, attempt, error) = (step.name.clone(), step.attempt, error.to_owned());
    SagaEvent::StepFailed(StepFailed { step, attempt, outcome, error, retry_at })
}
