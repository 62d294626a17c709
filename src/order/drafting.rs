//! The rules about the items of a draft.

use std::collections::BTreeMap;

use super::{
    command::{CreateOrder, NewItem, quantity_from},
    decide::{Decision, produce, reject, unchanged},
    event::{ItemAdded, ItemQuantityUpdated, ItemRemoved, OrderCreated, OrderEvent, OrderSubmitted},
    ids::LineId,
    invalid::InvalidValue,
    line::{Line, MAX_LINES},
    rejection::OrderRejection,
    state::Contents,
};

/// Opens an order: one line per product and price, in order of first appearance.
pub(super) fn open(create: &CreateOrder) -> Decision {
    let lines = merge(&create.items, create.most_lines.min(MAX_LINES))?;
    let mut events = Vec::with_capacity(1 + lines.len());
    events.push(OrderEvent::from(OrderCreated {
        customer_id: create.customer_id.clone(),
        currency: create.currency,
        placed_at: create.placed_at,
    }));
    events.extend(lines.into_iter().map(OrderEvent::from));
    Ok(events)
}

fn merge(items: &[NewItem], most_lines: usize) -> Result<Vec<ItemAdded>, OrderRejection> {
    let mut lines: Vec<ItemAdded> = Vec::with_capacity(items.len().min(most_lines));
    let mut places = BTreeMap::new();
    let mut next_line = LineId::FIRST;
    let mut total = 0;
    for (entry, item) in items.iter().enumerate() {
        let blame = |problem| OrderRejection::invalid(format!("/items/{entry}/quantity"), problem);
        total = grown(total, item.quantity, item.unit_price_cents).map_err(blame)?;
        let place = *places.entry((item.unit_price_cents, &item.product_id)).or_insert(lines.len());
        if let Some(line) = lines.get_mut(place) {
            line.quantity = sum(line.quantity, item.quantity).map_err(blame)?;
        } else if lines.len() == most_lines {
            return Err(OrderRejection::invalid("/items", InvalidValue::TooMany { limit: most_lines }));
        } else {
            lines.push(added(next_line, item));
            next_line = next_line.next();
        }
    }
    Ok(lines)
}

impl Contents {
    /// Adds to the line of the same product and price, or opens a line.
    pub(super) fn add(&self, item: &NewItem, most_lines: usize) -> Decision {
        let limit = most_lines.min(MAX_LINES);
        let known = self.lines.iter().find(|line| line.is_of(&item.product_id, item.unit_price_cents));
        if let Some(line) = known {
            let quantity = sum(line.quantity, item.quantity).map_err(blame_quantity)?;
            return self.change(line, quantity);
        }
        if self.lines.len() >= limit || self.next_line == LineId::LAST {
            return reject(OrderRejection::TooManyLines { limit });
        }
        grown(self.total_cents(), item.quantity, item.unit_price_cents).map_err(blame_quantity)?;
        produce(added(self.next_line, item))
    }

    /// Takes a line out. Its number is not used again.
    pub(super) fn remove(&self, line_id: LineId) -> Decision {
        match self.line(line_id) {
            Some(_) => produce(ItemRemoved { line_id }),
            None => reject(OrderRejection::LineNotFound { line_id }),
        }
    }

    /// Gives a line another quantity; zero takes it out.
    pub(super) fn update_quantity(&self, line_id: LineId, quantity: i64) -> Decision {
        let Some(line) = self.line(line_id) else {
            return reject(OrderRejection::LineNotFound { line_id });
        };
        match quantity_from(0, quantity).map_err(blame_quantity)? {
            0 => produce(ItemRemoved { line_id }),
            same if same == line.quantity => unchanged(),
            other => self.change(line, other),
        }
    }

    /// Freezes the items, if there are any.
    pub(super) fn submit(&self) -> Decision {
        if self.lines.is_empty() {
            return reject(OrderRejection::Empty);
        }
        let item_count = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        produce(OrderSubmitted { total_cents: self.total_cents(), item_count })
    }

    fn change(&self, line: &Line, quantity: u32) -> Decision {
        let others = self.total_cents().saturating_sub(line.amount_cents());
        grown(others, quantity, line.unit_price_cents).map_err(blame_quantity)?;
        produce(ItemQuantityUpdated { line_id: line.id, old_quantity: line.quantity, new_quantity: quantity })
    }
}

fn added(line_id: LineId, item: &NewItem) -> ItemAdded {
    ItemAdded {
        line_id,
        product_id: item.product_id.clone(),
        product_name: item.product_name.clone(),
        quantity: item.quantity,
        unit_price_cents: item.unit_price_cents,
    }
}

fn blame_quantity(problem: InvalidValue) -> OrderRejection {
    OrderRejection::invalid("/quantity", problem)
}

/// Both quantities in one line.
fn sum(one: u32, other: u32) -> Result<u32, InvalidValue> {
    quantity_from(1, i64::from(one) + i64::from(other))
}

/// A total with so many more at this price.
fn grown(total: i64, quantity: u32, unit_price_cents: i64) -> Result<i64, InvalidValue> {
    unit_price_cents
        .checked_mul(i64::from(quantity))
        .and_then(|amount| total.checked_add(amount))
        .ok_or(InvalidValue::TotalTooLarge)
}
