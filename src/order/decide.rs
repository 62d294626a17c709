//! The rules: a table of contents, then one function per command that answers for every state.

use chrono::{DateTime, Utc};
use ordo_actors::aggregate::Aggregate;

use super::{
    command::{CreateOrder, NewItem, OrderCommand, RecordRefund, ReturnItems},
    drafting,
    event::{OrderCancelled, OrderCompleted, OrderEvent, OrderProcessing, OrderReserved},
    ids::{LineId, Reference},
    line::Line,
    rejection::OrderRejection,
    state::{Order, OrderState, Return},
    text::Reason,
};

/// What comes of a command: events, none when it changes nothing, or the rule that forbids it.
pub(super) type Decision = Result<Vec<OrderEvent>, OrderRejection>;

impl Aggregate for Order {
    const TYPE: &'static str = "Order";
    /// One more whenever the fields of [`Order`] change: snapshots of another number are not read. `snapshots.json` shows them.
    const SNAPSHOT_SCHEMA: u32 = 1;

    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = OrderRejection;

    fn decide(&self, command: &OrderCommand) -> Decision {
        match command {
            OrderCommand::CreateOrder(create) => self.create(create),
            OrderCommand::AddItem { item, most_lines } => self.add_item(item, *most_lines),
            OrderCommand::RemoveItem { line_id } => self.remove_item(*line_id),
            OrderCommand::UpdateItemQuantity { line_id, quantity } => self.update_item_quantity(*line_id, *quantity),
            OrderCommand::SubmitOrder => self.submit(),
            OrderCommand::MarkReserved { reservation_id } => self.mark_reserved(reservation_id.as_ref()),
            OrderCommand::StartProcessing { payment_id } => self.start_processing(payment_id.as_ref()),
            OrderCommand::CompleteOrder { tracking_number } => self.complete(tracking_number.as_ref()),
            OrderCommand::CancelOrder { reason, cancelled_by } => self.cancel(reason, cancelled_by.as_ref()),
            OrderCommand::ReturnItems(items) => self.return_items(items),
            OrderCommand::RecordRefund(refund) => self.record_refund(refund),
        }
    }

    /// Its lines and returns: all else an order holds is small.
    fn weight(&self) -> usize {
        let texts = |line: &Line| line.product_id.as_str().len() + line.product_name.as_str().len();
        let lines: usize = self.lines().iter().map(|line| size_of::<Line>() + texts(line)).sum();
        lines + self.returns().iter().map(Return::weight).sum::<usize>()
    }

    fn evolve(&mut self, event: &OrderEvent, at: DateTime<Utc>) {
        self.fold(event, at);
    }
}

/// One event happens.
#[expect(clippy::unnecessary_wraps, reason = "the rules read alike: produce, unchanged or reject")]
pub(super) fn produce(event: impl Into<OrderEvent>) -> Decision {
    Ok(vec![event.into()])
}

/// The order is as wanted: nothing happens.
#[expect(clippy::unnecessary_wraps, reason = "the rules read alike: produce, unchanged or reject")]
pub(super) fn unchanged() -> Decision {
    Ok(Vec::new())
}

/// A rule forbids it.
pub(super) fn reject(rejection: OrderRejection) -> Decision {
    Err(rejection)
}

impl Order {
    /// The command needs an order in another state.
    fn wrong_state(&self, needed: OrderState) -> Decision {
        match self.state() {
            Some(state) => reject(OrderRejection::WrongState { needed, state }),
            None => reject(OrderRejection::NotFound),
        }
    }

    fn create(&self, create: &CreateOrder) -> Decision {
        match self.state() {
            None => drafting::open(create),
            Some(state) => reject(OrderRejection::AlreadyExists { state }),
        }
    }

    fn add_item(&self, item: &NewItem, most_lines: usize) -> Decision {
        match self {
            Self::Draft(contents) => contents.add(item, most_lines),
            Self::Submitted(_)
            | Self::Reserved(_)
            | Self::Processing(_)
            | Self::Completed(_)
            | Self::Cancelled(_)
            | Self::Absent => self.wrong_state(OrderState::Draft),
        }
    }

    fn remove_item(&self, line_id: LineId) -> Decision {
        match self {
            Self::Draft(contents) => contents.remove(line_id),
            Self::Submitted(_)
            | Self::Reserved(_)
            | Self::Processing(_)
            | Self::Completed(_)
            | Self::Cancelled(_)
            | Self::Absent => self.wrong_state(OrderState::Draft),
        }
    }

    fn update_item_quantity(&self, line_id: LineId, quantity: i64) -> Decision {
        match self {
            Self::Draft(contents) => contents.update_quantity(line_id, quantity),
            Self::Submitted(_)
            | Self::Reserved(_)
            | Self::Processing(_)
            | Self::Completed(_)
            | Self::Cancelled(_)
            | Self::Absent => self.wrong_state(OrderState::Draft),
        }
    }

    fn submit(&self) -> Decision {
        match self {
            Self::Draft(contents) => contents.submit(),
            Self::Submitted(_) | Self::Reserved(_) | Self::Processing(_) => unchanged(),
            Self::Completed(_) | Self::Cancelled(_) | Self::Absent => self.wrong_state(OrderState::Draft),
        }
    }

    fn mark_reserved(&self, reservation_id: Option<&Reference>) -> Decision {
        match self {
            Self::Submitted(_) => produce(OrderReserved { reservation_id: reservation_id.cloned() }),
            Self::Reserved(reserved) => {
                let recorded = reserved.reservation_id.as_ref();
                already_done(OrderState::Reserved, "reservation_id", recorded, reservation_id)
            }
            Self::Draft(_) | Self::Processing(_) | Self::Completed(_) | Self::Cancelled(_) | Self::Absent => {
                self.wrong_state(OrderState::Submitted)
            }
        }
    }

    fn start_processing(&self, payment_id: Option<&Reference>) -> Decision {
        match self {
            Self::Reserved(_) => produce(OrderProcessing { payment_id: payment_id.cloned() }),
            Self::Processing(processing) => {
                already_done(OrderState::Processing, "payment_id", processing.payment_id.as_ref(), payment_id)
            }
            Self::Draft(_) | Self::Submitted(_) | Self::Completed(_) | Self::Cancelled(_) | Self::Absent => {
                self.wrong_state(OrderState::Reserved)
            }
        }
    }

    fn complete(&self, tracking_number: Option<&Reference>) -> Decision {
        match self {
            Self::Processing(_) => produce(OrderCompleted { tracking_number: tracking_number.cloned() }),
            Self::Completed(completed) => {
                let recorded = completed.tracking_number.as_ref();
                already_done(OrderState::Completed, "tracking_number", recorded, tracking_number)
            }
            Self::Draft(_) | Self::Submitted(_) | Self::Reserved(_) | Self::Cancelled(_) | Self::Absent => {
                self.wrong_state(OrderState::Processing)
            }
        }
    }

    fn cancel(&self, reason: &Reason, cancelled_by: Option<&Reference>) -> Decision {
        match self {
            Self::Draft(_) | Self::Submitted(_) | Self::Reserved(_) | Self::Processing(_) => {
                produce(OrderCancelled { reason: reason.clone(), cancelled_by: cancelled_by.cloned() })
            }
            Self::Cancelled(_) => unchanged(),
            Self::Completed(_) => reject(OrderRejection::AlreadyCompleted),
            Self::Absent => reject(OrderRejection::NotFound),
        }
    }

    fn return_items(&self, items: &ReturnItems) -> Decision {
        match self {
            Self::Completed(completed) => completed.return_items(items),
            Self::Draft(_)
            | Self::Submitted(_)
            | Self::Reserved(_)
            | Self::Processing(_)
            | Self::Cancelled(_)
            | Self::Absent => self.wrong_state(OrderState::Completed),
        }
    }

    fn record_refund(&self, refund: &RecordRefund) -> Decision {
        match self {
            Self::Completed(completed) => completed.record_refund(refund),
            Self::Draft(_)
            | Self::Submitted(_)
            | Self::Reserved(_)
            | Self::Processing(_)
            | Self::Cancelled(_)
            | Self::Absent => self.wrong_state(OrderState::Completed),
        }
    }
}

/// The step has been taken: asking again changes nothing, unless it names something else than was recorded.
fn already_done(
    state: OrderState,
    field: &'static str,
    recorded: Option<&Reference>,
    asked: Option<&Reference>,
) -> Decision {
    if asked.is_none() || asked == recorded {
        return unchanged();
    }
    reject(OrderRejection::AlreadyRecorded { state, field, recorded: recorded.cloned() })
}
