//! What an answer over HTTP means. An answer is believed only where it speaks of the very call that was made; all else leaves
//! the outcome unknown.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ordo_actors::saga::{CallStatus, StepOutcome};

use super::{
    call::{Call, Terms},
    partner::CallKey,
    wire::{CallAnswer, Refusal, StatusAnswer},
};
use crate::order::{Reference, on_one_line};

/// How much of a partner's reason is kept, in characters.
const LONGEST_REASON: usize = 200;

/// What is wrong with an answer that names another amount than it was asked for.
pub(super) const OTHER_AMOUNT: &str = "the partner answered with another amount";

/// An answer, read to its end.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The type of the body, as it was named.
    pub content_type: String,
    /// When to come again, if it says so: seconds, or a date.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// What it says of a call. `longest` caps what a partner can ask us to wait.
    #[must_use]
    pub fn outcome(&self, call: &Call, now: DateTime<Utc>, longest: Duration) -> StepOutcome {
        match self.status {
            200..=299 => self.done(call).map_or_else(StepOutcome::Unknown, StepOutcome::Done),
            402 | 409 | 422 => self.refused(call).map_or_else(StepOutcome::Unknown, StepOutcome::Refused),
            429 | 503 => StepOutcome::NotDone {
                error: format!("the partner answered {}", self.status),
                retry_after: self.retry_after(now).map(|pause| pause.min(longest)),
            },
            status => StepOutcome::Unknown(format!("the partner answered {status}")),
        }
    }

    /// What it says of a key.
    #[must_use]
    pub fn call_status(&self, key: &CallKey) -> CallStatus {
        match self.status {
            200 => self.known(key).unwrap_or_else(CallStatus::Unknown),
            404 if self.is_problem() => CallStatus::NotReceived,
            status => CallStatus::Unknown(format!("the partner answered {status}")),
        }
    }

    fn done(&self, call: &Call) -> Result<String, String> {
        let answer: CallAnswer = self.read()?;
        let paid = match &call.terms {
            Terms::Money { amount_cents, currency } => (Some(*amount_cents), Some(currency.code())),
            Terms::Goods(_) => (None, None),
        };
        if answer.key != call.key.0 {
            return Err("the partner answered another call".into());
        }
        if answer.order_id != call.order_id {
            return Err("the partner answered for another order".into());
        }
        if paid.0.is_some() && (answer.amount_cents, answer.currency.as_deref()) != paid {
            return Err(OTHER_AMOUNT.into());
        }
        if answer.status != "done" {
            return Err(format!("the partner says it is {}", printable(&answer.status)));
        }
        reference(&answer.reference)
    }

    fn refused(&self, call: &Call) -> Result<String, String> {
        if !self.is_problem() {
            return Err(format!("the partner answered {} without saying why", self.status));
        }
        let refusal: Refusal = self.read()?;
        if refusal.key.as_ref().is_some_and(|key| *key != call.key.0)
            || refusal.order_id.as_ref().is_some_and(|order| *order != call.order_id.to_string())
        {
            return Err("the partner refused another call".into());
        }
        let reason = refusal.detail.or(refusal.title).unwrap_or_default();
        Ok(reason_of(&reason, self.status))
    }

    fn known(&self, key: &CallKey) -> Result<CallStatus, String> {
        let answer: StatusAnswer = self.read()?;
        if answer.key != key.0 {
            return Err("the partner answered for another key".into());
        }
        match answer.status.as_str() {
            "done" => reference(answer.reference.as_deref().unwrap_or_default()).map(CallStatus::Done),
            "refused" => Ok(CallStatus::Refused(reason_of(answer.reason.as_deref().unwrap_or_default(), 200))),
            "undone" => Ok(CallStatus::Undone),
            other => Err(format!("the partner says it is {}", printable(other))),
        }
    }

    fn read<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, String> {
        // Not serde's words: they would quote the answer.
        serde_json::from_slice(&self.body).map_err(|_| format!("the partner answered {} unreadably", self.status))
    }

    fn is_problem(&self) -> bool {
        let essence = self.content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/problem+json")
    }

    fn retry_after(&self, now: DateTime<Utc>) -> Option<Duration> {
        let text = self.retry_after.as_deref()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = DateTime::parse_from_rfc2822(text).ok()?;
        Some((date.to_utc() - now).to_std().unwrap_or_default())
    }
}

fn reference(text: &str) -> Result<String, String> {
    let checked = Reference::new(text).map(|reference| reference.to_string());
    checked.map_err(|fault| format!("the partner's reference cannot be used: {fault}"))
}

/// A reason that can be stored with an order: never empty, short, printable.
fn reason_of(text: &str, status: u16) -> String {
    let reason = printable(text);
    if reason.is_empty() { format!("refused by the partner with {status}") } else { reason }
}

fn printable(text: &str) -> String {
    on_one_line(text, LONGEST_REASON)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
