//! Between the engine and the read models of orders: folds events into orders before and after, and completes the changes.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    marker::PhantomData,
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use ordo_actors::{
    aggregate::{
        Aggregate, DomainEvent,
        rehydrate::{Until, rehydrate},
        request::Failure,
    },
    log::{
        event::{EventEnvelope, Version},
        store::{EventStore, StoreError},
    },
    projection::{
        ReadModel, Sources, TakeError,
        row_store::{RowChange, Table},
    },
};

use super::{
    changes::{Changes, NameSeen, OrderChange, OrderReadModel},
    remembered_orders::{KnownOrder, RememberedOrders},
};
use crate::order::{Order, OrderEvent, OrderId};

/// Events read at a time when an order is rehydrated.
const REHYDRATE_PAGE: usize = 1000;

/// Orders rehydrated at the same time.
const REHYDRATED_AT_ONCE: usize = 16;

/// Makes a read model of the engine out of a pure function of orders.
///
/// Remembers orders folded lately, within a limit of memory; the others are rehydrated from the log when they change again.
pub struct OrderProjection<M> {
    remembered: RememberedOrders,
    model: PhantomData<fn() -> M>,
}

impl<M> Default for OrderProjection<M> {
    fn default() -> Self {
        Self::remembering(RememberedOrders::default())
    }
}

impl<M> OrderProjection<M> {
    pub(super) fn remembering(remembered: RememberedOrders) -> Self {
        Self { remembered, model: PhantomData }
    }
}

impl<M: OrderReadModel> fmt::Debug for OrderProjection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderProjection({})", M::NAME)
    }
}

#[async_trait]
impl<M: OrderReadModel> ReadModel for OrderProjection<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn tables(&self) -> &'static [&'static Table] {
        M::TABLES
    }

    async fn take(&mut self, events: &[Arc<EventEnvelope>], sources: Sources<'_>) -> Result<Vec<RowChange>, TakeError> {
        let folded = self.fold(events, sources.log).await?;
        let mut changes = M::Changes::default();
        for order in &folded {
            M::apply(&order.change(), &mut changes);
        }
        let shared = match changes.shared() {
            Some((table, keys)) if !keys.is_empty() => sources.rows.fetch(table, sources.generation, &keys).await?,
            _ => Vec::new(),
        };
        // Only now: a call that errs must leave nothing behind.
        for order in folded {
            self.remembered.put(order.id, order.after);
        }
        Ok(changes.finish(&shared))
    }

    fn forget(&mut self) {
        self.remembered.clear();
    }
}

/// An order and its events in one call.
struct Touched {
    id: OrderId,
    before: Option<Arc<KnownOrder>>,
    events: Vec<Arc<EventEnvelope>>,
}

/// An order before and after its events in one call.
struct Folded {
    id: OrderId,
    before: Arc<KnownOrder>,
    after: Arc<KnownOrder>,
    named: Vec<NameSeen>,
}

impl<M: OrderReadModel> OrderProjection<M> {
    async fn fold(&mut self, events: &[Arc<EventEnvelope>], log: &dyn EventStore) -> Result<Vec<Folded>, TakeError> {
        let touched = self.sort_by_order(events);
        stream::iter(touched)
            .map(|order| async move {
                let before = order.before(log).await?;
                order.fold(before)
            })
            .buffered(REHYDRATED_AT_ONCE)
            .try_collect()
            .await
    }

    fn sort_by_order(&mut self, events: &[Arc<EventEnvelope>]) -> Vec<Touched> {
        let mut touched: Vec<Touched> = Vec::new();
        let mut places: HashMap<OrderId, usize> = HashMap::new();
        for event in events.iter().filter(|event| event.aggregate_type == Order::TYPE) {
            match places.entry(event.aggregate_id) {
                Entry::Occupied(place) => touched[*place.get()].events.push(Arc::clone(event)),
                Entry::Vacant(place) => {
                    place.insert(touched.len());
                    let id = event.aggregate_id;
                    touched.push(Touched { id, before: self.remembered.get(id), events: vec![Arc::clone(event)] });
                }
            }
        }
        touched
    }
}

impl Touched {
    /// The order before the first of its events.
    async fn before(&self, log: &dyn EventStore) -> Result<Arc<KnownOrder>, TakeError> {
        if let Some(known) = &self.before {
            return Ok(Arc::clone(known));
        }
        let first = &self.events[0];
        let last = Version(first.version.0.saturating_sub(1));
        if last == Version::NONE {
            return Ok(Arc::default());
        }
        match rehydrate::<Order>(log, self.id, Until::Version(last), REHYDRATE_PAGE).await {
            Ok(loaded) => Ok(Arc::new(KnownOrder { order: loaded.state, version: loaded.version })),
            Err(Failure::Unavailable(reason)) => Err(StoreError::Unavailable(reason).into()),
            Err(Failure::Unknown(reason)) => Err(StoreError::Unknown(reason).into()),
            Err(failure) => {
                // A log that cannot be read at all is no fault of this order's.
                log.read_stream(self.id, first.version, 1).await?;
                Err(poison(first, failure.to_string()))
            }
        }
    }

    fn fold(self, before: Arc<KnownOrder>) -> Result<Folded, TakeError> {
        let mut after = KnownOrder::clone(&before);
        let mut named = Vec::new();
        for event in &self.events {
            if event.version != after.version.plus(1) {
                return Err(poison(event, format!("version {} follows {}", event.version, after.version)));
            }
            let decoded = OrderEvent::decode(&event.event_type, &event.payload);
            let decoded = decoded.map_err(|error| poison(event, with_cause(&error)))?;
            if let OrderEvent::ItemAdded(added) = &decoded {
                let (product_id, name) = (added.product_id.clone(), added.product_name.clone());
                named.push(NameSeen { at: event.position, product_id, name });
            }
            after.order.evolve(&decoded, event.timestamp);
            after.version = event.version;
        }
        Ok(Folded { id: self.id, before, after: Arc::new(after), named })
    }
}

impl Folded {
    fn change(&self) -> OrderChange<'_> {
        OrderChange {
            id: self.id,
            before: &self.before.order,
            after: &self.after.order,
            version: self.after.version,
            named: &self.named,
        }
    }
}

fn poison(event: &EventEnvelope, reason: String) -> TakeError {
    TakeError::Unprocessable { stream: event.aggregate_id, version: event.version, position: event.position, reason }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
