//! What one read of the log returns: bounded in events and in bytes.

use std::sync::Arc;

use crate::log::event::EventEnvelope;

/// Most events one read returns, whatever limit was asked for.
pub const MAX_READ: usize = 10_000;

/// A read ends with the event that brings what it returns to this many bytes, counted by [`EventPage::weight`]. So it returns
/// one event at least, and less than this and one event more.
pub const READ_BYTES: usize = 6 << 20;

/// What an event weighs beside its payload: ids, names, times and metadata, in bytes. Covers its JSON too.
pub const EVENT_BYTES: usize = 512;

/// Events that were read, in order, and whether the limits ended the read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventPage {
    events: Vec<Arc<EventEnvelope>>,
    is_last: bool,
    weight: usize,
}

impl EventPage {
    /// Takes events until a limit is reached: of their number, at most [`MAX_READ`], or [`READ_BYTES`].
    ///
    /// # Errors
    /// The first one that comes out of `events`.
    pub fn fill<E>(limit: usize, events: impl IntoIterator<Item = Result<Arc<EventEnvelope>, E>>) -> Result<Self, E> {
        let limit = limit.min(MAX_READ);
        let mut page = Self { is_last: true, ..Self::default() };
        let mut events = events.into_iter();
        while page.has_room(limit) {
            let Some(event) = events.next() else { return Ok(page) };
            page.push(event?);
        }
        page.is_last = false;
        Ok(page)
    }

    /// Whether neither limit has been reached.
    #[must_use]
    pub fn has_room(&self, limit: usize) -> bool {
        self.events.len() < limit.min(MAX_READ) && self.weight < READ_BYTES
    }

    /// Adds an event.
    pub fn push(&mut self, event: Arc<EventEnvelope>) {
        self.weight += Self::weight(&event);
        self.events.push(event);
    }

    /// Says whether the read came to the end of what there is.
    #[must_use]
    pub fn ended(mut self, is_last: bool) -> Self {
        self.is_last = is_last;
        self
    }

    /// What an event counts for, in bytes.
    #[must_use]
    pub fn weight(event: &EventEnvelope) -> usize {
        event.payload.get().len() + EVENT_BYTES
    }

    /// Nothing lay behind the events when they were read. Without it there may be more, or not.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// The events alone.
    #[must_use]
    pub fn into_events(self) -> Vec<Arc<EventEnvelope>> {
        self.events
    }

    /// Changes each event and keeps the rest.
    ///
    /// # Errors
    /// The first one that `change` meets.
    pub fn try_map<E>(
        self,
        change: impl FnMut(Arc<EventEnvelope>) -> Result<Arc<EventEnvelope>, E>,
    ) -> Result<Self, E> {
        let events = self.events.into_iter().map(change).collect::<Result<_, _>>()?;
        Ok(Self { events, ..self })
    }
}

impl std::ops::Deref for EventPage {
    type Target = Vec<Arc<EventEnvelope>>;

    fn deref(&self) -> &Self::Target {
        &self.events
    }
}

impl IntoIterator for EventPage {
    type Item = Arc<EventEnvelope>;
    type IntoIter = std::vec::IntoIter<Arc<EventEnvelope>>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

impl<'a> IntoIterator for &'a EventPage {
    type Item = &'a Arc<EventEnvelope>;
    type IntoIter = std::slice::Iter<'a, Arc<EventEnvelope>>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.iter()
    }
}
