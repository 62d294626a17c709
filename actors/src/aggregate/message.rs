//! What an aggregate's actor is sent.

use actix::Message;

use crate::aggregate::{Aggregate, execution::Work};

/// Handles one request. Dropped unhandled, because its actor has ended, it goes back to whoever sent it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Handle<A: Aggregate>(Option<Box<dyn Work<A>>>);

/// Leaves memory, unless there is something to do.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Passivate;

impl<A: Aggregate> Handle<A> {
    pub(crate) fn new(work: Box<dyn Work<A>>) -> Self {
        Self(Some(work))
    }

    /// The request; from here on it is the actor's to answer.
    pub(crate) fn take(&mut self) -> Option<Box<dyn Work<A>>> {
        self.0.take()
    }
}

impl<A: Aggregate> Drop for Handle<A> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work.hand_back();
        }
    }
}
