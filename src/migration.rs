//! Copies a log from one store to another: same events, same positions, same times.

use ordo_actors::log::{
    event::{EventEnvelope, Position},
    store::{Commit, EventStore, ExpectedVersion, LogQuery, NewEvent, StoreError, StreamWrite, Verdict},
};
use std::sync::Arc;

/// Events read and written at a time.
const PAGE: usize = 1000;

/// Why a migration stopped. What has been copied is whole; running it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The target holds something that is not a beginning of the source.
    #[error("the target is not a beginning of the source: position {0} differs")]
    OtherLog(Position),
    /// Source and target are one log, under two names or in a file and its copy.
    #[error("source and target are the same log")]
    SameLog,
    /// Somebody else writes to the target.
    #[error("the target was written to while it was copied to, near position {0}")]
    Disturbed(Position),
}

/// Copies everything up to the head the source has at the start; `progress` hears how far it has come. Goes on where an earlier
/// run was cut off. Snapshots are made anew as orders are used; idempotency keys stay behind.
///
/// # Errors
/// See [`MigrationError`].
pub async fn migrate(
    from: &dyn EventStore,
    to: &dyn EventStore,
    progress: impl Fn(u64),
) -> Result<u64, MigrationError> {
    let (source, target) = (from.head().await?, to.head().await?);
    if source.epoch == target.epoch {
        return Err(MigrationError::SameLog);
    }
    let mut last = target.position;
    same_event(from, to, last).await?;
    while last < source.position {
        let events = from.read_all(&LogQuery::after(last, PAGE)).await?;
        let Some(end) = events.last().map(|event| event.position) else { break };
        let verdicts = to.append(commits(&events)).await?;
        let arrived = verdicts.iter().all(|verdict| matches!(verdict, Verdict::Appended { .. }));
        if !arrived || to.head().await?.position != end {
            return Err(MigrationError::Disturbed(end));
        }
        last = end;
        progress(last.0);
    }
    Ok(last.0)
}

/// The last event of the target must be the source's at the same position.
async fn same_event(from: &dyn EventStore, to: &dyn EventStore, at: Position) -> Result<(), MigrationError> {
    if at == Position::START {
        return Ok(());
    }
    let query = LogQuery::after(Position(at.0 - 1), 1);
    let (source, target) = (from.read_all(&query).await?, to.read_all(&query).await?);
    if !source.is_empty() && source.first() == target.first() { Ok(()) } else { Err(MigrationError::OtherLog(at)) }
}

/// Puts events that were committed together into one commit again, as far as the log shows it.
fn commits(events: &[Arc<EventEnvelope>]) -> Vec<Commit> {
    let together = |a: &Arc<EventEnvelope>, b: &Arc<EventEnvelope>| {
        a.aggregate_id == b.aggregate_id && a.timestamp == b.timestamp && a.metadata == b.metadata
    };
    events.chunk_by(together).map(commit).collect()
}

fn commit(events: &[Arc<EventEnvelope>]) -> Commit {
    let first = &events[0];
    Commit {
        timestamp: first.timestamp,
        metadata: Arc::clone(&first.metadata),
        writes: vec![StreamWrite {
            stream: first.aggregate_id,
            aggregate_type: first.aggregate_type.clone(),
            expected: ExpectedVersion::Exact(ordo_actors::log::event::Version(first.version.0 - 1)),
            events: events.iter().map(|event| copy(event)).collect(),
            snapshot: None,
        }],
        idempotency: None,
    }
}

fn copy(event: &EventEnvelope) -> NewEvent {
    NewEvent {
        event_id: event.event_id,
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
        payload: event.payload.clone(),
    }
}
