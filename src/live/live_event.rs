//! An event as subscribers get it: folded and written once, shared by all of them.

use ordo_actors::{
    event::{EventEnvelope, Position},
    rehydrate::Loaded,
};
use serde::Serialize;

use crate::order::{CustomerId, Order, OrderId, OrderView};

/// One event, with the order after it.
#[derive(Debug)]
pub struct LiveEvent {
    /// Where it is in the log.
    pub position: Position,
    /// Whose event it is.
    pub order: OrderId,
    /// Whose order it is; nothing when the order cannot be read.
    pub customer: Option<CustomerId>,
    /// `"position":P,"event":{..},"order":{..}}`: the end of every frame that carries it.
    pub body: Box<str>,
}

impl LiveEvent {
    /// Writes an event and the order after it; `null` for an order that cannot be read.
    pub fn new(event: &EventEnvelope, after: Option<&Loaded<Order>>) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            position: Position,
            event: &'a EventEnvelope,
            order: Option<OrderView<'a>>,
        }
        let order = after.and_then(|after| after.state.view(event.aggregate_id, after.version));
        let body = serde_json::to_string(&Body { position: event.position, event, order }).unwrap_or_else(|error| {
            log::error!("event {} cannot be written: {error}", event.position);
            format!("{{\"position\":{},\"event\":null,\"order\":null}}", event.position)
        });
        Self {
            position: event.position,
            order: event.aggregate_id,
            customer: after.and_then(|after| after.state.customer_id()).cloned(),
            body: body[1..].into(),
        }
    }
}
