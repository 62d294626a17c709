//! Parked streams.

use std::sync::Arc;

use super::building::{
    ANN, BOB, EPOCH, MODEL, OTHER, Runner, commit_at, counter, counters, letter, on, page, put, stream, verdict,
};
use crate::{
    log::event::{Position, Version},
    projection::row_store::{DeadLetter, RowCommit, RowStore, RowVerdict, Skip},
};

async fn letters(rows: &dyn RowStore) -> Vec<DeadLetter> {
    rows.dead_letters(MODEL, 1).await.expect("dead letters")
}

async fn park(runner: &mut Runner<'_>, park: Vec<DeadLetter>) {
    runner.commits(RowCommit { park, ..commit_at(runner.at, []) }).await;
}

pub async fn a_read_model_without_dead_letters_has_none(rows: Arc<dyn RowStore>) {
    assert!(letters(&*rows).await.is_empty());
    Runner::start(&*rows).await.writes([put("a", "red", 1)]).await;
    assert!(letters(&*rows).await.is_empty());
}

pub async fn a_parked_stream_reads_back_as_it_was_parked(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let parked = DeadLetter {
        version: Version(1 << 40),
        position: Position(1 << 50),
        reason: "\"ä\"\n🚀".to_owned(),
        attempts: u32::MAX,
        ..letter(u128::MAX, 0)
    };
    park(&mut runner, vec![parked.clone()]).await;
    assert_eq!(letters(&*rows).await, [parked]);
}

pub async fn parked_streams_come_by_position(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 30), letter(2, 10)]).await;
    park(&mut runner, vec![letter(3, 20), letter(4, 200)]).await;
    assert_eq!(letters(&*rows).await, [letter(2, 10), letter(3, 20), letter(1, 30), letter(4, 200)]);
}

pub async fn a_stream_parked_again_is_written_anew(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 30), letter(2, 40)]).await;
    let again = DeadLetter { version: Version(9), attempts: 2, reason: "still".to_owned(), ..letter(1, 50) };
    park(&mut runner, vec![again.clone()]).await;
    assert_eq!(letters(&*rows).await, [letter(2, 40), again]);
}

/// Ann's decision.
fn skip() -> Skip {
    let at = chrono::DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("a time");
    Skip { by: "ann".to_owned(), reason: "\"ä\"\n🚀".to_owned(), at }
}

pub async fn a_skipped_stream_stays_parked_and_says_who_skipped_it(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 30), letter(2, 40)]).await;
    let skipped = DeadLetter { skipped: Some(skip()), ..letter(1, 30) };
    park(&mut runner, vec![skipped.clone()]).await;
    assert_eq!(letters(&*rows).await, [skipped, letter(2, 40)]);
}

pub async fn a_skipped_stream_may_be_parked_as_one_that_is_not(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![DeadLetter { skipped: Some(skip()), ..letter(1, 30) }, letter(2, 40)]).await;
    park(&mut runner, vec![letter(1, 30)]).await;
    assert_eq!(letters(&*rows).await, [letter(1, 30), letter(2, 40)]);
}

pub async fn a_freed_stream_is_parked_no_more(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 10), letter(2, 20), letter(3, 30)]).await;
    runner.commits(RowCommit { free: vec![stream(3), stream(1)], ..commit_at(runner.at, []) }).await;
    assert_eq!(letters(&*rows).await, [letter(2, 20)]);
}

pub async fn a_stream_that_is_not_parked_may_be_freed(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 10)]).await;
    runner.commits(RowCommit { free: vec![stream(7)], ..commit_at(runner.at, []) }).await;
    assert_eq!(letters(&*rows).await, [letter(1, 10)]);
}

pub async fn a_stream_freed_and_parked_at_once_is_parked(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 10)]).await;
    let both = RowCommit { free: vec![stream(1)], park: vec![letter(1, 20)], ..commit_at(runner.at, []) };
    runner.commits(both).await;
    assert_eq!(letters(&*rows).await, [letter(1, 20)]);
}

pub async fn streams_are_parked_and_freed_with_the_rows(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 10)]).await;
    let commit =
        RowCommit { free: vec![stream(1)], park: vec![letter(2, 20)], ..commit_at(runner.at, [put("a", "red", 1)]) };
    runner.commits(commit).await;
    assert_eq!(letters(&*rows).await, [letter(2, 20)]);
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
}

pub async fn a_superseded_commit_parks_and_frees_nothing(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 10)]).await;
    let stale = RowCommit { free: vec![stream(1)], park: vec![letter(2, 20)], ..commit_at(on(runner.at), []) };
    assert_eq!(verdict(&*rows, stale).await, RowVerdict::Superseded);
    assert_eq!(letters(&*rows).await, [letter(1, 10)]);
}

pub async fn parked_streams_stay_parked_over_a_claim(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    park(&mut runner, vec![letter(1, 10)]).await;
    Runner::of(&*rows, 1, BOB).await;
    assert_eq!(letters(&*rows).await, [letter(1, 10)]);
}

pub async fn a_stream_is_parked_for_one_generation_of_one_read_model(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let mut next = Runner::of(&*rows, 2, BOB).await;
    let other = rows.claim(OTHER, 1, EPOCH, ANN).await.expect("a claim");
    park(&mut runner, vec![letter(1, 10)]).await;
    park(&mut next, vec![letter(1, 20)]).await;
    let commit = RowCommit { model: OTHER, free: vec![stream(1)], ..commit_at(other, []) };
    assert_eq!(verdict(&*rows, commit).await, RowVerdict::Committed);
    assert_eq!(letters(&*rows).await, [letter(1, 10)]);
    assert_eq!(rows.dead_letters(MODEL, 2).await.expect("dead letters"), [letter(1, 20)]);
    assert!(rows.dead_letters(OTHER, 1).await.expect("dead letters").is_empty());
}

pub async fn a_discard_counts_parked_streams_against_its_limit(rows: Arc<dyn RowStore>) {
    let _ann = Runner::start(&*rows).await;
    let mut next = Runner::of(&*rows, 2, BOB).await;
    park(&mut next, (0..25_u8).map(|number| letter(number.into(), number.into())).collect()).await;
    assert!(!rows.discard(MODEL, &[], 2, 10).await.expect("an answer"));
    assert_eq!(rows.dead_letters(MODEL, 2).await.expect("dead letters").len(), 15);
    while !rows.discard(MODEL, &[], 2, 10).await.expect("an answer") {}
    assert!(rows.dead_letters(MODEL, 2).await.expect("dead letters").is_empty());
}
