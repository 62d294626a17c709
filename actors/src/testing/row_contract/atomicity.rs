//! What others see of a commit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{
    building::{
        COLOUR, MODEL, NOTE, Runner, VALUE, all, by_value, commit_at, counters, int, only, page, put, put_reading,
        readings, text,
    },
    tables::COUNTERS,
};
use crate::{
    log::event::Position,
    projection::row_store::{Condition, Page, Row, RowCommit, RowStore, RowVerdict, Value},
};

const ROUNDS: i64 = 40;
const COUNTERS_PER_ROUND: usize = 20;

/// Sets twenty counters and a reading to 1, 2, ... in one commit each, until the end; readers look on.
async fn while_writing<W, F>(rows: &Arc<dyn RowStore>, look: W)
where
    W: Fn(Arc<dyn RowStore>) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let mut runner = Runner::start(&**rows).await;
    runner.writes(round(0)).await;
    let done = Arc::new(AtomicBool::new(false));
    let looking = tokio::spawn({
        let (rows, done) = (Arc::clone(rows), Arc::clone(&done));
        async move {
            while !done.load(Ordering::Acquire) {
                look(Arc::clone(&rows)).await;
                tokio::task::yield_now().await;
            }
        }
    });
    for number in 1..=ROUNDS {
        runner.writes(round(number)).await;
    }
    done.store(true, Ordering::Release);
    looking.await.expect("nothing torn was seen");
}

fn round(number: i64) -> Vec<crate::projection::row_store::RowChange> {
    let colour = if number % 2 == 0 { "even" } else { "odd" };
    let counters = (0..COUNTERS_PER_ROUND).map(|id| put(&format!("{id:02}"), colour, number));
    counters.chain([put_reading("all", 1, number)]).collect()
}

fn value(row: &Row) -> i64 {
    match row[2] {
        Value::Int(number) => number,
        Value::Text(_) => panic!("a counter's value is a number"),
    }
}

pub async fn a_page_never_shows_half_a_commit(rows: Arc<dyn RowStore>) {
    while_writing(&rows, |rows| async move {
        let values: Vec<_> = page(&*rows, counters()).await.iter().map(value).collect();
        assert_eq!(values, vec![values[0]; COUNTERS_PER_ROUND]);
    })
    .await;
}

pub async fn a_page_along_an_index_never_shows_half_a_commit(rows: Arc<dyn RowStore>) {
    while_writing(&rows, |rows| async move {
        assert_eq!(page(&*rows, by_value()).await.len(), COUNTERS_PER_ROUND);
        let even = only(Condition::Is(COLOUR, text("even")), by_value());
        let seen = page(&*rows, even).await.len();
        assert!(seen == 0 || seen == COUNTERS_PER_ROUND, "{seen} counters changed their colour");
    })
    .await;
}

pub async fn rows_fetched_together_are_of_one_moment(rows: Arc<dyn RowStore>) {
    while_writing(&rows, |rows| async move {
        let keys: Vec<_> = (0..COUNTERS_PER_ROUND).map(|id| vec![text(&format!("{id:02}"))]).collect();
        let found = rows.fetch(&COUNTERS, 1, &keys).await.expect("rows");
        let values: Vec<_> = found.iter().flatten().map(value).collect();
        assert_eq!(values, vec![values[0]; COUNTERS_PER_ROUND]);
    })
    .await;
}

pub async fn who_sees_one_table_of_a_commit_sees_the_other(rows: Arc<dyn RowStore>) {
    while_writing(&rows, |rows| async move {
        let reading = value(&page(&*rows, readings()).await[0]);
        let counter = value(&page(&*rows, counters()).await[0]);
        let again = value(&page(&*rows, readings()).await[0]);
        assert!(reading <= counter && counter <= again, "{reading}, {counter}, {again}");
    })
    .await;
}

pub async fn who_sees_a_checkpoint_sees_its_rows(rows: Arc<dyn RowStore>) {
    while_writing(&rows, |rows| async move {
        let stands = rows.live(MODEL).await.expect("an answer").expect("a checkpoint").position;
        let seen = value(&page(&*rows, counters()).await[0]);
        assert!(Position(seen.unsigned_abs() + 1) >= stands, "rows {seen} behind the checkpoint {stands}");
    })
    .await;
}

pub async fn a_commit_is_seen_by_reads_that_begin_after_it(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    for number in 0..50 {
        runner.writes(round(number)).await;
        let reader = Arc::clone(&rows);
        let seen = tokio::spawn(async move { page(&*reader, counters()).await });
        assert!(seen.await.expect("a page").iter().all(|row| value(row) == number));
        assert_eq!(rows.live(MODEL).await.expect("an answer"), Some(runner.at));
    }
}

pub async fn two_read_models_commit_beside_each_other(rows: Arc<dyn RowStore>) {
    let epoch = super::building::EPOCH;
    let mut tasks = Vec::new();
    for (model, reader) in [(MODEL, "ann"), (super::building::OTHER, "bob")] {
        let rows = Arc::clone(&rows);
        tasks.push(tokio::spawn(async move {
            let mut at = rows.claim(model, 1, epoch, uuid::Uuid::new_v4()).await.expect("a claim");
            for number in 0..50 {
                let commit = RowCommit { model, ..commit_at(at, [put_reading(reader, number, number)]) };
                at = commit.next;
                assert_eq!(rows.commit(commit).await.expect("a verdict"), RowVerdict::Committed);
            }
        }));
    }
    for task in tasks {
        task.await.expect("a runner that ends");
    }
    assert_eq!(all(&*rows, 30, readings()).await.len(), 100);
}

pub async fn a_long_search_amid_commits_shows_each_row_once(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let shift = |number: i64| (0..5000_i64).map(move |id| put(&format!("{id:04}"), "red", (id + number * 997) % 5000));
    runner.writes(shift(0)).await;
    let done = Arc::new(AtomicBool::new(false));
    let searching = tokio::spawn({
        let (rows, done) = (Arc::clone(&rows), Arc::clone(&done));
        async move {
            for _ in 0..20 {
                let small = only(Condition::Before(VALUE, int(500)), Page { order_by: NOTE, ..counters() });
                let mut values: Vec<_> = page(&*rows, small).await.iter().map(value).collect();
                values.sort_unstable();
                assert_eq!(values, (0..500).collect::<Vec<_>>());
            }
            done.store(true, Ordering::Release);
        }
    });
    let mut number = 0;
    while !done.load(Ordering::Acquire) && !searching.is_finished() {
        number += 1;
        runner.writes(shift(number)).await;
    }
    searching.await.expect("nothing torn was seen");
}
