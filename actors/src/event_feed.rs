//! The broadcast of persisted events. It is a hint: the store is the truth.

use std::sync::Arc;

use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use crate::event::{EventEnvelope, Position};

/// Tells subscribers in this process what has been appended, in position order, after it is durable.
///
/// Bounded: a subscriber that falls further behind than the capacity is told so and reads the store instead. With several
/// writers on one log a subscriber also sees jumps in position (another process wrote in between) and reads the store too.
#[derive(Clone)]
pub struct EventFeed {
    sender: broadcast::Sender<FeedItem>,
    head: watch::Sender<Position>,
}

/// News from the log.
#[derive(Debug, Clone)]
pub struct FeedItem {
    /// The log reaches at least this far.
    pub head: Position,
    /// The events up to `head`, in position order; empty when only the head is known.
    pub events: Arc<[Arc<EventEnvelope>]>,
}

/// What a subscriber hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// News.
    News(FeedItem),
    /// News were dropped because this subscriber was too slow: read the store.
    Lagged,
    /// The feed has ended.
    Closed,
}

/// One subscriber's end of the feed.
pub struct Subscription(broadcast::Receiver<FeedItem>);

impl EventFeed {
    /// Makes a feed that keeps `capacity` batches for slow subscribers, of a log that ends at `head`.
    #[must_use]
    pub fn new(capacity: usize, head: Position) -> Self {
        Self { sender: broadcast::channel(capacity).0, head: watch::Sender::new(head) }
    }

    /// Hears everything published from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.sender.subscribe())
    }

    /// How far the log reaches, as far as this process has heard.
    #[must_use]
    pub fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// Waits until the log has come this far, for as long as it takes.
    pub async fn reached(&self, position: Position) {
        // It cannot err: this feed holds the sender.
        let _ = self.head.subscribe().wait_for(|head| *head >= position).await;
    }

    /// Tells everyone. Only the appender publishes, so the order is that of the log.
    pub(crate) fn publish(&self, head: Position, events: Vec<Arc<EventEnvelope>>) {
        self.head.send_if_modified(|known| {
            let news = head > *known;
            *known = head.max(*known);
            news
        });
        if self.sender.receiver_count() > 0 {
            // An error means that the last subscriber has just left.
            let _ = self.sender.send(FeedItem { head, events: events.into() });
        }
    }
}

impl Subscription {
    /// Waits for the next news. Safe to cancel: nothing is lost.
    pub async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(item) => Heard::News(item),
            Err(RecvError::Lagged(_)) => Heard::Lagged,
            Err(RecvError::Closed) => Heard::Closed,
        }
    }
}
