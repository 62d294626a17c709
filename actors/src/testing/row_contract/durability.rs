//! What a durable store still knows when it is opened again.

use super::{
    RowFixture,
    building::{
        ANN, BOB, EPOCH, MODEL, Runner, by_value, commit_at, counter, counters, delete, ids, letter, page, put, verdict,
    },
    tables,
};
use crate::projection::row_store::{Checkpoint, Page, RowCommit, RowVerdict};

pub async fn rows_survive<F: RowFixture>(fixture: F) {
    let rows = fixture.rows();
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 2), put("b", "ä🚀", 1), put("c", "red", 3)]).await;
    runner.writes([delete("c"), put("a", "blue", 5)]).await;
    drop(rows);
    let fixture = fixture.reopen().await;
    assert_eq!(page(&*fixture.rows(), counters()).await, [counter("a", "blue", 5), counter("b", "ä🚀", 1)]);
    assert_eq!(ids(&*fixture.rows(), by_value()).await, ["b", "a"]);
}

pub async fn the_checkpoint_survives<F: RowFixture>(fixture: F) {
    let rows = fixture.rows();
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 2)]).await;
    let at = runner.at;
    drop(rows);
    let fixture = fixture.reopen().await;
    let rows = fixture.rows();
    assert_eq!(rows.live(MODEL).await.expect("an answer"), Some(at));
    assert_eq!(verdict(&*rows, commit_at(at, [])).await, RowVerdict::Committed);
}

pub async fn a_runner_of_before_is_superseded_by_a_claim_after<F: RowFixture>(fixture: F) {
    let rows = fixture.rows();
    let mut runner = Runner::start(&*rows).await;
    runner.writes([]).await;
    let at = runner.at;
    drop(rows);
    let fixture = fixture.reopen().await;
    let rows = fixture.rows();
    let claimed = rows.claim(MODEL, 1, EPOCH, BOB).await.expect("a claim");
    assert_eq!(claimed, Checkpoint { owner: BOB, ..at });
    assert_eq!(verdict(&*rows, commit_at(at, [])).await, RowVerdict::Superseded);
}

pub async fn which_generation_is_live_survives<F: RowFixture>(fixture: F) {
    let rows = fixture.rows();
    Runner::of(&*rows, 1, ANN).await.writes([put("a", "red", 1)]).await;
    let mut next = Runner::of(&*rows, 2, BOB).await;
    next.writes([put("a", "blue", 2)]).await;
    let at = next.at;
    rows.switch(MODEL, at).await.expect("a switch");
    drop(rows);
    let fixture = fixture.reopen().await;
    let rows = fixture.rows();
    assert_eq!(rows.live(MODEL).await.expect("an answer"), Some(at));
    assert_eq!(page(&*rows, Page { generation: 2, ..counters() }).await, [counter("a", "blue", 2)]);
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
}

pub async fn a_discarded_generation_stays_discarded<F: RowFixture>(fixture: F) {
    let rows = fixture.rows();
    Runner::of(&*rows, 1, ANN).await;
    Runner::of(&*rows, 2, BOB).await.writes([put("a", "blue", 2)]).await;
    assert!(rows.discard(MODEL, tables::ALL, 2, 10).await.expect("an answer"));
    drop(rows);
    let fixture = fixture.reopen().await;
    let rows = fixture.rows();
    assert_eq!(rows.checkpoint(MODEL, 2).await.expect("an answer"), None);
    assert!(page(&*rows, Page { generation: 2, ..counters() }).await.is_empty());
}

pub async fn a_discard_goes_on_where_it_was_cut_off<F: RowFixture>(fixture: F) {
    let rows = fixture.rows();
    Runner::of(&*rows, 1, ANN).await;
    let mut next = Runner::of(&*rows, 2, BOB).await;
    next.writes((0..30).map(|number| put(&format!("{number}"), "blue", number))).await;
    assert!(!rows.discard(MODEL, tables::ALL, 2, 20).await.expect("an answer"));
    drop(rows);
    let fixture = fixture.reopen().await;
    let rows = fixture.rows();
    assert_eq!(page(&*rows, Page { generation: 2, ..counters() }).await.len(), 10);
    assert!(rows.discard(MODEL, tables::ALL, 2, 20).await.expect("an answer"));
    assert_eq!(rows.checkpoint(MODEL, 2).await.expect("an answer"), None);
}

pub async fn parked_streams_survive<F: RowFixture>(fixture: F) {
    let rows = fixture.rows();
    let mut runner = Runner::start(&*rows).await;
    runner.commits(RowCommit { park: vec![letter(1, 10), letter(2, 5)], ..commit_at(runner.at, []) }).await;
    drop(rows);
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.rows().dead_letters(MODEL, 1).await.expect("dead letters"), [letter(2, 5), letter(1, 10)]);
}
