//! The order without a server: open one, add two widgets for 10.00 each, and ask the log what it costs.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{error::Error, sync::Arc};

use ordo::order::{CreateOrder, Currency, CustomerId, MAX_LINES, NewItem, Order, OrderCommand, OrderEvent, OrderId};
use ordo_actors::{
    aggregate::{Aggregate, DomainEvent},
    clock::{Clock, SystemClock},
    log::{
        event::{Metadata, Version},
        store::{Commit, EventStore, ExpectedVersion, MAX_READ, NewEvent, StreamWrite, Verdict},
    },
    stores::memory::MemoryStore,
};
use uuid::Uuid;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (store, order_id) = (MemoryStore::new(), OrderId::generate());
    let create = CreateOrder {
        customer_id: CustomerId::new("alice")?,
        currency: Currency::USD,
        placed_at: None,
        items: Vec::new(),
        most_lines: MAX_LINES,
    };
    let widgets = NewItem::new("widget", "Widget", 2, 1_000).map_err(|faults| format!("{faults:?}"))?;

    execute(&store, order_id, OrderCommand::CreateOrder(create)).await?;
    execute(&store, order_id, OrderCommand::add_item(widgets)).await?;

    let (order, _) = rehydrate(&store, order_id).await?;
    let total = order.total().ok_or("the order is not there")?;
    println!("Order total: {total}");
    Ok(())
}

/// Rehydrates, decides and appends, if nobody else has in between.
async fn execute(store: &MemoryStore, order_id: OrderId, command: OrderCommand) -> Result<(), Box<dyn Error>> {
    let (order, version) = rehydrate(store, order_id).await?;
    let mut events = Vec::new();
    for event in order.decide(&command)? {
        events.push(NewEvent {
            event_id: Uuid::now_v7(),
            event_type: event.event_type().into(),
            schema_version: event.schema_version(),
            payload: event.encode()?,
        });
    }
    let write = StreamWrite {
        stream: order_id,
        aggregate_type: Order::TYPE.into(),
        expected: ExpectedVersion::Exact(version),
        events,
        snapshot: None,
    };
    let metadata = Arc::new(Metadata::default());
    let commit = Commit { timestamp: SystemClock.now(), metadata, writes: vec![write], idempotency: None };
    match store.append(vec![commit]).await?.pop() {
        Some(Verdict::Appended { .. }) => Ok(()),
        other => Err(format!("not appended: {other:?}").into()),
    }
}

/// Folds the stream.
async fn rehydrate(store: &MemoryStore, order_id: OrderId) -> Result<(Order, Version), Box<dyn Error>> {
    let (mut order, mut version) = (Order::default(), Version::NONE);
    for envelope in store.read_stream(order_id, Version(1), MAX_READ).await? {
        order.evolve(&OrderEvent::decode(&envelope.event_type, &envelope.payload)?, envelope.timestamp);
        version = envelope.version;
    }
    Ok((order, version))
}
