//! The rules about undoing, and about operators.

use chrono::{DateTime, Utc};

use super::{
    action::later,
    command::{SagaRejection, StepOutcome},
    decide::Decision,
    definition::{SagaDefinition, SagaStep, StepPolicy},
    event::{
        CompensationStepCompleted, CompensationStepFailed, FailedHow, SagaAnnotated, SagaEvent, SagaFailed, SagaStuck,
        StepRetried, StepSkipped, StepStarted,
    },
    state::{Saga, SagaState, Step, StepState},
};
use crate::aggregate::Aggregate;

impl<D: SagaDefinition> Saga<D> {
    pub(super) fn record_undo(
        &self,
        step: D::Step,
        outcome: &StepOutcome,
        at: DateTime<Utc>,
        policy: &StepPolicy,
    ) -> Vec<SagaEvent<D>> {
        let next = self.next_undo().filter(|(_, next)| *next == step && self.state == SagaState::Compensating);
        let Some((started, _)) = next else { return Vec::new() };
        let name = step.name();
        let (how, error, asked) = match outcome {
            StepOutcome::Done(reference) => {
                let undone = CompensationStepCompleted { step: name.to_owned(), reference: Some(reference.clone()) };
                return self.with_end(vec![SagaEvent::CompensationStepCompleted(undone)]);
            }
            StepOutcome::Refused(error) => (FailedHow::Refused, error, None),
            StepOutcome::NotDone { error, retry_after } => (FailedHow::NotDone, error, *retry_after),
            StepOutcome::Unknown(error) => (FailedHow::Unknown, error, None),
        };
        let failures = started.undo_failures + 1;
        let goes_on = how != FailedHow::Refused && failures < policy.undo_attempts;
        let retry_at = goes_on.then(|| later(at, policy.pause_after(failures, asked)));
        let mut events = vec![undo_failed(started, how, error, retry_at)];
        if !goes_on {
            events.push(SagaEvent::SagaStuck(SagaStuck { step: name.to_owned(), error: error.clone() }));
        }
        events
    }

    /// These events, and the end of the saga when they leave nothing to undo.
    pub(super) fn with_end(&self, mut events: Vec<SagaEvent<D>>) -> Vec<SagaEvent<D>> {
        let mut after = self.clone();
        events.iter().for_each(|event| after.evolve(event, self.updated_at));
        if after.state == SagaState::Compensating && after.next_undo().is_none() {
            events.push(SagaEvent::SagaFailed(SagaFailed { reason: after.reason.unwrap_or_default() }));
        }
        events
    }

    /// A step that was refused gets another key: nothing will ever come of the first one.
    pub(super) fn retry(&self, by: &str) -> Decision<D> {
        let name = self.stuck_step()?;
        let mut events = vec![SagaEvent::StepRetried(StepRetried { by: by.to_owned() })];
        let stuck = self.steps.iter().find(|step| step.name == name);
        if let Some(step) = stuck.filter(|step| step.state == StepState::Refused && !self.compensating) {
            let attempt = step.attempt.saturating_add(1);
            let first_key = step.key.splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
            let idempotency_key = format!("{first_key}:{attempt}");
            let started = StepStarted { step: step.name.clone(), attempt, idempotency_key };
            events.push(SagaEvent::StepStarted(started));
        }
        Ok(events)
    }

    pub(super) fn skip(&self, by: &str, reason: &str) -> Decision<D> {
        let step = self.stuck_step()?.to_owned();
        let skipped = StepSkipped { step, by: by.to_owned(), reason: reason.to_owned() };
        let events = vec![SagaEvent::StepSkipped(skipped)];
        if self.compensating {
            return Ok(self.with_end(events));
        }
        let failed = SagaEvent::SagaFailed(SagaFailed { reason: reason.to_owned() });
        Ok(events.into_iter().chain([failed]).collect())
    }

    pub(super) fn force_compensate(&self, by: &str, reason: &str) -> Decision<D> {
        match self.state {
            SagaState::Absent => Err(SagaRejection::NotFound),
            SagaState::Completed | SagaState::Failed => Err(SagaRejection::Ended(self.state)),
            SagaState::Compensating => Ok(Vec::new()),
            SagaState::Stuck if self.compensating => Ok(Vec::new()),
            SagaState::Running | SagaState::Stuck => Ok(self.compensation(reason, Some(by))),
        }
    }

    pub(super) fn annotate(&self, by: &str, note: &str) -> Decision<D> {
        if self.state == SagaState::Absent {
            return Err(SagaRejection::NotFound);
        }
        Ok(vec![SagaEvent::SagaAnnotated(SagaAnnotated { by: by.to_owned(), note: note.to_owned() })])
    }

    fn stuck_step(&self) -> Result<&str, SagaRejection> {
        match (self.state, &self.stuck) {
            (SagaState::Absent, _) => Err(SagaRejection::NotFound),
            (SagaState::Stuck, Some((step, _))) => Ok(step),
            (state, _) => Err(SagaRejection::NotStuck(state)),
        }
    }
}

fn undo_failed<D>(step: &Step, outcome: FailedHow, error: &str, retry_at: Option<DateTime<Utc>>) -> SagaEvent<D> {
    let attempt = step.undo_failures + 1;
    let (step, error) = (step.name.clone(), error.to_owned());
    SagaEvent::CompensationStepFailed(CompensationStepFailed { step, attempt, outcome, error, retry_at })
}
