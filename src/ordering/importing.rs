//! Importing one order of another system: takes it as far as it shall go, each step by hand.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use ordo_actors::{
    aggregate::{
        Aggregate,
        request::{Answered, Failure},
    },
    log::{
        event::{Metadata, StreamId, Version},
        store::EventStore,
    },
    retry::Backoff,
};
use serde::{Deserialize, Serialize};

use super::{
    command_runner::{ByHand, CommandRunner, Orders},
    error::OrderingError,
    options::{Call, CommandOptions},
    outcome::{Accepted, Effect, OrderOutcome, Present},
};
use crate::{
    import::{IMPORTED, ImportedOrder, Outcome},
    order::{
        CreateOrder, Currency, CustomerId, Line, Order, OrderCommand, OrderId, OrderState, ProductId, ProductName,
        Reason, Reference, placed_at,
    },
};

/// What became of an order that was to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It was not there, or not as far.
    New,
    /// It was there, as far as it shall go or further.
    AlreadyThere,
    /// It cannot be imported, for this reason; it may have been taken a part of its way.
    Refused(String),
}

/// Takes orders of another system to where they shall go.
pub struct Importer<O> {
    /// The orders.
    pub orders: O,
    /// Where orders and sagas are read.
    pub store: Arc<dyn EventStore>,
    /// Whether the log may hold orders that an earlier version imported.
    pub may_be_there: bool,
    /// No order was placed much later than this.
    pub now: DateTime<Utc>,
}

impl<O: Orders> Importer<O> {
    /// Takes one order as far as it shall go. Each step may be taken again: an import that was cut off goes on where it was. An
    /// order that is there with another content than the file's is left alone, and so is one that its saga is moving.
    ///
    /// # Errors
    /// The machinery failed, also when asked again and again.
    pub async fn import(&self, order: &ImportedOrder) -> Result<ImportOutcome, OrderingError> {
        let id = self.id_of(order).await?;
        let create = order.create_order(CustomerId::from(id.0));
        if let Some(Err(invalid)) = create.placed_at.map(|time| placed_at(time, self.now)) {
            return Ok(ImportOutcome::Refused(format!("placed_at {invalid}")));
        }
        let options = options_of(order);
        let wanted = Some(Arc::new(Contents::of(&create)));
        let created = self.step(id, &options, &OrderCommand::CreateOrder(create), wanted).await?;
        let Some(state) = created.state else {
            return Ok(ImportOutcome::Refused(created.refused.unwrap_or_default()));
        };
        if !created.is_wanted {
            return Ok(ImportOutcome::Refused("an order with this id is there, with another content".to_owned()));
        }
        self.go_on(id, &options, state, order.outcome, created.changed).await
    }

    /// Takes an order that is there to its outcome.
    async fn go_on(
        &self,
        id: OrderId,
        options: &CommandOptions,
        mut state: OrderState,
        outcome: Outcome,
        mut changed: bool,
    ) -> Result<ImportOutcome, OrderingError> {
        while let Some(command) = next_step(state, outcome) {
            let taken = self.step(id, options, &command, None).await?;
            changed |= taken.changed;
            match (taken.state, taken.refused) {
                // Another writer has moved it on meanwhile.
                (Some(now), _) if now != state => state = now,
                (_, detail) => return Ok(ImportOutcome::Refused(detail.unwrap_or_default())),
            }
        }
        Ok(if changed { ImportOutcome::New } else { ImportOutcome::AlreadyThere })
    }

    /// Takes one step, again and again while the store does not answer: asking twice is harmless.
    async fn step(
        &self,
        order: OrderId,
        options: &CommandOptions,
        command: &OrderCommand,
        wanted: Option<Arc<Contents>>,
    ) -> Result<StepReport, OrderingError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2), 8);
        let call = Call { order, options, present: ReportStep { wanted } };
        loop {
            match self.attempt(&call, command.clone()).await {
                Err(OrderingError::Failed(failure)) if is_passing(&failure) && backoff.pause().await => {}
                ended => return ended,
            }
        }
    }

    async fn attempt(&self, call: &Call<'_, ReportStep>, command: OrderCommand) -> Result<StepReport, OrderingError> {
        let commands = CommandRunner { orders: &self.orders, store: self.store.as_ref() };
        let answered = match command {
            OrderCommand::CreateOrder(_) => ByHand::Answered(commands.run(call, command, Effect::Placed).await?),
            OrderCommand::SubmitOrder => ByHand::Answered(commands.run(call, command, Effect::Current).await?),
            command => commands.by_hand(call, command).await?,
        };
        Ok(match answered {
            ByHand::Answered(Answered { answer, .. }) => answer,
            ByHand::SagaAtWork { saga, .. } => StepReport {
                refused: Some(format!("the order is being fulfilled; its saga is {saga}")),
                ..StepReport::default()
            },
        })
    }

    /// The order's id; of an order that an earlier version imported, the one it got then. A stream of that id counts only with
    /// the mark of the import: anybody could have chosen the id.
    async fn id_of(&self, order: &ImportedOrder) -> Result<OrderId, OrderingError> {
        if let Some(earlier) = order.earlier_id().map(StreamId).filter(|_| self.may_be_there) {
            let first = self.store.read_stream(earlier, Version(1), 1).await?;
            let found = first.first().and_then(|event| external_id(&event.metadata));
            if found.is_some() && found == order.external_id.as_ref().map(Reference::as_str) {
                return Ok(earlier);
            }
        }
        Ok(StreamId(order.id()))
    }
}

/// The number an imported order has in the system it came from, as the log tells it.
#[must_use]
pub fn external_id(metadata: &Metadata) -> Option<&str> {
    metadata.correlation_id.as_deref().and_then(|id| id.strip_prefix(IMPORTED))
}

fn options_of(order: &ImportedOrder) -> CommandOptions {
    let mark = order.external_id.as_ref().map(|number| format!("{IMPORTED}{number}"));
    CommandOptions { metadata: Metadata { correlation_id: mark, ..Metadata::default() }, ..CommandOptions::default() }
}

/// Whether the same step may be taken again.
fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::Overloaded | Failure::Unavailable(_) | Failure::Unknown(_) | Failure::Contended(_) => true,
        Failure::ExtraWriteConflict { .. }
        | Failure::KeyReused
        | Failure::OtherType(_)
        | Failure::Unreadable(_)
        | Failure::Panicked => false,
    }
}

/// What takes an order nearer to its outcome; nothing when it is there, or has gone another way since it was imported.
fn next_step(state: OrderState, outcome: Outcome) -> Option<OrderCommand> {
    use OrderState::{Completed, Draft, Processing, Reserved, Submitted};
    match (state, outcome) {
        (Draft, Outcome::Submitted | Outcome::Completed) => Some(OrderCommand::SubmitOrder),
        (Submitted, Outcome::Completed) => Some(OrderCommand::MarkReserved { reservation_id: None }),
        (Reserved, Outcome::Completed) => Some(OrderCommand::StartProcessing { payment_id: None }),
        (Processing, Outcome::Completed) => Some(OrderCommand::CompleteOrder { tracking_number: None }),
        (Draft | Submitted | Reserved | Processing, Outcome::Cancelled) => {
            Some(OrderCommand::CancelOrder { reason: imported_as_cancelled(), cancelled_by: None })
        }
        (Draft | Submitted | Reserved | Processing, Outcome::Draft)
        | (Submitted | Reserved | Processing, Outcome::Submitted)
        | (Completed | OrderState::Cancelled, _) => None,
    }
}

#[expect(clippy::expect_used, reason = "a constant that is acceptable")]
fn imported_as_cancelled() -> Reason {
    Reason::new("imported as cancelled").expect("an acceptable reason")
}

/// What a step did, and where the order is after it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct StepReport {
    changed: bool,
    refused: Option<String>,
    state: Option<OrderState>,
    /// Whether the order holds what it is wanted to hold.
    is_wanted: bool,
}

/// Reports what a step did.
#[derive(Clone)]
struct ReportStep {
    /// What the order must hold, if that is in question.
    wanted: Option<Arc<Contents>>,
}

impl Present for ReportStep {
    type Answer = StepReport;

    fn present(&self, outcome: &OrderOutcome<'_>) -> StepReport {
        let (order, changed, refused) = match outcome {
            OrderOutcome::Accepted(Accepted { order, events, .. }) => (*order, !events.is_empty(), None),
            OrderOutcome::Rejected { rejection, order } => (*order, false, Some(rejection.to_string())),
            OrderOutcome::VersionMismatch { order, .. } => (*order, false, Some("the order has moved on".into())),
            OrderOutcome::MovedByHand(_) | OrderOutcome::NotFound => return StepReport::default(),
        };
        let is_wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.are_of(order));
        StepReport { changed, refused, state: order.state(), is_wanted }
    }
}

/// What an order is about, wherever it stands.
#[derive(Debug, PartialEq, Eq)]
struct Contents {
    customer_id: Option<CustomerId>,
    currency: Option<Currency>,
    /// When it was placed, if that is known.
    placed_at: Option<DateTime<Utc>>,
    /// Product, its name, quantity and price of each line.
    lines: Vec<(ProductId, ProductName, u32, i64)>,
}

impl Contents {
    /// What the command would make. Nothing if it is refused.
    fn of(create: &CreateOrder) -> Self {
        let mut order = Order::default();
        for event in order.decide(&OrderCommand::CreateOrder(create.clone())).unwrap_or_default() {
            order.evolve(&event, create.placed_at.unwrap_or_default());
        }
        Self { placed_at: create.placed_at, ..Self::of_order(&order) }
    }

    fn of_order(order: &Order) -> Self {
        let line =
            |line: &Line| (line.product_id.clone(), line.product_name.clone(), line.quantity, line.unit_price_cents);
        Self {
            customer_id: order.customer_id().cloned(),
            currency: order.total().map(|total| total.currency),
            placed_at: order.created_at(),
            lines: order.lines().iter().map(line).collect(),
        }
    }

    fn are_of(&self, order: &Order) -> bool {
        let found = Self::of_order(order);
        let placed_at = self.placed_at.and(found.placed_at);
        *self == Self { placed_at, ..found }
    }
}
