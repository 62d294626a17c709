//! `/orders/{id}/items`: the lines of a draft.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};

use super::{
    answer::Success,
    command_input::CommandInput,
    error::Problem,
    orders::{OrderPath, check_item, not_whole, run},
    state::AppState,
    wire::{EmptyBody, ItemBody, QuantityBody},
};
use crate::order::{LineId, OrderCommand};

/// `POST /orders/{id}/items`
pub async fn add(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ItemBody>,
) -> Result<HttpResponse, Problem> {
    let item = check_item(&input.body, "").map_err(|faults| Problem::validation(&faults))?;
    let command = OrderCommand::AddItem { item, most_lines: state.limits.order_lines };
    run(&state, order.0, command, input.options, Success::Order).await
}

/// `PATCH /orders/{id}/items/{line_id}`
pub async fn change(
    state: Data<AppState>,
    order: OrderPath,
    path: Path<(String, String)>,
    input: CommandInput<QuantityBody>,
) -> Result<HttpResponse, Problem> {
    let line_id = line(&path.1)?;
    let quantity = input.body.quantity.get().ok_or_else(|| Problem::validation(&[not_whole("/quantity")]))?;
    run(&state, order.0, OrderCommand::UpdateItemQuantity { line_id, quantity }, input.options, Success::Order).await
}

/// `DELETE /orders/{id}/items/{line_id}`
pub async fn remove(
    state: Data<AppState>,
    order: OrderPath,
    path: Path<(String, String)>,
    input: CommandInput<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let line_id = line(&path.1)?;
    run(&state, order.0, OrderCommand::RemoveItem { line_id }, input.options, Success::Order).await
}

fn line(text: &str) -> Result<LineId, Problem> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    digits.map(LineId).ok_or_else(|| Problem::invalid("a line's id is a whole number, 1 or more"))
}
