//! The way of an order from draft to its end, step by step.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use uuid::Uuid;

use super::{
    answer::respond,
    command_input::CommandInput,
    error::{Fault, Problem, check, not_whole},
    fulfilment::prefer_wait,
    openapi::{
        answers::{OrderAfterReturn, OrderAsItWouldBe},
        headers::Place,
        parameters::{DryRun, IdempotencyKey, IfMatch, OrderInPath, Prefer},
        problems::{CommandProblems, NotFound},
    },
    orders::OrderPath,
    state::AppState,
    wire::{
        CancelBody, CompleteBody, EmptyBody, Object, ProcessBody, ReserveBody, ReturnBody, ReturnedItemBody,
        WireInteger,
    },
};
use crate::{
    order::{InvalidValue, LineId, MAX_QUANTITY, OrderView, Reason, Reference, ReturnItems, ReturnRequest},
    ordering::Cancellation,
};

/// Submit a draft
///
/// Freezes the items; an order without items cannot be submitted. Again on a submitted order changes nothing. With
/// `--fulfil-on-submit` it also starts the fulfilment, as `fulfill` does, and does not wait for it.
#[utoipa::path(
    post, path = "/orders/{id}/submit", operation_id = "submitOrder", tag = "steps",
    params(OrderInPath, DryRun, IfMatch, IdempotencyKey),
    request_body(content = EmptyBody, examples(("nothing" = (summary = "Nothing to say", value = json!({}))))),
    responses(
        (
            status = 200, description = "The order after the command; as it would be, after a dry run.", body = OrderView<'static>,
            headers(("X-Position"), ("ETag"), ("Idempotency-Replayed")),
            links(
                ("reserveOrder" = (operation_id = "reserveOrder", parameters(("id" = "$response.body#/id")))),
                ("cancelOrder" = (operation_id = "cancelOrder", parameters(("id" = "$response.body#/id"))))
            )
        ),
        NotFound, CommandProblems,
    )
)]
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

/// Note that the stock is held
///
/// Submitted becomes Reserved. Again, with the same reservation or none, changes nothing. Not while the order is being
/// fulfilled.
#[utoipa::path(
    post, path = "/orders/{id}/reserve", operation_id = "reserveOrder", tag = "steps",
    params(OrderInPath, DryRun, IfMatch, IdempotencyKey),
    request_body(content = ReserveBody, examples(
        ("reservation" = (summary = "With what the inventory calls it", value = json!({"reservation_id": "R-1001"}))),
    )),
    responses(
        (
            status = 200, description = "The order after the command; as it would be, after a dry run.", body = OrderView<'static>,
            headers(("X-Position"), ("ETag"), ("Idempotency-Replayed")),
            links(
                ("processOrder" = (operation_id = "processOrder", parameters(("id" = "$response.body#/id")))),
                ("cancelOrder" = (operation_id = "cancelOrder", parameters(("id" = "$response.body#/id"))))
            )
        ),
        NotFound, CommandProblems,
    )
)]
pub async fn reserve(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ReserveBody>,
) -> Result<HttpResponse, Problem> {
    let reservation_id = reference("/reservation_id", input.body.reservation_id.as_deref())?;
    respond(&state, state.ordering().reserve(&input.call(order.0), reservation_id).await?).await
}

/// Note that the order is paid
///
/// Reserved becomes Processing. Again, with the same payment or none, changes nothing. Not while the order is being fulfilled.
#[utoipa::path(
    post, path = "/orders/{id}/process", operation_id = "processOrder", tag = "steps",
    params(OrderInPath, DryRun, IfMatch, IdempotencyKey),
    request_body(content = ProcessBody, examples(
        ("payment" = (summary = "With what the payment provider calls it", value = json!({"payment_id": "P-1001"}))),
    )),
    responses(
        (
            status = 200, description = "The order after the command; as it would be, after a dry run.", body = OrderView<'static>,
            headers(("X-Position"), ("ETag"), ("Idempotency-Replayed")),
            links(
                ("completeOrder" = (operation_id = "completeOrder", parameters(("id" = "$response.body#/id")))),
                ("cancelOrder" = (operation_id = "cancelOrder", parameters(("id" = "$response.body#/id"))))
            )
        ),
        NotFound, CommandProblems,
    )
)]
pub async fn process(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ProcessBody>,
) -> Result<HttpResponse, Problem> {
    let payment_id = reference("/payment_id", input.body.payment_id.as_deref())?;
    respond(&state, state.ordering().process(&input.call(order.0), payment_id).await?).await
}

/// Note that the order has been shipped
///
/// Processing becomes Completed. Again, with the same parcel or none, changes nothing. Not while the order is being fulfilled.
#[utoipa::path(
    post, path = "/orders/{id}/complete", operation_id = "completeOrder", tag = "steps",
    params(OrderInPath, DryRun, IfMatch, IdempotencyKey),
    request_body(content = CompleteBody, examples(
        ("parcel" = (summary = "With what the carrier calls it", value = json!({"tracking_number": "1Z999AA10123456784"}))),
    )),
    responses(
        (
            status = 200, description = "The order after the command; as it would be, after a dry run.", body = OrderView<'static>,
            headers(("X-Position"), ("ETag"), ("Idempotency-Replayed")),
            links(
                ("returnItems" = (operation_id = "returnItems", parameters(("id" = "$response.body#/id"))))
            )
        ),
        NotFound, CommandProblems,
    )
)]
pub async fn complete(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<CompleteBody>,
) -> Result<HttpResponse, Problem> {
    let tracking_number = reference("/tracking_number", input.body.tracking_number.as_deref())?;
    respond(&state, state.ordering().complete(&input.call(order.0), tracking_number).await?).await
}

/// Cancel an order that has not been shipped
///
/// Again on a cancelled order changes nothing. While the order is being fulfilled, its saga undoes what was done and cancels
/// the order in the end.
#[utoipa::path(
    post, path = "/orders/{id}/cancel", operation_id = "cancelOrder", tag = "steps",
    params(OrderInPath, DryRun, IfMatch, IdempotencyKey, Prefer),
    request_body(content = CancelBody, examples(
        ("cancel" = (summary = "With who wanted it", value = json!({"reason": "ordered twice", "cancelled_by": "ada"}))),
    )),
    responses(
        (
            status = 200, description = "The order after the command; as it would be, after a dry run.", body = OrderView<'static>,
            headers(("X-Position"), ("ETag"), ("Idempotency-Replayed"))
        ),
        (
            status = 202, description = "The order, which its saga is still about to cancel.", body = OrderView<'static>,
            headers(
                ("X-Position"), ("ETag"), ("Idempotency-Replayed"),
                ("Location" = inline(Place), description = "Where the saga is.")
            )
        ),
        NotFound, CommandProblems,
    )
)]
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

/// Take items of a completed order back
///
/// At most what was shipped of each line and has not come back, for what it had cost. The refund is a saga of its own, started
/// with it.
#[utoipa::path(
    post, path = "/orders/{id}/returns", operation_id = "returnItems", tag = "steps",
    params(OrderInPath, DryRun, IfMatch, IdempotencyKey),
    request_body(content = ReturnBody, examples(
        ("one" = (summary = "One of the first line", value = json!({"items": [{"line_id": 1, "quantity": 1}], "reason": "arrived broken"}))),
    )),
    responses(
        (
            status = 200, description = "A dry run: the order as it would be, and what the return would be worth.",
            body = OrderAsItWouldBe, headers(("X-Position"))
        ),
        (
            status = 202, description = "The items are back; the refund is under way.", body = OrderAfterReturn,
            headers(
                ("X-Position"), ("ETag"), ("Idempotency-Replayed"),
                ("Location" = inline(Place), description = "Where the saga is.")
            )
        ),
        NotFound, CommandProblems,
    )
)]
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
