//! A shop to test with: orders that decide, a log they are written to, and read models that follow it.

use std::{collections::HashMap, sync::Arc};

use chrono::DateTime;
use ordo_actors::{
    aggregate::{Aggregate, DomainEvent, stream_cache::StreamCache},
    log::{
        event::{EventEnvelope, Metadata, Position, StreamId},
        store::{Commit, EventStore, ExpectedVersion, LogQuery, NewEvent, StreamWrite, Verdict},
    },
    projection::{
        ReadModel, Sources, TakeError,
        row_store::{Checkpoint, MAX_PAGE, Page, Row, RowChange, RowCommit, RowStore, RowVerdict, Table, Value},
    },
    stores::memory::{MemoryRows, MemoryStore},
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Comparison, CurrentOrders, CustomerOrders, InventoryDemand, OrderHistory, OrderProjection, ReferenceFold,
    changes::OrderReadModel,
};
use crate::order::{
    CreateOrder, Currency, CustomerId, LineId, MAX_LINES, NewItem, Order, OrderCommand, OrderEvent, OrderId, Reason,
    RecordRefund, Reference, ReturnItems, ReturnRequest,
};

pub fn id(number: u128) -> OrderId {
    StreamId(Uuid::from_u128(number))
}

pub fn item(product: &str, name: &str, quantity: i64, price: i64) -> NewItem {
    NewItem::new(product, name, quantity, price).expect("a good item")
}

/// Widgets at 1.00 each.
pub fn widgets(quantity: i64) -> NewItem {
    item("widget", "Widget", quantity, 100)
}

pub fn create(customer: &str, items: Vec<NewItem>) -> OrderCommand {
    create_at(customer, None, items)
}

pub fn create_at(customer: &str, second: Option<i64>, items: Vec<NewItem>) -> OrderCommand {
    OrderCommand::CreateOrder(CreateOrder {
        customer_id: CustomerId::new(customer).expect("a good customer"),
        currency: Currency::USD,
        placed_at: second.and_then(|second| DateTime::from_timestamp(second, 0)),
        items,
        most_lines: MAX_LINES,
    })
}

pub fn cancel() -> OrderCommand {
    OrderCommand::CancelOrder { reason: Reason::new("why not").expect("a reason"), cancelled_by: None }
}

pub fn reference(name: &str) -> Reference {
    Reference::new(name).expect("a reference")
}

pub fn give_back(return_id: &str, line: u32, quantity: i64) -> OrderCommand {
    OrderCommand::ReturnItems(ReturnItems {
        return_id: reference(return_id),
        items: vec![ReturnRequest { line_id: LineId(line), quantity }],
        reason: Reason::new("too small").expect("a reason"),
    })
}

/// Orders and the log of what happened to them.
pub struct Shop {
    pub log: MemoryStore,
    orders: HashMap<OrderId, Order>,
    worth: HashMap<String, i64>,
    seconds: i64,
}

impl Shop {
    pub fn new() -> Self {
        Self { log: MemoryStore::new(), orders: HashMap::new(), worth: HashMap::new(), seconds: 1_000 }
    }

    /// Runs a command; one that is rejected changes nothing.
    pub async fn run(&mut self, order: OrderId, command: OrderCommand) {
        let state = self.orders.entry(order).or_default();
        let events = state.decide(&command).unwrap_or_default();
        self.seconds += 1;
        for event in &events {
            if let OrderEvent::ItemsReturned(back) = event {
                self.worth.insert(format!("{order}{}", back.return_id), back.refund_cents);
            }
            state.evolve(event, DateTime::from_timestamp(self.seconds, 0).expect("a time"));
        }
        let payloads = events.iter().map(|event| (event.event_type(), event.encode().expect("JSON"))).collect();
        self.append(order, Order::TYPE, payloads).await;
    }

    /// Takes an order on the next step of its way, as often as asked.
    pub async fn advance(&mut self, order: OrderId, steps: usize) {
        for _ in 0..steps {
            let command = match self.orders.get(&order) {
                Some(Order::Draft(_)) => OrderCommand::SubmitOrder,
                Some(Order::Submitted(_)) => OrderCommand::MarkReserved { reservation_id: None },
                Some(Order::Reserved(_)) => OrderCommand::StartProcessing { payment_id: None },
                _ => OrderCommand::CompleteOrder { tracking_number: None },
            };
            self.run(order, command).await;
        }
    }

    /// Pays a return back.
    pub async fn refund(&mut self, order: OrderId, return_id: &str) {
        let worth = self.worth.get(&format!("{order}{return_id}")).copied().unwrap_or_default();
        let (return_id, refund_id) = (reference(return_id), reference("refund"));
        self.run(order, OrderCommand::RecordRefund(RecordRefund { return_id, refund_id, refund_cents: worth })).await;
    }

    /// Appends whatever it is told to.
    pub async fn append(&mut self, stream: StreamId, of: &'static str, events: Vec<(&'static str, Box<RawValue>)>) {
        let event = |(event_type, payload): (&'static str, _)| NewEvent {
            event_id: Uuid::new_v4(),
            event_type: event_type.into(),
            schema_version: 1,
            payload,
        };
        let write = StreamWrite {
            stream,
            aggregate_type: of.into(),
            expected: ExpectedVersion::Any,
            events: events.into_iter().map(event).collect(),
            snapshot: None,
        };
        let timestamp = DateTime::from_timestamp(self.seconds, 0).expect("a time");
        let commit =
            Commit { timestamp, metadata: Arc::new(Metadata::default()), writes: vec![write], idempotency: None };
        let verdicts = self.log.append(vec![commit]).await.expect("appended");
        assert!(matches!(verdicts[0], Verdict::Appended { .. }));
    }

    pub async fn events(&self) -> Vec<Arc<EventEnvelope>> {
        self.log.read_all(&LogQuery::after(Position::START, usize::MAX)).await.expect("read").into_events()
    }
}

/// A read model that follows a log by hand.
pub struct Follower {
    pub model: Box<dyn ReadModel>,
    pub rows: Arc<MemoryRows>,
    pub checkpoint: Checkpoint,
    /// How far the log goes on behind each batch.
    pub behind: u64,
}

impl Follower {
    pub async fn of(model: Box<dyn ReadModel>, shop: &Shop) -> Self {
        let rows = Arc::new(MemoryRows::new());
        let epoch = shop.log.head().await.expect("a head").epoch;
        let checkpoint = rows.claim(model.name(), 1, epoch, Uuid::new_v4()).await.expect("claimed");
        Self { model, rows, checkpoint, behind: 0 }
    }

    /// A read model that remembers much, and has taken in the whole log.
    pub async fn up_to_date<M: OrderReadModel>(shop: &Shop) -> Self {
        let mut follower = Self::of(Box::new(OrderProjection::<M>::default()), shop).await;
        follower.take(&shop.events().await, shop).await.expect("taken");
        follower
    }

    /// Takes events in and commits what they change, each row once.
    pub async fn take(&mut self, events: &[Arc<EventEnvelope>], shop: &Shop) -> Result<(), TakeError> {
        self.take_from(events, &shop.log).await
    }

    /// The same, where the beginnings of streams are read from this log.
    pub async fn take_from(&mut self, events: &[Arc<EventEnvelope>], log: &dyn EventStore) -> Result<(), TakeError> {
        let position = events.last().map_or(self.checkpoint.position, |event| event.position);
        let head = position.plus(self.behind);
        let sources = Sources { log, rows: &*self.rows, generation: self.checkpoint.generation, head };
        let changes = self.model.take(events, sources).await?;
        assert_each_row_is_written_once(&changes);
        let next = Checkpoint { position, ..self.checkpoint };
        let (model, expected) = (self.model.name(), self.checkpoint);
        let commit = RowCommit { model, expected, next, changes, free: Vec::new(), park: Vec::new() };
        assert_eq!(self.rows.commit(commit).await.expect("committed"), RowVerdict::Committed);
        self.checkpoint = next;
        Ok(())
    }

    /// All rows of a table, by key.
    pub async fn rows(&self, table: &'static Table) -> Vec<Row> {
        let page = Page {
            table,
            generation: self.checkpoint.generation,
            conditions: Vec::new(),
            order_by: 0,
            descending: false,
            after: None,
            limit: MAX_PAGE,
        };
        self.rows.page(&page).await.expect("rows")
    }

    /// The rows of a table as text, without what is long: `a 1 2`.
    pub async fn shown(&self, table: &'static Table) -> Vec<String> {
        let rows = self.rows(table).await;
        rows.iter().map(|row| shown(row)).collect()
    }
}

fn shown(row: &[Value]) -> String {
    let short = row.iter().filter_map(|value| match value {
        Value::Int(number) => Some(number.to_string()),
        Value::Text(text) => (!text.starts_with('{')).then(|| text.to_string()),
    });
    short.collect::<Vec<_>>().join(" ")
}

fn assert_each_row_is_written_once(changes: &[RowChange]) {
    let mut keys: Vec<_> = changes
        .iter()
        .map(|change| match change {
            RowChange::Put { table, row } => (table.name, row[..table.key].to_vec()),
            RowChange::Delete { table, key } => (table.name, key.clone()),
        })
        .collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "a row is written twice");
}

/// All read models of orders. They share states of so many bytes.
pub fn all_models(bytes: usize) -> Vec<Box<dyn ReadModel>> {
    let orders = Arc::new(StreamCache::new(bytes));
    vec![
        Box::new(OrderProjection::<CurrentOrders>::sharing(Arc::clone(&orders))),
        Box::new(OrderProjection::<OrderHistory>::sharing(Arc::clone(&orders))),
        Box::new(OrderProjection::<CustomerOrders>::sharing(Arc::clone(&orders))),
        Box::new(OrderProjection::<InventoryDemand>::sharing(orders)),
    ]
}

/// What the id of order 1 looks like in a row.
pub const ONE: &str = "00000000-0000-0000-0000-000000000001";

/// An order of three widgets, taken so many steps on.
pub async fn shop_with_an_order(steps: usize) -> Shop {
    let mut shop = Shop::new();
    shop.run(id(1), create("ada", vec![widgets(3)])).await;
    shop.advance(id(1), steps).await;
    shop
}

/// What the rows must be after all that happened.
pub async fn expected(shop: &Shop) -> ReferenceFold {
    let mut expected = ReferenceFold::default();
    expected.go_on(&shop.log, shop.log.head().await.unwrap().position).await.unwrap();
    expected
}

pub async fn assert_as_expected(follower: &Follower, expected: &ReferenceFold) {
    for table in follower.model.tables() {
        assert_eq!(follower.rows(table).await, expected.rows(table).collect::<Vec<_>>(), "{}", table.name);
        let compared = Comparison::of(expected, &*follower.rows, table, 1).await.unwrap();
        assert_eq!(compared.findings, Vec::<String>::new());
    }
}
