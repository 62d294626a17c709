//! The rows of one order in a list of orders, and which products it holds.

use std::collections::BTreeSet;

use ordo_actors::projection::row_store::{Row, RowChange, Value};

use super::{
    changes::{OrderChange, text},
    order_search::OrderTables,
};
use crate::order::{Order, OrderState, OrderView};

/// Puts an order into a list while its state belongs there, and takes it out when it no longer does.
pub fn keep_listed(
    change: &OrderChange<'_>,
    tables: OrderTables,
    belongs: fn(OrderState) -> bool,
    changes: &mut Vec<RowChange>,
) {
    let listed = |order: &Order| order.state().is_some_and(belongs);
    let products_before = if listed(change.before) { products(change.before) } else { BTreeSet::new() };
    let mut products_after = BTreeSet::new();
    let id = text(change.id.to_string());
    let held = |product: &str, order: &Order| {
        let created_at = order.created_at().map_or(0, |at| at.timestamp_micros());
        vec![text(product), Value::Int(created_at), id.clone()]
    };
    match change.seen().filter(|seen| belongs(seen.state)) {
        Some(seen) => {
            products_after = products(change.after);
            for product in products_after.difference(&products_before) {
                changes.push(RowChange::Put { table: tables.products, row: held(product, change.after) });
            }
            changes.push(RowChange::Put { table: tables.orders, row: order_row(&seen) });
        }
        None if listed(change.before) => {
            changes.push(RowChange::Delete { table: tables.orders, key: vec![id.clone()] });
        }
        None => {}
    }
    for product in products_before.difference(&products_after) {
        changes.push(RowChange::Delete { table: tables.products, key: held(product, change.before) });
    }
}

fn order_row(seen: &OrderView<'_>) -> Row {
    vec![
        text(seen.id.to_string()),
        text(seen.customer_id.as_str()),
        text(seen.state.name()),
        Value::Int(seen.created_at.timestamp_micros()),
        Value::Int(seen.total_cents),
        text(document(seen)),
    ]
}

/// The order as JSON: exactly what GET /orders/{id} answers.
pub fn document(seen: &OrderView<'_>) -> String {
    serde_json::to_string(seen).expect("an order holds nothing that JSON cannot say")
}

fn products(order: &Order) -> BTreeSet<&str> {
    order.lines().iter().map(|line| line.product_id.as_str()).collect()
}
