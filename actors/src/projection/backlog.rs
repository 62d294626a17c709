//! Events from the feed that a projection has not taken in yet, as long as they have no hole.

use std::sync::Arc;

use crate::log::event::{EventEnvelope, Position};

/// Events that follow a checkpoint without a hole, oldest first. A hint: whatever it does not hold is read from the log.
pub(crate) struct Backlog {
    events: Vec<Arc<EventEnvelope>>,
    most: usize,
}

impl Backlog {
    /// Takes events until it holds `most` or more: the last batch comes whole.
    pub fn of(most: usize) -> Self {
        Self { events: Vec::new(), most }
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    pub fn is_full(&self) -> bool {
        self.events.len() >= self.most
    }

    /// Keeps what follows on; drops what is known and what leaves a hole.
    pub fn push(&mut self, checkpoint: Position, events: &[Arc<EventEnvelope>]) {
        let next = self.events.last().map_or(checkpoint, |last| last.position).plus(1);
        let known = events.iter().take_while(|event| event.position < next).count();
        let fresh = &events[known..];
        let follows = fresh.first().is_some_and(|event| event.position == next);
        if follows {
            self.events.extend(fresh.iter().cloned());
        }
    }

    /// Hands everything out.
    pub fn take(&mut self) -> Vec<Arc<EventEnvelope>> {
        std::mem::take(&mut self.events)
    }
}
