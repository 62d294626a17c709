use super::*;
use crate::{order::Currency, partner_sim::memory_entries::MemoryEntries};

fn key(name: &str) -> CallKey {
    CallKey(name.into())
}

fn order() -> OrderId {
    ordo_actors::log::event::StreamId(Uuid::from_u128(7))
}

fn money(amount_cents: i64) -> Terms {
    Terms::Money { amount_cents, currency: Currency::USD }
}

fn charge(amount_cents: i64) -> Call {
    Call::new(key("charge"), CallKind::Charge, order(), money(amount_cents))
}

fn void(amount_cents: i64) -> Call {
    Call::new(key("void"), CallKind::Void, order(), money(amount_cents)).undoing(key("charge"))
}

fn refund(name: &str, amount_cents: i64) -> Call {
    Call::new(key(name), CallKind::Refund, order(), money(amount_cents))
}

#[derive(Default)]
struct Ledger {
    entries: MemoryEntries,
    rules: PartnerRules,
}

impl Ledger {
    fn perform(&mut self, call: &Call) -> CallVerdict {
        let Ok(verdict) = self.rules.perform(&mut self.entries, call, None);
        verdict
    }

    #[track_caller]
    fn done(&mut self, call: &Call) -> Reference {
        match self.perform(call) {
            CallVerdict::Done(reference) => reference,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(&mut self, call: &Call) -> String {
        match self.perform(call) {
            CallVerdict::Refused(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn contradicts(&mut self, call: &Call) {
        assert!(matches!(self.perform(call), CallVerdict::Contradiction(_)));
    }

    fn call_status(&self, name: &str) -> CallStatus {
        let Ok(status) = call_status(&self.entries, &key(name));
        status
    }

    fn effects(&self) -> usize {
        let Ok(known) = self.entries.of_order(order());
        known.iter().filter(|entry| entry.took_effect && entry.call.kind.is_step()).count()
    }
}

#[test]
fn the_same_call_again_has_one_effect_and_the_same_answer() {
    let mut ledger = Ledger::default();
    let first = ledger.done(&charge(100));
    assert_eq!(ledger.done(&charge(100)), first);
    assert_eq!(ledger.effects(), 1);
    assert_eq!(ledger.call_status("charge"), CallStatus::Done(first.to_string()));
}

#[test]
fn a_key_of_another_call_says_nothing_about_that_call() {
    let mut ledger = Ledger::default();
    ledger.done(&charge(100));
    ledger.contradicts(&charge(101));
    ledger.contradicts(&Call { order_id: OrderId::generate(), ..charge(100) });
    ledger.contradicts(&Call { key: key("charge"), ..refund("refund", 100) });
    assert!(matches!(ledger.call_status("charge"), CallStatus::Done(_)));
}

#[test]
fn a_refused_step_stays_refused() {
    let mut ledger = Ledger::default();
    let Ok(verdict) = ledger.rules.perform(&mut ledger.entries, &charge(100), Some("no money"));
    assert_eq!(verdict, CallVerdict::Refused("no money".into()));
    assert_eq!(ledger.refused(&charge(100)), "no money");
    assert_eq!(ledger.call_status("charge"), CallStatus::Refused("no money".into()));
    assert_eq!(ledger.effects(), 0);
}

#[test]
fn a_refused_undo_can_be_asked_again() {
    let mut ledger = Ledger::default();
    ledger.done(&charge(100));
    let Ok(verdict) = ledger.rules.perform(&mut ledger.entries, &void(100), Some("not today"));
    assert_eq!(verdict, CallVerdict::Refused("not today".into()));
    assert_eq!(ledger.call_status("void"), CallStatus::NotReceived);
    ledger.done(&void(100));
}

#[test]
fn an_undo_ends_what_was_done() {
    let mut ledger = Ledger::default();
    ledger.done(&charge(100));
    let first = ledger.done(&void(100));
    assert_eq!(ledger.done(&void(100)), first);
    assert_eq!(ledger.call_status("charge"), CallStatus::Undone);
    assert!(ledger.refused(&charge(100)).contains("undone"));
}

#[test]
fn a_call_that_comes_after_its_undo_is_refused() {
    let mut ledger = Ledger::default();
    ledger.done(&void(100));
    assert_eq!(ledger.call_status("charge"), CallStatus::Undone);
    assert!(ledger.refused(&charge(100)).contains("undone"));
    assert_eq!(ledger.effects(), 0);
}

#[test]
fn an_undo_of_what_was_refused_is_done() {
    let mut ledger = Ledger::default();
    let Ok(_) = ledger.rules.perform(&mut ledger.entries, &charge(100), Some("no money"));
    ledger.done(&void(100));
    assert_eq!(ledger.call_status("charge"), CallStatus::Refused("no money".into()));
}

#[test]
fn an_undo_of_another_order_or_amount_ends_nothing() {
    let mut ledger = Ledger::default();
    ledger.done(&charge(100));
    ledger.contradicts(&void(99));
    ledger.contradicts(&Call { order_id: OrderId::generate(), ..void(100) });
    assert!(matches!(ledger.call_status("charge"), CallStatus::Done(_)));
}

#[test]
fn calls_that_make_no_sense_are_not_taken() {
    let mut ledger = Ledger::default();
    let goods = vec![(ProductId::new("tea").unwrap(), 1), (ProductId::new("tea").unwrap(), 2)];
    ledger.contradicts(&charge(0));
    ledger.contradicts(&Call { of: None, ..void(100) });
    ledger.contradicts(&Call { of: Some(key("x")), ..charge(100) });
    ledger.contradicts(&Call { of: Some(key("void")), ..void(100) });
    ledger.contradicts(&Call { kind: CallKind::Ship, ..charge(100) });
    ledger.contradicts(&Call { terms: Terms::Goods(Vec::new()), ..charge(100) });
    ledger.contradicts(&Call::new(key("reserve"), CallKind::Reserve, order(), Terms::Goods(goods.clone())));
    ledger.contradicts(&Call::new(key("ship"), CallKind::Ship, order(), Terms::Goods(goods)));
    assert_eq!(ledger.call_status("charge"), CallStatus::NotReceived);
}

#[test]
fn refunds_never_exceed_the_payment() {
    let mut ledger = Ledger::default();
    ledger.done(&charge(100));
    let first = ledger.done(&refund("first", 60));
    assert_eq!(ledger.done(&refund("first", 60)), first);
    ledger.refused(&refund("too much", 41));
    ledger.done(&refund("rest", 40));
    ledger.refused(&refund("more", 1));
}

#[test]
fn a_refund_names_the_payment_and_its_currency_or_is_refused() {
    let mut ledger = Ledger::default();
    let payment = ledger.done(&charge(100));
    let named = |name, payment_id| Call { payment_id: Some(payment_id), ..refund(name, 10) };
    ledger.refused(&named("a", Reference::new("another").unwrap()));
    ledger.refused(&Call { order_id: OrderId::generate(), ..named("b", payment.clone()) });
    let yen = Terms::Money { amount_cents: 10, currency: Currency::new("JPY").unwrap() };
    ledger.refused(&Call { terms: yen, ..named("c", payment.clone()) });
    ledger.done(&named("d", payment));
}

#[test]
fn a_refund_of_an_unknown_payment_is_taken_only_by_a_partner_that_forgets() {
    let mut ledger = Ledger::default();
    ledger.refused(&refund("a", 10));
    ledger.rules.trusts_refunds = true;
    ledger.done(&refund("b", 10));
}

#[test]
fn a_refund_that_was_refused_stays_refused_under_its_key_and_is_taken_under_another() {
    let mut ledger = Ledger::default();
    ledger.done(&charge(100));
    let Ok(verdict) = ledger.rules.perform(&mut ledger.entries, &refund("first", 10), Some("closed"));
    assert_eq!(verdict, CallVerdict::Refused("closed".into()));
    ledger.done(&refund("second", 10));
    assert_eq!(ledger.refused(&refund("first", 10)), "closed");
    assert_eq!(ledger.call_status("first"), CallStatus::Refused("closed".into()));
}

#[test]
fn a_voided_payment_is_not_refunded_nor_a_refunded_one_voided() {
    let mut ledger = Ledger::default();
    ledger.done(&charge(100));
    ledger.done(&void(100));
    ledger.refused(&refund("refund", 10));

    let mut ledger = Ledger::default();
    ledger.done(&charge(100));
    ledger.done(&refund("refund", 10));
    ledger.refused(&void(100));
    assert!(matches!(ledger.call_status("charge"), CallStatus::Done(_)));
}
