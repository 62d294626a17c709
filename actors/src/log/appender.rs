//! Group commit: one appender gathers the commits of all actors while the previous batch is being made durable.
//!
//! It never waits for time: the commit in flight is the wait. One fsync then carries as many commits as arrived during the
//! last one. The idea is `DeWitt` et al., "Implementation techniques for main memory database systems" (1984).

use std::{ops::ControlFlow, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::{Instant, interval},
};

use crate::{
    failure::Failure,
    log::{
        event::Position,
        event_feed::EventFeed,
        store::{Commit, EventStore, NO_WRITER, StoreError, Verdict},
    },
    metrics::EngineMetrics,
};

/// How often a store that nobody appends to is asked whether the process must stop.
const STORE_CHECK: Duration = Duration::from_millis(500);

/// What bounds the appender.
#[derive(Debug, Clone, Copy)]
pub struct AppenderLimits {
    /// Groups that may wait; one more is refused.
    pub waiting_groups: usize,
    /// Events after which a batch takes no further group; a commit without events counts as one.
    pub batch_events: usize,
    /// How often a shared log is asked for events of other processes, besides each time the store hears of some.
    pub shared_poll: Duration,
}

impl Default for AppenderLimits {
    fn default() -> Self {
        Self { waiting_groups: 16_384, batch_events: 10_000, shared_poll: Duration::from_millis(250) }
    }
}

/// Commits of one actor, in order, with one verdict each.
pub(crate) type Verdicts = Result<Vec<Verdict>, StoreError>;

struct Group {
    commits: Vec<Commit>,
    reply: oneshot::Sender<Verdicts>,
}

/// The way to the appender's thread; cheap to clone. The thread ends when the last one is gone and the queue is empty.
#[derive(Clone)]
pub struct Appender {
    groups: mpsc::Sender<Group>,
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full.
    Full,
    /// The thread has ended: the store broke, or the appender died.
    Ended,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Overloaded,
            Refused::Ended => Self::Unavailable(format!("{NO_WRITER}: the appender has ended")),
        }
    }
}

/// Called once when the store broke while committing, or the appender's thread died: the process must stop. Nothing is
/// appended after that.
pub type FailureHook = Box<dyn FnOnce(String) + Send>;

impl Appender {
    /// Starts the thread. It publishes every batch in `feed` after the store has made it durable.
    ///
    /// # Errors
    /// The machine gives no thread.
    pub fn start(
        store: Arc<dyn EventStore>,
        feed: EventFeed,
        limits: AppenderLimits,
        metrics: EngineMetrics,
        on_failure: FailureHook,
    ) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let (groups, queue) = mpsc::channel(limits.waiting_groups);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut worker = Worker { store, feed, limits, metrics, failure: FailureGuard(Some(on_failure)) };
        let thread = thread::Builder::new().name("appender".into()).spawn(move || {
            runtime.block_on(worker.run(queue));
            worker.failure.disarm();
        })?;
        Ok((Self { groups }, thread))
    }

    /// Appends one commit and waits for its verdict: for streams that no actor of an [`Engine`](crate::aggregate::engine::Engine) lives on.
    ///
    /// # Errors
    /// See [`Failure`] for whether it may have been written.
    pub async fn append(&self, commit: Commit) -> Result<Verdict, Failure> {
        let verdicts = self.submit(vec![commit])?.await.map_err(|_| Failure::Unknown("the appender ended".into()))?;
        verdicts?.pop().ok_or_else(|| Failure::Unknown("the store gave no verdict".into()))
    }

    /// Queues commits that follow one another. The receiver gets a verdict for each; when it errs, the outcome is unknown.
    /// Without commits it is a barrier: answered when everything queued before has been.
    pub(crate) fn submit(&self, commits: Vec<Commit>) -> Result<oneshot::Receiver<Verdicts>, Refused> {
        let (reply, verdicts) = oneshot::channel();
        self.groups.try_send(Group { commits, reply }).map_err(|refused| match refused {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Closed(_) => Refused::Ended,
        })?;
        Ok(verdicts)
    }
}

/// Calls the hook when the store breaks, or when the thread ends in a panic.
struct FailureGuard(Option<FailureHook>);

impl FailureGuard {
    fn disarm(&mut self) {
        self.0 = None;
    }

    fn report(&mut self, reason: String) {
        if let Some(hook) = self.0.take() {
            hook(reason);
        }
    }
}

impl Drop for FailureGuard {
    fn drop(&mut self) {
        self.report("the appender's thread died".into());
    }
}

struct Worker {
    store: Arc<dyn EventStore>,
    feed: EventFeed,
    limits: AppenderLimits,
    metrics: EngineMetrics,
    failure: FailureGuard,
}

impl Worker {
    async fn run(&mut self, mut queue: mpsc::Receiver<Group>) {
        let mut watch = interval(STORE_CHECK);
        watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut poll = interval(self.limits.shared_poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let shared = self.store.is_shared();
        let store = Arc::clone(&self.store);
        loop {
            tokio::select! {
                biased;
                group = queue.recv() => match group {
                    Some(group) => {
                        if self.append(group, &mut queue).await.is_break() {
                            return;
                        }
                    }
                    None => return,
                },
                () = store.appended_elsewhere(), if shared => self.look_for_others().await,
                _ = poll.tick(), if shared => self.look_for_others().await,
                _ = watch.tick() => if self.check().is_break() {
                    return;
                },
            }
        }
    }

    /// Breaks when the store did while nobody appended.
    fn check(&mut self) -> ControlFlow<()> {
        match self.store.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(StoreError::Broken(reason)) => {
                log::error!("the store broke: {reason}");
                self.failure.report(reason);
                ControlFlow::Break(())
            }
            Err(error @ (StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Corrupt(_))) => {
                log::warn!("the store could not be looked at: {error}");
                ControlFlow::Continue(())
            }
        }
    }

    /// Makes the first group and all that wait behind it durable, tells the subscribers, then the actors. Breaks when the
    /// store did.
    async fn append(&mut self, first: Group, queue: &mut mpsc::Receiver<Group>) -> ControlFlow<()> {
        let (batch, replies) = self.gather(first, queue);
        let started = Instant::now();
        let commits = batch.len();
        let result = if batch.is_empty() { Ok(Vec::new()) } else { self.store.append(batch).await };
        if commits > 0 {
            self.metrics.append_seconds.observe(started.elapsed().as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
            self.metrics.batch_commits.observe(commits as f64);
        }
        match result {
            Ok(verdicts) => {
                self.publish(&verdicts);
                let mut verdicts = verdicts.into_iter();
                for (reply, count) in replies {
                    // An actor that is gone needs no answer: the next actor of its stream reads the store.
                    let _ = reply.send(Ok(verdicts.by_ref().take(count).collect()));
                }
            }
            Err(error) => {
                self.metrics.append_failures.inc();
                log::error!(commits = commits; "a batch was not confirmed: {error}");
                for (reply, _) in replies {
                    let _ = reply.send(Err(error.clone()));
                }
                if let StoreError::Broken(reason) = error {
                    self.failure.report(reason);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn gather(
        &self,
        first: Group,
        queue: &mut mpsc::Receiver<Group>,
    ) -> (Vec<Commit>, Vec<(oneshot::Sender<Verdicts>, usize)>) {
        let mut batch = Vec::new();
        let mut replies = Vec::new();
        let mut events = 0;
        let mut next = Some(first);
        while let Some(group) = next {
            events += group.commits.iter().map(|commit| commit.event_count().max(1)).sum::<usize>();
            replies.push((group.reply, group.commits.len()));
            batch.extend(group.commits);
            next = if events < self.limits.batch_events { queue.try_recv().ok() } else { None };
        }
        (batch, replies)
    }

    fn publish(&self, verdicts: &[Verdict]) {
        let events: Vec<_> = verdicts
            .iter()
            .filter_map(|verdict| match verdict {
                Verdict::Appended { events, .. } => Some(events),
                Verdict::Conflict { .. } | Verdict::Duplicate(_) => None,
            })
            .flatten()
            .cloned()
            .collect();
        if let Some(last) = events.last() {
            let head = last.position;
            self.metrics.appended_events.inc_by(events.len() as u64);
            self.show_head(head);
            self.feed.publish(head, events);
        }
    }

    /// Lets subscribers know that another process has appended, so that they read the store.
    async fn look_for_others(&self) {
        match self.store.head().await {
            Ok(head) if head.position > self.feed.head() => {
                self.show_head(head.position);
                self.feed.publish(head.position, Vec::new());
            }
            Ok(_) => {}
            Err(error) => log::warn!("the head of the log could not be read: {error}"),
        }
    }

    fn show_head(&self, head: Position) {
        self.metrics.head.set(i64::try_from(head.0).unwrap_or(i64::MAX));
    }
}
