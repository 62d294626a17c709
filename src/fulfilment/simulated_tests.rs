use uuid::Uuid;

use super::*;
use crate::{
    fulfilment::{call::CallKind, reckoning::LedgerFault},
    order::Currency,
};

fn charge() -> Charge {
    Charge { order_id: ordo_actors::event::StreamId(Uuid::from_u128(1)), amount_cents: 100, currency: Currency::USD }
}

fn key() -> CallKey {
    CallKey("charge".into())
}

fn scripted(fate: Fate) -> SimulatedPartners {
    let partners = SimulatedPartners::default();
    partners.script(Some(charge().order_id), Asked::Call(CallKind::Charge), vec![fate]).unwrap();
    partners
}

async fn stands(partners: &SimulatedPartners) -> Standing {
    Payments::look_up(partners, &key()).await
}

#[actix_web::test]
async fn without_a_script_all_is_done() {
    let partners = SimulatedPartners::default();
    let Reply::Done(reference) = partners.charge(&key(), &charge()).await else { panic!() };
    assert_eq!(stands(&partners).await, Standing::Done(reference));
}

#[actix_web::test]
async fn a_refusal_is_for_good() {
    let partners = scripted(Fate::Refuse);
    assert!(matches!(partners.charge(&key(), &charge()).await, Reply::Refused(_)));
    assert!(matches!(partners.charge(&key(), &charge()).await, Reply::Refused(_)));
    assert!(matches!(stands(&partners).await, Standing::Refused(_)));
}

#[actix_web::test]
async fn an_error_has_done_nothing_and_says_so() {
    let partners = scripted(Fate::Error);
    assert!(matches!(partners.charge(&key(), &charge()).await, Reply::NotDone { .. }));
    assert_eq!(stands(&partners).await, Standing::Unheard);
}

#[actix_web::test]
async fn a_time_out_has_done_it_and_a_loss_has_not_and_neither_says_so() {
    let partners = scripted(Fate::Timeout);
    assert!(matches!(partners.charge(&key(), &charge()).await, Reply::Unknown(_)));
    assert!(matches!(stands(&partners).await, Standing::Done(_)));

    let partners = scripted(Fate::Lose);
    assert!(matches!(partners.charge(&key(), &charge()).await, Reply::Unknown(_)));
    assert_eq!(stands(&partners).await, Standing::Unheard);
}

#[actix_web::test]
async fn a_slow_call_and_one_that_arrives_twice_are_done_once() {
    for fate in [Fate::Slow, Fate::Duplicate] {
        let partners = scripted(fate);
        assert!(matches!(partners.charge(&key(), &charge()).await, Reply::Done(_)));
        assert_eq!(partners.reckon().totals.charged, 1);
    }
}

#[actix_web::test]
async fn undos_and_refunds_of_what_it_has_forgotten_are_taken() {
    let partners = SimulatedPartners::default();
    let undo = CallKey("undo".into());
    assert!(matches!(partners.void(&undo, &key(), &charge()).await, Reply::Done(_)));
    assert_eq!(stands(&partners).await, Standing::Undone);
    let Charge { order_id, amount_cents, currency } = charge();
    let refund = Refund { order_id, payment_id: None, amount_cents, currency };
    assert!(matches!(partners.refund(&CallKey("refund".into()), &refund).await, Reply::Done(_)));
}

#[actix_web::test]
async fn the_reckoning_sees_who_paid_for_nothing() {
    let partners = SimulatedPartners::default();
    partners.charge(&key(), &charge()).await;
    let reckoning = partners.reckon();
    assert_eq!(reckoning.faults.get(&LedgerFault::ChargedWithoutShipment), Some(&1));
    assert_eq!(reckoning.faulty[0].order_id, charge().order_id);
    partners.void(&CallKey("undo".into()), &key(), &charge()).await;
    let reckoning = partners.reckon();
    assert_eq!((reckoning.faults.len(), reckoning.totals.voided), (0, 1));
    assert_eq!((reckoning.totals.money["USD"].charged, reckoning.totals.money["USD"].voided), (100, 100));
}
