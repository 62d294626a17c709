//! What a saga does next: the state decides, a timer only proposes.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    definition::{SagaDefinition, StepPolicy},
    state::{Saga, SagaState, Step, StepState},
};

/// What whoever runs a saga knows of its last step beyond the log. Gone with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Knowledge {
    /// Nothing: somebody may have called.
    Nothing,
    /// This runner has written its start itself, and nobody has called.
    Begun,
    /// The partner was asked and has never heard of its key.
    Unheard,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Call the partner.
    Call {
        /// For this step.
        step: &'static str,
        /// With this key.
        key: String,
    },
    /// Ask the partner what became of a call.
    LookUp {
        /// Of this step.
        step: &'static str,
        /// With this key.
        key: String,
    },
    /// Write another attempt down, then call.
    Begin {
        /// At this step.
        step: &'static str,
    },
    /// Have the partner undo a call.
    Undo {
        /// Of this step.
        step: &'static str,
        /// With this key.
        key: String,
        /// The key of the call.
        of: String,
    },
    /// Nothing before this time.
    WaitUntil(DateTime<Utc>),
    /// The time of a step is over: give it up.
    GiveUp {
        /// Which step.
        step: &'static str,
    },
    /// Nothing, for ever.
    Ended,
    /// Nothing, until an operator says how to go on.
    Stuck,
}

impl<D: SagaDefinition> Saga<D> {
    /// What to do at this time, by a policy for each step.
    #[must_use]
    pub fn next(
        &self,
        now: DateTime<Utc>,
        policy: impl Fn(&'static str) -> StepPolicy,
        knowledge: Knowledge,
    ) -> Action {
        match self.state {
            SagaState::Absent | SagaState::Completed | SagaState::Failed => Action::Ended,
            SagaState::Stuck => Action::Stuck,
            SagaState::Running => self.next_step(now, policy, knowledge),
            SagaState::Compensating => self.next_compensation(now),
        }
    }

    fn next_step(
        &self,
        now: DateTime<Utc>,
        policy: impl Fn(&'static str) -> StepPolicy,
        knowledge: Knowledge,
    ) -> Action {
        let Some((last, rule)) = self.steps.last().and_then(|step| Some((step, self.rule(&step.name)?))) else {
            return Action::Stuck;
        };
        let step = rule.name;
        let key = last.key.clone();
        // It may have been done long ago, by a process that could not say so any more.
        if (last.state, knowledge) == (StepState::Started, Knowledge::Nothing) {
            return Action::LookUp { step, key };
        }
        let deadline = later(last.started_at, policy(step).deadline);
        if knowledge != Knowledge::Begun && now >= deadline {
            return Action::GiveUp { step };
        }
        if let Some(at) = last.retry_at.filter(|at| now < *at) {
            return Action::WaitUntil(at.min(deadline));
        }
        match (last.state, knowledge) {
            (StepState::Started, _) => Action::Call { step, key },
            (StepState::Unknown, Knowledge::Nothing | Knowledge::Begun) => Action::LookUp { step, key },
            _ => Action::Begin { step },
        }
    }

    fn next_compensation(&self, now: DateTime<Utc>) -> Action {
        let Some((step, rule)) = self.next_undo() else { return Action::Stuck };
        match step.retry_at.filter(|at| now < *at) {
            Some(at) => Action::WaitUntil(at),
            None => Action::Undo { step: rule.name, key: undo_key(step), of: step.key.clone() },
        }
    }
}

fn undo_key(step: &Step) -> String {
    match step.undo_generation {
        1 => format!("{}:undo", step.key),
        nth => format!("{}:undo:{nth}", step.key),
    }
}

/// A time so much later; the end of time when there is none so late.
pub(super) fn later(time: DateTime<Utc>, by: std::time::Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    time.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
