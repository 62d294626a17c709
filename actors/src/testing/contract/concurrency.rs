//! Many writers and readers at once.

use std::sync::{Arc, Weak};

use tokio::task::JoinSet;

use super::building::{
    append, appended, commit, conflict, counted, duplicate, exact, found, head, increments, keyed, log_of, positions,
    record, stream_of, verdict, versions,
};
use crate::log::{
    event::{Position, StreamId, Version},
    store::{Commit, EventStore, ExpectedVersion, IdempotencyRecord, LogQuery, Verdict},
};

const WRITERS: usize = 8;
const COMMITS: usize = 25;

/// Lets every writer append its commits one after the other, all writers at once, and returns the verdicts.
async fn write_at_once(
    store: &Arc<dyn EventStore>,
    commit: impl Fn(usize, usize) -> Commit + Clone + Send + 'static,
) -> Vec<Verdict> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, commit) = (Arc::clone(store), commit.clone());
        writers.spawn(async move {
            let mut verdicts = Vec::new();
            for number in 0..COMMITS {
                verdicts.push(verdict(&*store, commit(writer, number)).await);
            }
            verdicts
        });
    }
    writers.join_all().await.into_iter().flatten().collect()
}

fn winners(verdicts: &[Verdict]) -> usize {
    verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Appended { .. })).count()
}

fn numbers(to: usize) -> Vec<u64> {
    (1..=to as u64).collect()
}

/// Reads the log page by page from the start, over and over, until `writing` has ended and nothing is left.
async fn follow(store: &dyn EventStore, writing: &Weak<()>, page: usize) -> Vec<u64> {
    let mut read: Vec<u64> = Vec::new();
    loop {
        let ended = writing.strong_count() == 0;
        let after = Position(read.last().copied().unwrap_or(0));
        let events = found(store, LogQuery::after(after, page)).await;
        if events.is_empty() && ended {
            return read;
        }
        read.extend(positions(&events));
        tokio::task::yield_now().await;
    }
}

/// Starts writers of streams of their own. What is returned is alive as long as one of them is at it.
fn start_writers(store: &Arc<dyn EventStore>, streams: usize) -> Weak<()> {
    let writing = Arc::new(());
    for _ in 0..WRITERS {
        let (store, writing) = (Arc::clone(store), Arc::clone(&writing));
        tokio::spawn(async move {
            for _ in 0..COMMITS {
                let writes = (0..streams).map(|_| increments(StreamId::generate(), ExpectedVersion::NoStream, 1));
                append(&*store, commit(writes)).await;
            }
            drop(writing);
        });
    }
    Arc::downgrade(&writing)
}

pub async fn positions_have_no_hole_under_many_writers(store: Arc<dyn EventStore>) {
    let verdicts = write_at_once(&store, |_, _| counted(StreamId::generate(), exact(0), 2)).await;
    assert_eq!(winners(&verdicts), WRITERS * COMMITS);
    assert_eq!(positions(&log_of(&*store).await), numbers(WRITERS * COMMITS * 2));
}

pub async fn every_verdict_names_the_positions_its_events_have(store: Arc<dyn EventStore>) {
    let verdicts = write_at_once(&store, |_, _| counted(StreamId::generate(), exact(0), 1)).await;
    let log = log_of(&*store).await;
    for verdict in verdicts {
        let (events, position) = appended(verdict);
        let index = usize::try_from(position.0 - 1).expect("a position");
        assert_eq!(log[index], events[0]);
    }
}

pub async fn versions_have_no_hole_under_many_writers(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let verdicts = write_at_once(&store, move |_, _| counted(stream, ExpectedVersion::Any, 1)).await;
    assert_eq!(winners(&verdicts), WRITERS * COMMITS);
    assert_eq!(versions(&stream_of(&*store, stream).await), numbers(WRITERS * COMMITS));
}

pub async fn of_many_writers_of_one_version_one_wins(store: Arc<dyn EventStore>) {
    let stream = StreamId::generate();
    let verdicts = write_at_once(&store, move |_, number| counted(stream, exact(number as u64), 1)).await;
    for (index, verdict) in verdicts.iter().enumerate() {
        let demanded = Version((index % COMMITS) as u64);
        match verdict {
            Verdict::Appended { events, .. } => assert_eq!(events[0].version, demanded.plus(1)),
            lost => assert_ne!(conflict(lost), (stream, demanded), "it lost to the version it demanded"),
        }
    }
    assert!(winners(&verdicts) > 0, "somebody wins");
    assert_eq!(versions(&stream_of(&*store, stream).await), numbers(winners(&verdicts)));
}

pub async fn of_many_uses_of_one_key_one_wins(store: Arc<dyn EventStore>) {
    let verdicts = write_at_once(&store, |writer, number| {
        let answer = writer.to_string().into_bytes();
        let record = IdempotencyRecord { answer, ..record(&number.to_string()) };
        keyed(record, counted(StreamId::generate(), exact(0), 1))
    })
    .await;
    assert_eq!(winners(&verdicts), COMMITS);
    assert_eq!(head(&*store).await, Position(COMMITS as u64));
    for verdict in verdicts.into_iter().filter(|verdict| !matches!(verdict, Verdict::Appended { .. })) {
        let lost = duplicate(verdict);
        assert_eq!(store.idempotency(&lost.key).await.expect("an answer").as_ref(), Some(&lost));
    }
}

pub async fn commits_that_name_streams_in_opposite_orders_all_end(store: Arc<dyn EventStore>) {
    let (a, b) = (StreamId::generate(), StreamId::generate());
    let verdicts = write_at_once(&store, move |writer, _| {
        let mut streams = [a, b];
        if writer % 2 == 1 {
            streams.reverse();
        }
        commit(streams.map(|stream| increments(stream, ExpectedVersion::Any, 1)))
    })
    .await;
    assert_eq!(winners(&verdicts), WRITERS * COMMITS);
    assert_eq!(versions(&stream_of(&*store, a).await), numbers(WRITERS * COMMITS));
    assert_eq!(versions(&stream_of(&*store, b).await), numbers(WRITERS * COMMITS));
}

pub async fn a_reader_beside_many_writers_misses_nothing(store: Arc<dyn EventStore>) {
    let writing = start_writers(&store, 1);
    assert_eq!(follow(&*store, &writing, 7).await, numbers(WRITERS * COMMITS));
}

pub async fn several_readers_beside_many_writers_miss_nothing(store: Arc<dyn EventStore>) {
    let writing = start_writers(&store, 2);
    let mut readers = JoinSet::new();
    for page in [1, 10, 1000] {
        let (store, writing) = (Arc::clone(&store), Weak::clone(&writing));
        readers.spawn(async move { follow(&*store, &writing, page).await });
    }
    for read in readers.join_all().await {
        assert_eq!(read, numbers(WRITERS * COMMITS * 2));
    }
}

pub async fn a_reader_beside_writers_sees_a_commit_whole(store: Arc<dyn EventStore>) {
    let writing = start_writers(&store, 3);
    loop {
        let ended = writing.strong_count() == 0;
        let seen = log_of(&*store).await.len();
        assert_eq!(seen % 3, 0, "{seen} events of commits of three");
        if ended {
            assert_eq!(seen, WRITERS * COMMITS * 3);
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub async fn the_head_never_runs_ahead_of_the_log(store: Arc<dyn EventStore>) {
    let writing = start_writers(&store, 2);
    loop {
        let ended = writing.strong_count() == 0;
        let head = head(&*store).await;
        let seen = log_of(&*store).await.len() as u64;
        assert!(seen >= head.0, "the head was {head}, then {seen} events were read");
        if ended {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub async fn what_was_acknowledged_is_read_at_once(store: Arc<dyn EventStore>) {
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let stream = StreamId::generate();
            for version in 0..COMMITS {
                append(&*store, counted(stream, exact(version as u64), 1)).await;
                assert_eq!(versions(&stream_of(&*store, stream).await), numbers(version + 1));
            }
        });
    }
    writers.join_all().await;
}
