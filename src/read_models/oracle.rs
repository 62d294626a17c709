//! What the rows must be: the plain fold of the whole log, without batches, deltas or memory limits. It shares nothing
//! with the read models but the tables, so that each can be held against the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ordo_actors::{
    aggregate::{
        Aggregate, DomainEvent,
        rehydrate::{Loaded, fold},
    },
    log::{
        event::{EventEnvelope, Position, StreamId, Version},
        store::{EventStore, LogQuery, MAX_READ, StoreError},
    },
    projection::row_store::{DeadLetter, Row, Table, Value},
};

use super::{
    saga_list::saga_row,
    tables::{
        CURRENT_ORDER_PRODUCTS, CURRENT_ORDERS, CUSTOMER_ORDERS, CUSTOMERS, INVENTORY, ORDER_HISTORY,
        ORDER_HISTORY_PRODUCTS, SAGAS,
    },
};
use crate::{
    fulfilment::FulfilmentSaga,
    order::{Order, OrderEvent, OrderId, OrderState},
};

type Rows<'a> = Box<dyn Iterator<Item = Row> + Send + 'a>;
type RowsOf = for<'a> fn(&'a ReferenceFold) -> Rows<'a>;

/// What the rows of each table must be.
const ROWS: [(&Table, RowsOf); 8] = [
    (&CURRENT_ORDERS, |fold| Box::new(fold.listed(is_current))),
    (&CURRENT_ORDER_PRODUCTS, |fold| Box::new(fold.products(is_current))),
    (&ORDER_HISTORY, |fold| Box::new(fold.listed(has_ended))),
    (&ORDER_HISTORY_PRODUCTS, |fold| Box::new(fold.products(has_ended))),
    (&CUSTOMERS, |fold| Box::new(fold.customers())),
    (&CUSTOMER_ORDERS, |fold| Box::new(fold.customer_orders())),
    (&INVENTORY, |fold| Box::new(fold.inventory())),
    (&SAGAS, |fold| Box::new(fold.saga_rows())),
];

fn is_current(state: OrderState) -> bool {
    !has_ended(state)
}

fn has_ended(state: OrderState) -> bool {
    match state {
        OrderState::Completed | OrderState::Cancelled => true,
        OrderState::Draft | OrderState::Submitted | OrderState::Reserved | OrderState::Processing => false,
    }
}

/// Every order of a log up to a position. Holds all of them in memory: about 400 bytes for an order and 130 for a line.
#[derive(Debug, Default)]
pub struct ReferenceFold {
    orders: BTreeMap<OrderId, (Order, Version)>,
    sagas: BTreeMap<StreamId, Loaded<FulfilmentSaga>>,
    product_names: BTreeMap<String, (String, Position)>,
    /// The first version that must not be taken in.
    stopped: HashMap<OrderId, Version>,
    position: Position,
}

impl ReferenceFold {
    /// Nothing yet; leaves out what a read model has parked.
    #[must_use]
    pub fn without(parked: &[DeadLetter]) -> Self {
        let stopped = parked.iter().map(|letter| (letter.stream, letter.version)).collect();
        Self { stopped, ..Self::default() }
    }

    /// How far it has come.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes on to a position. To compare read models that stand at different positions, go from one to the next.
    ///
    /// # Errors
    /// The store failed; an order that cannot be read stops where it can be read no further.
    pub async fn go_on(&mut self, log: &dyn EventStore, until: Position) -> Result<(), StoreError> {
        while self.position < until {
            let wanted = usize::try_from(until.0 - self.position.0).unwrap_or(MAX_READ).min(MAX_READ);
            let events = log.read_all(&LogQuery::after(self.position, wanted)).await?;
            if events.is_empty() {
                break;
            }
            for event in &events {
                self.take(event);
            }
        }
        Ok(())
    }

    /// Takes the next event in.
    pub fn take(&mut self, event: &EventEnvelope) {
        self.position = event.position;
        let id = event.aggregate_id;
        let is_stopped = self.stopped.get(&id).is_some_and(|first| event.version >= *first);
        if event.aggregate_type == FulfilmentSaga::TYPE && !is_stopped {
            if fold(self.sagas.entry(id).or_default(), event).is_err() {
                self.stopped.insert(id, event.version);
            }
            return;
        }
        if event.aggregate_type != Order::TYPE || is_stopped {
            return;
        }
        let (order, version) = self.orders.entry(id).or_default();
        match OrderEvent::decode(&event.event_type, &event.payload) {
            Ok(decoded) if event.version == version.plus(1) => {
                if let OrderEvent::ItemAdded(added) = &decoded {
                    let name = (added.product_name.to_string(), event.position);
                    self.product_names.insert(added.product_id.to_string(), name);
                }
                order.evolve(&decoded, event.timestamp);
                *version = event.version;
            }
            Ok(_) | Err(_) => {
                self.stopped.insert(id, event.version);
            }
        }
    }

    /// The rows of a table, in the order of their keys.
    ///
    /// # Panics
    /// The table is not one of a read model's.
    #[must_use]
    pub fn rows(&self, table: &'static Table) -> Rows<'_> {
        let reference = ROWS.iter().find(|(of, _)| of.name == table.name);
        assert!(reference.is_some(), "{} is a table of a read model", table.name);
        reference.map_or_else(|| Box::new(std::iter::empty()) as _, |(_, rows)| rows(self))
    }

    /// The orders that somebody has created.
    fn existing(&self) -> impl Iterator<Item = (OrderId, OrderState, &Order)> {
        self.orders.iter().filter_map(|(id, (order, _))| Some((*id, order.state()?, order)))
    }

    fn listed(&self, belongs: impl Fn(OrderState) -> bool) -> impl Iterator<Item = Row> {
        let orders = self.orders.iter().filter_map(|(id, (order, version))| order.view(*id, *version));
        orders.filter(move |order| belongs(order.state)).map(|order| {
            vec![
                text(&order.id),
                text(order.customer_id),
                text(&order.state),
                Value::Int(order.created_at.timestamp_micros()),
                Value::Int(order.total_cents),
                text(&serde_json::to_string(&order).unwrap_or_default()),
            ]
        })
    }

    fn products(&self, belongs: impl Fn(OrderState) -> bool) -> impl Iterator<Item = Row> {
        let mut held = BTreeSet::new();
        for (id, _, order) in self.existing().filter(|(_, state, _)| belongs(*state)) {
            let created_at = micros(order);
            held.extend(order.lines().iter().map(|line| (line.product_id.as_str(), created_at, id)));
        }
        held.into_iter().map(|(product, created_at, id)| vec![text(product), Value::Int(created_at), text(&id)])
    }

    fn customers(&self) -> impl Iterator<Item = Row> {
        let mut customers = BTreeMap::new();
        for (_, state, order) in self.existing() {
            let Some(id) = order.customer_id() else { continue };
            let at = micros(order);
            let ([total, active, completed, cancelled, spent], first, last) =
                customers.entry(id.as_str()).or_insert(([0_i64; 5], at, at));
            *total += 1;
            (*first, *last) = (at.min(*first), at.max(*last));
            match state {
                OrderState::Completed => {
                    *completed += 1;
                    *spent = spent.wrapping_add(order.total_cents()).wrapping_sub(order.refunded_cents());
                }
                OrderState::Cancelled => *cancelled += 1,
                OrderState::Draft | OrderState::Submitted | OrderState::Reserved | OrderState::Processing => {
                    *active += 1;
                }
            }
        }
        customers.into_iter().map(|(id, (sums, first, last))| {
            [text(&id)].into_iter().chain(sums.into_iter().chain([first, last]).map(Value::Int)).collect()
        })
    }

    fn customer_orders(&self) -> impl Iterator<Item = Row> {
        let mut orders = BTreeMap::new();
        for (id, (order, version)) in &self.orders {
            if let Some(customer) = order.customer_id() {
                orders.insert((customer.as_str(), micros(order), *id), (order, *version));
            }
        }
        orders.into_iter().filter_map(|((customer, created_at, id), (order, version))| {
            let order = order.view(id, version)?;
            let doc = serde_json::to_string(&order).unwrap_or_default();
            Some(vec![text(customer), Value::Int(created_at), text(&id), text(&order.state), text(&doc)])
        })
    }

    fn saga_rows(&self) -> impl Iterator<Item = Row> {
        self.sagas.iter().filter_map(|(id, saga)| saga_row(*id, &saga.state))
    }

    fn inventory(&self) -> impl Iterator<Item = Row> {
        let mut sums: BTreeMap<&str, [i64; 6]> = BTreeMap::new();
        for (_, state, order) in self.existing().filter(|(_, state, _)| *state != OrderState::Cancelled) {
            for line in order.lines() {
                let [ordered, active, reserved, completed, revenue, _] =
                    sums.entry(line.product_id.as_str()).or_default();
                let pieces = i64::from(line.quantity);
                *ordered += pieces;
                match state {
                    OrderState::Draft | OrderState::Submitted => *active += pieces,
                    OrderState::Reserved | OrderState::Processing => {
                        *active += pieces;
                        *reserved += pieces;
                    }
                    OrderState::Completed => {
                        let paid_back = order.refunded_items().filter(|item| item.line_id == line.id);
                        let paid_back = paid_back.map(|item| i64::from(item.quantity)).sum();
                        *completed += pieces - i64::from(line.returned);
                        // Not the price times what was kept: an amount that no 64 bits hold is cut off at their end.
                        let paid_back = line.unit_price_cents.wrapping_mul(paid_back);
                        *revenue = revenue.wrapping_add(line.amount_cents()).wrapping_sub(paid_back);
                    }
                    // It demands nothing.
                    OrderState::Cancelled => {}
                }
            }
            for product in order.lines().iter().map(|line| line.product_id.as_str()).collect::<BTreeSet<_>>() {
                sums.entry(product).or_default()[5] += 1;
            }
        }
        self.product_names.iter().map(move |(product, (name, named_at))| {
            let sums = sums.get(product.as_str()).copied().unwrap_or_default();
            let named_at = named_at.0.cast_signed();
            [text(product), text(name)].into_iter().chain(sums.into_iter().chain([named_at]).map(Value::Int)).collect()
        })
    }
}

fn micros(order: &Order) -> i64 {
    order.created_at().map_or(0, |at| at.timestamp_micros())
}

fn text(shown: &(impl ToString + ?Sized)) -> Value {
    Value::Text(shown.to_string().into())
}
