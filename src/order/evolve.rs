//! The fold: moves the order past an event. An event that does not fit the state is passed over; `decide` never makes one.

use std::mem;

use chrono::{DateTime, Utc};

use super::{
    event::{
        ItemAdded, ItemQuantityUpdated, ItemsReturned, OrderCancelled, OrderCompleted, OrderCreated, OrderEvent,
        OrderProcessing, OrderReserved, RefundIssued,
    },
    ids::LineId,
    line::Line,
    state::{Cancelled, Completed, Contents, Order, Processing, Reserved, Return},
};

impl Order {
    pub(super) fn fold(&mut self, event: &OrderEvent, at: DateTime<Utc>) {
        match event {
            OrderEvent::OrderCreated(event) => self.open(event, at),
            OrderEvent::ItemAdded(event) => self.edit(|contents| contents.push(event)),
            OrderEvent::ItemRemoved(event) => self.edit(|contents| contents.drop_line(event.line_id)),
            OrderEvent::ItemQuantityUpdated(event) => self.edit(|contents| contents.set_quantity(event)),
            OrderEvent::OrderSubmitted(_) => self.advance(Self::submitted),
            OrderEvent::OrderReserved(event) => self.advance(|order| order.reserved(event)),
            OrderEvent::OrderProcessing(event) => self.advance(|order| order.processing(event)),
            OrderEvent::OrderCompleted(event) => self.advance(|order| order.completed(event)),
            OrderEvent::OrderCancelled(event) => self.advance(|order| order.cancelled(event)),
            OrderEvent::ItemsReturned(event) => self.after_shipping(|completed| completed.took_back(event)),
            OrderEvent::RefundIssued(event) => self.after_shipping(|completed| completed.refunded(event)),
        }
        if let Some(contents) = self.contents_mut() {
            contents.updated_at = at;
        }
    }

    fn open(&mut self, event: &OrderCreated, at: DateTime<Utc>) {
        if matches!(self, Self::Absent) {
            *self = Self::Draft(Contents {
                customer_id: event.customer_id.clone(),
                currency: event.currency,
                created_at: event.placed_at.unwrap_or(at),
                updated_at: at,
                lines: Vec::new(),
                next_line: LineId::FIRST,
            });
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut Contents)) {
        if let Self::Draft(contents) = self {
            change(contents);
        }
    }

    fn after_shipping(&mut self, change: impl FnOnce(&mut Completed)) {
        if let Self::Completed(completed) = self {
            change(completed);
        }
    }

    fn advance(&mut self, step: impl FnOnce(Self) -> Self) {
        *self = step(mem::take(self));
    }

    fn submitted(self) -> Self {
        match self {
            Self::Draft(mut contents) => {
                contents.lines.shrink_to_fit(); // no line comes after this
                Self::Submitted(contents)
            }
            other => other,
        }
    }

    fn reserved(self, event: &OrderReserved) -> Self {
        match self {
            Self::Submitted(contents) => {
                Self::Reserved(Reserved { contents, reservation_id: event.reservation_id.clone() })
            }
            other => other,
        }
    }

    fn processing(self, event: &OrderProcessing) -> Self {
        match self {
            Self::Reserved(Reserved { contents, reservation_id }) => {
                Self::Processing(Processing { contents, reservation_id, payment_id: event.payment_id.clone() })
            }
            other => other,
        }
    }

    fn completed(self, event: &OrderCompleted) -> Self {
        match self {
            Self::Processing(Processing { contents, reservation_id, payment_id }) => Self::Completed(Completed {
                contents,
                reservation_id,
                payment_id,
                tracking_number: event.tracking_number.clone(),
                returns: Vec::new(),
                refunded_cents: 0,
            }),
            other => other,
        }
    }

    fn cancelled(self, event: &OrderCancelled) -> Self {
        let (contents, reservation_id, payment_id) = match self {
            Self::Draft(contents) | Self::Submitted(contents) => (contents, None, None),
            Self::Reserved(Reserved { contents, reservation_id }) => (contents, reservation_id, None),
            Self::Processing(Processing { contents, reservation_id, payment_id }) => {
                (contents, reservation_id, payment_id)
            }
            other => return other,
        };
        Self::Cancelled(Cancelled { contents, reservation_id, payment_id, reason: event.reason.clone() })
    }
}

impl Contents {
    fn push(&mut self, event: &ItemAdded) {
        if self.lines.len() == self.lines.capacity() {
            self.lines.reserve_exact(1 + self.lines.len() / 2); // most orders are small, and millions are in memory
        }
        self.lines.push(Line::new(event));
        self.next_line = event.line_id.next();
    }

    fn drop_line(&mut self, line_id: LineId) {
        if let Some(place) = self.place_of(line_id) {
            self.lines.remove(place);
        }
    }

    fn set_quantity(&mut self, event: &ItemQuantityUpdated) {
        if let Some(place) = self.place_of(event.line_id) {
            self.lines[place].quantity = event.new_quantity;
        }
    }
}

impl Completed {
    fn took_back(&mut self, event: &ItemsReturned) {
        for item in &event.items {
            if let Some(place) = self.contents.place_of(item.line_id) {
                let line = &mut self.contents.lines[place];
                line.returned = line.returned.saturating_add(item.quantity);
            }
        }
        self.returns.reserve_exact(1); // few orders come back, hardly any twice
        self.returns.push(Return {
            id: event.return_id.clone(),
            items: event.items.as_slice().into(),
            refund_cents: event.refund_cents,
            refund_id: None,
        });
    }

    fn refunded(&mut self, event: &RefundIssued) {
        self.refunded_cents = self.refunded_cents.saturating_add(event.refund_cents);
        if let Some(known) = self.returns.iter_mut().find(|known| known.id == event.return_id) {
            known.refund_id = Some(event.refund_id.clone());
        }
    }
}
