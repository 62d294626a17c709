//! What a projection needs, and what it says of itself.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    clock::Clock,
    log::{event::Position, event_feed::EventFeed, store::EventStore},
    projection::{
        ProjectionMetrics, ReadModel,
        row_store::{Checkpoint, RowStore},
    },
};

/// Makes a fresh read model, for the start and for each rebuild.
pub type MakeModel = Arc<dyn Fn() -> Box<dyn ReadModel> + Send + Sync>;

/// What bounds a projection.
#[derive(Debug, Clone, Copy)]
pub struct ProjectionLimits {
    /// Events taken in at once; also how many are kept while rows are being written.
    pub batch_events: usize,
    /// How long events may wait for others before they are written.
    pub linger: Duration,
    /// Pause after a failed store, and between looks while another process runs the projection.
    pub pause: Duration,
    /// A runner that stands still for so long while the log grows is replaced.
    pub replace_after: Duration,
    /// How often the runner looks whether another process has claimed the projection, when others may.
    pub look_every: Duration,
    /// How long the rows of an old generation stay after another one was made live: longer than `look_every` and any read, so
    /// that nobody in another process still reads them.
    pub discard_after: Duration,
    /// Rows of an old generation deleted at once.
    pub discard_rows: usize,
}

impl Default for ProjectionLimits {
    fn default() -> Self {
        Self {
            batch_events: 4096,
            linger: Duration::from_millis(100),
            pause: Duration::from_millis(500),
            replace_after: Duration::from_secs(5),
            look_every: Duration::from_secs(2),
            discard_after: Duration::from_secs(10),
            discard_rows: 5000,
        }
    }
}

/// What a projection needs.
#[derive(Clone)]
pub struct ProjectionParts {
    /// The log.
    pub log: Arc<dyn EventStore>,
    /// Where the rows go.
    pub rows: Arc<dyn RowStore>,
    /// The log's broadcast.
    pub feed: EventFeed,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The limits.
    pub limits: ProjectionLimits,
    /// The counters.
    pub metrics: ProjectionMetrics,
}

/// What a projection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectionState {
    /// Not claimed yet.
    Starting,
    /// Behind the log, reading it.
    CatchingUp,
    /// With the log.
    Live,
    /// Another process runs it; this one watches.
    StandingBy,
}

/// How far a projection is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What it is doing.
    pub state: ProjectionState,
    /// Where its live rows stand; nothing before the first claim.
    pub checkpoint: Option<Checkpoint>,
    /// The last position of the log that is known.
    pub head: Position,
    /// Streams it could not take in.
    pub parked_streams: usize,
    /// Seconds between the recording of the last event taken in and now, while there are others to take in; else zero.
    pub lag_seconds: f64,
    /// How far a rebuild is, while there is one.
    pub rebuild: Option<Rebuilding>,
    /// What went wrong last, until something goes right.
    pub trouble: Option<String>,
}

impl Progress {
    /// Before the first claim.
    pub(crate) fn starting(head: Position) -> Self {
        Self {
            state: ProjectionState::Starting,
            checkpoint: None,
            head,
            parked_streams: 0,
            lag_seconds: 0.0,
            rebuild: None,
            trouble: None,
        }
    }
}

impl Progress {
    /// Where the rows stand.
    #[must_use]
    pub fn position(&self) -> Position {
        self.checkpoint.map_or(Position::START, |checkpoint| checkpoint.position)
    }

    /// Takes down how far the rows are behind a log that ends at `head`, when the last event taken in was recorded at `last`.
    pub(crate) fn measure(&mut self, head: Position, last: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let position = self.position();
        self.head = head.max(position);
        self.lag_seconds = match last {
            Some(last) if self.head > position => (now - last).as_seconds_f64().max(0.0),
            _ => 0.0,
        };
    }
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilding {
    /// The generation being built.
    pub generation: u32,
    /// Everything up to here is in it.
    pub position: Position,
}
