//! Who may write, and from where on.

use std::sync::Arc;

use uuid::Uuid;

use super::building::{ANN, BOB, EPOCH, MODEL, OTHER, Runner, commit_at, counter, counters, on, page, put, verdict};
use crate::{
    log::event::{Epoch, Position},
    projection::row_store::{Checkpoint, RowCommit, RowStore, RowVerdict},
};

async fn at(rows: &dyn RowStore, generation: u32) -> Option<Checkpoint> {
    rows.checkpoint(MODEL, generation).await.expect("a checkpoint or none")
}

async fn live(rows: &dyn RowStore) -> Option<Checkpoint> {
    rows.live(MODEL).await.expect("a checkpoint or none")
}

pub async fn a_read_model_that_never_ran_stands_nowhere(rows: Arc<dyn RowStore>) {
    assert_eq!(live(&*rows).await, None);
    assert_eq!(at(&*rows, 1).await, None);
}

pub async fn the_first_claim_stands_at_the_start_and_is_live(rows: Arc<dyn RowStore>) {
    let claimed = rows.claim(MODEL, 4, EPOCH, ANN).await.expect("a claim");
    assert_eq!(claimed, Checkpoint { position: Position::START, epoch: EPOCH, generation: 4, owner: ANN });
    assert_eq!(live(&*rows).await, Some(claimed));
    assert_eq!(at(&*rows, 4).await, Some(claimed));
}

pub async fn the_second_generation_claimed_is_not_live(rows: Arc<dyn RowStore>) {
    let first = rows.claim(MODEL, 1, EPOCH, ANN).await.expect("a claim");
    let second = rows.claim(MODEL, 2, EPOCH, BOB).await.expect("a claim");
    assert_eq!(live(&*rows).await, Some(first));
    assert_eq!(at(&*rows, 2).await, Some(second));
}

pub async fn a_commit_moves_the_checkpoint(rows: Arc<dyn RowStore>) {
    let runner = Runner::start(&*rows).await;
    let next = Checkpoint { position: Position(1 << 40), ..runner.at };
    let commit = RowCommit { next, ..commit_at(runner.at, []) };
    assert_eq!(verdict(&*rows, commit).await, RowVerdict::Committed);
    assert_eq!(live(&*rows).await, Some(next));
    assert_eq!(at(&*rows, 1).await, Some(next));
}

pub async fn a_commit_may_follow_another_log(rows: Arc<dyn RowStore>) {
    let runner = Runner::start(&*rows).await;
    let next = Checkpoint { epoch: Epoch(Uuid::max()), ..runner.at };
    let commit = RowCommit { next, ..commit_at(runner.at, []) };
    assert_eq!(verdict(&*rows, commit).await, RowVerdict::Committed);
    assert_eq!(live(&*rows).await, Some(next));
}

async fn supersedes(rows: &dyn RowStore, expected: impl FnOnce(Checkpoint) -> Checkpoint) {
    let mut runner = Runner::start(rows).await;
    runner.writes([put("a", "red", 1)]).await;
    let stale = commit_at(expected(runner.at), [put("a", "blue", 2), put("b", "blue", 2)]);
    assert_eq!(verdict(rows, stale).await, RowVerdict::Superseded);
    assert_eq!(live(rows).await, Some(runner.at), "the checkpoint has not moved");
    assert_eq!(page(rows, counters()).await, [counter("a", "red", 1)]);
}

pub async fn a_commit_from_an_earlier_position_writes_nothing(rows: Arc<dyn RowStore>) {
    supersedes(&*rows, |at| Checkpoint { position: Position::START, ..at }).await;
}

pub async fn a_commit_from_a_later_position_writes_nothing(rows: Arc<dyn RowStore>) {
    supersedes(&*rows, on).await;
}

pub async fn a_commit_of_another_owner_writes_nothing(rows: Arc<dyn RowStore>) {
    supersedes(&*rows, |at| Checkpoint { owner: BOB, ..at }).await;
}

pub async fn a_commit_of_another_epoch_writes_nothing(rows: Arc<dyn RowStore>) {
    supersedes(&*rows, |at| Checkpoint { epoch: Epoch(Uuid::nil()), ..at }).await;
}

pub async fn a_commit_to_a_generation_nobody_claimed_writes_nothing(rows: Arc<dyn RowStore>) {
    supersedes(&*rows, |at| Checkpoint { generation: 2, ..at }).await;
    assert_eq!(at(&*rows, 2).await, None);
}

pub async fn a_commit_of_a_read_model_nobody_claimed_writes_nothing(rows: Arc<dyn RowStore>) {
    let runner = Runner::start(&*rows).await;
    let commit = RowCommit { model: OTHER, ..commit_at(runner.at, [put("a", "red", 1)]) };
    assert_eq!(verdict(&*rows, commit).await, RowVerdict::Superseded);
    assert!(page(&*rows, counters()).await.is_empty());
    assert_eq!(rows.live(OTHER).await.expect("an answer"), None);
}

pub async fn the_same_commit_goes_through_once(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let commit = commit_at(runner.at, [put("a", "red", 1)]);
    runner.commits(commit.clone()).await;
    assert_eq!(verdict(&*rows, commit).await, RowVerdict::Superseded);
}

pub async fn of_many_commits_from_one_place_one_goes_through(rows: Arc<dyn RowStore>) {
    let runner = Runner::start(&*rows).await;
    let commits = (0..8).map(|number| {
        let rows = Arc::clone(&rows);
        let commit = commit_at(runner.at, [put(&format!("{number}"), "red", 1)]);
        tokio::spawn(async move { verdict(&*rows, commit).await })
    });
    let mut through = 0;
    for commit in commits.collect::<Vec<_>>() {
        through += usize::from(commit.await.expect("a verdict") == RowVerdict::Committed);
    }
    assert_eq!(through, 1);
    assert_eq!(page(&*rows, counters()).await.len(), 1);
}

pub async fn a_claim_keeps_position_and_epoch(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    runner.writes([put("a", "red", 1)]).await;
    let claimed = rows.claim(MODEL, 1, Epoch(Uuid::max()), BOB).await.expect("a claim");
    assert_eq!(claimed, Checkpoint { owner: BOB, ..runner.at });
    assert_eq!(live(&*rows).await, Some(claimed));
    assert_eq!(page(&*rows, counters()).await, [counter("a", "red", 1)]);
}

pub async fn a_claim_supersedes_the_runner_before(rows: Arc<dyn RowStore>) {
    let ann = Runner::start(&*rows).await;
    let mut bob = Runner::of(&*rows, 1, BOB).await;
    let late = commit_at(ann.at, [put("a", "red", 1)]);
    assert_eq!(verdict(&*rows, late).await, RowVerdict::Superseded);
    bob.writes([put("b", "red", 1)]).await;
    assert_eq!(page(&*rows, counters()).await, [counter("b", "red", 1)]);
}

pub async fn a_claim_may_be_repeated(rows: Arc<dyn RowStore>) {
    let mut ann = Runner::start(&*rows).await;
    ann.writes([]).await;
    let again = Runner::start(&*rows).await;
    assert_eq!(again.at, ann.at);
    ann.writes([put("a", "red", 1)]).await;
}

pub async fn of_many_first_claims_one_makes_the_checkpoint(rows: Arc<dyn RowStore>) {
    let claims = (0..8_u32).map(|number| {
        let rows = Arc::clone(&rows);
        let owner = Uuid::from_u128(u128::from(number));
        tokio::spawn(async move { rows.claim(MODEL, number % 2, EPOCH, owner).await.expect("a claim") })
    });
    for claim in claims.collect::<Vec<_>>() {
        assert_eq!(claim.await.expect("a claim").position, Position::START);
    }
    let live = live(&*rows).await.expect("one is live");
    assert_eq!(at(&*rows, live.generation).await, Some(live));
    assert!(at(&*rows, 0).await.is_some() && at(&*rows, 1).await.is_some());
}

pub async fn read_models_stand_apart(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::start(&*rows).await;
    let other = rows.claim(OTHER, 1, EPOCH, BOB).await.expect("a claim");
    runner.writes([]).await;
    assert_eq!(rows.live(OTHER).await.expect("an answer"), Some(other));
    assert_eq!(live(&*rows).await, Some(runner.at));
}

pub async fn the_largest_generation_is_a_generation(rows: Arc<dyn RowStore>) {
    let mut runner = Runner::of(&*rows, u32::MAX, ANN).await;
    runner.writes([put("a", "red", 1)]).await;
    assert_eq!(live(&*rows).await, Some(runner.at));
    let last = crate::projection::row_store::Page { generation: u32::MAX, ..counters() };
    assert_eq!(page(&*rows, last).await, [counter("a", "red", 1)]);
}
