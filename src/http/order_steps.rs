//! The way of an order from draft to its end, step by step.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use uuid::Uuid;

use super::{
    answer::respond,
    command_input::CommandInput,
    error::{Fault, Problem, check, not_whole},
    fulfilment::prefer_wait,
    orders::OrderPath,
    state::AppState,
    wire::{
        CancelBody, CompleteBody, EmptyBody, Object, ProcessBody, ReserveBody, ReturnBody, ReturnedItemBody,
        WireInteger,
    },
};
use crate::{
    order::{InvalidValue, LineId, MAX_QUANTITY, Reason, Reference, ReturnItems, ReturnRequest},
    ordering::Cancellation,
};

/// `POST /orders/{id}/submit`
pub async fn submit(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let (ordering, call) = (state.ordering(), input.call(order.0));
    let answered = if state.fulfil_on_submit && !input.options.dry_run {
        ordering.submit_and_fulfil(&call).await?
    } else {
        ordering.submit(&call).await?
    };
    respond(&state, answered).await
}

/// `POST /orders/{id}/reserve`
pub async fn reserve(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ReserveBody>,
) -> Result<HttpResponse, Problem> {
    let reservation_id = reference("/reservation_id", input.body.reservation_id.as_deref())?;
    respond(&state, state.ordering().reserve(&input.call(order.0), reservation_id).await?).await
}

/// `POST /orders/{id}/process`
pub async fn process(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ProcessBody>,
) -> Result<HttpResponse, Problem> {
    let payment_id = reference("/payment_id", input.body.payment_id.as_deref())?;
    respond(&state, state.ordering().process(&input.call(order.0), payment_id).await?).await
}

/// `POST /orders/{id}/complete`
pub async fn complete(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<CompleteBody>,
) -> Result<HttpResponse, Problem> {
    let tracking_number = reference("/tracking_number", input.body.tracking_number.as_deref())?;
    respond(&state, state.ordering().complete(&input.call(order.0), tracking_number).await?).await
}

/// `POST /orders/{id}/cancel`
pub async fn cancel(
    state: Data<AppState>,
    request: HttpRequest,
    order: OrderPath,
    input: CommandInput<CancelBody>,
) -> Result<HttpResponse, Problem> {
    let mut faults = Vec::new();
    let reason = check("/reason", Reason::new(&input.body.reason), &mut faults);
    let cancelled_by = input.body.cancelled_by.as_deref().map(Reference::new).transpose();
    let cancelled_by = check("/cancelled_by", cancelled_by, &mut faults);
    let (Some(reason), Some(cancelled_by)) = (reason, cancelled_by) else { return Err(Problem::validation(&faults)) };
    let cancellation = Cancellation { reason, cancelled_by };
    let wait = prefer_wait(&request)?;
    respond(&state, state.ordering().cancel(&input.call(order.0), &cancellation, wait).await?).await
}

/// `POST /orders/{id}/returns`
pub async fn return_items(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ReturnBody>,
) -> Result<HttpResponse, Problem> {
    let mut faults = Vec::new();
    let reason = check("/reason", Reason::new(&input.body.reason), &mut faults);
    let items = returned_items(&input.body.items, &mut faults);
    let Some(reason) = reason.filter(|_| faults.is_empty()) else { return Err(Problem::validation(&faults)) };
    let items = ReturnItems { return_id: Uuid::now_v7().into(), items, reason };
    respond(&state, state.ordering().return_items(&input.call(order.0), items).await?).await
}

fn returned_items(items: &[Object<ReturnedItemBody>], faults: &mut Vec<Fault>) -> Vec<ReturnRequest> {
    if items.is_empty() {
        faults.push(Fault { pointer: "/items".into(), detail: InvalidValue::Empty.to_string() });
    }
    let mut requests = Vec::with_capacity(items.len());
    for (index, Object(item)) in items.iter().enumerate() {
        let line = ranged(&format!("/items/{index}/line_id"), item.line_id, u32::MAX, faults);
        let quantity = ranged(&format!("/items/{index}/quantity"), item.quantity, MAX_QUANTITY, faults);
        if let (Some(line), Some(quantity)) = (line, quantity) {
            requests.push(ReturnRequest { line_id: LineId(line), quantity: i64::from(quantity) });
        }
    }
    requests
}

/// A number from 1 to `max`.
fn ranged(pointer: &str, number: WireInteger, max: u32, faults: &mut Vec<Fault>) -> Option<u32> {
    let Some(actual) = number.get() else {
        faults.push(not_whole(pointer));
        return None;
    };
    let out_of_range = InvalidValue::OutOfRange { min: 1, max: i64::from(max), actual };
    let fit = u32::try_from(actual).ok().filter(|fit| (1..=max).contains(fit));
    check(pointer, fit.ok_or(out_of_range), faults)
}

fn reference(pointer: &str, text: Option<&str>) -> Result<Option<Reference>, Problem> {
    let mut faults = Vec::new();
    check(pointer, text.map(Reference::new).transpose(), &mut faults).ok_or_else(|| Problem::validation(&faults))
}
