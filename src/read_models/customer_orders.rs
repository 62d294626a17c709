//! Customers: what their orders come to, and each of their orders.

use ordo_actors::projection::row_store::{Row, RowChange, Table, Value};

use super::{
    changes::{Changes, Deltas, OrderChange, OrderReadModel, apply_deltas, delta, int_at, keys, text},
    order_rows::document,
    tables::{CUSTOMER_ORDERS, CUSTOMERS},
};
use crate::order::{Order, OrderState};

/// Every customer who ever ordered, with sums over all orders, and every order by its customer.
///
/// What was spent is the total of the completed orders less what was paid back, in minor units, whatever the currency; sums
/// beyond 64 bits wrap around. A customer stays.
#[derive(Debug)]
pub enum CustomerOrders {}

impl OrderReadModel for CustomerOrders {
    const NAME: &'static str = "customer_orders";
    const TABLES: &'static [&'static Table] = &[&CUSTOMERS, &CUSTOMER_ORDERS];
    type Changes = CustomerChanges;

    fn apply(change: &OrderChange<'_>, changes: &mut CustomerChanges) {
        let Some(seen) = change.seen() else { return };
        let created_at = seen.created_at.timestamp_micros();
        let (before, after) = (Sums::of(change.before), Sums::of(change.after));
        if before != after {
            delta(&mut changes.customers, seen.customer_id.as_str()).count(before, after, created_at);
        }
        let row = vec![
            text(seen.customer_id.as_str()),
            Value::Int(created_at),
            text(seen.id.to_string()),
            text(seen.state.name()),
            text(document(&seen)),
        ];
        changes.orders.push(RowChange::Put { table: &CUSTOMER_ORDERS, row });
    }
}

/// What some orders change.
#[derive(Debug, Default)]
pub struct CustomerChanges {
    orders: Vec<RowChange>,
    customers: Deltas<CustomerDelta>,
}

impl Changes for CustomerChanges {
    fn shared(&self) -> Option<(&'static Table, Vec<Row>)> {
        Some((&CUSTOMERS, keys(&self.customers)))
    }

    fn finish(self, shared: &[Option<Row>]) -> Vec<RowChange> {
        let mut changes = self.orders;
        changes.extend(apply_deltas(&CUSTOMERS, &self.customers, shared, CustomerDelta::onto));
        changes
    }
}

/// What an order adds to its customer: all, active, completed and cancelled orders, and what was spent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sums([i64; 5]);

impl Sums {
    fn of(order: &Order) -> Self {
        let Some(state) = order.state() else { return Self::default() };
        Self(match state {
            OrderState::Draft | OrderState::Submitted | OrderState::Reserved | OrderState::Processing => {
                [1, 1, 0, 0, 0]
            }
            OrderState::Completed => [1, 0, 1, 0, order.total_cents().wrapping_sub(order.refunded_cents())],
            OrderState::Cancelled => [1, 0, 0, 1, 0],
        })
    }
}

/// What orders add to a customer.
#[derive(Debug)]
struct CustomerDelta {
    sums: Sums,
    first_order_at: i64,
    last_order_at: i64,
}

impl Default for CustomerDelta {
    fn default() -> Self {
        Self { sums: Sums::default(), first_order_at: i64::MAX, last_order_at: i64::MIN }
    }
}

impl CustomerDelta {
    fn count(&mut self, before: Sums, after: Sums, created_at: i64) {
        for (sum, (before, after)) in self.sums.0.iter_mut().zip(before.0.into_iter().zip(after.0)) {
            *sum = sum.wrapping_add(after).wrapping_sub(before);
        }
        self.first_order_at = self.first_order_at.min(created_at);
        self.last_order_at = self.last_order_at.max(created_at);
    }

    /// The values behind the key.
    fn onto(&self, stored: Option<&Row>) -> Row {
        let columns = self.sums.0.iter().zip(1..);
        let sums = columns.map(|(sum, column)| int_at(stored, column).unwrap_or(0).wrapping_add(*sum));
        let first = int_at(stored, 6).map_or(self.first_order_at, |known| known.min(self.first_order_at));
        let last = int_at(stored, 7).map_or(self.last_order_at, |known| known.max(self.last_order_at));
        sums.chain([first, last]).map(Value::Int).collect()
    }
}
