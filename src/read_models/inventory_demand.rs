//! Products: how many pieces are wanted, held and sold, and what they brought in.

use std::{collections::HashMap, sync::Arc};

use ordo_actors::{
    log::event::Position,
    projection::row_store::{Row, RowChange, Table, Value},
};

use super::{
    changes::{Changes, Deltas, OrderChange, OrderReadModel, apply_deltas, delta, int_at, keys},
    tables::INVENTORY,
};
use crate::order::{Order, OrderState};

/// Every product that was ever put into an order, under the name it was given last, with sums over all orders.
///
/// Amounts are in minor units, whatever the currency; sums beyond 64 bits wrap around. A product stays.
#[derive(Debug)]
pub enum InventoryDemand {}

impl OrderReadModel for InventoryDemand {
    const NAME: &'static str = "inventory_demand";
    const TABLES: &'static [&'static Table] = &[&INVENTORY];
    type Changes = Deltas<ProductDelta>;

    fn apply(change: &OrderChange<'_>, products: &mut Self::Changes) {
        for named in change.names() {
            delta(products, named.product_id.as_str()).call(named.at, named.name.as_str());
        }
        let (before, mut after) = (demand_of(change.before), demand_of(change.after));
        for (product, before) in before {
            let after = after.remove(product).unwrap_or_default();
            if before != after {
                delta(products, product).count(before, after);
            }
        }
        for (product, after) in after {
            delta(products, product).count(Demand::default(), after);
        }
    }
}

impl Changes for Deltas<ProductDelta> {
    fn shared(&self) -> Option<(&'static Table, Vec<Row>)> {
        Some((&INVENTORY, keys(self)))
    }

    fn finish(self, shared: &[Option<Row>]) -> Vec<RowChange> {
        apply_deltas(&INVENTORY, &self, shared, ProductDelta::onto)
    }
}

/// The column of the position of the product's name.
const NAMED_AT: usize = 8;

/// What an order adds to a product.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Demand {
    ordered: i64,
    active: i64,
    reserved: i64,
    completed: i64,
    revenue_cents: i64,
    orders: i64,
}

impl Demand {
    const fn columns(self) -> [i64; 6] {
        [self.ordered, self.active, self.reserved, self.completed, self.revenue_cents, self.orders]
    }
}

/// What an order adds to each of its products; a cancelled one adds nothing.
fn demand_of(order: &Order) -> HashMap<&str, Demand> {
    let mut products: HashMap<&str, Demand> = HashMap::new();
    let Some(state) = order.state().filter(|state| *state != OrderState::Cancelled) else { return products };
    for line in order.lines() {
        let (pieces, returned) = (i64::from(line.quantity), i64::from(line.returned));
        let demand = products.entry(line.product_id.as_str()).or_default();
        demand.orders = 1;
        demand.ordered += pieces;
        match state {
            OrderState::Draft | OrderState::Submitted => demand.active += pieces,
            OrderState::Reserved | OrderState::Processing => {
                demand.active += pieces;
                demand.reserved += pieces;
            }
            OrderState::Completed => {
                demand.completed += pieces - returned;
                demand.revenue_cents = demand.revenue_cents.wrapping_add(line.amount_cents());
            }
            OrderState::Cancelled => {}
        }
    }
    for refunded in order.refunded_items() {
        let Some(line) = order.line(refunded.line_id) else { continue };
        let demand = products.entry(line.product_id.as_str()).or_default();
        let paid_back = line.unit_price_cents.wrapping_mul(i64::from(refunded.quantity));
        demand.revenue_cents = demand.revenue_cents.wrapping_sub(paid_back);
    }
    products
}

/// What orders add to a product.
#[derive(Debug, Default)]
pub struct ProductDelta {
    columns: [i64; 6],
    /// What it was called last, and where that stands in the log.
    name: Option<(Position, Arc<str>)>,
}

impl ProductDelta {
    fn call(&mut self, at: Position, name: &str) {
        if self.name.as_ref().is_none_or(|(known, _)| *known < at) {
            self.name = Some((at, Arc::from(name)));
        }
    }

    fn count(&mut self, before: Demand, after: Demand) {
        for (sum, (before, after)) in self.columns.iter_mut().zip(before.columns().into_iter().zip(after.columns())) {
            *sum = sum.wrapping_add(after).wrapping_sub(before);
        }
    }

    /// The values behind the key.
    fn onto(&self, stored: Option<&Row>) -> Row {
        let stored_at = int_at(stored, NAMED_AT).unwrap_or(0);
        let stored_name = stored.and_then(|row| row.get(1)).cloned().unwrap_or_else(|| Value::Text(Arc::from("")));
        let (named_at, name) = match &self.name {
            Some((at, name)) if at.0.cast_signed() > stored_at => (at.0.cast_signed(), Value::Text(Arc::clone(name))),
            _ => (stored_at, stored_name),
        };
        let columns = self.columns.iter().zip(2..);
        let sums = columns.map(|(sum, column)| Value::Int(int_at(stored, column).unwrap_or(0).wrapping_add(*sum)));
        std::iter::once(name).chain(sums).chain([Value::Int(named_at)]).collect()
    }
}
