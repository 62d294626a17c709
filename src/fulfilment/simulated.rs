//! Partners inside the process, on one ledger in memory: for servers without partners and for tests. All calls go well unless a
//! script says otherwise. A restart forgets everything, so refunds of payments it does not know are accepted.

use std::time::Duration;

use async_trait::async_trait;
use ordo_actors::retry::Backoff;
use parking_lot::Mutex;

use super::{
    call::{Call, Partner},
    fate::{Asked, Fate, Fates, TooManyScripts},
    ledger::{Entries, Rules, Verdict, standing},
    memory_entries::MemoryEntries,
    partner::{CallKey, Charge, Inventory, Parcel, Payments, Refund, Reply, Reservation, Shipping, Standing},
    reckoning::{Reckoning, reckon},
};
use crate::order::OrderId;

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
    fates: Fates,
}

impl SimulatedPartners {
    /// Partners that follow these fates.
    #[must_use]
    pub fn with_fates(fates: Fates) -> Self {
        Self { inside: Mutex::new(Inside { fates, ..Inside::default() }) }
    }

    /// Sets what happens to the next such calls for an order, or for any order when none is named.
    pub fn script(&self, order: Option<OrderId>, asked: Asked, fates: Vec<Fate>) -> Result<(), TooManyScripts> {
        self.inside.lock().fates.script(order, asked, fates)
    }

    /// What the ledger comes to, over the orders it remembers.
    #[must_use]
    pub fn reckon(&self) -> Reckoning {
        let inside = self.inside.lock();
        let mut reckoning = Reckoning::default();
        for order in inside.entries.orders() {
            let Ok(entries) = inside.entries.of_order(order);
            reckoning.add(order, &reckon(&entries));
        }
        reckoning
    }

    async fn perform(&self, call: Call) -> Reply {
        let fate = self.inside.lock().fates.next(Some(call.order_id), Asked::Call(call.kind));
        match fate {
            Fate::Error => return Reply::NotDone { reason: "turned away, as scripted".into(), retry_after: None },
            Fate::Lose => return Reply::Unknown("it got lost, as scripted".into()),
            Fate::Slow => pass(SLOW).await,
            Fate::Ok | Fate::Refuse | Fate::Timeout | Fate::Duplicate => {}
        }
        let refusal = (fate == Fate::Refuse).then_some("refused, as scripted");
        let mut reply = self.decide(&call, refusal);
        if fate == Fate::Duplicate {
            reply = self.decide(&call, refusal);
        }
        if fate == Fate::Timeout { Reply::Unknown("no answer in time, as scripted".into()) } else { reply }
    }

    fn decide(&self, call: &Call, refusal: Option<&str>) -> Reply {
        let rules = Rules { stock: None, trusts_refunds: true };
        let Ok(verdict) = rules.perform(&mut self.inside.lock().entries, call, refusal);
        match verdict {
            Verdict::Done(reference) => Reply::Done(reference),
            Verdict::Refused(reason) => Reply::Refused(reason),
            Verdict::Contradiction(fault) => Reply::Unknown(fault),
        }
    }

    async fn stands(&self, partner: Partner, key: &CallKey) -> Standing {
        let fate = self.inside.lock().fates.next(None, Asked::LookUp(partner));
        match fate {
            Fate::Error | Fate::Lose | Fate::Timeout => return Standing::Unknown("no answer, as scripted".into()),
            Fate::Slow => pass(SLOW).await,
            Fate::Ok | Fate::Refuse | Fate::Duplicate => {}
        }
        let Ok(standing) = standing(&self.inside.lock().entries, key);
        standing
    }
}

async fn pass(time: Duration) {
    Backoff::new(time, time, 1).pause().await;
}

#[async_trait]
impl Inventory for SimulatedPartners {
    async fn reserve(&self, key: &CallKey, reservation: &Reservation) -> Reply {
        self.perform(Call::reserve(key, reservation)).await
    }

    async fn release(&self, key: &CallKey, of: &CallKey, reservation: &Reservation) -> Reply {
        self.perform(Call::release(key, of, reservation)).await
    }

    async fn look_up(&self, key: &CallKey) -> Standing {
        self.stands(Partner::Inventory, key).await
    }
}

#[async_trait]
impl Payments for SimulatedPartners {
    async fn charge(&self, key: &CallKey, charge: &Charge) -> Reply {
        self.perform(Call::charge(key, charge)).await
    }

    async fn void(&self, key: &CallKey, of: &CallKey, charge: &Charge) -> Reply {
        self.perform(Call::void(key, of, charge)).await
    }

    async fn refund(&self, key: &CallKey, refund: &Refund) -> Reply {
        self.perform(Call::refund(key, refund)).await
    }

    async fn look_up(&self, key: &CallKey) -> Standing {
        self.stands(Partner::Payments, key).await
    }
}

#[async_trait]
impl Shipping for SimulatedPartners {
    async fn ship(&self, key: &CallKey, parcel: &Parcel) -> Reply {
        self.perform(Call::ship(key, parcel)).await
    }

    async fn call_back(&self, key: &CallKey, of: &CallKey, parcel: &Parcel) -> Reply {
        self.perform(Call::call_back(key, of, parcel)).await
    }

    async fn look_up(&self, key: &CallKey) -> Standing {
        self.stands(Partner::Shipping, key).await
    }
}

#[cfg(test)]
#[path = "simulated_tests.rs"]
mod tests;
