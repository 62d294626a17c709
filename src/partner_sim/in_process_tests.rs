use uuid::Uuid;

use super::*;
use crate::{
    fulfilment::call::{CallKind, Terms},
    order::Currency,
    partner_sim::reconciliation::LedgerFault,
};

fn charge() -> Call {
    let terms = Terms::Money { amount_cents: 100, currency: Currency::USD };
    Call::new(key(), CallKind::Charge, ordo_actors::log::event::StreamId(Uuid::from_u128(1)), terms)
}

fn void() -> Call {
    Call { key: CallKey("undo".into()), kind: CallKind::Void, ..charge() }.undoing(key())
}

fn key() -> CallKey {
    CallKey("charge".into())
}

fn scripted(fault: Fault) -> SimulatedPartners {
    let partners = SimulatedPartners::default();
    partners.script(Some(charge().order_id), Target::Call(CallKind::Charge), vec![fault]).unwrap();
    partners
}

async fn status(partners: &SimulatedPartners) -> CallStatus {
    partners.status(PartnerRole::Payments, &key()).await
}

#[actix_web::test]
async fn without_a_script_all_is_done() {
    let partners = SimulatedPartners::default();
    let StepOutcome::Done(reference) = partners.call(&charge()).await else { panic!() };
    assert_eq!(status(&partners).await, CallStatus::Done(reference));
}

#[actix_web::test]
async fn a_refusal_is_for_good() {
    let partners = scripted(Fault::Refuse);
    assert!(matches!(partners.call(&charge()).await, StepOutcome::Refused(_)));
    assert!(matches!(partners.call(&charge()).await, StepOutcome::Refused(_)));
    assert!(matches!(status(&partners).await, CallStatus::Refused(_)));
}

#[actix_web::test]
async fn an_error_has_done_nothing_and_says_so() {
    let partners = scripted(Fault::Error);
    assert!(matches!(partners.call(&charge()).await, StepOutcome::NotDone { .. }));
    assert_eq!(status(&partners).await, CallStatus::NotReceived);
}

#[actix_web::test]
async fn a_time_out_has_done_it_and_a_loss_has_not_and_neither_says_so() {
    let partners = scripted(Fault::Timeout);
    assert!(matches!(partners.call(&charge()).await, StepOutcome::Unknown(_)));
    assert!(matches!(status(&partners).await, CallStatus::Done(_)));

    let partners = scripted(Fault::Lose);
    assert!(matches!(partners.call(&charge()).await, StepOutcome::Unknown(_)));
    assert_eq!(status(&partners).await, CallStatus::NotReceived);
}

#[actix_web::test]
async fn a_slow_call_and_one_that_arrives_twice_are_done_once() {
    for fault in [Fault::Slow, Fault::Duplicate] {
        let partners = scripted(fault);
        assert!(matches!(partners.call(&charge()).await, StepOutcome::Done(_)));
        assert_eq!(partners.reconcile().totals.charged, 1);
    }
}

#[actix_web::test]
async fn undos_and_refunds_of_what_it_has_forgotten_are_taken() {
    let partners = SimulatedPartners::default();
    assert!(matches!(partners.call(&void()).await, StepOutcome::Done(_)));
    assert_eq!(status(&partners).await, CallStatus::Undone);
    let refund = Call { key: CallKey("refund".into()), kind: CallKind::Refund, ..charge() };
    assert!(matches!(partners.call(&refund).await, StepOutcome::Done(_)));
}

#[actix_web::test]
async fn the_reconciliation_finds_an_order_that_paid_for_nothing() {
    let partners = SimulatedPartners::default();
    partners.call(&charge()).await;
    let reconciliation = partners.reconcile();
    assert_eq!(reconciliation.faults.get(&LedgerFault::ChargedWithoutShipment), Some(&1));
    assert_eq!(reconciliation.faulty[0].order_id, charge().order_id);
    partners.call(&void()).await;
    let reconciliation = partners.reconcile();
    assert_eq!((reconciliation.faults.len(), reconciliation.totals.voided), (0, 1));
    assert_eq!((reconciliation.totals.money["USD"].charged, reconciliation.totals.money["USD"].voided), (100, 100));
}
