//! Partners inside the process, on one ledger in memory: for servers without partners and for tests. All calls go well unless a
//! script says otherwise. A restart forgets everything, so refunds of payments it does not know are accepted.

use std::time::Duration;

use async_trait::async_trait;
use ordo_actors::{
    retry::pass,
    saga::{CallStatus, StepOutcome},
};
use parking_lot::Mutex;

use super::{
    fault_injection::{Fault, FaultPlan, Target, TooManyScripts},
    ledger::{CallVerdict, LedgerStore, PartnerRules, call_status},
    memory_entries::MemoryEntries,
    reconciliation::{Reconciliation, reconcile},
};
use crate::{
    fulfilment::{
        call::{Call, PartnerRole},
        partner::{CallKey, Partner},
    },
    order::OrderId,
};

/// What an answer that is late takes.
const SLOW: Duration = Duration::from_millis(200);

/// All three partners.
#[derive(Debug, Default)]
pub struct SimulatedPartners {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    entries: MemoryEntries,
    faults: FaultPlan,
}

impl SimulatedPartners {
    /// Sets what happens to the next such calls for an order, or for any order when none is named.
    pub fn script(&self, order: Option<OrderId>, asked: Target, faults: Vec<Fault>) -> Result<(), TooManyScripts> {
        self.inside.lock().faults.script(order, asked, faults)
    }

    /// Reconciles the calls of all orders that are remembered.
    #[must_use]
    pub fn reconcile(&self) -> Reconciliation {
        let inside = self.inside.lock();
        let mut reconciliation = Reconciliation::default();
        for order in inside.entries.orders() {
            let Ok(entries) = inside.entries.of_order(order);
            reconciliation.add(order, &reconcile(&entries));
        }
        reconciliation
    }

    fn decide(&self, call: &Call, refusal: Option<&str>) -> StepOutcome {
        let rules = PartnerRules { stock: None, trusts_refunds: true };
        let Ok(verdict) = rules.perform(&mut self.inside.lock().entries, call, refusal);
        match verdict {
            CallVerdict::Done(reference) => StepOutcome::Done(reference.to_string()),
            CallVerdict::Refused(reason) => StepOutcome::Refused(reason),
            CallVerdict::Contradiction(fault) => StepOutcome::Unknown(fault),
        }
    }
}

#[async_trait]
impl Partner for SimulatedPartners {
    async fn call(&self, call: &Call) -> StepOutcome {
        let fault = self.inside.lock().faults.next(Some(call.order_id), Target::Call(call.kind));
        match fault {
            Fault::Error => {
                return StepOutcome::NotDone { error: "turned away, as scripted".into(), retry_after: None };
            }
            Fault::Lose => return StepOutcome::Unknown("it got lost, as scripted".into()),
            Fault::Slow => pass(SLOW).await,
            Fault::None | Fault::Refuse | Fault::Timeout | Fault::Duplicate => {}
        }
        let refusal = (fault == Fault::Refuse).then_some("refused, as scripted");
        let mut outcome = self.decide(call, refusal);
        if fault == Fault::Duplicate {
            outcome = self.decide(call, refusal);
        }
        if fault == Fault::Timeout {
            return StepOutcome::Unknown("no answer in time, as scripted".into());
        }
        outcome
    }

    async fn status(&self, role: PartnerRole, key: &CallKey) -> CallStatus {
        let fault = self.inside.lock().faults.next(None, Target::Status(role));
        match fault {
            Fault::Error | Fault::Lose | Fault::Timeout => return CallStatus::Unknown("no answer, as scripted".into()),
            Fault::Slow => pass(SLOW).await,
            Fault::None | Fault::Refuse | Fault::Duplicate => {}
        }
        let Ok(status) = call_status(&self.inside.lock().entries, key);
        status
    }
}

#[cfg(test)]
#[path = "in_process_tests.rs"]
mod tests;
