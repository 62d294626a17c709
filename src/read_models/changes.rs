//! What a read model of orders is: a function from orders before and after to changes of rows.

use std::{collections::BTreeMap, sync::Arc};

use ordo_actors::{
    log::event::{EventEnvelope, Position, Version},
    projection::{
        StreamChange,
        row_store::{Row, RowChange, Table, Value},
    },
};

use crate::order::{Order, OrderEvent, OrderId, OrderView, ProductId, ProductName};

/// One order before and after some of its events.
#[derive(Debug)]
pub struct OrderChange<'a> {
    /// Which order.
    pub id: OrderId,
    /// What it was.
    pub before: &'a Order,
    /// What it is.
    pub after: &'a Order,
    /// The version of what it is.
    pub version: Version,
    /// What has happened to it.
    events: &'a [Arc<EventEnvelope>],
}

/// What a product was called in an event.
#[derive(Debug)]
pub struct NameSeen {
    /// The position of the event.
    pub at: Position,
    /// Which product.
    pub product_id: ProductId,
    /// What it was called.
    pub name: ProductName,
}

impl<'a> OrderChange<'a> {
    pub(super) fn of(change: &'a StreamChange<Order>) -> Self {
        let StreamChange { stream, before, after, events } = change;
        Self { id: *stream, before: &before.state, after: &after.state, version: after.version, events }
    }

    /// What products were called when they were added, even if they are gone again.
    pub fn names(&self) -> impl Iterator<Item = NameSeen> {
        self.events.iter().filter_map(|event| {
            // All of the events have been folded, so each of them can be read.
            let typed = event.typed().ok()?;
            let OrderEvent::ItemAdded(added) = &*typed else { return None };
            let (product_id, name) = (added.product_id.clone(), added.product_name.clone());
            Some(NameSeen { at: event.position, product_id, name })
        })
    }

    /// The order as clients see it now.
    pub fn seen(&self) -> Option<OrderView<'_>> {
        self.after.view(self.id, self.version)
    }
}

/// A read model, as a pure function of orders.
pub trait OrderReadModel: Send + 'static {
    /// Its name, for operators and for its checkpoint.
    const NAME: &'static str;

    /// The tables it writes.
    const TABLES: &'static [&'static Table];

    /// The changes of several orders together.
    type Changes: Changes;

    /// Notes what one order's change does to the rows.
    fn apply(change: &OrderChange<'_>, changes: &mut Self::Changes);
}

/// Changes of rows, some of which may need to know what those rows hold.
pub trait Changes: Default + Send {
    /// The rows that several orders share and that change, by their keys.
    fn shared(&self) -> Option<(&'static Table, Vec<Row>)>;

    /// The changes, given those rows in the order of the keys.
    fn finish(self, shared: &[Option<Row>]) -> Vec<RowChange>;
}

/// Rows that belong to one order alone.
impl Changes for Vec<RowChange> {
    fn shared(&self) -> Option<(&'static Table, Vec<Row>)> {
        None
    }

    fn finish(self, _: &[Option<Row>]) -> Vec<RowChange> {
        self
    }
}

/// What orders add to rows that they share, by the key of the row: one text.
pub type Deltas<D> = BTreeMap<Arc<str>, D>;

/// What orders have added to a row so far.
pub fn delta<'a, D: Default>(deltas: &'a mut Deltas<D>, key: &str) -> &'a mut D {
    deltas.entry(Arc::from(key)).or_default()
}

/// The keys of the shared rows.
pub fn keys<D>(deltas: &Deltas<D>) -> Vec<Row> {
    deltas.keys().map(|key| vec![Value::Text(Arc::clone(key))]).collect()
}

/// Adds the deltas to the stored rows, by `onto`; rows that stay as they are are left alone.
pub fn apply_deltas<D>(
    table: &'static Table,
    deltas: &Deltas<D>,
    stored: &[Option<Row>],
    onto: fn(&D, Option<&Row>) -> Row,
) -> Vec<RowChange> {
    let mut changes = Vec::with_capacity(deltas.len());
    for ((key, delta), stored) in deltas.iter().zip(stored) {
        let mut row = vec![Value::Text(Arc::clone(key))];
        row.extend(onto(delta, stored.as_ref()));
        if stored.as_ref() != Some(&row) {
            changes.push(RowChange::Put { table, row });
        }
    }
    changes
}

/// A text as a value.
pub fn text(text: impl Into<Arc<str>>) -> Value {
    Value::Text(text.into())
}

/// A number of a stored row; nothing when there is no such row.
pub fn int_at(row: Option<&Row>, column: usize) -> Option<i64> {
    match row?.get(column)? {
        Value::Int(number) => Some(*number),
        Value::Text(_) => None,
    }
}
