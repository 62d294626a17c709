//! Given a history, when a command comes, then this happens.

use ordo_actors::aggregate::Aggregate;

use super::{Order, OrderCommand, OrderEvent, OrderRejection, decide::Decision, examples::fold};

pub(super) struct Given(Order);

pub(super) struct Then(Decision);

pub(super) fn given(history: impl AsRef<[OrderEvent]>) -> Given {
    Given(fold(history.as_ref()))
}

impl Given {
    #[expect(clippy::needless_pass_by_value, reason = "so that the command reads as a sentence")]
    pub(super) fn when(self, command: OrderCommand) -> Then {
        Then(self.0.decide(&command))
    }
}

impl Then {
    #[track_caller]
    pub(super) fn then(self, expected: impl AsRef<[OrderEvent]>) {
        assert_eq!(self.0.as_deref(), Ok(expected.as_ref()));
    }

    #[track_caller]
    pub(super) fn then_nothing(self) {
        assert_eq!(self.0, Ok(Vec::new()));
    }

    #[track_caller]
    pub(super) fn then_rejected(self, expected: OrderRejection) {
        assert_eq!(self.0, Err(expected));
    }
}
