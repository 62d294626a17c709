//! The reconciliation as JSON.

use actix_web::{
    HttpResponse,
    web::{self, Data, Path},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ledger_file::{LedgerError, LedgerFile},
    ledger_rows::Shown,
    problem::Problem,
    reconciliation::reconcile,
    server::State,
};
use crate::{
    fulfilment::{
        call::{Call, Terms},
        wire::goods_bodies,
    },
    order::Reference,
};

/// `GET /audit`
pub async fn all(state: Data<State>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(read(&state, LedgerFile::reconcile).await?))
}

/// `GET /audit/{order_id}`
pub async fn one(state: Data<State>, order: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let order = ordo_actors::log::event::StreamId(*order);
    let shown = read(&state, move |ledger| ledger.of_order(order)).await?;
    if shown.is_empty() {
        return Err(Problem::NotFound("the order has never been heard of"));
    }
    let entries: Vec<_> = shown.iter().map(|shown| shown.entry.clone()).collect();
    let calls: Vec<Value> = shown.iter().map(call).collect();
    Ok(HttpResponse::Ok().json(json!({"order_id": order, "faults": reconcile(&entries).faults, "calls": calls})))
}

/// Reads the ledger on a thread that may wait.
pub async fn read<T: Send + 'static>(
    state: &State,
    question: impl FnOnce(&LedgerFile) -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, Problem> {
    let ledger = state.ledger.clone();
    let answer = web::block(move || question(&ledger)).await;
    Ok(answer.map_err(|_| Problem::TurnedAway("the server is stopping"))??)
}

fn call(shown: &Shown) -> Value {
    let Call { key, kind, of, payment_id, terms, .. } = &shown.entry.call;
    let mut call = json!({
        "call": kind.name(), "key": key.0, "status": shown.entry.state.name(), "took_effect": shown.entry.took_effect,
        "reference": shown.entry.reference.as_str(), "reason": shown.entry.reason, "of": of.as_ref().map(|key| &key.0),
        "payment_id": payment_id.as_ref().map(Reference::as_str), "heard_at": shown.heard_at,
        "changed_at": shown.changed_at,
    });
    match terms {
        Terms::Goods(goods) => call["goods"] = json!(goods_bodies(goods)),
        Terms::Money { amount_cents, currency } => {
            call["amount_cents"] = json!(amount_cents);
            call["currency"] = json!(currency.code());
        }
    }
    call
}
