//! What an aggregate's actor is sent.

use actix::Message;

use crate::aggregate::{Aggregate, execution::Execution};

/// Executes one request. Dropped unhandled, because its actor has ended, it goes back to the engine.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Execute<A: Aggregate>(Option<Box<dyn Execution<A>>>);

/// Leaves memory, unless there is something to do.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Passivate;

impl<A: Aggregate> Execute<A> {
    pub(crate) fn new(execution: Box<dyn Execution<A>>) -> Self {
        Self(Some(execution))
    }

    /// The request; from here on it is the actor's to answer.
    pub(crate) fn take(&mut self) -> Option<Box<dyn Execution<A>>> {
        self.0.take()
    }
}

impl<A: Aggregate> Drop for Execute<A> {
    fn drop(&mut self) {
        if let Some(execution) = self.0.take() {
            execution.hand_back();
        }
    }
}
