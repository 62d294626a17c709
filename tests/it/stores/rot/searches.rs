//! What searches go by.

use super::*;

/// What a search by type or time goes by may name more than there is, never less.
async fn narrow_the_search(database: &impl Database, changes: &[&str]) {
    let late = |commit| Commit { timestamp: at_micro(9), ..commit };
    append(database.store(), counted(StreamId::generate(), exact(0), 1100)).await;
    append(database.store(), late(counted(StreamId::generate(), exact(0), 1100))).await;
    assert_eq!(audit(database).await.unwrap().faults, 0);
    for change in changes {
        let (table, _) = change.split_once(' ').unwrap();
        assert!(database.execute(&format!("CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table}")).await);
        let (_, change) = change.split_once(' ').unwrap();
        assert!(database.execute(change).await, "{change}");
        assert!(is_noticed(database).await, "{change}");
        restore_table(database, table).await;
        assert!(database.execute(&format!("DROP TABLE kept_{table}")).await);
    }
    assert_eq!(audit(database).await.unwrap().faults, 0);
}

fn at_micro(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}

#[tokio::test]
async fn an_event_that_searches_would_not_find_is_noticed_in_sqlite() {
    let changes = [
        "event_blocks UPDATE event_blocks SET kinds = 0",
        "event_blocks UPDATE event_blocks SET newest = oldest - 1 WHERE first = 1",
        "event_blocks UPDATE event_blocks SET oldest = newest + 1 WHERE first = 1",
        "event_blocks UPDATE event_blocks SET last = last - 1 WHERE first = 1",
        "event_blocks UPDATE event_blocks SET last = last + 1 WHERE first = 1",
        "event_blocks UPDATE event_blocks SET first = first + 1 WHERE first = 1",
        "event_blocks DELETE FROM event_blocks WHERE first > 1",
        "event_blocks DELETE FROM event_blocks",
        "event_kinds UPDATE event_kinds SET kind = 64",
        "event_kinds UPDATE event_kinds SET event_type = 'Other'",
    ];
    narrow_the_search(&InFile::new(), &changes).await;
}

#[tokio::test]
async fn an_event_that_searches_would_not_find_is_noticed_in_postgresql() {
    let changes = [
        "log_zones UPDATE log_zones SET earliest = latest + interval '1 microsecond'",
        "log_zones UPDATE log_zones SET latest = earliest - interval '1 microsecond'",
        "log_zones UPDATE log_zones SET event_types = '{Other}'",
        "log_zones UPDATE log_zones SET aggregate_types = '{}' WHERE zone = 1",
        "log_zones UPDATE log_zones SET zone = 7 WHERE zone = 0",
        "log_zones DELETE FROM log_zones WHERE zone = 2",
    ];
    narrow_the_search(&InServer::new().await, &changes).await;
}
