//! The rules about items that come back, and the money for them.

use std::collections::BTreeMap;

use super::{
    command::{RecordRefund, ReturnItems, ReturnRequest, quantity_from},
    decide::{Decision, produce, reject, unchanged},
    event::{ItemsReturned, RefundIssued, ReturnedItem},
    ids::LineId,
    invalid::InvalidValue,
    rejection::OrderRejection,
    state::{Completed, Contents, Return},
};

/// What is asked back of one line.
struct Asked {
    quantity: u64,
    /// The last entry of the command about that line.
    entry: usize,
}

impl Completed {
    /// Takes items back, at most what was shipped of each line and has not come back, for what they had cost.
    /// The same return asked for again, with the same quantities, changes nothing.
    pub(super) fn return_items(&self, command: &ReturnItems) -> Decision {
        let asked = self.contents.add_up(&command.items)?;
        match self.returns.iter().find(|known| known.id == command.return_id) {
            Some(known) if known.is_of(&asked) => unchanged(),
            Some(_) => reject(OrderRejection::ReturnIdTaken { return_id: command.return_id.clone() }),
            None => {
                let (items, refund_cents) = self.contents.take_back(&asked)?;
                let (return_id, reason) = (command.return_id.clone(), command.reason.clone());
                produce(ItemsReturned { return_id, items, reason, refund_cents })
            }
        }
    }

    /// Notes the refund of a return, once, over exactly what the return is worth.
    pub(super) fn record_refund(&self, command: &RecordRefund) -> Decision {
        let Some(known) = self.returns.iter().find(|known| known.id == command.return_id) else {
            return reject(OrderRejection::ReturnNotFound { return_id: command.return_id.clone() });
        };
        if command.refund_cents != known.refund_cents {
            let (due, given) = (known.refund_cents, command.refund_cents);
            return reject(OrderRejection::RefundDiffers { due, given });
        }
        let RecordRefund { return_id, refund_id, refund_cents } = command.clone();
        match &known.refund_id {
            None => produce(RefundIssued { return_id, refund_id, refund_cents }),
            Some(recorded) if *recorded == refund_id => unchanged(),
            Some(recorded) => reject(OrderRejection::AlreadyRefunded { return_id, refund_id: recorded.clone() }),
        }
    }
}

impl Contents {
    /// Adds up the entries of the same line.
    fn add_up(&self, items: &[ReturnRequest]) -> Result<BTreeMap<LineId, Asked>, OrderRejection> {
        if items.is_empty() {
            return Err(OrderRejection::invalid("/items", InvalidValue::Empty));
        }
        let mut asked = BTreeMap::new();
        for (entry, item) in items.iter().enumerate() {
            if self.line(item.line_id).is_none() {
                return Err(OrderRejection::invalid(format!("/items/{entry}/line_id"), InvalidValue::UnknownLine));
            }
            let quantity = quantity_from(1, item.quantity)
                .map_err(|problem| OrderRejection::invalid(format!("/items/{entry}/quantity"), problem))?;
            let line = asked.entry(item.line_id).or_insert(Asked { quantity: 0, entry });
            *line = Asked { quantity: line.quantity + u64::from(quantity), entry };
        }
        Ok(asked)
    }

    /// What comes back, in the order of the lines, and what it had cost.
    fn take_back(&self, asked: &BTreeMap<LineId, Asked>) -> Result<(Vec<ReturnedItem>, i64), OrderRejection> {
        let mut items = Vec::with_capacity(asked.len());
        let mut refund_cents = 0_i64;
        for (&line_id, asked) in asked {
            let line = self.line(line_id).ok_or(OrderRejection::LineNotFound { line_id })?;
            let left = line.returnable();
            let quantity = u32::try_from(asked.quantity)
                .ok()
                .filter(|quantity| *quantity <= left)
                .ok_or(OrderRejection::MoreThanLeft { line_id, asked: asked.quantity, left, entry: asked.entry })?;
            items.push(ReturnedItem { line_id, quantity });
            let amount = line.unit_price_cents.saturating_mul(i64::from(quantity));
            refund_cents = refund_cents.saturating_add(amount); // part of the total, which fits
        }
        Ok((items, refund_cents))
    }
}

impl Return {
    fn is_of(&self, asked: &BTreeMap<LineId, Asked>) -> bool {
        let quantities = asked.iter().map(|(line_id, asked)| (*line_id, asked.quantity));
        self.items.iter().map(|item| (item.line_id, u64::from(item.quantity))).eq(quantities)
    }
}
