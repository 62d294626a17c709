//! The ledger of a stand-in: an entry per key, and the rules by which a call becomes an entry. The same rules in memory and in a
//! file.
//!
//! **Invariant:** a key has at most one effect. Whatever undoes it ends it, also when it has not come yet.

use std::collections::HashSet;

use ordo_actors::saga::CallStatus;
use uuid::Uuid;

use crate::{
    fulfilment::{
        call::{Call, CallKind, PartnerRole, Terms},
        partner::CallKey,
    },
    order::{OrderId, ProductId, Reference},
};

/// The state of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// It is done.
    Done,
    /// It was refused for good.
    Refused,
    /// It was undone, perhaps before it came.
    Undone,
}

impl EntryState {
    /// Its name, as it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Undone => "undone",
        }
    }
}

/// A key and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was asked. For a key that was undone before it came: what it would have asked.
    pub call: Call,
    /// How it stands.
    pub state: EntryState,
    /// Whether it ever was done.
    pub took_effect: bool,
    /// What came of it, by name.
    pub reference: Reference,
    /// Why it was refused.
    pub reason: Option<String>,
}

/// Holds entries. What one call writes is kept as a whole or not at all.
pub trait LedgerStore {
    /// Why entries cannot be read or written.
    type Failure;

    /// The entry of a key.
    fn find(&self, key: &CallKey) -> Result<Option<Entry>, Self::Failure>;
    /// Every entry of an order, oldest first.
    fn of_order(&self, order: OrderId) -> Result<Vec<Entry>, Self::Failure>;
    /// Keeps an entry, in place of the one with the same key.
    fn put(&mut self, entry: Entry) -> Result<(), Self::Failure>;
    /// How many of a product are set aside.
    fn held(&self, product: &ProductId) -> Result<u64, Self::Failure>;
    /// Changes how many of a product are set aside.
    fn set_held(&mut self, product: &ProductId, quantity: u64) -> Result<(), Self::Failure>;
}

/// What a partner makes of a call that reached it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallVerdict {
    /// Done, now or before.
    Done(Reference),
    /// Refused.
    Refused(String),
    /// The call contradicts itself or what its key stands for: nothing is said about the key.
    Contradiction(String),
}

/// How a stand-in decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct PartnerRules {
    /// How many of each product there are; unlimited when absent.
    pub stock: Option<u64>,
    /// Whether it takes a refund's word for a payment it does not know, because it forgets.
    pub trusts_refunds: bool,
}

impl PartnerRules {
    /// Does what is asked, once. With a `refusal` a call that is new is refused with these words: an undo until it
    /// is asked again, anything else for good.
    pub fn perform<E: LedgerStore>(
        self,
        entries: &mut E,
        call: &Call,
        refusal: Option<&str>,
    ) -> Result<CallVerdict, E::Failure> {
        if let Some(fault) = contradiction(call) {
            return Ok(CallVerdict::Contradiction(fault.into()));
        }
        if let Some(known) = entries.find(&call.key)? {
            return Ok(known.answer(call));
        }
        if let Some(reason) = refusal {
            return refuse(entries, call, reason.into());
        }
        match call.kind {
            CallKind::Reserve => self.reserve(entries, call),
            CallKind::Charge | CallKind::Ship => finish(entries, call.clone()),
            CallKind::Release | CallKind::Void | CallKind::CallBack => undo(entries, call),
            CallKind::Refund => self.refund(entries, call),
        }
    }

    fn reserve<E: LedgerStore>(self, entries: &mut E, call: &Call) -> Result<CallVerdict, E::Failure> {
        let mut holdings = Vec::new();
        for (product, quantity) in call.goods() {
            let held = entries.held(product)?.saturating_add(*quantity);
            if self.stock.is_some_and(|stock| held > stock) {
                return refuse(entries, call, format!("not enough of {product} in stock"));
            }
            holdings.push((product, held));
        }
        for (product, held) in holdings {
            entries.set_held(product, held)?;
        }
        finish(entries, call.clone())
    }

    fn refund<E: LedgerStore>(self, entries: &mut E, call: &Call) -> Result<CallVerdict, E::Failure> {
        let known = entries.of_order(call.order_id)?;
        let named = |entry: &&Entry| call.payment_id.as_ref().is_none_or(|id| *id == entry.reference);
        let charge = known.iter().filter(|entry| entry.is_live(CallKind::Charge)).find(named);
        match charge {
            None if self.trusts_refunds => finish(entries, call.clone()),
            None => refuse(entries, call, "there is no such payment for this order".into()),
            Some(charge) => {
                let of_it = |entry: &&Entry| entry.call.of.as_ref() == Some(&charge.call.key);
                let refunded: i64 = refunds(&known).filter(of_it).map(Entry::cents).sum();
                let (left, Terms::Money { currency: paid_in, .. }) = (charge.cents() - refunded, &charge.call.terms)
                else {
                    return refuse(entries, call, "the payment was not of money".into());
                };
                if !matches!(&call.terms, Terms::Money { currency, .. } if currency == paid_in) {
                    return refuse(entries, call, format!("the payment was in {paid_in}"));
                }
                if call.cents() > left {
                    return refuse(entries, call, format!("no more than {left} is left of the payment"));
                }
                finish(entries, Call { of: Some(charge.call.key.clone()), ..call.clone() })
            }
        }
    }
}

/// What is known about a key.
pub fn call_status<E: LedgerStore>(entries: &E, key: &CallKey) -> Result<CallStatus, E::Failure> {
    Ok(match entries.find(key)? {
        None => CallStatus::NotReceived,
        Some(Entry { state: EntryState::Done, reference, .. }) => CallStatus::Done(reference.to_string()),
        Some(Entry { state: EntryState::Refused, reason, .. }) => CallStatus::Refused(reason.unwrap_or_default()),
        Some(Entry { state: EntryState::Undone, .. }) => CallStatus::Undone,
    })
}

impl Entry {
    /// Whether it is such a call, done and not undone.
    #[must_use]
    pub fn is_live(&self, kind: CallKind) -> bool {
        self.call.kind == kind && self.state == EntryState::Done
    }

    /// How much it is about; nothing when it is about goods.
    #[must_use]
    pub fn cents(&self) -> i64 {
        self.call.cents()
    }

    /// The answer to a call whose key is known: the first answer again if the call is the same, else a contradiction.
    fn answer(self, call: &Call) -> CallVerdict {
        if !self.call.is_the_same_as(call) {
            return CallVerdict::Contradiction("the key was used for another call".into());
        }
        match self.state {
            EntryState::Done => CallVerdict::Done(self.reference),
            EntryState::Refused => CallVerdict::Refused(self.reason.unwrap_or_default()),
            EntryState::Undone => CallVerdict::Refused("it has been undone".into()),
        }
    }
}

impl Call {
    fn cents(&self) -> i64 {
        match self.terms {
            Terms::Money { amount_cents, .. } => amount_cents,
            Terms::Goods(_) => 0,
        }
    }

    fn goods(&self) -> &[(ProductId, u64)] {
        match &self.terms {
            Terms::Goods(goods) => goods,
            Terms::Money { .. } => &[],
        }
    }

    /// A refund's `of` is what the partner found out: the caller does not say it.
    fn is_the_same_as(&self, other: &Self) -> bool {
        let undone = |call: &Self| call.kind.undoes().and(call.of.clone());
        (self.kind, self.order_id, &self.terms, undone(self))
            == (other.kind, other.order_id, &other.terms, undone(other))
    }

    /// The call that this one undoes, as far as it can be told from here.
    fn undone(&self) -> Option<Self> {
        let (kind, key) = (self.kind.undoes()?, self.of.clone()?);
        Some(Self { key, kind, of: None, payment_id: None, ..self.clone() })
    }
}

fn contradiction(call: &Call) -> Option<&'static str> {
    let about_money = matches!(call.terms, Terms::Money { .. });
    if about_money == matches!(call.kind.partner(), PartnerRole::Payments) {
        match (&call.of, call.kind.undoes()) {
            (None, Some(_)) => Some("it does not say what it undoes"),
            (Some(_), None) => Some("it undoes nothing"),
            (Some(of), Some(_)) if *of == call.key => Some("it undoes itself"),
            _ if about_money && call.cents() < 1 => Some("an amount is at least 1"),
            _ if has_twice(call.goods()) => Some("a product is named twice"),
            _ => None,
        }
    } else {
        Some("it is about something else than such a call can be")
    }
}

fn has_twice(goods: &[(ProductId, u64)]) -> bool {
    let mut seen = HashSet::new();
    goods.iter().any(|(product, _)| !seen.insert(product))
}

fn undo<E: LedgerStore>(entries: &mut E, call: &Call) -> Result<CallVerdict, E::Failure> {
    let Some(undone) = call.undone() else {
        return Ok(CallVerdict::Contradiction("it undoes nothing".into()));
    };
    let target = entries.find(&undone.key)?;
    if target.as_ref().is_some_and(|target| !target.call.is_the_same_as(&undone)) {
        return Ok(CallVerdict::Contradiction("what it undoes was another call".into()));
    }
    match target {
        None => entries.put(Entry { state: EntryState::Undone, took_effect: false, ..done(undone) })?,
        Some(target) if target.state == EntryState::Done => {
            let known = entries.of_order(call.order_id)?;
            if refunds(&known).any(|refund| refund.call.of.as_ref() == Some(&target.call.key)) {
                return refuse(entries, call, "a part of it has been refunded".into());
            }
            if call.kind == CallKind::Release {
                give_back(entries, &target)?;
            }
            entries.put(Entry { state: EntryState::Undone, ..target })?;
        }
        Some(_) => {}
    }
    finish(entries, call.clone())
}

fn give_back<E: LedgerStore>(entries: &mut E, reservation: &Entry) -> Result<(), E::Failure> {
    for (product, quantity) in reservation.call.goods() {
        let held = entries.held(product)?;
        entries.set_held(product, held.saturating_sub(*quantity))?;
    }
    Ok(())
}

fn refunds(known: &[Entry]) -> impl Iterator<Item = &Entry> {
    known.iter().filter(|entry| entry.is_live(CallKind::Refund))
}

fn finish<E: LedgerStore>(entries: &mut E, call: Call) -> Result<CallVerdict, E::Failure> {
    let entry = done(call);
    let reference = entry.reference.clone();
    entries.put(entry)?;
    Ok(CallVerdict::Done(reference))
}

fn refuse<E: LedgerStore>(entries: &mut E, call: &Call, reason: String) -> Result<CallVerdict, E::Failure> {
    if call.kind.undoes().is_none() {
        let state = EntryState::Refused;
        entries.put(Entry { state, took_effect: false, reason: Some(reason.clone()), ..done(call.clone()) })?;
    }
    Ok(CallVerdict::Refused(reason))
}

fn done(call: Call) -> Entry {
    let reference = reference(call.kind, &call.key);
    Entry { call, state: EntryState::Done, took_effect: true, reference, reason: None }
}

/// Made from the key: even a partner that has forgotten the key gives the same name again.
fn reference(kind: CallKind, key: &CallKey) -> Reference {
    let prefix = match kind {
        CallKind::Reserve => "res",
        CallKind::Release => "rel",
        CallKind::Charge => "pay",
        CallKind::Void => "void",
        CallKind::Refund => "ref",
        CallKind::Ship => "trk",
        CallKind::CallBack => "back",
    };
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.0.as_bytes());
    Reference::new(&format!("{prefix}-{}", id.simple())).unwrap_or_else(|_| id.into())
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
