//! An order to test with: two widgets for 10.00 each, from draft to shipped.

use chrono::{DateTime, Utc};
use ordo_actors::aggregate::Aggregate;

use super::{
    CreateOrder, Currency, CustomerId, ItemAdded, ItemQuantityUpdated, ItemRemoved, ItemsReturned, LineId, MAX_LINES,
    NewItem, Order, OrderCancelled, OrderCommand, OrderCompleted, OrderCreated, OrderEvent, OrderId, OrderProcessing,
    OrderReserved, OrderState, OrderSubmitted, ProductId, ProductName, Reason, RecordRefund, Reference, RefundIssued,
    ReturnItems, ReturnRequest, ReturnedItem,
};

/// A state of the example order, and the events that lead there.
pub(super) const STATES: [Option<OrderState>; 7] = [
    None,
    Some(OrderState::Draft),
    Some(OrderState::Submitted),
    Some(OrderState::Reserved),
    Some(OrderState::Processing),
    Some(OrderState::Completed),
    Some(OrderState::Cancelled),
];

/// The history of the example order up to a state. The cancelled one was cancelled while it was processed.
pub(super) fn history(state: Option<OrderState>) -> Vec<OrderEvent> {
    let mut events = vec![
        created(),
        added(1, "widget", 2, 1_000),
        submitted(2_000, 1),
        reserved(Some("res-1")),
        processing(Some("pay-1")),
        completed(Some("track-1")),
    ];
    match state {
        None => events.clear(),
        Some(OrderState::Draft) => events.truncate(2),
        Some(OrderState::Submitted) => events.truncate(3),
        Some(OrderState::Reserved) => events.truncate(4),
        Some(OrderState::Processing) => events.truncate(5),
        Some(OrderState::Completed) => {}
        Some(OrderState::Cancelled) => {
            events.truncate(5);
            events.push(cancelled("no stock", None));
        }
    }
    events
}

/// A second after the epoch for every event, starting with the given one.
pub(super) fn fold_from(second: i64, events: &[OrderEvent]) -> Order {
    let mut order = Order::default();
    for (event, second) in events.iter().zip(second..) {
        order.evolve(event, at(second));
    }
    order
}

pub(super) fn fold(events: &[OrderEvent]) -> Order {
    fold_from(1, events)
}

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

pub(super) fn order_id() -> OrderId {
    ordo_actors::log::event::StreamId(uuid::Uuid::from_u128(7))
}

pub(super) fn reference(text: &str) -> Reference {
    Reference::new(text).unwrap()
}

fn optional(text: Option<&str>) -> Option<Reference> {
    text.map(reference)
}

fn reason(text: &str) -> Reason {
    Reason::new(text).unwrap()
}

// Commands.

pub(super) fn item(product: &str, quantity: i64, unit_price_cents: i64) -> NewItem {
    named_item(product, &format!("The {product}"), quantity, unit_price_cents)
}

pub(super) fn named_item(product: &str, name: &str, quantity: i64, unit_price_cents: i64) -> NewItem {
    NewItem::new(product, name, quantity, unit_price_cents).unwrap()
}

pub(super) fn create(items: Vec<NewItem>) -> OrderCommand {
    OrderCommand::CreateOrder(CreateOrder {
        customer_id: CustomerId::new("alice").unwrap(),
        currency: Currency::USD,
        placed_at: None,
        items,
        most_lines: MAX_LINES,
    })
}

pub(super) fn add(product: &str, quantity: i64, unit_price_cents: i64) -> OrderCommand {
    OrderCommand::add_item(item(product, quantity, unit_price_cents))
}

pub(super) fn remove(line: u32) -> OrderCommand {
    OrderCommand::RemoveItem { line_id: LineId(line) }
}

pub(super) fn update(line: u32, quantity: i64) -> OrderCommand {
    OrderCommand::UpdateItemQuantity { line_id: LineId(line), quantity }
}

pub(super) fn submit() -> OrderCommand {
    OrderCommand::SubmitOrder
}

pub(super) fn reserve(reservation_id: Option<&str>) -> OrderCommand {
    OrderCommand::MarkReserved { reservation_id: optional(reservation_id) }
}

pub(super) fn process(payment_id: Option<&str>) -> OrderCommand {
    OrderCommand::StartProcessing { payment_id: optional(payment_id) }
}

pub(super) fn complete(tracking_number: Option<&str>) -> OrderCommand {
    OrderCommand::CompleteOrder { tracking_number: optional(tracking_number) }
}

pub(super) fn cancel(why: &str, cancelled_by: Option<&str>) -> OrderCommand {
    OrderCommand::CancelOrder { reason: reason(why), cancelled_by: optional(cancelled_by) }
}

pub(super) fn give_back(return_id: &str, items: &[(u32, i64)]) -> OrderCommand {
    OrderCommand::ReturnItems(ReturnItems {
        return_id: reference(return_id),
        items: items.iter().map(|&(line, quantity)| ReturnRequest { line_id: LineId(line), quantity }).collect(),
        reason: reason("too small"),
    })
}

pub(super) fn refund(return_id: &str, refund_id: &str, refund_cents: i64) -> OrderCommand {
    let (return_id, refund_id) = (reference(return_id), reference(refund_id));
    OrderCommand::RecordRefund(RecordRefund { return_id, refund_id, refund_cents })
}

// Events.

pub(super) fn created() -> OrderEvent {
    OrderCreated { customer_id: CustomerId::new("alice").unwrap(), currency: Currency::USD, placed_at: None }.into()
}

pub(super) fn added(line: u32, product: &str, quantity: u32, unit_price_cents: i64) -> OrderEvent {
    named_added(line, product, &format!("The {product}"), quantity, unit_price_cents)
}

pub(super) fn named_added(line: u32, product: &str, name: &str, quantity: u32, unit_price_cents: i64) -> OrderEvent {
    ItemAdded {
        line_id: LineId(line),
        product_id: ProductId::new(product).unwrap(),
        product_name: ProductName::new(name).unwrap(),
        quantity,
        unit_price_cents,
    }
    .into()
}

pub(super) fn removed(line: u32) -> OrderEvent {
    ItemRemoved { line_id: LineId(line) }.into()
}

pub(super) fn updated(line: u32, old_quantity: u32, new_quantity: u32) -> OrderEvent {
    ItemQuantityUpdated { line_id: LineId(line), old_quantity, new_quantity }.into()
}

pub(super) fn submitted(total_cents: i64, item_count: u32) -> OrderEvent {
    OrderSubmitted { total_cents, item_count }.into()
}

pub(super) fn reserved(reservation_id: Option<&str>) -> OrderEvent {
    OrderReserved { reservation_id: optional(reservation_id) }.into()
}

pub(super) fn processing(payment_id: Option<&str>) -> OrderEvent {
    OrderProcessing { payment_id: optional(payment_id) }.into()
}

pub(super) fn completed(tracking_number: Option<&str>) -> OrderEvent {
    OrderCompleted { tracking_number: optional(tracking_number) }.into()
}

pub(super) fn cancelled(why: &str, cancelled_by: Option<&str>) -> OrderEvent {
    OrderCancelled { reason: reason(why), cancelled_by: optional(cancelled_by) }.into()
}

pub(super) fn given_back(return_id: &str, items: &[(u32, u32)], refund_cents: i64) -> OrderEvent {
    ItemsReturned {
        return_id: reference(return_id),
        items: items.iter().map(|&(line, quantity)| ReturnedItem { line_id: LineId(line), quantity }).collect(),
        reason: reason("too small"),
        refund_cents,
    }
    .into()
}

pub(super) fn refunded(return_id: &str, refund_id: &str, refund_cents: i64) -> OrderEvent {
    RefundIssued { return_id: reference(return_id), refund_id: reference(refund_id), refund_cents }.into()
}
