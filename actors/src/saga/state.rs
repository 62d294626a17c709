//! A saga as its events leave it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    definition::{SagaDefinition, SagaStep},
    event::{
        CompensationStarted, CompensationStepCompleted, CompensationStepFailed, FailedHow, SagaEvent, StepCompleted,
        StepFailed, StepSkipped, StepStarted,
    },
};

/// A saga: the fold of its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "D: SagaDefinition")]
pub struct Saga<D> {
    pub(super) definition: Option<D>,
    pub(super) state: SagaState,
    /// Those that were started, in order.
    pub(super) steps: Vec<Step>,
    /// Why it does not go on, and who wanted that.
    pub(super) reason: Option<String>,
    pub(super) requested_by: Option<String>,
    /// Whether it undoes, or would if it were not stuck.
    pub(super) compensating: bool,
    /// The step that is in the way, and the error.
    pub(super) stuck: Option<(String, String)>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Where a saga is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SagaState {
    /// Nobody has started it.
    Absent,
    /// It takes its steps.
    Running,
    /// It undoes them.
    Compensating,
    /// Every step is done.
    Completed,
    /// Everything is undone.
    Failed,
    /// It waits for an operator.
    Stuck,
}

/// A step that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: StepState,
    /// The key of its call.
    pub key: String,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// How often it failed, since the last time an operator had it tried again.
    pub failures: u32,
    /// How often its undo failed, since the last time an operator had it tried again.
    pub undo_failures: u32,
    /// Which undo this is, from 1: another one is begun after one that was refused.
    pub undo_generation: u32,
    /// The partner's reference for what was done.
    pub reference: Option<String>,
    /// The last error.
    pub error: Option<String>,
    /// When the next attempt, question or undo is due.
    pub retry_at: Option<DateTime<Utc>>,
    /// When it was started first, or tried again by an operator.
    pub started_at: DateTime<Utc>,
    /// Whether its undo was refused.
    pub(super) undo_refused: bool,
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StepState {
    /// Its call may be under way.
    Started,
    /// It is to be called again.
    NotDone,
    /// It is to be asked about.
    Unknown,
    /// It was done.
    Completed,
    /// The partner said no.
    Refused,
    /// It was undone.
    Undone,
    /// An operator took care of it.
    Skipped,
}

impl<D> Default for Saga<D> {
    fn default() -> Self {
        Self {
            definition: None,
            state: SagaState::Absent,
            steps: Vec::new(),
            reason: None,
            requested_by: None,
            compensating: false,
            stuck: None,
            started_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }
}

impl<D: SagaDefinition> Saga<D> {
    /// Where it is.
    #[must_use]
    pub fn state(&self) -> SagaState {
        self.state
    }

    /// What it is to do; nothing while nobody has started it.
    #[must_use]
    pub fn definition(&self) -> Option<&D> {
        self.definition.as_ref()
    }

    /// The steps that were started, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// A step, if it was started.
    #[must_use]
    pub fn step(&self, step: D::Step) -> Option<&Step> {
        self.steps.iter().find(|started| started.name == step.name())
    }

    /// The partner's reference for a step that was done.
    #[must_use]
    pub fn reference(&self, step: D::Step) -> Option<&str> {
        self.step(step)?.reference.as_deref()
    }

    /// Why it does not go on.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Who wanted it not to go on.
    #[must_use]
    pub fn requested_by(&self) -> Option<&str> {
        self.requested_by.as_deref()
    }

    /// The step that is in the way, and the error, while it is stuck.
    #[must_use]
    pub fn stuck(&self) -> Option<(&str, &str)> {
        self.stuck.as_ref().map(|(step, error)| (step.as_str(), error.as_str()))
    }

    /// When it was started.
    #[must_use]
    pub fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// When something happened to it last.
    #[must_use]
    pub fn updated_at(&self) -> DateTime<Utc> {
        self.updated_at
    }

    /// The step with this name in the log; nothing when this kind of saga has no such step.
    #[must_use]
    pub fn step_named(&self, name: &str) -> Option<D::Step> {
        let steps = self.definition.as_ref().map_or(&[][..], D::steps);
        steps.iter().find(|step| step.name() == name).copied()
    }

    pub(super) fn kind_of(&self, started: &Step) -> Option<D::Step> {
        self.step_named(&started.name)
    }

    /// The next step to undo: of those that were started and may have had an effect, the last.
    #[must_use]
    pub fn next_undo(&self) -> Option<(&Step, D::Step)> {
        self.steps.iter().rev().find_map(|started| {
            let may_stand = match started.state {
                StepState::Started | StepState::NotDone | StepState::Unknown | StepState::Completed => true,
                StepState::Refused | StepState::Undone | StepState::Skipped => false,
            };
            let step = self.kind_of(started).filter(|step| step.has_undo() && may_stand)?;
            Some((started, step))
        })
    }

    pub(super) fn fold(&mut self, event: &SagaEvent<D>, at: DateTime<Utc>) {
        self.updated_at = at;
        match event {
            SagaEvent::SagaStarted(definition) => {
                self.definition = Some(definition.clone());
                self.state = SagaState::Running;
                self.started_at = at;
            }
            SagaEvent::StepStarted(event) => self.started(event, at),
            SagaEvent::StepCompleted(event) => self.completed(event),
            SagaEvent::StepFailed(event) => self.failed(event),
            SagaEvent::CompensationStarted(event) => self.compensate(event),
            SagaEvent::CompensationStepCompleted(event) => self.undone(event),
            SagaEvent::CompensationStepFailed(event) => self.undo_failed(event),
            SagaEvent::SagaCompleted(_) => self.state = SagaState::Completed,
            SagaEvent::SagaFailed(event) => {
                self.state = SagaState::Failed;
                self.stuck = None;
                self.reason.get_or_insert_with(|| event.reason.clone());
            }
            SagaEvent::SagaStuck(event) => {
                self.state = SagaState::Stuck;
                self.stuck = Some((event.step.clone(), event.error.clone()));
            }
            SagaEvent::StepRetried(_) => self.retried(at),
            SagaEvent::StepSkipped(event) => self.skipped(event),
            SagaEvent::SagaAnnotated(_) => {}
        }
    }

    fn step_mut(&mut self, name: &str) -> Option<&mut Step> {
        self.steps.iter_mut().find(|step| step.name == name)
    }

    fn started(&mut self, event: &StepStarted, at: DateTime<Utc>) {
        if let Some(step) = self.step_mut(&event.step) {
            step.state = StepState::Started;
            step.attempt = event.attempt;
            step.key.clone_from(&event.idempotency_key);
            step.retry_at = None;
            return;
        }
        self.steps.push(Step {
            name: event.step.clone(),
            state: StepState::Started,
            key: event.idempotency_key.clone(),
            attempt: event.attempt,
            failures: 0,
            undo_failures: 0,
            undo_generation: 1,
            reference: None,
            error: None,
            retry_at: None,
            started_at: at,
            undo_refused: false,
        });
    }

    fn completed(&mut self, event: &StepCompleted) {
        if let Some(step) = self.step_mut(&event.step) {
            step.state = StepState::Completed;
            step.reference = Some(event.reference.clone());
            (step.retry_at, step.error) = (None, None);
        }
    }

    fn failed(&mut self, event: &StepFailed) {
        if let Some(step) = self.step_mut(&event.step) {
            step.state = match event.outcome {
                FailedHow::Refused => StepState::Refused,
                FailedHow::NotDone => StepState::NotDone,
                FailedHow::Unknown => StepState::Unknown,
            };
            step.failures = step.failures.saturating_add(1);
            step.error = Some(event.error.clone());
            step.retry_at = event.retry_at;
        }
    }

    fn compensate(&mut self, event: &CompensationStarted) {
        self.state = SagaState::Compensating;
        self.compensating = true;
        self.stuck = None;
        self.reason = Some(event.reason.clone());
        self.requested_by.clone_from(&event.requested_by);
        self.steps.iter_mut().for_each(|step| step.retry_at = None);
    }

    fn undone(&mut self, event: &CompensationStepCompleted) {
        if let Some(step) = self.step_mut(&event.step) {
            step.state = StepState::Undone;
            step.retry_at = None;
        }
    }

    fn undo_failed(&mut self, event: &CompensationStepFailed) {
        if let Some(step) = self.step_mut(&event.step) {
            step.undo_failures = step.undo_failures.saturating_add(1);
            step.undo_refused = event.outcome == FailedHow::Refused;
            step.error = Some(event.error.clone());
            step.retry_at = event.retry_at;
        }
    }

    fn retried(&mut self, at: DateTime<Utc>) {
        self.state = if self.compensating { SagaState::Compensating } else { SagaState::Running };
        let Some((name, _)) = self.stuck.take() else { return };
        let Some(step) = self.step_mut(&name) else { return };
        (step.failures, step.undo_failures, step.retry_at, step.started_at) = (0, 0, None, at);
        if std::mem::take(&mut step.undo_refused) {
            step.undo_generation += 1;
        }
    }

    fn skipped(&mut self, event: &StepSkipped) {
        self.state = if self.compensating { SagaState::Compensating } else { SagaState::Running };
        self.stuck = None;
        if let Some(step) = self.step_mut(&event.step) {
            step.state = StepState::Skipped;
            step.retry_at = None;
        }
    }
}

impl SagaState {
    /// Every state of a saga that has been started.
    pub const ALL: [Self; 5] = [Self::Running, Self::Compensating, Self::Completed, Self::Failed, Self::Stuck];

    /// Its name, as clients and stores see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "Absent",
            Self::Running => "Running",
            Self::Compensating => "Compensating",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Stuck => "Stuck",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    /// Whether it goes on by itself.
    #[must_use]
    pub const fn goes_on(self) -> bool {
        matches!(self, Self::Running | Self::Compensating)
    }
}

impl fmt::Display for SagaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
