//! Events that were cut, added or moved.

use super::*;

/// Gives the events positions without a hole again, and the head the last of them.
const RENUMBER: &str = "CREATE TEMP TABLE numbers AS SELECT position AS old, row_number() OVER (ORDER BY position) AS new FROM events; \
    UPDATE events SET position = -(SELECT new FROM numbers WHERE old = position); UPDATE events SET position = -position; \
    DROP TABLE numbers; UPDATE {head} SET position = (SELECT max(position) FROM events)";

fn swap(one: u64, other: u64) -> String {
    format!(
        "UPDATE events SET position = -1 WHERE position = {one}; UPDATE events SET position = {one} WHERE position = {other}; \
         UPDATE events SET position = {other} WHERE position = -1"
    )
}

/// A copy of the event at `from` at another position, as the first or the next of a stream.
fn add(from: u64, position: i64, stream: &str, version: u64) -> String {
    format!(
        "INSERT INTO events (position, version, event_id, aggregate_id, timestamp, schema_version, event_type, aggregate_type, \
         metadata, payload, checksum, chain) SELECT {position}, {version}, event_id, {stream}, timestamp, schema_version, \
         event_type, aggregate_type, metadata, payload, checksum, chain FROM events WHERE position = {from}"
    )
}

fn structural(new_id: &str) -> Vec<String> {
    let stream_of = |position: u64| format!("(SELECT aggregate_id FROM events WHERE position = {position})");
    let shift = "UPDATE events SET position = -position WHERE position > 7; UPDATE events SET position = 1 - position WHERE position < 0";
    let cut_to_head = "UPDATE {head} SET position = (SELECT max(position) FROM events)";
    let mut changes = Vec::new();
    for position in 1..=15 {
        changes.push(format!("DELETE FROM events WHERE position = {position}"));
        changes.push(format!("DELETE FROM events WHERE position = {position}; {RENUMBER}"));
        changes.push(format!("DELETE FROM events WHERE position > {}; {cut_to_head}", position - 1));
        changes.push(format!("DELETE FROM events WHERE position > {}", position - 1));
        changes.push(format!("DELETE FROM events WHERE aggregate_id = {}; {RENUMBER}", stream_of(position)));
        changes.push(format!("UPDATE events SET checksum = '' WHERE position = {position}"));
        for other in position + 1..=15 {
            changes.push(swap(position, other));
        }
    }
    // Batches, from their first to their last position.
    for (first, last) in [(1, 5), (6, 8), (9, 9), (10, 12), (13, 15)] {
        let cut = format!("DELETE FROM events WHERE position BETWEEN {first} AND {last}");
        changes.push(format!("{cut}; {RENUMBER}"));
        changes.push(cut);
        changes.push(format!("UPDATE events SET chain = '' WHERE position = {first}"));
    }
    changes.extend([
        add(15, 16, new_id, 1),
        format!("{}; {cut_to_head}", add(15, 16, new_id, 1)),
        format!("{}; {cut_to_head}", add(15, 16, &stream_of(15), 4)),
        add(15, 16, &stream_of(15), 4),
        add(15, 0, new_id, 1),
        add(15, -5, new_id, 1),
        add(15, i64::MAX, new_id, 1),
        format!("{shift}; {}; {cut_to_head}", add(7, 8, new_id, 1)),
        // Everything decided, with its checksum, in the place of another.
        "UPDATE events SET event_id = (SELECT event_id FROM events WHERE position = 2), payload = (SELECT payload FROM events \
         WHERE position = 2), metadata = (SELECT metadata FROM events WHERE position = 2), checksum = (SELECT checksum FROM events \
         WHERE position = 2) WHERE position = 3"
            .to_owned(),
        "UPDATE events SET checksum = ''".to_owned(),
        "UPDATE events SET checksum = '', chain = ''".to_owned(),
        "UPDATE events SET checksum = '', chain = ''; UPDATE {head} SET chain = ''".to_owned(),
        "UPDATE {head} SET chain = ''".to_owned(),
        "UPDATE {head} SET checked_after = position".to_owned(),
        format!("UPDATE {{head}} SET epoch = {new_id}"),
        "DELETE FROM events".to_owned(),
        "DELETE FROM event_kinds".to_owned(),
        "UPDATE snapshots SET state = '[]'".to_owned(),
        "UPDATE idempotency SET answer = (SELECT answer || answer FROM idempotency WHERE key = 'second') WHERE key = 'first'"
            .to_owned(),
    ]);
    changes
}

/// Applies each change in turn; those that the database refuses are not counted.
async fn change_everything(database: &impl Database, changes: Vec<String>) {
    fill(database.store()).await;
    keep(database).await;
    assert_sound(database).await;
    let (mut done, all) = (0, changes.len());
    for change in changes {
        let change = change.replace("{head}", database.head_table());
        if !database.execute(&change).await {
            continue;
        }
        done += 1;
        assert!(is_noticed(database).await, "{change}");
        restore(database).await;
    }
    assert!(done * 10 >= all * 9, "{done} of {all} could be done");
    assert_sound(database).await;
}

#[tokio::test]
async fn events_that_are_cut_added_or_moved_are_noticed_in_sqlite() {
    let changes = structural("x'000102030405060708090a0b0c0d0e0f'");
    let changes = changes.into_iter().map(|change| change.replace("= ''", "= x''")).collect();
    change_everything(&InFile::new(), changes).await;
}

#[tokio::test]
async fn events_that_are_cut_added_or_moved_are_noticed_in_postgresql() {
    change_everything(&InServer::new().await, structural("'00010203-0405-0607-0809-0a0b0c0d0e0f'::uuid")).await;
}
