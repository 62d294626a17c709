//! Reads the event feed, folds and writes the events that have subscribers, and puts them on the ring. One per process.

use std::{io, sync::Arc, thread, time::Duration};

use ordo_actors::{
    log::{
        event::{EventEnvelope, Position},
        event_feed::{Appended, FeedItem, Subscription},
        store::{EventPage, LogQuery, StoreError},
    },
    retry::Backoff,
};

use super::{
    commit::{FoldedCommit, are_of_one_commit},
    limits::{BATCH_BYTES, BATCH_EVENTS, FEED_READER_PAGE},
    live_event::LiveEvent,
    live_hub::LiveHub,
};

/// Without the last event, when there is more in the log: whether the commit ends with it is seen with the next page. An event
/// that fills a page alone counts as a commit of its own.
pub(super) fn without_the_undecided(page: &EventPage) -> &[Arc<EventEnvelope>] {
    match page.split_last() {
        Some((_, before)) if !page.is_last() && !before.is_empty() => before,
        _ => page,
    }
}

/// Starts the reader's thread; it ends when the hub is stopped or the feed ends.
pub fn start(hub: Arc<LiveHub>, news: Subscription) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("live".into()).spawn(move || {
        let mut stopped = hub.stopped();
        let reader = FeedReader { hub };
        runtime.block_on(async {
            tokio::select! {
                () = reader.follow(news) => {}
                // An error means that the hub is gone, which cannot be: the reader holds it.
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
    })?;
    Ok(())
}

struct FeedReader {
    hub: Arc<LiveHub>,
}

impl FeedReader {
    async fn follow(self, mut news: Subscription) {
        loop {
            match news.next().await {
                FeedItem::Appended(item) => self.take(item).await,
                // The next news will jump, and the store be read.
                FeedItem::Lagged => {}
                FeedItem::Closed => return,
            }
        }
    }

    /// Takes news that continue what is known as they are; anything else is looked up in the store.
    async fn take(&self, item: Appended) {
        let known = self.hub.state().selected();
        let start = item.events.partition_point(|event| event.position <= known);
        let fresh = &item.events[start..];
        match fresh.first() {
            Some(first) if first.position == known.plus(1) => self.publish(fresh, item.head).await,
            _ if item.head > known => self.catch_up(item.head).await,
            _ => {}
        }
    }

    /// Reads the store until `head`.
    async fn catch_up(&self, head: Position) {
        loop {
            let (known, wanted) = {
                let state = self.hub.state();
                (state.selected(), state.registered() > 0)
            };
            if known >= head {
                return;
            }
            if !wanted {
                return self.publish(&[], head).await;
            }
            let query = LogQuery::after(known, FEED_READER_PAGE);
            let page = self.persistently(async |hub| hub.store().read_all(&query).await).await;
            let events = without_the_undecided(&page);
            // A log that ends before it should is looked at again with the next news.
            let Some(last) = events.last().map(|event| event.position) else { return };
            self.publish(events, last).await;
        }
    }

    async fn publish(&self, events: &[Arc<EventEnvelope>], through: Position) {
        let wanted = self.hub.state().select(events, through);
        let (mut live, mut bytes) = (Vec::new(), 0);
        for commit in wanted.chunk_by(|event, next| are_of_one_commit(event, next)) {
            let fold = async |hub: &LiveHub| FoldedCommit::of(commit, hub.states().shared(), hub.store()).await;
            let folded = self.persistently(fold).await;
            for event in folded.live_events(true, self.hub.large_orders()) {
                bytes += event.body.len();
                live.push(Arc::new(event));
                // A commit may be larger than all that is kept: it goes out while it is written.
                if live.len() == BATCH_EVENTS || bytes > BATCH_BYTES {
                    bytes = 0;
                    self.tell(std::mem::take(&mut live), None);
                }
            }
        }
        self.tell(live, Some(through));
    }

    /// Makes events visible, and everything up to `through`.
    fn tell(&self, live: Vec<Arc<LiveEvent>>, through: Option<Position>) {
        let Some(through) = through.or_else(|| live.last().map(|event| event.position)) else { return };
        self.hub.metrics().written.inc_by(live.len() as u64);
        self.hub.metrics().position.set(i64::try_from(through.0).unwrap_or(i64::MAX));
        self.hub.state().publish(live, through);
    }

    /// Tries until it succeeds: the store is the truth, and there is nothing else to do.
    async fn persistently<T>(&self, read: impl AsyncFn(&LiveHub) -> Result<T, StoreError>) -> T {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2), u32::MAX);
        loop {
            match read(&self.hub).await {
                Ok(read) => return read,
                Err(error) => {
                    log::warn!("live updates wait for the store: {error}");
                    backoff.pause().await;
                }
            }
        }
    }
}
