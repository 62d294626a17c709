//! `ordo partners`: what they promise, asked over HTTP by hand and through the adapter that the server uses.

use std::{fs, sync::Arc, time::Duration};

use futures_util::future::join_all;
use ordo::{
    fulfilment::{
        call::{Call, CallKind, PartnerRole, Terms},
        http_partner::HttpPartner,
        partner::{CallKey, Partner},
    },
    order::{Currency, OrderId, ProductId, Reference},
};
use ordo_actors::saga::{CallStatus, StepOutcome};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{ordo_command::run, partner_process::PartnerProcess};

const PATIENCE: Duration = Duration::from_secs(20);

fn key(name: &str) -> CallKey {
    CallKey(name.into())
}

fn charge(name: &str, order_id: OrderId) -> Call {
    Call::new(key(name), CallKind::Charge, order_id, Terms::Money { amount_cents: 1_999, currency: Currency::USD })
}

fn reserve(name: &str, order_id: OrderId) -> Call {
    Call::new(key(name), CallKind::Reserve, order_id, Terms::Goods(goods()))
}

fn ship(name: &str, order_id: OrderId) -> Call {
    Call::new(key(name), CallKind::Ship, order_id, Terms::Goods(goods()))
}

fn undo(call: Call, kind: CallKind) -> Call {
    let of = call.key.clone();
    Call { key: key(&format!("{}:undo", of.0)), kind, ..call }.undoing(of)
}

fn goods() -> Vec<(ProductId, u64)> {
    vec![(ProductId::new("tea <b>").unwrap(), 2), (ProductId::new("cup & saucer").unwrap(), 1)]
}

#[track_caller]
fn done(outcome: StepOutcome) -> String {
    match outcome {
        StepOutcome::Done(reference) => reference,
        other => panic!("{other:?}"),
    }
}

async fn post(partners: &PartnerProcess, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
    let request = Client::new().post(partners.url(path)).header("Idempotency-Key", key).json(body);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn sixty_four_calls_with_one_key_at_once_have_one_effect_and_one_answer() {
    let partners = PartnerProcess::start();
    let body = json!({"order_id": OrderId::generate(), "amount_cents": 100, "currency": "EUR"});
    let answers = join_all((0..64).map(|_| post(&partners, "/payments/charges", "same", &body))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 200), "{answers:?}");
    let audit = partners.audit(None).await;
    assert_eq!((&audit["totals"]["charged"], &audit["totals"]["money"]["EUR"]["charged"]), (&json!(1), &json!(100)));
}

#[tokio::test]
async fn a_call_that_arrives_after_its_undo_is_refused() {
    let partners = PartnerProcess::start();
    let order = OrderId::generate();
    for (forth, back, body) in [
        ("/inventory/reservations", "/inventory/releases", json!({"order_id": order, "goods": []})),
        ("/payments/charges", "/payments/voids", json!({"order_id": order, "amount_cents": 5, "currency": "USD"})),
        ("/shipping/shipments", "/shipping/call-backs", json!({"order_id": order, "goods": []})),
    ] {
        let mut undo = body.clone();
        undo["undoes"] = json!(forth);
        assert_eq!(post(&partners, back, back, &undo).await.0, 200);
        let (status, problem) = post(&partners, forth, forth, &body).await;
        assert_eq!((status.as_u16(), &problem["key"]), (409, &json!(forth)), "{problem}");
    }
    let audit = partners.audit(None).await;
    assert_eq!(audit["totals"]["ended_unheard"], 3);
    assert_eq!(audit["faults"], json!({}));
}

/// A call, and its answer if there was one.
type Sent = (String, Value, Option<Value>);

/// Charges one order after the other until an answer stays out.
async fn charge_until_cut_off(url: String, name: String, sent: UnboundedSender<Sent>) {
    let client = Client::new();
    for number in 0.. {
        let key = format!("{name}:{number}");
        let body = json!({"order_id": OrderId::generate(), "amount_cents": 1, "currency": "USD"});
        let request = client.post(&url).header("Idempotency-Key", &key).json(&body);
        let answer = match request.send().await {
            Ok(answer) if answer.status() == 200 => answer.json().await.ok(),
            _ => None,
        };
        let is_cut_off = answer.is_none();
        sent.send((key, body, answer)).unwrap();
        if is_cut_off {
            return;
        }
    }
}

#[tokio::test]
async fn what_was_answered_outlives_kills_and_what_was_not_is_done_at_most_once() {
    let mut partners = PartnerProcess::start();
    let mut all: Vec<Sent> = Vec::new();
    for round in 0..5 {
        let (sent, mut heard) = unbounded_channel();
        for caller in 0..32 {
            let url = partners.url("/payments/charges");
            tokio::spawn(charge_until_cut_off(url, format!("{round}:{caller}"), sent.clone()));
        }
        drop(sent);
        let mut left = 60 * round;
        while let Some(call) = heard.recv().await {
            all.push(call);
            left -= 1;
            if left == 0 || round == 0 {
                partners.kill();
            }
        }
        partners.restart();
    }
    assert!(all.iter().any(|(_, _, answer)| answer.is_some()));
    for (key, body, answer) in &all {
        let (status, again) = post(&partners, "/payments/charges", key, body).await;
        assert_eq!(status, 200);
        assert!(answer.as_ref().is_none_or(|answer| again == *answer), "{answer:?} became {again}");
    }
    let audit = partners.audit(None).await;
    assert_eq!(audit["totals"]["charged"], json!(all.len()));
    assert_eq!(audit["faults"], json!({"charged_without_shipment": all.len()}));
}

#[tokio::test]
async fn an_order_goes_through_all_three_and_the_audit_is_content() {
    let partners = PartnerProcess::start();
    let order_id = OrderId::generate();
    let [inventory, payments, shipping] =
        ["inventory", "payments", "shipping"].map(|name| partners.partner(name, PATIENCE));
    let reserved = inventory.call(&reserve("r", order_id)).await;
    assert_eq!(inventory.status(PartnerRole::Inventory, &key("r")).await, CallStatus::Done(done(reserved)));
    let paid = done(payments.call(&charge("p", order_id)).await);
    done(shipping.call(&ship("s", order_id)).await);
    let refund = |name, amount_cents| Call {
        kind: CallKind::Refund,
        payment_id: Reference::new(&paid).ok(),
        terms: Terms::Money { amount_cents, currency: Currency::USD },
        ..charge(name, order_id)
    };
    done(payments.call(&refund("f", 999)).await);
    assert!(matches!(payments.call(&refund("g", 1_001)).await, StepOutcome::Refused(_)));
    let audit = partners.audit(None).await;
    assert_eq!(audit["faults"], json!({}), "{audit}");
    assert_eq!(audit["totals"]["money"]["USD"], json!({"charged": 1_999, "voided": 0, "refunded": 999}));
    let one = partners.audit(Some(&order_id.to_string())).await;
    assert_eq!(one["calls"].as_array().unwrap().len(), 5);
    assert_eq!(one["calls"][0]["goods"][0], json!({"product_id": "tea <b>", "quantity": 2}));
}

#[tokio::test]
async fn everything_can_be_undone_and_says_so() {
    let partners = PartnerProcess::start();
    let order_id = OrderId::generate();
    let [inventory, payments, shipping] =
        ["inventory", "payments", "shipping"].map(|name| partners.partner(name, PATIENCE));
    done(inventory.call(&reserve("r", order_id)).await);
    done(payments.call(&charge("p", order_id)).await);
    done(shipping.call(&ship("s", order_id)).await);
    done(shipping.call(&undo(ship("s", order_id), CallKind::CallBack)).await);
    done(payments.call(&undo(charge("p", order_id), CallKind::Void)).await);
    done(inventory.call(&undo(reserve("r", order_id), CallKind::Release)).await);
    assert_eq!(inventory.status(PartnerRole::Inventory, &key("r")).await, CallStatus::Undone);
    assert_eq!(payments.status(PartnerRole::Payments, &key("p")).await, CallStatus::Undone);
    assert_eq!(shipping.status(PartnerRole::Shipping, &key("s")).await, CallStatus::Undone);
    assert!(matches!(payments.call(&charge("p", order_id)).await, StepOutcome::Refused(_)));
    let audit = partners.audit(None).await;
    assert_eq!(audit["faults"], json!({}));
    let undone = ["released", "voided", "called_back"].map(|total| audit["totals"][total].clone());
    assert_eq!(undone, [1, 1, 1].map(|one| json!(one)));
}

#[tokio::test]
async fn the_audit_names_every_order_that_is_wrong() {
    let partners = PartnerProcess::start();
    let [inventory, payments, shipping] =
        ["inventory", "payments", "shipping"].map(|name| partners.partner(name, PATIENCE));
    let [held, paid, sent, twice] = [(); 4].map(|()| OrderId::generate());
    done(inventory.call(&reserve("r", held)).await);
    done(payments.call(&charge("p", paid)).await);
    done(shipping.call(&ship("s", sent)).await);
    for name in ["t", "u"] {
        done(payments.call(&charge(name, twice)).await);
    }
    for (order, faults) in [
        (held, json!(["stock_still_held"])),
        (paid, json!(["charged_without_shipment"])),
        (sent, json!(["shipped_without_charge"])),
        (twice, json!(["charged_without_shipment", "charged_twice"])),
    ] {
        assert_eq!(partners.audit(Some(&order.to_string())).await["faults"], faults);
    }
    assert_eq!(partners.audit(None).await["faulty"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn scripted_faults_reach_the_caller_as_what_they_are() {
    let partners = PartnerProcess::start_with(&["--slow-ms", "10", "--silence-ms", "60000"]);
    let order = OrderId::generate();
    let payments = partners.partner("payments", Duration::from_millis(500));
    let outcomes = ["error", "lose", "timeout", "slow", "duplicate"];
    partners.script(Some(&order.to_string()), "charge", &outcomes).await;
    assert!(matches!(payments.call(&charge("1", order)).await, StepOutcome::NotDone { retry_after: Some(_), .. }));
    assert_eq!(payments.status(PartnerRole::Payments, &key("1")).await, CallStatus::NotReceived);
    assert!(matches!(payments.call(&charge("2", order)).await, StepOutcome::Unknown(_)));
    assert_eq!(payments.status(PartnerRole::Payments, &key("2")).await, CallStatus::NotReceived);
    assert!(matches!(payments.call(&charge("3", order)).await, StepOutcome::Unknown(_)));
    let CallStatus::Done(reference) = payments.status(PartnerRole::Payments, &key("3")).await else { panic!() };
    assert_eq!(done(payments.call(&charge("3", order)).await), reference);
    done(payments.call(&charge("5", order)).await);
    partners.script(None, "charge", &["refuse"]).await;
    assert!(matches!(payments.call(&charge("6", order)).await, StepOutcome::Refused(_)));
    assert!(matches!(payments.status(PartnerRole::Payments, &key("6")).await, CallStatus::Refused(_)));
    partners.script(None, "look_up_payments", &["error"]).await;
    assert!(matches!(payments.status(PartnerRole::Payments, &key("6")).await, CallStatus::Unknown(_)));
}

#[tokio::test]
async fn rates_apply_to_their_partner_alone() {
    let partners = PartnerProcess::start_with(&["--refuse", "1", "--shipping-refuse", "0"]);
    let order_id = OrderId::generate();
    let payments: Arc<HttpPartner> = Arc::new(partners.partner("payments", PATIENCE));
    assert!(matches!(payments.call(&charge("p", order_id)).await, StepOutcome::Refused(_)));
    let shipping = partners.partner("shipping", PATIENCE);
    done(shipping.call(&ship("s", order_id)).await);
}

#[tokio::test]
async fn the_last_of_the_stock_is_set_aside_once() {
    let partners = PartnerProcess::start_with(&["--stock", "5"]);
    let body = || json!({"order_id": OrderId::generate(), "goods": [{"product_id": "tea", "quantity": 1}]});
    let (bodies, keys): (Vec<Value>, Vec<String>) = (0..20).map(|number| (body(), format!("r{number}"))).unzip();
    let calls = bodies.iter().zip(&keys).map(|(body, key)| post(&partners, "/inventory/reservations", key, body));
    let reserved = join_all(calls).await.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(reserved, 5);
}

#[tokio::test]
async fn a_call_that_makes_no_sense_is_told_so_and_nothing_is_known_of_its_key() {
    let partners = PartnerProcess::start();
    let order = OrderId::generate();
    let money = json!({"order_id": order, "amount_cents": 5, "currency": "USD"});
    let with = |member: &str, value: Value| {
        let mut body = money.clone();
        body[member] = value;
        body
    };
    for (path, body) in [
        ("/payments/charges", json!({})),
        ("/payments/charges", json!([])),
        ("/payments/charges", with("amount_cents", json!(0))),
        ("/payments/charges", with("amount_cents", json!(1.5))),
        ("/payments/charges", with("currency", json!("XXX"))),
        ("/payments/charges", with("order_id", json!("7"))),
        ("/payments/charges", with("undoes", json!("x"))),
        ("/payments/charges", with("payment_id", json!("x"))),
        ("/payments/charges", with("goods", json!([]))),
        ("/payments/charges", with("unknown", json!(1))),
        ("/payments/voids", money.clone()),
        ("/payments/voids", with("undoes", json!("key"))),
        ("/inventory/reservations", money.clone()),
        ("/inventory/reservations", json!({"order_id": order, "goods": [{"product_id": "", "quantity": 1}]})),
        ("/inventory/reservations", json!({"order_id": order, "goods": [{"product_id": "a", "quantity": 0}]})),
    ] {
        let (status, problem) = post(&partners, path, "key", &body).await;
        assert_eq!((status.as_u16(), &problem["status"]), (400, &json!(400)), "{path} {body}: {problem}");
    }
    let (status, _) = post(&partners, "/payments/charges", "", &money).await;
    assert_eq!(status, 400);
    let standing = reqwest::get(partners.url("/payments/calls/key")).await.unwrap();
    assert_eq!(standing.status(), 404);
    assert_eq!(partners.audit(None).await["orders"], 0);
}

#[tokio::test]
async fn the_page_shows_what_came_in_as_text() {
    let partners = PartnerProcess::start();
    let page = reqwest::get(partners.url("/")).await.unwrap().text().await.unwrap();
    assert!(page.contains("Every order that was charged is shipped or has its money back"), "{page}");
    let order_id = OrderId::generate();
    done(partners.partner("payments", PATIENCE).call(&charge("p", order_id)).await);
    let page = reqwest::get(partners.url("/")).await.unwrap().text().await.unwrap();
    assert!(page.contains(&order_id.to_string()) && page.contains("$19.99"), "{page}");
}

#[test]
fn shares_beyond_one_and_a_ledger_of_something_else_are_refused_at_the_start() {
    run(&["partners", "--refuse", "0.6", "--payments-error", "0.5"]).complains(2, &["shares of payments"]);
    run(&["partners", "--refuse", "1.5"]).complains(2, &["0 to 1"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "not a ledger, but quite a long note that somebody would not like to lose".repeat(20)).unwrap();
    run(&["partners", "--listen", "127.0.0.1:0", "--ledger", path.to_str().unwrap()]).complains(1, &["not a ledger"]);
}

#[test]
fn the_url_of_a_partner_that_holds_a_password_is_refused_and_not_repeated() {
    let refused = run(&["serve", "--payments-url", "http://me:s3cret@pay.example"]);
    let refused = refused.complains(2, &["--payments-url", "no password"]);
    assert!(!refused.err.contains("s3cret"), "{refused:#?}");
}
