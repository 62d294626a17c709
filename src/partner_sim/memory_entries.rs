//! Entries in memory: the newest so many, the oldest are forgotten.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
};

use super::ledger::{Entry, LedgerStore};
use crate::{
    fulfilment::partner::CallKey,
    order::{OrderId, ProductId},
};

/// Keys that are remembered at once.
const MOST_KEYS: usize = 100_000;

/// Forgets the oldest key beyond 100,000. Does not count stock.
#[derive(Debug, Default)]
pub struct MemoryEntries {
    by_key: HashMap<CallKey, Entry>,
    by_order: HashMap<OrderId, Vec<CallKey>>,
    oldest_first: VecDeque<CallKey>,
}

impl MemoryEntries {
    /// Every order that is remembered.
    pub fn orders(&self) -> impl Iterator<Item = OrderId> {
        self.by_order.keys().copied()
    }

    fn forget_oldest(&mut self) {
        let Some(entry) = self.oldest_first.pop_front().and_then(|key| self.by_key.remove(&key)) else { return };
        if let Some(keys) = self.by_order.get_mut(&entry.call.order_id) {
            keys.retain(|key| *key != entry.call.key);
            if keys.is_empty() {
                self.by_order.remove(&entry.call.order_id);
            }
        }
    }
}

impl LedgerStore for MemoryEntries {
    type Failure = Infallible;

    fn find(&self, key: &CallKey) -> Result<Option<Entry>, Infallible> {
        Ok(self.by_key.get(key).cloned())
    }

    fn of_order(&self, order: OrderId) -> Result<Vec<Entry>, Infallible> {
        let keys = self.by_order.get(&order).into_iter().flatten();
        Ok(keys.filter_map(|key| self.by_key.get(key)).cloned().collect())
    }

    fn put(&mut self, entry: Entry) -> Result<(), Infallible> {
        let (key, order) = (entry.call.key.clone(), entry.call.order_id);
        if self.by_key.insert(key.clone(), entry).is_none() {
            self.by_order.entry(order).or_default().push(key.clone());
            self.oldest_first.push_back(key);
        }
        if self.by_key.len() > MOST_KEYS {
            self.forget_oldest();
        }
        Ok(())
    }

    fn held(&self, _: &ProductId) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn set_held(&mut self, _: &ProductId, _: u64) -> Result<(), Infallible> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ordo_actors::saga::CallStatus;

    use crate::{
        fulfilment::call::{Call, CallKind, Terms},
        partner_sim::ledger::{PartnerRules, call_status},
    };

    #[test]
    fn the_oldest_keys_are_forgotten_beyond_the_limit() {
        let mut entries = MemoryEntries::default();
        let key = |number: usize| CallKey(number.to_string());
        for number in 0..=MOST_KEYS {
            let call = Call::new(key(number), CallKind::Ship, OrderId::generate(), Terms::Goods(Vec::new()));
            let Ok(_) = PartnerRules::default().perform(&mut entries, &call, None);
        }
        assert_eq!((entries.by_key.len(), entries.by_order.len()), (MOST_KEYS, MOST_KEYS));
        assert_eq!(call_status(&entries, &key(0)), Ok(CallStatus::NotReceived));
        assert!(matches!(call_status(&entries, &key(MOST_KEYS)), Ok(CallStatus::Done(_))));
    }
}
