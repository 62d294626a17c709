//! `/orders/{id}/returns`: what came back is refunded by a saga that begins in the same commit.

use actix_web::HttpResponse;
use ordo_actors::{
    event::{StreamId, Version},
    request::{Intent, Outcome, Request},
};

use super::{
    answer::{Success, render, respond},
    command_input::Terms,
    error::Problem,
    fulfilment::{ATTEMPTS, JUST_STARTED, Seen, attend, contended, started},
    orders::run,
    state::AppState,
};
use crate::{
    fulfilment::{refund_of, saga_of_return},
    order::{Order, OrderCommand, OrderEvent, ReturnItems},
};

/// Takes items back and starts the refund, in one commit.
pub async fn return_and_refund(
    state: &AppState,
    order: StreamId,
    items: ReturnItems,
    terms: Terms,
) -> Result<HttpResponse, Problem> {
    let command = OrderCommand::ReturnItems(items.clone());
    if terms.dry_run {
        return run(state, order, command, terms, Success::Returned).await;
    }
    let saga_id = saga_of_return(order, &items.return_id);
    for _ in 0..ATTEMPTS {
        let seen = would_refund(state, order, &items).await?;
        let request = Request {
            if_version: terms.if_version.clone(),
            based_on: Some(seen.version),
            idempotency: terms.idempotency.clone(),
            metadata: terms.metadata(),
            alongside: started(saga_id, seen.plan)?,
            ..Request::execute(command.clone(), render(order, Success::Returned, terms.request_id.clone()))
        };
        let answered = state.ask(order, request).await?;
        if answered.answer.is_elsewhere() && terms.allow(seen.version) {
            continue;
        }
        if let Some(saga) = answered.answer.saga() {
            attend(state, saga, Some(JUST_STARTED)).await;
        }
        return Ok(respond(answered));
    }
    Err(contended())
}

/// What refunding a return would take; nothing when the order would not take the items back.
async fn would_refund(state: &AppState, order: StreamId, items: &ReturnItems) -> Result<Seen, Problem> {
    let return_id = items.return_id.clone();
    let show = move |outcome: &Outcome<'_, Order>| match outcome {
        Outcome::Accepted { state, version, events } => {
            let plan = match events.first() {
                Some(OrderEvent::ItemsReturned(back)) => refund_of(order, state, &return_id, back.refund_cents),
                _ => None,
            };
            Seen { version: Version(version.0 - events.len() as u64), is_elsewhere: false, state: state.state(), plan }
        }
        Outcome::Rejected { state, version, .. } | Outcome::VersionMismatch { state, version } => {
            Seen { version: *version, is_elsewhere: false, state: state.state(), plan: None }
        }
    };
    let trying = Request::new(Intent::DryRun(OrderCommand::ReturnItems(items.clone())), show);
    Ok(state.ask(order, trying).await?.answer)
}
