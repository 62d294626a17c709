//! An event as subscribers get it: folded and written once, shared by all of them.

use std::{fmt::Write, sync::Arc};

use bytes::Bytes;
use ordo_actors::{
    aggregate::rehydrate::Loaded,
    log::event::{EventEnvelope, Position},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::{LARGE_ORDERS_BYTES, PART_BYTES};
use crate::order::{CustomerId, Order, OrderId, OrderView};

/// One event, with the order after it if the commit ends here.
#[derive(Debug)]
pub struct LiveEvent {
    /// Where it is in the log.
    pub position: Position,
    /// Whose event it is.
    pub order: OrderId,
    /// Whose order it is; nothing when the order cannot be read.
    pub customer: Option<CustomerId>,
    /// `"position":P,"event":{..},"order":{..}}`: the end of every frame that carries it.
    pub body: Bytes,
}

/// Stands for an order that cannot be read, or has more to come in the same commit.
const NO_ORDER: &str = "null";
/// Stands for an order for which there is no room just now.
const OMITTED: &str = "null,\"order_omitted\":true";

/// Room for large orders as text, over all frames of all clients.
#[derive(Debug, Clone)]
pub struct LargeOrders(Arc<Semaphore>);

/// A text, and the room it takes while anybody holds a part of it.
struct Roomy {
    text: String,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Roomy {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Default for LargeOrders {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_ORDERS_BYTES)))
    }
}

impl LargeOrders {
    /// An order as JSON between two texts; said to be omitted when it is large and there is no room.
    pub fn write(&self, before: String, order: Option<OrderView<'_>>, after: &str) -> Bytes {
        let order = order.and_then(|order| {
            serde_json::to_string(&order).inspect_err(|error| log::error!("an order cannot be written: {error}")).ok()
        });
        let order = order.as_deref().unwrap_or(NO_ORDER);
        let (order, room) = match self.take(order.len()) {
            room @ Some(_) => (order, room),
            None if order.len() > PART_BYTES => (OMITTED, None),
            None => (order, None),
        };
        let mut text = before;
        text.push_str(order);
        text.push_str(after);
        text.shrink_to_fit();
        Bytes::from_owner(Roomy { text, _room: room })
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok().filter(|_| bytes > PART_BYTES)?;
        Arc::clone(&self.0).try_acquire_many_owned(bytes).ok()
    }
}

impl LiveEvent {
    /// Writes an event, and the order after it if the commit ends with it; `null` for an order that cannot be read.
    pub fn new(event: &EventEnvelope, after: Option<&Loaded<Order>>, ends_commit: bool, room: &LargeOrders) -> Self {
        let order = after.filter(|_| ends_commit).and_then(|after| after.state.view(event.aggregate_id, after.version));
        let envelope = serde_json::to_string(event).unwrap_or_else(|error| {
            log::error!("event {} cannot be written: {error}", event.position);
            "null".to_owned()
        });
        let mut before = String::with_capacity(envelope.len() + 64);
        // Writing to a string does not fail.
        let _ = write!(before, "\"position\":{},\"event\":{envelope},\"order\":", event.position);
        Self {
            position: event.position,
            order: event.aggregate_id,
            customer: after.and_then(|after| after.state.customer_id()).cloned(),
            body: room.write(before, order, "}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ordo_actors::{
        aggregate::Aggregate,
        log::event::{StreamId, Version},
    };

    use super::*;
    use crate::order::{CreateOrder, Currency, NewItem, OrderCommand};

    #[test]
    fn a_large_order_that_finds_no_room_is_left_out_and_the_text_says_so() {
        let item = |number| NewItem::new(&format!("p{number}"), "A product", 1, 100).unwrap();
        let create = CreateOrder {
            customer_id: CustomerId::new("ada").unwrap(),
            currency: Currency::USD,
            placed_at: None,
            items: (0..1000).map(item).collect(),
            most_lines: crate::order::MAX_LINES,
        };
        let mut order = Order::default();
        for event in order.decide(&OrderCommand::CreateOrder(create)).unwrap() {
            order.evolve(&event, chrono::DateTime::UNIX_EPOCH);
        }
        let view = || order.view(StreamId::generate(), Version(1001));
        let room = LargeOrders::default();
        let first = room.write(String::new(), view(), "");
        assert!(first.len() > PART_BYTES);
        let mut held: Vec<_> =
            (0..LARGE_ORDERS_BYTES / first.len()).map(|_| room.write(String::new(), view(), "")).collect();
        assert_eq!(held.pop().unwrap(), OMITTED.as_bytes());
        // A part of the text holds the room of all of it.
        let part = first.slice(..1);
        drop(first);
        assert_eq!(room.write(String::new(), view(), ""), OMITTED.as_bytes());
        drop(part);
        assert_ne!(room.write(String::new(), view(), ""), OMITTED.as_bytes());
    }
}
