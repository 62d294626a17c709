//! One generation of a read model against rows that fail as told.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::{
    log::{
        event::{Epoch, EventEnvelope, Position, StreamId},
        event_feed::EventFeed,
        store::{EventStore, StoreError},
    },
    projection::{
        ReadModel, Sources, TakeError,
        projector::{ProjectionStores, Projector, Step},
        rebuild::switch,
        row_store::{
            Checkpoint, DeadLetter, Page, Row, RowChange, RowCommit, RowStore, RowVerdict, Skip, Table, Value,
        },
    },
    stores::memory::{MemoryRows, MemoryStore},
    testing::{
        contract::building::{append, counted, exact},
        row_contract::{building, tables::COUNTERS},
    },
};

const MODEL: &str = "sums";

/// Counts the events of all streams in one row; the streams of `poison` cannot be taken in.
struct Sums {
    poison: Arc<Mutex<HashMap<StreamId, String>>>,
}

#[async_trait]
impl ReadModel for Sums {
    fn name(&self) -> &'static str {
        MODEL
    }

    fn tables(&self) -> &'static [&'static Table] {
        static TABLES: &[&Table] = &[&COUNTERS];
        TABLES
    }

    async fn take(&mut self, events: &[Arc<EventEnvelope>], sources: Sources<'_>) -> Result<Vec<RowChange>, TakeError> {
        for event in events {
            if let Some(reason) = self.poison.lock().get(&event.aggregate_id) {
                return Err(TakeError::Unprocessable {
                    stream: event.aggregate_id,
                    version: event.version,
                    position: event.position,
                    reason: reason.clone(),
                });
            }
        }
        let stored = sources.rows.fetch(&COUNTERS, sources.generation, &[vec![building::text("all")]]).await?;
        let sum = i64::try_from(events.len()).unwrap_or(0) + stored[0].as_ref().map_or(0, value);
        Ok(vec![building::put("all", "red", sum)])
    }
}

fn value(row: &Row) -> i64 {
    match row[building::VALUE] {
        Value::Int(number) => number,
        Value::Text(_) => panic!("a counter's value is a number"),
    }
}

/// What becomes of a commit of which the caller does not hear.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Written,
    Lost,
    /// It is on its way still, and arrives when the test lets it.
    Late,
}

/// Rows in memory; the outcome of the next commit is not told.
#[derive(Default)]
struct DeafRows {
    rows: MemoryRows,
    next: Mutex<Option<Fate>>,
    late: Mutex<Option<RowCommit>>,
    /// No commit holds a text that PostgreSQL could not store.
    saw_nul: AtomicBool,
}

impl DeafRows {
    fn say_nothing_of_the_next(&self, fate: Fate) {
        *self.next.lock() = Some(fate);
    }

    async fn late_commit_arrives(&self) -> RowVerdict {
        let commit = self.late.lock().take().expect("a commit on its way");
        self.rows.commit(commit).await.expect("a verdict")
    }
}

#[async_trait]
impl RowStore for DeafRows {
    async fn commit(&self, commit: RowCommit) -> Result<RowVerdict, StoreError> {
        if commit.park.iter().any(|letter| letter.reason.contains('\0')) {
            self.saw_nul.store(true, Ordering::SeqCst);
        }
        let fate = self.next.lock().take();
        match fate {
            None => return self.rows.commit(commit).await,
            Some(Fate::Written) => drop(self.rows.commit(commit).await?),
            Some(Fate::Lost) => {}
            Some(Fate::Late) => *self.late.lock() = Some(commit),
        }
        Err(StoreError::Unknown("as the test told".into()))
    }

    async fn live(&self, model: &'static str) -> Result<Option<Checkpoint>, StoreError> {
        self.rows.live(model).await
    }

    async fn checkpoint(&self, model: &'static str, generation: u32) -> Result<Option<Checkpoint>, StoreError> {
        self.rows.checkpoint(model, generation).await
    }

    async fn claim(
        &self,
        model: &'static str,
        generation: u32,
        epoch: Epoch,
        owner: Uuid,
    ) -> Result<Checkpoint, StoreError> {
        self.rows.claim(model, generation, epoch, owner).await
    }

    async fn switch(&self, model: &'static str, expected: Checkpoint) -> Result<RowVerdict, StoreError> {
        self.rows.switch(model, expected).await
    }

    async fn discard(
        &self,
        model: &'static str,
        tables: &[&'static Table],
        generation: u32,
        limit: usize,
    ) -> Result<bool, StoreError> {
        self.rows.discard(model, tables, generation, limit).await
    }

    async fn fetch(
        &self,
        table: &'static Table,
        generation: u32,
        keys: &[Row],
    ) -> Result<Vec<Option<Row>>, StoreError> {
        self.rows.fetch(table, generation, keys).await
    }

    async fn page(&self, page: &Page) -> Result<Vec<Row>, StoreError> {
        self.rows.page(page).await
    }

    async fn dead_letters(&self, model: &'static str, generation: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.rows.dead_letters(model, generation).await
    }
}

/// A log of two streams, three events of each, the second of which is parked.
struct Rig {
    log: Arc<MemoryStore>,
    rows: Arc<DeafRows>,
    poison: Arc<Mutex<HashMap<StreamId, String>>>,
    projector: Projector,
    parked: StreamId,
}

impl Rig {
    async fn start(reason: &str) -> Self {
        let (log, rows) = (Arc::new(MemoryStore::new()), Arc::new(DeafRows::default()));
        let (good, parked) = (StreamId::generate(), StreamId::generate());
        for stream in [good, parked] {
            append(&*log, counted(stream, exact(0), 3)).await;
        }
        let poison = Arc::new(Mutex::new(HashMap::from([(parked, reason.to_owned())])));
        let projector = claim(&log, &rows, &poison, 1).await;
        let mut rig = Self { log, rows, poison, projector, parked };
        rig.catches_up().await;
        assert_eq!((rig.sum(1).await, rig.letters(1).await.len()), (3, 1));
        rig
    }

    async fn catches_up(&mut self) {
        let step = self.projector.advance(Vec::new(), 100, None).await;
        assert!(matches!(step, Ok(Step::Advanced { .. })), "{step:?}");
    }

    /// Makes the parked stream one that can be taken in.
    fn mend(&self) {
        self.poison.lock().clear();
    }

    async fn sum(&self, generation: u32) -> i64 {
        building::found(&*self.rows, generation, "all").await.as_ref().map_or(0, value)
    }

    async fn letters(&self, generation: u32) -> Vec<DeadLetter> {
        self.rows.dead_letters(MODEL, generation).await.expect("dead letters")
    }
}

async fn claim(
    log: &Arc<MemoryStore>,
    rows: &Arc<DeafRows>,
    poison: &Arc<Mutex<HashMap<StreamId, String>>>,
    generation: u32,
) -> Projector {
    let epoch = log.head().await.expect("a head").epoch;
    let stores = ProjectionStores {
        log: Arc::clone(log) as Arc<dyn EventStore>,
        rows: Arc::clone(rows) as Arc<dyn RowStore>,
        feed: EventFeed::new(1, Position::START),
    };
    let model = Box::new(Sums { poison: Arc::clone(poison) });
    Projector::claim(model, stores, generation, epoch).await.expect("a claim")
}

#[tokio::test]
async fn events_that_repeat_or_skip_a_position_are_refused() {
    let mut rig = Rig::start("as told").await;
    let before = rig.projector.checkpoint();
    let events = append(&*rig.log, counted(StreamId::generate(), exact(0), 3)).await;
    for (positions, said) in [([0, 0, 1], "position 7 follows 7"), ([0, 2, 2], "position 9 follows 7")] {
        let heard = positions.map(|index| Arc::clone(&events[index]));
        match rig.projector.advance(heard.into(), 100, None).await {
            Err(StoreError::Corrupt(reason)) => assert_eq!(reason, said),
            step => panic!("taken in: {step:?}"),
        }
    }
    assert_eq!((rig.projector.checkpoint(), rig.sum(1).await), (before, 3));
}

#[tokio::test]
async fn a_retry_that_was_written_unheard_is_found_to_be_written() {
    let mut rig = Rig::start("as told").await;
    rig.mend();
    rig.rows.say_nothing_of_the_next(Fate::Written);
    assert!(rig.projector.retry(rig.parked).await.expect("an answer"));
    assert_eq!((rig.sum(1).await, rig.letters(1).await.len(), rig.projector.parked_streams()), (6, 0, 0));
}

#[tokio::test]
async fn a_retry_that_was_lost_unheard_is_not_taken_for_written() {
    let mut rig = Rig::start("as told").await;
    rig.mend();
    rig.rows.say_nothing_of_the_next(Fate::Lost);
    let answer = rig.projector.retry(rig.parked).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert_eq!((rig.sum(1).await, rig.letters(1).await.len(), rig.projector.parked_streams()), (3, 1, 1));
    assert!(rig.projector.retry(rig.parked).await.expect("an answer"));
    assert_eq!((rig.sum(1).await, rig.letters(1).await.len()), (6, 0));
}

#[tokio::test]
async fn a_retry_that_arrives_late_finds_that_the_rows_have_moved_on() {
    let mut rig = Rig::start("as told").await;
    rig.mend();
    rig.rows.say_nothing_of_the_next(Fate::Late);
    assert!(rig.projector.retry(rig.parked).await.is_err());
    assert!(rig.projector.retry(rig.parked).await.expect("an answer"));
    assert_eq!(rig.rows.late_commit_arrives().await, RowVerdict::Superseded);
    assert_eq!(rig.sum(1).await, 6);
}

#[tokio::test]
async fn a_runner_whose_retry_arrived_late_writes_nothing_on_top_of_it() {
    let mut rig = Rig::start("as told").await;
    rig.mend();
    rig.rows.say_nothing_of_the_next(Fate::Late);
    assert!(rig.projector.retry(rig.parked).await.is_err());
    assert_eq!(rig.rows.late_commit_arrives().await, RowVerdict::Committed);
    append(&*rig.log, counted(StreamId::generate(), exact(0), 2)).await;
    let step = rig.projector.advance(Vec::new(), 100, None).await;
    assert!(matches!(step, Ok(Step::Superseded)), "{step:?}");
    rig.projector = claim(&rig.log, &rig.rows, &rig.poison, 1).await;
    rig.catches_up().await;
    assert_eq!((rig.sum(1).await, rig.letters(1).await.len()), (8, 0));
}

#[tokio::test]
async fn no_reason_holds_what_a_store_cannot_keep() {
    let long = format!("a\0b {}", "ä".repeat(5000));
    let mut rig = Rig::start(&long).await;
    assert!(!rig.projector.retry(rig.parked).await.expect("an answer"));
    assert!(!rig.rows.saw_nul.load(Ordering::SeqCst));
    let reason = &rig.letters(1).await[0].reason;
    assert!(reason.starts_with("a\u{fffd}b ä"), "{reason}");
    assert_eq!(reason.chars().count(), DeadLetter::MAX_REASON_CHARS);
}

#[tokio::test]
async fn a_rebuild_is_compared_with_live_rows_of_the_same_position() {
    let rig = Rig::start("as told").await;
    append(&*rig.log, counted(StreamId::generate(), exact(0), 2)).await;
    let mut new = claim(&rig.log, &rig.rows, &rig.poison, 2).await;
    assert!(matches!(new.advance(Vec::new(), 100, None).await, Ok(Step::Advanced { .. })));
    assert_eq!((rig.sum(1).await, rig.sum(2).await), (3, 5));
    let (new, old) = switch(rig.projector, new, 100).await.expect("a switch");
    assert_eq!((old, new.differences(1).await.expect("a number")), (1, 0));
    assert_eq!(new.checkpoint(), rig.rows.live(MODEL).await.expect("an answer").expect("a checkpoint"));
}

fn skip(by: &str) -> Skip {
    let at = chrono::DateTime::from_timestamp_micros(1).expect("a time");
    Skip { by: by.to_owned(), reason: "never mind".to_owned(), at }
}

#[tokio::test]
async fn a_skipped_stream_waits_for_nobody_and_stays_out_of_the_rows() {
    let mut rig = Rig::start("as told").await;
    let noted = rig.projector.skip(rig.parked, skip("ann")).await.expect("an answer").expect("a parked stream");
    assert_eq!(noted.skipped, Some(skip("ann")));
    assert_eq!((rig.letters(1).await, rig.projector.parked_streams()), (vec![noted.clone()], 0));
    append(&*rig.log, counted(rig.parked, exact(3), 1)).await;
    rig.catches_up().await;
    assert_eq!(rig.sum(1).await, 3);
    rig.projector = claim(&rig.log, &rig.rows, &rig.poison, 1).await;
    assert_eq!(rig.projector.skip(rig.parked, skip("bob")).await.expect("an answer"), Some(noted));
    assert_eq!(rig.projector.parked_streams(), 0);
}

#[tokio::test]
async fn a_stream_that_is_not_parked_cannot_be_skipped() {
    let mut rig = Rig::start("as told").await;
    assert_eq!(rig.projector.skip(StreamId::generate(), skip("ann")).await.expect("an answer"), None);
    assert_eq!((rig.letters(1).await.len(), rig.projector.parked_streams()), (1, 1));
}

#[tokio::test]
async fn a_skipped_stream_may_still_be_tried() {
    let mut rig = Rig::start("as told").await;
    rig.projector.skip(rig.parked, skip("ann")).await.expect("an answer");
    assert!(!rig.projector.retry(rig.parked).await.expect("an answer"));
    assert_eq!(rig.letters(1).await[0].skipped, Some(skip("ann")));
    rig.mend();
    assert!(rig.projector.retry(rig.parked).await.expect("an answer"));
    assert_eq!((rig.sum(1).await, rig.letters(1).await.len()), (6, 0));
}

#[tokio::test]
async fn a_skip_that_was_lost_unheard_is_not_taken_for_written() {
    let mut rig = Rig::start("as told").await;
    rig.rows.say_nothing_of_the_next(Fate::Lost);
    assert!(rig.projector.skip(rig.parked, skip("ann")).await.is_err());
    assert_eq!((rig.letters(1).await[0].skipped.as_ref(), rig.projector.parked_streams()), (None, 1));
}

#[tokio::test]
async fn a_rebuild_keeps_what_was_skipped() {
    let mut rig = Rig::start("as told").await;
    rig.projector.skip(rig.parked, skip("ann")).await.expect("an answer");
    let new = claim(&rig.log, &rig.rows, &rig.poison, 2).await;
    let (new, _) = switch(rig.projector, new, 100).await.expect("a switch");
    assert_eq!(new.parked_streams(), 0);
    let letters = rig.rows.dead_letters(MODEL, 2).await.expect("dead letters");
    assert_eq!(letters[0].skipped, Some(skip("ann")));
}
