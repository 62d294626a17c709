//! Building beside the live rows, and clearing away.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    building::{
        ANN, BOB, EPOCH, MODEL, OTHER, Runner, commit_at, counter, counters, delete, found, letter, on, page, put,
        put_reading, readings, verdict,
    },
    tables::{self, COUNTERS},
};
use crate::{
    log::event::{Epoch, Position},
    projection::row_store::{Checkpoint, Page, RowCommit, RowStore, RowVerdict},
};

async fn live(rows: &dyn RowStore) -> Checkpoint {
    rows.live(MODEL).await.expect("an answer").expect("a live generation")
}

async fn switch(rows: &dyn RowStore, expected: Checkpoint) -> RowVerdict {
    rows.switch(MODEL, expected).await.expect("a verdict")
}

async fn discard(rows: &dyn RowStore, generation: u32, limit: usize) -> bool {
    rows.discard(MODEL, tables::ALL, generation, limit).await.expect("an answer")
}

fn second(page: Page) -> Page {
    Page { generation: 2, ..page }
}

/// Ann's live generation with a red counter, and Bob's next one with a blue one of the same id.
async fn two_generations(rows: &dyn RowStore) -> (Runner<'_>, Runner<'_>) {
    let mut ann = Runner::of(rows, 1, ANN).await;
    let mut bob = Runner::of(rows, 2, BOB).await;
    ann.writes([put("a", "red", 1)]).await;
    bob.writes([put("a", "blue", 2)]).await;
    (ann, bob)
}

pub async fn generations_hold_rows_of_their_own(rows: Arc<dyn RowStore>) {
    let (_ann, _bob) = two_generations(&*rows).await;
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
    assert_eq!(page(&*rows, second(counters())).await, [counter("a", "blue", 2)]);
    assert_eq!(found(&*rows, 1, "a").await, Some(counter("a", "red", 1)));
    assert_eq!(found(&*rows, 2, "a").await, Some(counter("a", "blue", 2)));
    assert_eq!(found(&*rows, 3, "a").await, None);
}

pub async fn a_delete_stays_in_its_generation(rows: Arc<dyn RowStore>) {
    let (_ann, mut bob) = two_generations(&*rows).await;
    bob.writes([delete("a")]).await;
    assert_eq!(found(&*rows, 1, "a").await, Some(counter("a", "red", 1)));
    assert_eq!(found(&*rows, 2, "a").await, None);
}

pub async fn a_claim_of_the_next_generation_leaves_the_runner_of_the_live_one(rows: Arc<dyn RowStore>) {
    let (mut ann, mut bob) = two_generations(&*rows).await;
    ann.writes([put("b", "red", 1)]).await;
    bob.writes([put("b", "blue", 1)]).await;
    assert_eq!(live(&*rows).await, ann.at);
}

pub async fn a_switch_makes_a_generation_live(rows: Arc<dyn RowStore>) {
    let (ann, bob) = two_generations(&*rows).await;
    assert_eq!(switch(&*rows, bob.at).await, RowVerdict::Committed);
    assert_eq!(live(&*rows).await, bob.at);
    assert_eq!(rows.checkpoint(MODEL, 1).await.expect("an answer"), Some(ann.at));
}

pub async fn a_switch_back_is_a_switch(rows: Arc<dyn RowStore>) {
    let (ann, bob) = two_generations(&*rows).await;
    assert_eq!(switch(&*rows, bob.at).await, RowVerdict::Committed);
    assert_eq!(switch(&*rows, ann.at).await, RowVerdict::Committed);
    assert_eq!(live(&*rows).await, ann.at);
}

pub async fn a_switch_to_the_live_generation_changes_nothing(rows: Arc<dyn RowStore>) {
    let (ann, _bob) = two_generations(&*rows).await;
    assert_eq!(switch(&*rows, ann.at).await, RowVerdict::Committed);
    assert_eq!(live(&*rows).await, ann.at);
}

pub async fn a_switch_leaves_both_runners_at_work(rows: Arc<dyn RowStore>) {
    let (mut ann, mut bob) = two_generations(&*rows).await;
    switch(&*rows, bob.at).await;
    bob.writes([put("b", "blue", 1)]).await;
    ann.writes([put("b", "red", 1)]).await;
    assert_eq!(live(&*rows).await, bob.at);
}

pub async fn a_switch_from_another_place_is_superseded(rows: Arc<dyn RowStore>) {
    let (ann, bob) = two_generations(&*rows).await;
    for elsewhere in [
        on(bob.at),
        Checkpoint { position: Position::START, ..bob.at },
        Checkpoint { owner: ANN, ..bob.at },
        Checkpoint { epoch: Epoch(Uuid::nil()), ..bob.at },
        Checkpoint { generation: 3, ..bob.at },
    ] {
        assert_eq!(switch(&*rows, elsewhere).await, RowVerdict::Superseded, "{elsewhere:?}");
        assert_eq!(live(&*rows).await, ann.at);
    }
}

pub async fn a_switch_leaves_other_read_models(rows: Arc<dyn RowStore>) {
    let other = rows.claim(OTHER, 1, EPOCH, ANN).await.expect("a claim");
    rows.claim(OTHER, 2, EPOCH, ANN).await.expect("a claim");
    let (_ann, bob) = two_generations(&*rows).await;
    switch(&*rows, bob.at).await;
    assert_eq!(rows.live(OTHER).await.expect("an answer"), Some(other));
}

pub async fn a_discarded_generation_leaves_nothing(rows: Arc<dyn RowStore>) {
    let (_ann, mut bob) = two_generations(&*rows).await;
    let parking = RowCommit { park: vec![letter(1, 5)], ..commit_at(bob.at, [put_reading("ann", 1, 1)]) };
    bob.commits(parking).await;
    assert!(discard(&*rows, 2, 100).await);
    assert!(page(&*rows, second(counters())).await.is_empty());
    assert!(page(&*rows, second(readings())).await.is_empty());
    assert_eq!(rows.checkpoint(MODEL, 2).await.expect("an answer"), None);
    assert!(rows.dead_letters(MODEL, 2).await.expect("an answer").is_empty());
}

pub async fn a_discard_leaves_the_other_generations(rows: Arc<dyn RowStore>) {
    let (mut ann, _bob) = two_generations(&*rows).await;
    ann.commits(RowCommit { park: vec![letter(1, 5)], ..commit_at(ann.at, []) }).await;
    assert!(discard(&*rows, 2, 100).await);
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
    assert_eq!(live(&*rows).await, ann.at);
    assert_eq!(rows.dead_letters(MODEL, 1).await.expect("an answer").len(), 1);
    ann.writes([put("b", "red", 1)]).await;
}

pub async fn the_live_generation_is_never_discarded(rows: Arc<dyn RowStore>) {
    let (mut ann, bob) = two_generations(&*rows).await;
    assert!(discard(&*rows, 1, 100).await, "there is nothing to do");
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
    assert_eq!(live(&*rows).await, ann.at);
    ann.writes([]).await;
    switch(&*rows, bob.at).await;
    assert!(discard(&*rows, 2, 100).await, "it is live now");
    assert_eq!(page(&*rows, second(counters())).await, [counter("a", "blue", 2)]);
    assert!(discard(&*rows, 1, 100).await);
    assert!(page(&*rows, counters()).await.is_empty());
}

pub async fn a_discard_deletes_at_most_its_limit(rows: Arc<dyn RowStore>) {
    let (_ann, mut bob) = two_generations(&*rows).await;
    bob.writes((0..25).map(|number| put(&format!("{number:02}"), "blue", number))).await;
    bob.writes((0..25).map(|number| put_reading("bob", number, number))).await;
    let mut left = 51;
    let mut calls = 0;
    while !discard(&*rows, 2, 10).await {
        calls += 1;
        let (counters, readings) =
            (page(&*rows, second(counters())).await.len(), page(&*rows, second(readings())).await.len());
        assert!(left - (counters + readings) <= 10, "{left} became {counters} and {readings}");
        left = counters + readings;
        assert!(calls < 20, "it comes to an end");
    }
    assert!(calls >= 5);
    assert!(page(&*rows, second(readings())).await.is_empty());
}

pub async fn a_discard_begun_supersedes_the_runner(rows: Arc<dyn RowStore>) {
    let (_ann, mut bob) = two_generations(&*rows).await;
    bob.writes((0..5).map(|number| put(&format!("{number}"), "blue", number))).await;
    assert!(!discard(&*rows, 2, 2).await);
    assert_eq!(verdict(&*rows, commit_at(bob.at, [put("z", "blue", 1)])).await, RowVerdict::Superseded);
    assert_eq!(switch(&*rows, bob.at).await, RowVerdict::Superseded);
}

pub async fn a_discard_begun_leaves_a_checkpoint_of_no_log(rows: Arc<dyn RowStore>) {
    let (_ann, mut bob) = two_generations(&*rows).await;
    bob.writes((0..5).map(|number| put(&format!("{number}"), "blue", number))).await;
    assert!(!discard(&*rows, 2, 2).await);
    let found = rows.checkpoint(MODEL, 2).await.expect("an answer").expect("a checkpoint");
    assert_eq!((found.position, found.epoch), (Position::START, Epoch(Uuid::nil())));
    while !discard(&*rows, 2, 2).await {}
    assert_eq!(rows.checkpoint(MODEL, 2).await.expect("an answer"), None);
}

pub async fn a_commit_to_a_discarded_generation_writes_nothing(rows: Arc<dyn RowStore>) {
    let (_ann, bob) = two_generations(&*rows).await;
    assert!(discard(&*rows, 2, 100).await);
    assert_eq!(verdict(&*rows, commit_at(bob.at, [put("z", "blue", 1)])).await, RowVerdict::Superseded);
    assert!(page(&*rows, second(counters())).await.is_empty());
}

pub async fn a_discarded_generation_may_be_built_again(rows: Arc<dyn RowStore>) {
    let (ann, _bob) = two_generations(&*rows).await;
    assert!(discard(&*rows, 2, 100).await);
    let mut again = Runner::of(&*rows, 2, BOB).await;
    assert_eq!(again.at.position, Position::START);
    again.writes([put("c", "green", 3)]).await;
    assert_eq!(page(&*rows, second(counters())).await, [counter("c", "green", 3)]);
    assert_eq!(live(&*rows).await, ann.at);
}

pub async fn a_generation_that_never_was_is_discarded_already(rows: Arc<dyn RowStore>) {
    let (ann, _bob) = two_generations(&*rows).await;
    assert!(discard(&*rows, 9, 100).await);
    assert!(rows.discard(OTHER, &[&COUNTERS], 9, 1).await.expect("an answer"));
    assert_eq!(live(&*rows).await, ann.at);
}

pub async fn tables_that_are_not_named_are_not_discarded(rows: Arc<dyn RowStore>) {
    let (_ann, mut bob) = two_generations(&*rows).await;
    bob.writes([put_reading("bob", 1, 1)]).await;
    assert!(rows.discard(MODEL, &[&COUNTERS], 2, 100).await.expect("an answer"));
    assert!(page(&*rows, second(counters())).await.is_empty());
    assert_eq!(page(&*rows, second(readings())).await.len(), 1);
}
