//! Orders that have come to their end.

use ordo_actors::projection::row_store::{RowChange, Table};

use super::{
    changes::{OrderChange, OrderReadModel},
    order_rows::keep_listed,
    order_search::OrderTables,
    tables::{ORDER_HISTORY, ORDER_HISTORY_PRODUCTS},
};
use crate::order::OrderState;

/// The completed and the cancelled orders, each as clients see it, and the products they hold.
#[derive(Debug)]
pub enum OrderHistory {}

impl OrderReadModel for OrderHistory {
    const NAME: &'static str = "order_history";
    const TABLES: &'static [&'static Table] = &[&ORDER_HISTORY, &ORDER_HISTORY_PRODUCTS];
    type Changes = Vec<RowChange>;

    fn apply(change: &OrderChange<'_>, changes: &mut Vec<RowChange>) {
        keep_listed(change, OrderTables::HISTORY, OrderState::is_terminal, changes);
    }
}
