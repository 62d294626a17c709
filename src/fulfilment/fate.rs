//! What happens to a call on its way: as scripted, else by the dice. For partners that only stand in for real ones.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::call::{CallKind, Partner};
use crate::order::OrderId;

/// Scripts that are kept at once; one more is not taken.
const MOST_SCRIPTS: usize = 10_000;
/// Fates in one script.
pub const LONGEST_SCRIPT: usize = 1_000;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is done and answered.
    Ok,
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
pub enum Asked {
    /// A call.
    Call(CallKind),
    /// A question about a key.
    LookUp(Partner),
}

impl Asked {
    /// Reads its name: that of a call, or `look_up_inventory`, `look_up_payments`, `look_up_shipping`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("look_up_") {
            Some(partner) => Partner::ALL.into_iter().find(|known| known.name() == partner).map(Self::LookUp),
            None => CallKind::ALL.into_iter().find(|known| known.name() == name).map(Self::Call),
        }
    }

    const fn partner(self) -> Partner {
        match self {
            Self::Call(kind) => kind.partner(),
            Self::LookUp(partner) => partner,
        }
    }

    const fn is_step(self) -> bool {
        matches!(self, Self::Call(kind) if kind.is_step())
    }
}

/// How often calls to one partner fare ill, as shares of 1. What they leave of 1 goes well.
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
    const fn in_order(self) -> [(Fate, f64); 6] {
        [
            (Fate::Refuse, self.refuse),
            (Fate::Error, self.error),
            (Fate::Timeout, self.timeout),
            (Fate::Lose, self.lose),
            (Fate::Slow, self.slow),
            (Fate::Duplicate, self.duplicate),
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

/// Decides the fate of every call. All go well until told otherwise.
#[derive(Debug, Default)]
pub struct Fates {
    inventory: Rates,
    payments: Rates,
    shipping: Rates,
    dice: u64,
    scripts: HashMap<(Option<OrderId>, Asked), VecDeque<Fate>>,
}

impl Fates {
    /// Throws dice that fall the same way again with the same seed, for each partner with its rates.
    #[must_use]
    pub fn with_rates(seed: u64, rates: impl Fn(Partner) -> Rates) -> Self {
        Self {
            inventory: rates(Partner::Inventory),
            payments: rates(Partner::Payments),
            shipping: rates(Partner::Shipping),
            dice: seed,
            scripts: HashMap::new(),
        }
    }

    /// Sets what happens to the next such calls for an order, or for any order without a script of its own, in turn. None
    /// takes a script away.
    pub fn script(&mut self, order: Option<OrderId>, asked: Asked, fates: Vec<Fate>) -> Result<(), TooManyScripts> {
        if fates.is_empty() {
            self.scripts.remove(&(order, asked));
            return Ok(());
        }
        if fates.len() > LONGEST_SCRIPT || self.scripts.len() >= MOST_SCRIPTS {
            return Err(TooManyScripts);
        }
        self.scripts.insert((order, asked), fates.into());
        Ok(())
    }

    /// The fate of the next such call.
    pub fn next(&mut self, order: Option<OrderId>, asked: Asked) -> Fate {
        let scripted = order.and_then(|order| self.scripted(Some(order), asked)).or_else(|| self.scripted(None, asked));
        scripted.unwrap_or_else(|| self.by_chance(asked))
    }

    fn scripted(&mut self, order: Option<OrderId>, asked: Asked) -> Option<Fate> {
        let script = self.scripts.get_mut(&(order, asked))?;
        let fate = script.pop_front();
        if script.is_empty() {
            self.scripts.remove(&(order, asked));
        }
        fate
    }

    fn by_chance(&mut self, asked: Asked) -> Fate {
        let rates = match asked.partner() {
            Partner::Inventory => self.inventory,
            Partner::Payments => self.payments,
            Partner::Shipping => self.shipping,
        };
        if rates == Rates::default() {
            return Fate::Ok;
        }
        let mut thrown = self.throw();
        for (fate, share) in rates.in_order() {
            if thrown < share {
                return if fate == Fate::Refuse && !asked.is_step() { Fate::Ok } else { fate };
            }
            thrown -= share;
        }
        Fate::Ok
    }

    /// A share of 1. `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    fn throw(&mut self) -> f64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGE: Asked = Asked::Call(CallKind::Charge);
    const VOID: Asked = Asked::Call(CallKind::Void);

    #[test]
    fn a_script_is_played_once_in_turn_and_for_its_order_alone() {
        let (one, other) = (OrderId::generate(), OrderId::generate());
        let mut fates = Fates::default();
        fates.script(Some(one), CHARGE, vec![Fate::Refuse, Fate::Slow]).unwrap();
        assert_eq!(fates.next(Some(other), CHARGE), Fate::Ok);
        assert_eq!(fates.next(Some(one), VOID), Fate::Ok);
        assert_eq!([(); 3].map(|()| fates.next(Some(one), CHARGE)), [Fate::Refuse, Fate::Slow, Fate::Ok]);
    }

    #[test]
    fn a_script_for_any_order_is_played_where_no_other_is() {
        let one = OrderId::generate();
        let mut fates = Fates::default();
        fates.script(None, CHARGE, vec![Fate::Lose; 2]).unwrap();
        fates.script(Some(one), CHARGE, vec![Fate::Error]).unwrap();
        assert_eq!([(); 4].map(|()| fates.next(Some(one), CHARGE)), [Fate::Error, Fate::Lose, Fate::Lose, Fate::Ok]);
    }

    #[test]
    fn an_empty_script_takes_the_one_before_away() {
        let mut fates = Fates::default();
        fates.script(None, CHARGE, vec![Fate::Lose]).unwrap();
        fates.script(None, CHARGE, Vec::new()).unwrap();
        assert_eq!(fates.next(None, CHARGE), Fate::Ok);
    }

    #[test]
    fn scripts_are_limited_in_number_and_length() {
        let mut fates = Fates::default();
        assert_eq!(fates.script(None, CHARGE, vec![Fate::Ok; LONGEST_SCRIPT + 1]), Err(TooManyScripts));
        for _ in 0..MOST_SCRIPTS {
            fates.script(Some(OrderId::generate()), CHARGE, vec![Fate::Ok]).unwrap();
        }
        assert_eq!(fates.script(None, CHARGE, vec![Fate::Ok]), Err(TooManyScripts));
    }

    #[test]
    fn the_dice_keep_to_the_rates_and_to_the_seed() {
        let rates = Rates { refuse: 0.1, timeout: 0.2, ..Rates::default() };
        let mut fates = Fates::with_rates(7, |_| rates);
        let mut again = Fates::with_rates(7, |_| rates);
        let seen: Vec<Fate> = (0..10_000).map(|_| fates.next(None, CHARGE)).collect();
        assert!(seen.iter().all(|fate| again.next(None, CHARGE) == *fate));
        let count = |fate| seen.iter().filter(|seen| **seen == fate).count();
        assert!((900..1_100).contains(&count(Fate::Refuse)), "{}", count(Fate::Refuse));
        assert!((1_850..2_150).contains(&count(Fate::Timeout)), "{}", count(Fate::Timeout));
        assert_eq!(count(Fate::Ok) + count(Fate::Refuse) + count(Fate::Timeout), seen.len());
    }

    #[test]
    fn the_dice_refuse_no_undo() {
        let mut fates = Fates::with_rates(7, |_| Rates { refuse: 1.0, ..Rates::default() });
        assert_eq!(fates.next(None, CHARGE), Fate::Refuse);
        assert_eq!(fates.next(None, VOID), Fate::Ok);
        assert_eq!(fates.next(None, Asked::LookUp(Partner::Payments)), Fate::Ok);
    }

    #[test]
    fn everything_that_can_be_scripted_has_a_name() {
        for kind in CallKind::ALL {
            assert_eq!(Asked::named(kind.name()), Some(Asked::Call(kind)));
        }
        assert_eq!(Asked::named("look_up_payments"), Some(Asked::LookUp(Partner::Payments)));
        assert_eq!(Asked::named("look_up"), None);
    }
}
