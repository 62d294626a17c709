//! `/orders/{id}/items`: the lines of a draft.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};

use super::{
    answer::respond,
    command_input::CommandInput,
    error::{Problem, not_whole},
    orders::{OrderPath, check_item},
    state::AppState,
    wire::{EmptyBody, ItemBody, QuantityBody},
};
use crate::order::LineId;

/// `POST /orders/{id}/items`
pub async fn add(
    state: Data<AppState>,
    order: OrderPath,
    input: CommandInput<ItemBody>,
) -> Result<HttpResponse, Problem> {
    let item = check_item(&input.body, "").map_err(|faults| Problem::validation(&faults))?;
    let answered = state.ordering().add_item(&input.call(order.0), item, state.limits.order_lines).await?;
    respond(&state, answered).await
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
    respond(&state, state.ordering().change_quantity(&input.call(order.0), line_id, quantity).await?).await
}

/// `DELETE /orders/{id}/items/{line_id}`
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
