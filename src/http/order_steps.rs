//! The way of an order from draft to its end, step by step.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use uuid::Uuid;

use super::{
    answer::Success,
    command_input::CommandInput,
    error::{Fault, Problem},
    fulfilment::{cancel_order, manual_step, submit_and_fulfil},
    orders::{OrderPath, not_whole, run},
    returns::return_and_refund,
    state::AppState,
    wire::{
        CancelBody, CompleteBody, EmptyBody, Object, ProcessBody, ReserveBody, ReturnBody, ReturnedItemBody,
        WireInteger,
    },
};
use crate::order::{InvalidValue, LineId, MAX_QUANTITY, OrderCommand, Reason, Reference, ReturnItems, ReturnRequest};

/// `POST /orders/{id}/submit`
pub async fn submit(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    if state.fulfil_on_submit && !input.options.dry_run {
        return submit_and_fulfil(&state, order.0, input.options).await;
    }
    run(&state, order.0, OrderCommand::SubmitOrder, input.options, Success::Order).await
}

/// `POST /orders/{id}/reserve`
pub async fn reserve(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ReserveBody>,
) -> Result<HttpResponse, Problem> {
    let reservation_id = reference("/reservation_id", input.body.reservation_id.as_deref())?;
    manual_step(&state, order.0, OrderCommand::MarkReserved { reservation_id }, input.options).await
}

/// `POST /orders/{id}/process`
pub async fn process(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ProcessBody>,
) -> Result<HttpResponse, Problem> {
    let payment_id = reference("/payment_id", input.body.payment_id.as_deref())?;
    manual_step(&state, order.0, OrderCommand::StartProcessing { payment_id }, input.options).await
}

/// `POST /orders/{id}/complete`
pub async fn complete(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<CompleteBody>,
) -> Result<HttpResponse, Problem> {
    let tracking_number = reference("/tracking_number", input.body.tracking_number.as_deref())?;
    manual_step(&state, order.0, OrderCommand::CompleteOrder { tracking_number }, input.options).await
}

/// `POST /orders/{id}/cancel`
pub async fn cancel(
    state: Data<AppState>,
    request: HttpRequest,
    order: OrderPath,
    input: CommandInput<CancelBody>,
) -> Result<HttpResponse, Problem> {
    let mut faults = Vec::new();
    let reason = keep("/reason", Reason::new(&input.body.reason), &mut faults);
    let cancelled_by = input.body.cancelled_by.as_deref().map(Reference::new).transpose();
    let cancelled_by = keep("/cancelled_by", cancelled_by, &mut faults);
    let (Some(reason), Some(cancelled_by)) = (reason, cancelled_by) else { return Err(Problem::validation(&faults)) };
    cancel_order(&state, order.0, &request, reason, cancelled_by, input.options).await
}

/// `POST /orders/{id}/returns`
pub async fn return_items(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ReturnBody>,
) -> Result<HttpResponse, Problem> {
    let mut faults = Vec::new();
    let reason = keep("/reason", Reason::new(&input.body.reason), &mut faults);
    let items = returned_items(&input.body.items, &mut faults);
    let Some(reason) = reason.filter(|_| faults.is_empty()) else { return Err(Problem::validation(&faults)) };
    let items = ReturnItems { return_id: Uuid::now_v7().into(), items, reason };
    return_and_refund(&state, order.0, items, input.options).await
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
    keep(pointer, fit.ok_or(out_of_range), faults)
}

fn reference(pointer: &str, text: Option<&str>) -> Result<Option<Reference>, Problem> {
    let mut faults = Vec::new();
    keep(pointer, text.map(Reference::new).transpose(), &mut faults).ok_or_else(|| Problem::validation(&faults))
}

pub(super) fn keep<T>(pointer: &str, value: Result<T, InvalidValue>, faults: &mut Vec<Fault>) -> Option<T> {
    value.map_err(|invalid| faults.push(Fault { pointer: pointer.into(), detail: invalid.to_string() })).ok()
}
