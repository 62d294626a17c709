//! Where subscriptions come from: the hub's state, the store behind it, and everything they share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ordo_actors::{
    aggregate::{
        Aggregate,
        rehydrate::{Until, rehydrate},
        request::Failure,
        stream_cache::StreamCache,
    },
    log::{
        event::{Head, Position},
        event_feed::EventFeed,
        store::{EventPage, EventStore, LogQuery, StoreError},
    },
    projection::ReaderStates,
    retry::Backoff,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::{
    commit::{FoldedCommit, are_of_one_commit},
    feed_reader::{self, without_the_undecided},
    hub_state::{HubState, Registration},
    limits::{BATCH_BYTES, BATCH_EVENTS, DRAIN, LiveLimits, READS_AT_ONCE, RING_BYTES},
    live_event::{LargeOrders, LiveEvent},
    live_metrics::LiveMetrics,
    ring::Ring,
    topic::Topic,
};
use crate::order::{Order, OrderId};

/// Events of a stream read at a time for a snapshot.
const PAGE: usize = 200;

/// The live side of one process.
pub struct LiveHub {
    store: Arc<dyn EventStore>,
    feed: EventFeed,
    head: Head,
    state: Mutex<HubState>,
    reads: Semaphore,
    large_orders: LargeOrders,
    states: ReaderStates<Order>,
    limits: LiveLimits,
    metrics: LiveMetrics,
    connections: AtomicUsize,
    open: TaskTracker,
    draining: watch::Sender<bool>,
    stopped: watch::Sender<bool>,
}

/// A part of the log, read for one subscription.
pub(super) struct Page {
    /// Events of its topic, in position order.
    pub events: Vec<Arc<LiveEvent>>,
    /// Everything of the topic up to here is in `events`.
    pub through: Position,
}

/// An order as it is now.
pub(super) struct Snapshot {
    /// The last event in it.
    pub position: Position,
    /// The order as JSON; `null` when there is none. Room for a large one is taken while it is held.
    pub order: Bytes,
}

/// A place among the live connections; given back when dropped.
pub(super) struct Connection {
    hub: Arc<LiveHub>,
    transport: &'static str,
    _open: TaskTrackerToken,
}

impl LiveHub {
    /// Makes the live side and starts its feed reader, on a thread of its own, which ends with [`Self::stop`].
    ///
    /// # Errors
    /// The store failed, or the machine gives no thread.
    pub async fn start(
        store: Arc<dyn EventStore>,
        feed: &EventFeed,
        orders: Arc<StreamCache<Order>>,
        limits: LiveLimits,
        metrics: LiveMetrics,
    ) -> Result<Arc<Self>, StoreError> {
        // Joined before the head is read: nothing falls between the two.
        let news = feed.subscribe();
        let head = store.head().await?;
        let ring = Ring::new(head.position, limits.ring_events, RING_BYTES);
        let hub = Arc::new(Self {
            store,
            feed: feed.clone(),
            head,
            state: Mutex::new(HubState::new(ring)),
            reads: Semaphore::new(READS_AT_ONCE),
            large_orders: LargeOrders::default(),
            states: ReaderStates::sharing(orders),
            limits,
            metrics,
            connections: AtomicUsize::new(0),
            open: TaskTracker::new(),
            draining: watch::Sender::new(false),
            stopped: watch::Sender::new(false),
        });
        feed_reader::start(Arc::clone(&hub), news)
            .map_err(|error| StoreError::Unavailable(format!("no thread for live updates: {error}")))?;
        Ok(hub)
    }

    /// Tells every live connection to go, and waits until they have gone, for a bounded time. New ones are refused from now on.
    pub async fn drain(&self) {
        self.draining.send_replace(true);
        self.open.close();
        if tokio::time::timeout(DRAIN, self.open.wait()).await.is_err() {
            log::info!("{} live connections did not go in time", self.open.len());
        }
    }

    /// Ends the feed reader, so that the store can close.
    pub fn stop(&self) {
        self.draining.send_replace(true);
        self.stopped.send_replace(true);
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> LiveLimits {
        self.limits
    }

    /// How far the log has come. What somebody was told is in the log is not beyond this.
    pub(super) fn now(&self) -> Position {
        self.feed.head()
    }

    /// How far subscribers can see.
    #[must_use]
    pub fn position(&self) -> Position {
        self.state().head()
    }

    /// Which log this is.
    #[must_use]
    pub fn epoch(&self) -> ordo_actors::log::event::Epoch {
        self.head.epoch
    }

    pub(super) fn metrics(&self) -> &LiveMetrics {
        &self.metrics
    }

    pub(super) fn store(&self) -> &dyn EventStore {
        self.store.as_ref()
    }

    pub(super) fn states(&self) -> &ReaderStates<Order> {
        &self.states
    }

    pub(super) fn large_orders(&self) -> &LargeOrders {
        &self.large_orders
    }

    pub(super) fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock()
    }

    pub(super) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    pub(super) fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// Takes a place among the live connections; nothing when there is none, or the server is stopping.
    pub(super) fn connect(self: &Arc<Self>, transport: &'static str) -> Option<Connection> {
        let connection = Connection { hub: Arc::clone(self), transport, _open: self.open.token() };
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        self.metrics.connections(transport).inc();
        (before < self.limits.connections && !*self.draining.borrow()).then_some(connection)
    }

    pub(super) fn join(&self, topic: Topic, wake: Arc<Notify>) -> Registration {
        self.metrics.subscriptions.inc();
        self.state().join(topic, wake)
    }

    pub(super) fn leave(&self, registration: &Registration) {
        self.metrics.subscriptions.dec();
        self.state().leave(registration);
    }

    /// Where the log really ends.
    pub(super) async fn log_head(&self) -> Result<Position, StoreError> {
        patiently(async || self.store.head().await.map(|head| head.position)).await
    }

    /// An order as it is now. What is not in it has a later position.
    pub(super) async fn snapshot(&self, order: OrderId) -> Result<Snapshot, StoreError> {
        let _turn = self.reads.acquire().await;
        patiently(async || match rehydrate::<Order>(self.store(), order, Until::Now, PAGE).await {
            Ok(loaded) => {
                let view = loaded.state.view(order, loaded.version);
                let order = self.large_orders.write(String::new(), view, "");
                Ok(Snapshot { position: loaded.position, order })
            }
            Err(Failure::OtherType(_)) => {
                let order = self.large_orders.write(String::new(), None, "");
                Ok(Snapshot { position: Position::START, order })
            }
            Err(Failure::Unreadable(reason)) => Err(StoreError::Corrupt(reason)),
            Err(failure) => Err(StoreError::Unavailable(failure.to_string())),
        })
        .await
    }

    /// The next page of a topic after a position, out of the store.
    pub(super) async fn page(&self, topic: &Topic, after: Position) -> Result<Page, StoreError> {
        let _turn = self.reads.acquire().await;
        self.metrics.store_reads.inc();
        let (read, end) = patiently(async || self.read(topic, after).await).await?;
        let states = self.states.at(after, self.feed.head());
        let (mut page, mut bytes, mut next) = (Page { events: Vec::new(), through: after }, 0, 0);
        for commit in without_the_undecided(&read).chunk_by(|event, next| are_of_one_commit(event, next)) {
            next += commit.len();
            let ends = read.get(next).is_none_or(|next| !are_of_one_commit(&commit[commit.len() - 1], next));
            let folded = FoldedCommit::of(commit, states, self.store()).await?;
            if matches!(topic, Topic::Customer(wanted) if folded.customer() != Some(wanted)) {
                page.through = commit[commit.len() - 1].position;
                continue;
            }
            for event in folded.live_events(ends, &self.large_orders).filter(|event| topic.takes(event)) {
                if bytes > 0 && bytes + event.body.len() > BATCH_BYTES {
                    return Ok(page);
                }
                bytes += event.body.len();
                page.through = event.position;
                page.events.push(Arc::new(event));
            }
            page.through = commit[commit.len() - 1].position;
        }
        page.through = page.through.max(end);
        Ok(page)
    }

    /// The next events that may belong to a topic, and how far they cover the log.
    async fn read(&self, topic: &Topic, after: Position) -> Result<(EventPage, Position), StoreError> {
        // What is appended after this is not missed: it lies beyond.
        let end = self.store.head().await?.position;
        let stream = if let Topic::Order(order) = topic { Some(*order) } else { None };
        // One more, which tells whether a commit ends before it.
        let limit = 1 + if matches!(topic, Topic::Customer(_)) { 4 * BATCH_EVENTS } else { BATCH_EVENTS };
        let query = LogQuery { stream, aggregate_type: Some(Order::TYPE.into()), ..LogQuery::after(after, limit) };
        let events = self.store.read_all(&query).await?;
        let covered = if events.is_last() { end } else { after };
        Ok((events, covered))
    }
}

/// Tries again for a few seconds while the store is away.
async fn patiently<T>(read: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2), 5);
    loop {
        match read().await {
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) if backoff.pause().await => {}
            result => return result,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.hub.connections.fetch_sub(1, Ordering::Relaxed);
        self.hub.metrics.connections(self.transport).dec();
    }
}
