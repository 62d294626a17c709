//! What a saga does next: the state decides, a timer only proposes.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    definition::{SagaDefinition, StepPolicy},
    state::{Saga, SagaState, Step, StepState},
};

/// What the runner of a saga knows of the saga's last call beyond the log. Lost when the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKnowledge {
    /// Nothing: a runner may have called.
    Nothing,
    /// This runner has appended the start of the step itself; no runner has called yet.
    Begun,
    /// The partner was asked and has not received the key.
    NotReceived,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<S> {
    /// Call the partner.
    Call {
        /// For this step.
        step: S,
        /// With this key.
        key: String,
    },
    /// Ask the partner what became of a call.
    QueryStatus {
        /// Of this step.
        step: S,
        /// With this key.
        key: String,
    },
    /// Write another attempt down, then call.
    Begin {
        /// At this step.
        step: S,
    },
    /// Have the partner undo a call.
    Undo {
        /// Of this step.
        step: S,
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
        step: S,
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
        policy: impl Fn(D::Step) -> StepPolicy,
        knowledge: CallKnowledge,
    ) -> Action<D::Step> {
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
        policy: impl Fn(D::Step) -> StepPolicy,
        knowledge: CallKnowledge,
    ) -> Action<D::Step> {
        let Some((last, step)) = self.steps.last().and_then(|last| Some((last, self.kind_of(last)?))) else {
            return Action::Stuck;
        };
        let key = last.key.clone();
        // It may have been done long ago, by a process that could not say so any more.
        if (last.state, knowledge) == (StepState::Started, CallKnowledge::Nothing) {
            return Action::QueryStatus { step, key };
        }
        let deadline = later(last.started_at, policy(step).deadline);
        if knowledge != CallKnowledge::Begun && now >= deadline {
            return Action::GiveUp { step };
        }
        if let Some(at) = last.retry_at.filter(|at| now < *at) {
            return Action::WaitUntil(at.min(deadline));
        }
        match (last.state, knowledge) {
            (StepState::Started, _) => Action::Call { step, key },
            (StepState::Unknown, CallKnowledge::Nothing | CallKnowledge::Begun) => Action::QueryStatus { step, key },
            _ => Action::Begin { step },
        }
    }

    fn next_compensation(&self, now: DateTime<Utc>) -> Action<D::Step> {
        let Some((started, step)) = self.next_undo() else { return Action::Stuck };
        match started.retry_at.filter(|at| now < *at) {
            Some(at) => Action::WaitUntil(at),
            None => Action::Undo { step, key: undo_key(started), of: started.key.clone() },
        }
    }
}

fn undo_key(step: &Step) -> String {
    match step.undo_generation {
        1 => format!("{}:undo", step.key),
        nth => format!("{}:undo:{nth}", step.key),
    }
}

/// Adds a duration to a time; saturates at the largest time.
pub(super) fn later(time: DateTime<Utc>, by: std::time::Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    time.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
