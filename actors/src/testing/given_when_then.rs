use std::fmt::Debug;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use crate::aggregate::Aggregate;

/// An aggregate to which some events have happened.
#[derive(Debug, Clone)]
#[must_use = "say what happens next with `when`"]
pub struct Given<A> {
    state: A,
    /// How many events have happened; the n-th happened at [`nth_second`]`(n)`.
    happened: i64,
}

/// What came of a command. Every `then` panics, with both sides in the message, when it was something else.
#[derive(Debug)]
#[must_use = "say what is expected with `then`"]
pub struct Outcome<A: Aggregate> {
    before: Given<A>,
    decision: Result<Vec<A::Event>, A::Rejection>,
}

/// Starts a test of an aggregate: these events have happened to it, one per second from the start of 2025.
///
/// ```
/// use ordo_actors::testing::{Counter, CounterCommand, CounterEvent, CounterRejection, given};
///
/// given::<Counter>([CounterEvent::Incremented { by: 2 }])
///     .when(CounterCommand::Decrement(3))
///     .then_rejected(CounterRejection::BelowZero { value: 2 });
/// ```
pub fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given { state: A::default(), happened: 0 }.and(events)
}

/// When the n-th event of a test happened, counted from one.
#[must_use]
pub fn nth_second(number: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 1, 1, 0, 0, 0).single().unwrap_or_default() + TimeDelta::seconds(number)
}

impl<A: Aggregate> Given<A> {
    /// These events have happened, too.
    pub fn and(mut self, events: impl IntoIterator<Item = A::Event>) -> Self {
        for event in events {
            self.evolve(&event);
        }
        self
    }

    /// The command is given.
    pub fn when(self, command: impl Into<A::Command>) -> Outcome<A> {
        let decision = self.state.decide(&command.into());
        Outcome { before: self, decision }
    }

    /// Looks at the state after the events.
    pub fn then_state(self, look: impl FnOnce(&A)) {
        look(&self.state);
    }

    fn evolve(&mut self, event: &A::Event) {
        self.happened += 1;
        self.state.evolve(event, nth_second(self.happened));
    }
}

impl<A: Aggregate> Outcome<A>
where
    A::Event: Debug,
{
    /// These events happen, and no others.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> After<A>
    where
        A::Event: PartialEq,
    {
        let expected: Vec<_> = expected.into_iter().collect();
        match &self.decision {
            Ok(events) if *events == expected => self.after(),
            Ok(events) => panic!("other events than expected\n  expected: {expected:#?}\n  happened: {events:#?}"),
            Err(rejection) => panic!("rejected\n  expected: {expected:#?}\n  rejected: {rejection} ({rejection:?})"),
        }
    }

    /// Nothing happens, and the command is not rejected either.
    #[track_caller]
    pub fn then_nothing(self) {
        match &self.decision {
            Ok(events) if events.is_empty() => {}
            Ok(events) => panic!("expected nothing to happen\n  happened: {events:#?}"),
            Err(rejection) => panic!("expected nothing to happen\n  rejected: {rejection} ({rejection:?})"),
        }
    }

    /// The command is rejected, for this reason.
    #[track_caller]
    pub fn then_rejected(self, expected: impl Into<A::Rejection>)
    where
        A::Rejection: PartialEq,
    {
        let expected = expected.into();
        match &self.decision {
            Err(rejection) if *rejection == expected => {}
            Err(rejection) => {
                panic!("rejected for another reason\n  expected: {expected:?}\n  rejected: {rejection:?}");
            }
            Ok(events) => panic!("expected a rejection\n  expected: {expected:?}\n  happened: {events:#?}"),
        }
    }

    /// Some events happen; looks at the state after them.
    #[track_caller]
    pub fn then_state(self, look: impl FnOnce(&A)) {
        if let Err(rejection) = &self.decision {
            panic!("expected events\n  rejected: {rejection} ({rejection:?})");
        }
        self.after().then_state(look);
    }

    fn after(self) -> After<A> {
        After(self.before.and(self.decision.into_iter().flatten()))
    }
}

/// An aggregate after a command whose events were as expected.
#[derive(Debug, Clone)]
pub struct After<A>(Given<A>);

impl<A: Aggregate> After<A> {
    /// Looks at the state after the events.
    pub fn then_state(self, look: impl FnOnce(&A)) {
        self.0.then_state(look);
    }

    /// Another command is given.
    pub fn when(self, command: impl Into<A::Command>) -> Outcome<A> {
        self.0.when(command)
    }
}
