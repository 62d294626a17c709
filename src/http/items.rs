//! `/orders/{id}/items`: the lines of a draft.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};

use super::{
    answer::respond,
    command_input::CommandInput,
    error::{Problem, not_whole},
    openapi::{
        parameters::{DryRun, IdempotencyKey, IfMatch, LineInPath, OrderInPath},
        problems::{CommandProblems, NotFound},
    },
    orders::OrderPath,
    state::AppState,
    wire::{EmptyBody, ItemBody, QuantityBody},
};
use crate::order::{LineId, OrderView};

/// Add an item to a draft
///
/// The same product at the same price adds to its line; at another price it is another line. An order has at most 2,000 lines
/// by default; the operator may allow fewer, or up to 10,000 (`--max-order-lines`).
#[utoipa::path(
    post, path = "/orders/{id}/items", operation_id = "addItem", tag = "items",
    params(OrderInPath, DryRun, IfMatch, IdempotencyKey),
    request_body(content = ItemBody, examples(
        ("item" = (summary = "An item", value = json!({"product_id": "gadget", "product_name": "Gadget, blue", "quantity": 1, "unit_price_cents": 2550}))),
    )),
    responses(
        (
            status = 200, description = "The order after the command; as it would be, after a dry run.", body = OrderView<'static>,
            headers(("X-Position"), ("ETag"), ("Idempotency-Replayed")),
            links(
                ("submitOrder" = (operation_id = "submitOrder", parameters(("id" = "$response.body#/id")))),
                ("addItem" = (operation_id = "addItem", parameters(("id" = "$response.body#/id"))))
            )
        ),
        NotFound, CommandProblems,
    )
)]
pub async fn add(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ItemBody>,
) -> Result<HttpResponse, Problem> {
    let item = input.body.unchecked().check().map_err(|faults| Problem::unacceptable(&faults))?;
    let answered = state.ordering().add_item(&input.call(order.0), item, state.limits.order_lines).await?;
    respond(&state, answered).await
}

/// Give a line of a draft another quantity
///
/// Zero removes the line.
#[utoipa::path(
    patch, path = "/orders/{id}/items/{line_id}", operation_id = "changeQuantity", tag = "items",
    params(OrderInPath, LineInPath, DryRun, IfMatch, IdempotencyKey),
    request_body(content = QuantityBody, examples(
        ("more" = (summary = "Five of them", value = json!({"quantity": 5}))),
        ("none" = (summary = "Remove the line", value = json!({"quantity": 0}))),
    )),
    responses(
        (
            status = 200, description = "The order after the command; as it would be, after a dry run.", body = OrderView<'static>,
            headers(("X-Position"), ("ETag"), ("Idempotency-Replayed"))
        ),
        NotFound, CommandProblems,
    )
)]
pub async fn change(
    state: Data<AppState>,
    order: OrderPath,
    path: Path<(String, String)>,
    input: CommandInput<QuantityBody>,
) -> Result<HttpResponse, Problem> {
    let line_id = line(&path.1)?;
    let quantity = input.body.quantity.get().ok_or_else(|| Problem::validation(&[not_whole("/quantity")]))?;
    respond(&state, state.ordering().change_quantity(&input.call(order.0), line_id, quantity).await?).await
}

/// Remove a line from a draft
///
/// Its number is not used again.
#[utoipa::path(
    delete, path = "/orders/{id}/items/{line_id}", operation_id = "removeItem", tag = "items",
    params(OrderInPath, LineInPath, DryRun, IfMatch, IdempotencyKey),
    responses(
        (
            status = 200, description = "The order after the command; as it would be, after a dry run.", body = OrderView<'static>,
            headers(("X-Position"), ("ETag"), ("Idempotency-Replayed"))
        ),
        NotFound, CommandProblems,
    )
)]
pub async fn remove(
    state: Data<AppState>,
    order: OrderPath,
    path: Path<(String, String)>,
    input: CommandInput<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let line_id = line(&path.1)?;
    respond(&state, state.ordering().remove_item(&input.call(order.0), line_id).await?).await
}

fn line(text: &str) -> Result<LineId, Problem> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    digits.map(LineId).ok_or_else(|| Problem::invalid("a line's id is a whole number, 1 or more"))
}
