//! The broadcast of persisted events. It is a hint: the store is the truth.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    watch,
};

use crate::log::{
    event::{EventEnvelope, Position},
    store::EventPage,
};

/// Bytes of events on their way to subscribers, counted by [`EventPage::weight`] and once more for what their payloads are decoded
/// into. Beyond them only the head is published, and subscribers read the store.
const MOST_BYTES: usize = 64 << 20;

/// Tells subscribers in this process what has been appended, in position order, after it is durable.
///
/// Bounded: a subscriber that falls further behind than the capacity is told so and reads the store instead. The events that
/// wait for the slowest are bounded in bytes as well; beyond that only the head is told. With several
/// writers on one log a subscriber also sees jumps in position (another process wrote in between) and reads the store too.
#[derive(Clone)]
pub struct EventFeed {
    sender: broadcast::Sender<Appended>,
    head: watch::Sender<Position>,
    /// Of the batches that subscribers still hold.
    bytes: Arc<AtomicUsize>,
}

/// Events that were appended together. Counts while anybody holds it.
#[derive(Debug)]
pub struct Batch {
    events: Vec<Arc<EventEnvelope>>,
    weight: usize,
    held: Arc<AtomicUsize>,
}

impl Deref for Batch {
    type Target = [Arc<EventEnvelope>];

    fn deref(&self) -> &Self::Target {
        &self.events
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.held.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// Events that were appended.
#[derive(Debug, Clone)]
pub struct Appended {
    /// The log reaches at least this far.
    pub head: Position,
    /// The events up to `head`, in position order; empty when only the head is known.
    pub events: Arc<Batch>,
}

/// What a subscriber receives.
#[derive(Debug, Clone)]
pub enum FeedItem {
    /// Events were appended.
    Appended(Appended),
    /// Items were dropped because this subscriber was too slow: read the store.
    Lagged,
    /// The feed has ended.
    Closed,
}

/// One subscriber's end of the feed.
pub struct Subscription(broadcast::Receiver<Appended>);

impl EventFeed {
    /// Makes a feed that keeps `capacity` batches for slow subscribers, of a log that ends at `head`.
    #[must_use]
    pub fn new(capacity: usize, head: Position) -> Self {
        let bytes = Arc::new(AtomicUsize::new(0));
        Self { sender: broadcast::channel(capacity).0, head: watch::Sender::new(head), bytes }
    }

    /// Receives everything published from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.sender.subscribe())
    }

    /// How far the log reaches, as far as this process knows.
    #[must_use]
    pub fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// Follows how far the log reaches. The events up to there have been published before it moves. Ends with the feed.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// Waits until the log has come this far, for as long as it takes.
    pub async fn reached(&self, position: Position) {
        // It cannot err: this feed holds the sender.
        let _ = self.head.subscribe().wait_for(|head| *head >= position).await;
    }

    /// Tells everyone. Only the appender publishes, so the order is that of the log.
    pub(crate) fn publish(&self, head: Position, events: Vec<Arc<EventEnvelope>>) {
        if self.sender.receiver_count() > 0 {
            // An error means that the last subscriber has just left.
            let _ = self.sender.send(Appended { head, events: Arc::new(self.batch(events)) });
        }
        self.head.send_if_modified(|known| {
            let is_new = head > *known;
            *known = head.max(*known);
            is_new
        });
    }

    /// Only one thread publishes, so the sum does not pass the limit.
    fn batch(&self, events: Vec<Arc<EventEnvelope>>) -> Batch {
        let weight = events.iter().map(|event| EventPage::weight(event) + event.payload.get().len()).sum();
        let fits = self.bytes.load(Ordering::Relaxed) + weight <= MOST_BYTES;
        let (events, weight) = if fits { (events, weight) } else { (Vec::new(), 0) };
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        Batch { events, weight, held: Arc::clone(&self.bytes) }
    }
}

impl Subscription {
    /// Waits for the next news. Safe to cancel: nothing is lost.
    pub async fn next(&mut self) -> FeedItem {
        match self.0.recv().await {
            Ok(item) => FeedItem::Appended(item),
            Err(RecvError::Lagged(_)) => FeedItem::Lagged,
            Err(RecvError::Closed) => FeedItem::Closed,
        }
    }

    /// The next news, if there is any yet.
    pub fn try_next(&mut self) -> Option<FeedItem> {
        match self.0.try_recv() {
            Ok(item) => Some(FeedItem::Appended(item)),
            Err(TryRecvError::Lagged(_)) => Some(FeedItem::Lagged),
            Err(TryRecvError::Closed) => Some(FeedItem::Closed),
            Err(TryRecvError::Empty) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use chrono::DateTime;
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;
    use crate::log::{
        decoded::Decoded,
        event::{Metadata, StreamId, Version},
    };

    fn event(position: u64, bytes: usize) -> Arc<EventEnvelope> {
        Arc::new(EventEnvelope {
            event_id: Uuid::nil(),
            event_type: Cow::Borrowed("Said"),
            schema_version: 1,
            aggregate_id: StreamId::generate(),
            aggregate_type: Cow::Borrowed("Talk"),
            version: Version(1),
            position: Position(position),
            timestamp: DateTime::UNIX_EPOCH,
            payload: RawValue::from_string(format!("\"{}\"", "x".repeat(bytes))).expect("JSON"),
            metadata: Arc::new(Metadata::default()),
            decoded: Decoded::default(),
        })
    }

    #[tokio::test]
    async fn news_beyond_the_bytes_that_may_wait_tell_only_the_head() {
        let feed = EventFeed::new(16, Position::START);
        let mut slow = feed.subscribe();
        for position in 1..=3 {
            feed.publish(Position(position), vec![event(position, MOST_BYTES / 4 - 10_000)]);
        }
        let mut heard = Vec::new();
        for position in 1..=3 {
            let FeedItem::Appended(news) = slow.next().await else { panic!("no news") };
            assert_eq!(news.head, Position(position));
            heard.push(news.events.len());
        }
        assert_eq!(heard, [1, 1, 0]);
        feed.publish(Position(4), vec![event(4, MOST_BYTES / 4)]);
        let FeedItem::Appended(news) = slow.next().await else { panic!("no news") };
        assert_eq!(news.events.len(), 1, "what has been heard does not count any more");
    }
}
