//! `/orders/{id}/returns`: what came back is refunded by a saga that begins in the same commit.

use actix_web::HttpResponse;
use ordo_actors::{
    aggregate::request::{Failure, Request},
    log::{event::StreamId, store::StreamWrite},
};

use super::{
    answer::{Success, render, respond},
    command_input::CommandOptions,
    error::Problem,
    fulfilment::{JUST_STARTED, ensure_running, started},
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
    options: CommandOptions,
) -> Result<HttpResponse, Problem> {
    let command = OrderCommand::ReturnItems(items);
    if options.dry_run {
        return run(state, order, command, options, Success::Returned).await;
    }
    let request = Request {
        if_version: options.if_version.clone(),
        idempotency: options.idempotency.clone(),
        metadata: options.metadata(),
        extra_writes: Some(Box::new(move |state, events| refund(order, state, events))),
        ..Request::execute(command, render(order, Success::Returned, options.request_id.clone()))
    };
    let answered = state.ask(order, request).await?;
    if let Some(saga) = answered.answer.saga() {
        ensure_running(state, saga, Some(JUST_STARTED)).await;
    }
    respond(state, answered).await
}

/// The start of the saga that refunds what has just come back, from the order after it.
fn refund(order: StreamId, state: &Order, events: &[OrderEvent]) -> Result<Vec<StreamWrite>, Failure> {
    let Some(OrderEvent::ItemsReturned(back)) = events.first() else { return Ok(Vec::new()) };
    let plan = refund_of(order, state, &back.return_id, back.refund_cents);
    started(saga_of_return(order, &back.return_id), plan)
}
