//! What a commit does to rows.

use std::sync::Arc;

use super::{
    building::{
        Runner, counter, counters, delete, delete_reading, found, int, page, put, put_reading, reading, readings, text,
    },
    tables::{COUNTERS, READINGS},
};
use crate::projection::row_store::{PAGE_BYTES, RowChange, RowStore};

pub async fn a_table_that_was_never_written_is_empty(rows: Arc<dyn RowStore>) {
    assert!(page(&*rows, counters()).await.is_empty());
    assert_eq!(found(&*rows, 1, "a").await, None);
}

pub async fn a_row_reads_back_as_it_was_written(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let row = vec![text("a"), text("red"), int(-7), text("{\"n\":  1}\n")];
    runner.writes([RowChange::Put { table: &COUNTERS, row: row.clone() }]).await;
    assert_eq!(found(&*rows, 1, "a").await, Some(row.clone()));
    assert_eq!(page(&*rows, counters()).await, [row]);
}

pub async fn extreme_values_are_kept(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let long = "ä\"'\\ 🚀\u{1}".repeat(20_000);
    let values = [("", i64::MIN, ""), ("min", i64::MAX, "\u{10ffff}"), ("0", 0, &*long)];
    let written = values.map(|(id, value, note)| vec![text(id), text(""), int(value), text(note)]);
    runner.writes(written.clone().map(|row| RowChange::Put { table: &COUNTERS, row })).await;
    for row in written {
        let read = rows.fetch(&COUNTERS, 1, &[vec![row[0].clone()]]).await.expect("a row");
        assert!(read == [Some(row.clone())], "{:?}", row[0]);
    }
}

pub async fn a_row_that_is_there_is_overwritten(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1), put("b", "red", 2)]).await;
    runner.writes([put("a", "blue", 3)]).await;
    assert_eq!(page(&*rows, counters()).await, [counter("a", "blue", 3), counter("b", "red", 2)]);
}

pub async fn a_row_written_again_as_it_was_stays(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    runner.writes([put("a", "red", 1)]).await;
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
}

pub async fn a_deleted_row_is_gone(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1), put("b", "red", 2)]).await;
    runner.writes([delete("a")]).await;
    assert_eq!(found(&*rows, 1, "a").await, None);
    assert_eq!(page(&*rows, counters()).await, [counter("b", "red", 2)]);
}

pub async fn a_row_that_is_not_there_may_be_deleted(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1), delete("b")]).await;
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
}

pub async fn a_deleted_row_may_be_written_again(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    runner.writes([delete("a")]).await;
    runner.writes([put("a", "blue", 2)]).await;
    assert_eq!(page(&*rows, counters()).await, [counter("a", "blue", 2)]);
}

pub async fn of_two_writes_in_a_commit_the_last_wins(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1), put("b", "red", 1), put("a", "blue", 2)]).await;
    assert_eq!(page(&*rows, counters()).await, [counter("a", "blue", 2), counter("b", "red", 1)]);
}

pub async fn a_write_after_a_delete_in_a_commit_wins(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    runner.writes([delete("a"), put("a", "blue", 2)]).await;
    assert_eq!(page(&*rows, counters()).await, [counter("a", "blue", 2)]);
}

pub async fn a_delete_after_a_write_in_a_commit_wins(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    runner.writes([put("a", "blue", 2), delete("a"), put("b", "red", 1), delete("b")]).await;
    assert!(page(&*rows, counters()).await.is_empty());
}

pub async fn a_key_of_two_columns_is_one_key(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put_reading("ann", 1, 10), put_reading("ann", 2, 20), put_reading("bob", 1, 30)]).await;
    runner.writes([put_reading("ann", 1, 15), delete_reading("bob", 1)]).await;
    assert_eq!(page(&*rows, readings()).await, [reading("ann", 1, 15), reading("ann", 2, 20)]);
    let keys = [vec![text("ann"), int(2)], vec![text("bob"), int(1)]];
    let found = rows.fetch(&READINGS, 1, &keys).await.expect("rows");
    assert_eq!(found, [Some(reading("ann", 2, 20)), None]);
}

pub async fn one_commit_writes_several_tables(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1), put_reading("ann", 1, 10), put("b", "red", 2)]).await;
    assert_eq!(page(&*rows, counters()).await.len(), 2);
    assert_eq!(page(&*rows, readings()).await, [reading("ann", 1, 10)]);
}

pub async fn keys_that_share_their_bytes_are_told_apart(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let ids = ["a", "A", "a ", " a", "aa", "a%", "a_", "ä", "a\u{308}"];
    runner.writes(ids.map(|id| put(id, "red", 1))).await;
    assert_eq!(page(&*rows, counters()).await.len(), ids.len());
    for id in ids {
        assert_eq!(found(&*rows, 1, id).await, Some(counter(id, "red", 1)));
    }
}

pub async fn rows_are_fetched_in_the_order_of_the_keys(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1), put("b", "red", 2), put("c", "red", 3)]).await;
    let keys = ["c", "a", "b"].map(|id| vec![text(id)]);
    let found = rows.fetch(&COUNTERS, 1, &keys).await.expect("rows");
    assert_eq!(found, [("c", 3), ("a", 1), ("b", 2)].map(|(id, value)| Some(counter(id, "red", value))));
}

pub async fn a_key_without_a_row_leaves_a_hole(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    let found = rows.fetch(&COUNTERS, 1, &["x", "a", "y"].map(|id| vec![text(id)])).await.expect("rows");
    assert_eq!(found, [None, Some(counter("a", "red", 1)), None]);
}

pub async fn a_key_asked_for_twice_is_answered_twice(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    let found = rows.fetch(&COUNTERS, 1, &["a", "a", "x", "x"].map(|id| vec![text(id)])).await.expect("rows");
    let row = Some(counter("a", "red", 1));
    assert_eq!(found, [row.clone(), row, None, None]);
}

pub async fn a_page_of_large_rows_ends_early_and_the_next_goes_on(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let large = "x".repeat(PAGE_BYTES / 4);
    let row = |number: i64| vec![text(&number.to_string()), text("red"), int(number), text(&large)];
    runner.writes((0..10).map(|number| RowChange::Put { table: &COUNTERS, row: row(number) })).await;
    let (mut asked, mut lengths) = (counters(), Vec::new());
    loop {
        let found = page(&*rows, asked.clone()).await;
        lengths.push(found.len());
        if asked.is_last(&found) {
            break;
        }
        asked.after = found.last().map(|row| (row[0].clone(), vec![row[0].clone()]));
    }
    assert_eq!(lengths.iter().sum::<usize>(), 10);
    assert!(lengths.iter().all(|length| *length <= 5), "{lengths:?}");
}

pub async fn no_keys_fetch_no_rows(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    assert!(rows.fetch(&COUNTERS, 1, &[]).await.expect("nothing").is_empty());
}

pub async fn a_thousand_keys_are_fetched_at_once(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes((0..1000).map(|number| put(&format!("{number:04}"), "red", number))).await;
    let keys: Vec<_> = (0..2000).rev().map(|number| vec![text(&format!("{number:04}"))]).collect();
    let found = rows.fetch(&COUNTERS, 1, &keys).await.expect("rows");
    assert!(found[..1000].iter().all(Option::is_none));
    let values: Vec<_> = found[1000..].iter().flatten().map(|row| row[2].clone()).collect();
    assert_eq!(values, (0..1000).rev().map(int).collect::<Vec<_>>());
}

pub async fn a_commit_of_five_thousand_rows_is_written_whole(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes((0..5000).map(|number| put_reading("ann", number, -number))).await;
    runner.writes((0..5000).step_by(2).map(|number| delete_reading("ann", number))).await;
    let left = super::building::all(&*rows, 1000, readings()).await;
    assert_eq!(left.len(), 2500);
    assert_eq!(left[0], reading("ann", 4999, -4999));
}

pub async fn a_commit_without_changes_moves_the_checkpoint(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    runner.writes([]).await;
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
}
