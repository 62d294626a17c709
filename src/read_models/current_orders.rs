//! Orders that have not come to their end.

use ordo_actors::projection::row_store::{RowChange, Table};

use super::{
    changes::{OrderChange, OrderReadModel},
    order_rows::keep_listed,
    order_search::OrderTables,
    tables::{CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS},
};

/// The orders in `Draft`, `Submitted`, `Reserved` or `Processing`, each as clients see it, and the products they hold.
#[derive(Debug)]
pub enum CurrentOrders {}

impl OrderReadModel for CurrentOrders {
    const NAME: &'static str = "current_orders";
    const TABLES: &'static [&'static Table] = &[&CURRENT_ORDERS, &CURRENT_ORDER_PRODUCTS];
    type Changes = Vec<RowChange>;

    fn apply(change: &OrderChange<'_>, changes: &mut Vec<RowChange>) {
        keep_listed(change, OrderTables::CURRENT, |state| !state.is_terminal(), changes);
    }
}
