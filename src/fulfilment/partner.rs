//! A partner: holds stock, takes money or sends parcels.
//!
//! Every call carries an idempotency key that its saga step made: the same key has one effect, and one answer, for ever. An undo
//! names the key of what it undoes and ends that key, whether the call ever arrived or not: a call that arrives after its undo is
//! refused. So a call with an unknown outcome can always be ended safely.

use async_trait::async_trait;
use ordo_actors::saga::{CallStatus, StepOutcome};

use super::call::{Call, PartnerRole};

/// Names one effect for ever. The same call repeated carries the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallKey(pub String);

/// Takes calls, in one role or in several.
#[async_trait]
pub trait Partner: Send + Sync {
    /// Does what is asked, once per key. Text from outside is limited in length and printable.
    async fn call(&self, call: &Call) -> StepOutcome;

    /// Tells what became of a key that was sent to the partner in this role.
    async fn status(&self, role: PartnerRole, key: &CallKey) -> CallStatus;
}
