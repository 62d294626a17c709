//! Reconciliation of a ledger: sums, and what is wrong with each order. An order that is being fulfilled looks wrong for a moment:
//! money is taken before the parcel is sent.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ledger::{Entry, EntryState};
use crate::{
    fulfilment::call::{CallKind, Terms},
    order::OrderId,
};

/// Orders listed with their faults; the others are only counted.
const MOST_LISTED: usize = 200;

/// What must not be true of an order that no saga is working on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerFault {
    /// Money was taken and neither given back nor answered with a parcel.
    ChargedWithoutShipment,
    /// Money was taken by two calls.
    ChargedTwice,
    /// Goods are set aside that are not going anywhere.
    StockStillHeld,
    /// Goods are set aside by two calls.
    ReservedTwice,
    /// A parcel went and no money was taken.
    ShippedWithoutCharge,
    /// Two parcels went.
    ShippedTwice,
    /// More was given back than was taken.
    RefundedTooMuch,
}

impl LedgerFault {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::ChargedWithoutShipment => "charged, neither shipped nor given back",
            Self::ChargedTwice => "charged twice",
            Self::StockStillHeld => "stock still held",
            Self::ReservedTwice => "stock held twice",
            Self::ShippedWithoutCharge => "shipped, not charged",
            Self::ShippedTwice => "shipped twice",
            Self::RefundedTooMuch => "more given back than taken",
        }
    }
}

/// How many calls had their effect, whether or not it was undone later, and what they were worth.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Reservations.
    pub reserved: u64,
    /// Reservations given back.
    pub released: u64,
    /// Charges.
    pub charged: u64,
    /// Charges given back.
    pub voided: u64,
    /// Refunds.
    pub refunded: u64,
    /// Parcels sent.
    pub shipped: u64,
    /// Parcels called back.
    pub called_back: u64,
    /// Steps refused for good.
    pub refused: u64,
    /// Steps ended before they came.
    pub ended_unheard: u64,
    /// Money by currency, in minor units.
    pub money: BTreeMap<String, Money>,
}

/// Money of one currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Money {
    /// Taken.
    pub charged: i128,
    /// Given back whole.
    pub voided: i128,
    /// Given back in part.
    pub refunded: i128,
}

/// The sums and faults of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderReconciliation {
    totals: Totals,
    /// What is wrong with it.
    pub faults: Vec<LedgerFault>,
}

/// The sums and faults of all orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// Orders that a partner has heard of.
    pub orders: u64,
    /// Sums.
    pub totals: Totals,
    /// How many orders have which fault.
    pub faults: BTreeMap<LedgerFault, u64>,
    /// Orders with a fault, the first ones.
    pub faulty: Vec<FaultyOrder>,
}

/// An order and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultyOrder {
    /// Which.
    pub order_id: OrderId,
    /// What.
    pub faults: Vec<LedgerFault>,
}

impl Reconciliation {
    /// Counts an order in; each once.
    pub fn add(&mut self, order_id: OrderId, order: &OrderReconciliation) {
        self.orders += 1;
        self.totals.add(&order.totals);
        for fault in &order.faults {
            *self.faults.entry(*fault).or_default() += 1;
        }
        if !order.faults.is_empty() && self.faulty.len() < MOST_LISTED {
            self.faulty.push(FaultyOrder { order_id, faults: order.faults.clone() });
        }
    }
}

/// Adds up the entries of one order.
#[must_use]
pub fn reconcile(entries: &[Entry]) -> OrderReconciliation {
    let mut totals = Totals::default();
    for entry in entries {
        totals.count(entry);
    }
    OrderReconciliation { totals, faults: faults(entries) }
}

fn faults(entries: &[Entry]) -> Vec<LedgerFault> {
    let live = |kind| entries.iter().filter(move |entry| entry.is_live(kind));
    let (held, charged, shipped) =
        (live(CallKind::Reserve).count(), live(CallKind::Charge).count(), live(CallKind::Ship).count());
    let sum = |kind| live(kind).map(|entry| i128::from(entry.cents())).sum::<i128>();
    let (taken, given_back) = (sum(CallKind::Charge), sum(CallKind::Refund));
    // A refund of a payment that was made elsewhere is no fault of this ledger.
    let refunds_known = live(CallKind::Refund).all(|refund| refund.call.of.is_some());
    [
        (LedgerFault::ChargedWithoutShipment, shipped == 0 && taken > given_back),
        (LedgerFault::ChargedTwice, charged > 1),
        (LedgerFault::StockStillHeld, held > 0 && shipped == 0),
        (LedgerFault::ReservedTwice, held > 1),
        (LedgerFault::ShippedWithoutCharge, shipped > 0 && charged == 0),
        (LedgerFault::ShippedTwice, shipped > 1),
        (LedgerFault::RefundedTooMuch, refunds_known && given_back > taken),
    ]
    .into_iter()
    .filter_map(|(fault, is_so)| is_so.then_some(fault))
    .collect()
}

impl Totals {
    fn count(&mut self, entry: &Entry) {
        let ended = entry.state == EntryState::Undone;
        if !entry.took_effect {
            *(if ended { &mut self.ended_unheard } else { &mut self.refused }) += 1;
            return;
        }
        let (done, undone) = match entry.call.kind {
            CallKind::Reserve => (&mut self.reserved, &mut self.released),
            CallKind::Charge => (&mut self.charged, &mut self.voided),
            CallKind::Ship => (&mut self.shipped, &mut self.called_back),
            CallKind::Refund => (&mut self.refunded, &mut self.ended_unheard),
            CallKind::Release | CallKind::Void | CallKind::CallBack => return,
        };
        *done += 1;
        *undone += u64::from(ended);
        self.count_money(entry, ended);
    }

    fn count_money(&mut self, entry: &Entry, ended: bool) {
        let Terms::Money { amount_cents, currency } = entry.call.terms else { return };
        let money = self.money.entry(currency.code().to_owned()).or_default();
        let amount = i128::from(amount_cents);
        if entry.call.kind == CallKind::Refund {
            money.refunded += amount;
            return;
        }
        money.charged += amount;
        money.voided += if ended { amount } else { 0 };
    }

    fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.reserved, other.reserved),
            (&mut self.released, other.released),
            (&mut self.charged, other.charged),
            (&mut self.voided, other.voided),
            (&mut self.refunded, other.refunded),
            (&mut self.shipped, other.shipped),
            (&mut self.called_back, other.called_back),
            (&mut self.refused, other.refused),
            (&mut self.ended_unheard, other.ended_unheard),
        ] {
            *sum += more;
        }
        for (currency, more) in &other.money {
            let money = self.money.entry(currency.clone()).or_default();
            money.charged += more.charged;
            money.voided += more.voided;
            money.refunded += more.refunded;
        }
    }
}
