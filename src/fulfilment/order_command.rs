//! What the events of a saga mean to its order. Pure.

use ordo_actors::saga::{SagaEvent, SagaState};

use super::{
    FulfilmentSaga,
    plan::{Fulfilment, Kind, Step},
};
use crate::order::{OrderCommand, Reason, RecordRefund, Reference, on_one_line};

/// The command that belongs into one commit with these events of a saga; nothing when they mean nothing to the order.
pub(super) fn order_command_for(saga: &FulfilmentSaga, events: &[SagaEvent<Fulfilment>]) -> Option<OrderCommand> {
    let plan = saga.definition()?;
    events.iter().find_map(|event| match event {
        SagaEvent::StepCompleted(done) if saga.state() == SagaState::Running => {
            let reference = Reference::stored(&done.reference).ok();
            command_of_step(plan, saga.step_named(&done.step)?, reference)
        }
        SagaEvent::SagaFailed(failed) if plan.kind == Kind::Fulfilment => {
            let asked = events.iter().find_map(|event| match event {
                SagaEvent::CompensationStarted(started) => started.requested_by.as_deref(),
                _ => None,
            });
            let cancelled_by = asked.or(saga.requested_by()).and_then(|by| Reference::stored(by).ok());
            Some(OrderCommand::CancelOrder { reason: reason(&failed.reason), cancelled_by })
        }
        _ => None,
    })
}

fn command_of_step(plan: &Fulfilment, step: Step, reference: Option<Reference>) -> Option<OrderCommand> {
    match step {
        Step::Reserve => Some(OrderCommand::MarkReserved { reservation_id: reference }),
        Step::Pay => Some(OrderCommand::StartProcessing { payment_id: reference }),
        Step::Ship => Some(OrderCommand::CompleteOrder { tracking_number: reference }),
        Step::Refund => Some(OrderCommand::RecordRefund(RecordRefund {
            return_id: plan.return_id.clone()?,
            refund_id: reference?,
            refund_cents: plan.amount_cents,
        })),
    }
}

/// A reason an order can hold, whatever partners wrote: as much of it as fits, on one line.
fn reason(text: &str) -> Reason {
    Reason::new(&on_one_line(text, Reason::MAX_CHARS)).unwrap_or_else(|_| fallback())
}

#[expect(clippy::expect_used, reason = "a constant that is acceptable")]
fn fallback() -> Reason {
    Reason::new("it could not be fulfilled").expect("an acceptable reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_a_partner_fits_whatever_it_holds() {
        assert_eq!(reason("card\ndeclined ").as_str(), "card declined");
        assert_eq!(reason(" \u{7} ").as_str(), "it could not be fulfilled");
        assert_eq!(reason(&"x".repeat(10_000)).as_str().len(), Reason::MAX_CHARS);
    }
}
