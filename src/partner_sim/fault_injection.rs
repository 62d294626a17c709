//! Faults that are injected into calls: as scripted, else at random by rates.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{
    fulfilment::call::{CallKind, PartnerRole},
    order::OrderId,
};

/// Scripts that are kept at once; one more is not taken.
const MOST_SCRIPTS: usize = 10_000;
/// Calls in one script.
pub const LONGEST_SCRIPT: usize = 1_000;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The call is done and answered.
    #[serde(rename = "ok")]
    None,
    /// The partner says no.
    Refuse,
    /// It is done and answered, late.
    Slow,
    /// It is turned away before anything is done, and the caller is told so.
    Error,
    /// It is done, and the answer never comes.
    Timeout,
    /// It never arrives, and the caller is not told so.
    Lose,
    /// It arrives twice; the second answer is the one that is given.
    Duplicate,
}

/// What can be scripted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A call.
    Call(CallKind),
    /// A question about a key.
    Status(PartnerRole),
}

impl Target {
    /// Reads its name: that of a call, or `look_up_inventory`, `look_up_payments`, `look_up_shipping`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("look_up_") {
            Some(partner) => PartnerRole::ALL.into_iter().find(|known| known.name() == partner).map(Self::Status),
            None => CallKind::ALL.into_iter().find(|known| known.name() == name).map(Self::Call),
        }
    }

    const fn partner(self) -> PartnerRole {
        match self {
            Self::Call(kind) => kind.partner(),
            Self::Status(partner) => partner,
        }
    }

    const fn is_step(self) -> bool {
        matches!(self, Self::Call(kind) if kind.is_step())
    }
}

/// How often each fault is injected into the calls to one partner, as shares of 1. The rest of 1 has no fault.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Steps that are refused; neither undos nor refunds are.
    pub refuse: f64,
    /// Turned away before anything is done.
    pub error: f64,
    /// Done, but never answered.
    pub timeout: f64,
    /// Never arrived.
    pub lose: f64,
    /// Answered late.
    pub slow: f64,
    /// Arrived twice.
    pub duplicate: f64,
}

impl Rates {
    const fn in_order(self) -> [(Fault, f64); 6] {
        [
            (Fault::Refuse, self.refuse),
            (Fault::Error, self.error),
            (Fault::Timeout, self.timeout),
            (Fault::Lose, self.lose),
            (Fault::Slow, self.slow),
            (Fault::Duplicate, self.duplicate),
        ]
    }

    /// The sum of all; more than 1 cannot be.
    #[must_use]
    pub fn sum(self) -> f64 {
        self.in_order().iter().map(|(_, share)| share).sum()
    }
}

/// More scripts than are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are as many scripts as are kept: {MOST_SCRIPTS} of at most {LONGEST_SCRIPT} calls each")]
pub struct TooManyScripts;

/// Picks the fault of every call: none until told otherwise.
#[derive(Debug, Default)]
pub struct FaultPlan {
    inventory: Rates,
    payments: Rates,
    shipping: Rates,
    rng: u64,
    scripts: HashMap<(Option<OrderId>, Target), VecDeque<Fault>>,
}

impl FaultPlan {
    /// Random faults at the rates of each partner; the same seed gives the same faults.
    #[must_use]
    pub fn with_rates(seed: u64, rates: impl Fn(PartnerRole) -> Rates) -> Self {
        Self {
            inventory: rates(PartnerRole::Inventory),
            payments: rates(PartnerRole::Payments),
            shipping: rates(PartnerRole::Shipping),
            rng: seed,
            scripts: HashMap::new(),
        }
    }

    /// Sets what happens to the next such calls for an order, or for any order without a script of its own, in turn. None
    /// takes a script away.
    pub fn script(&mut self, order: Option<OrderId>, asked: Target, faults: Vec<Fault>) -> Result<(), TooManyScripts> {
        if faults.is_empty() {
            self.scripts.remove(&(order, asked));
            return Ok(());
        }
        if faults.len() > LONGEST_SCRIPT || self.scripts.len() >= MOST_SCRIPTS {
            return Err(TooManyScripts);
        }
        self.scripts.insert((order, asked), faults.into());
        Ok(())
    }

    /// The fault of the next such call.
    pub fn next(&mut self, order: Option<OrderId>, asked: Target) -> Fault {
        let scripted = order.and_then(|order| self.scripted(Some(order), asked)).or_else(|| self.scripted(None, asked));
        scripted.unwrap_or_else(|| self.by_chance(asked))
    }

    fn scripted(&mut self, order: Option<OrderId>, asked: Target) -> Option<Fault> {
        let script = self.scripts.get_mut(&(order, asked))?;
        let fault = script.pop_front();
        if script.is_empty() {
            self.scripts.remove(&(order, asked));
        }
        fault
    }

    fn by_chance(&mut self, asked: Target) -> Fault {
        let rates = match asked.partner() {
            PartnerRole::Inventory => self.inventory,
            PartnerRole::Payments => self.payments,
            PartnerRole::Shipping => self.shipping,
        };
        if rates == Rates::default() {
            return Fault::None;
        }
        let mut drawn = self.random();
        for (fault, share) in rates.in_order() {
            if drawn < share {
                return if fault == Fault::Refuse && !asked.is_step() { Fault::None } else { fault };
            }
            drawn -= share;
        }
        Fault::None
    }

    /// A share of 1. `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    fn random(&mut self) -> f64 {
        self.rng = self.rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.rng;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGE: Target = Target::Call(CallKind::Charge);
    const VOID: Target = Target::Call(CallKind::Void);

    #[test]
    fn a_script_is_played_once_in_turn_and_for_its_order_alone() {
        let (one, other) = (OrderId::generate(), OrderId::generate());
        let mut faults = FaultPlan::default();
        faults.script(Some(one), CHARGE, vec![Fault::Refuse, Fault::Slow]).unwrap();
        assert_eq!(faults.next(Some(other), CHARGE), Fault::None);
        assert_eq!(faults.next(Some(one), VOID), Fault::None);
        assert_eq!([(); 3].map(|()| faults.next(Some(one), CHARGE)), [Fault::Refuse, Fault::Slow, Fault::None]);
    }

    #[test]
    fn a_script_for_any_order_is_played_where_no_other_is() {
        let one = OrderId::generate();
        let mut faults = FaultPlan::default();
        faults.script(None, CHARGE, vec![Fault::Lose; 2]).unwrap();
        faults.script(Some(one), CHARGE, vec![Fault::Error]).unwrap();
        assert_eq!(
            [(); 4].map(|()| faults.next(Some(one), CHARGE)),
            [Fault::Error, Fault::Lose, Fault::Lose, Fault::None]
        );
    }

    #[test]
    fn an_empty_script_takes_the_one_before_away() {
        let mut faults = FaultPlan::default();
        faults.script(None, CHARGE, vec![Fault::Lose]).unwrap();
        faults.script(None, CHARGE, Vec::new()).unwrap();
        assert_eq!(faults.next(None, CHARGE), Fault::None);
    }

    #[test]
    fn scripts_are_limited_in_number_and_length() {
        let mut faults = FaultPlan::default();
        assert_eq!(faults.script(None, CHARGE, vec![Fault::None; LONGEST_SCRIPT + 1]), Err(TooManyScripts));
        for _ in 0..MOST_SCRIPTS {
            faults.script(Some(OrderId::generate()), CHARGE, vec![Fault::None]).unwrap();
        }
        assert_eq!(faults.script(None, CHARGE, vec![Fault::None]), Err(TooManyScripts));
    }

    #[test]
    fn random_faults_keep_to_the_rates_and_to_the_seed() {
        let rates = Rates { refuse: 0.1, timeout: 0.2, ..Rates::default() };
        let mut faults = FaultPlan::with_rates(7, |_| rates);
        let mut again = FaultPlan::with_rates(7, |_| rates);
        let seen: Vec<Fault> = (0..10_000).map(|_| faults.next(None, CHARGE)).collect();
        assert!(seen.iter().all(|fault| again.next(None, CHARGE) == *fault));
        let count = |fault| seen.iter().filter(|seen| **seen == fault).count();
        assert!((900..1_100).contains(&count(Fault::Refuse)), "{}", count(Fault::Refuse));
        assert!((1_850..2_150).contains(&count(Fault::Timeout)), "{}", count(Fault::Timeout));
        assert_eq!(count(Fault::None) + count(Fault::Refuse) + count(Fault::Timeout), seen.len());
    }

    #[test]
    fn random_faults_refuse_no_undo() {
        let mut faults = FaultPlan::with_rates(7, |_| Rates { refuse: 1.0, ..Rates::default() });
        assert_eq!(faults.next(None, CHARGE), Fault::Refuse);
        assert_eq!(faults.next(None, VOID), Fault::None);
        assert_eq!(faults.next(None, Target::Status(PartnerRole::Payments)), Fault::None);
    }

    #[test]
    fn everything_that_can_be_scripted_has_a_name() {
        for kind in CallKind::ALL {
            assert_eq!(Target::named(kind.name()), Some(Target::Call(kind)));
        }
        assert_eq!(Target::named("look_up_payments"), Some(Target::Status(PartnerRole::Payments)));
        assert_eq!(Target::named("look_up"), None);
    }
}
