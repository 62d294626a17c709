//! Bits that have flipped, in values and in a file.

use super::*;

/// Flips every bit of these columns, one at a time, and counts those that could be.
async fn flip_all(database: &impl Database, table: &str, columns: &[&str], row: &str) {
    for column in columns {
        let mut done = 0;
        for value in database.flips(table, column, row).await {
            if !database.execute(&format!("UPDATE {table} SET {column} = {value} WHERE {row}")).await {
                continue;
            }
            done += 1;
            assert!(is_noticed(database).await, "{table}.{column} = {value}");
            restore_table(database, table).await;
        }
        assert!(done > 0 || *column == "chain", "no bit of {table}.{column} was flipped");
    }
}

const EVENT_COLUMNS: &[&str] = &[
    "position",
    "version",
    "event_id",
    "aggregate_id",
    "timestamp",
    "schema_version",
    "event_type",
    "aggregate_type",
    "metadata",
    "payload",
    "checksum",
    "chain",
];

async fn flip_everything(database: &impl Database) {
    fill(database.store()).await;
    keep(database).await;
    assert_sound(database).await;
    // The first of a batch, and one within a batch.
    flip_all(database, "events", EVENT_COLUMNS, "position = 6").await;
    flip_all(database, "events", EVENT_COLUMNS, "position = 3").await;
    flip_all(database, "snapshots", &["aggregate_id", "version", "position", "schema", "state", "checksum"], "true")
        .await;
    let record = &["scope", "key", "fingerprint", "answer", "position", "recorded_at", "checksum"];
    flip_all(database, "idempotency", record, "key = 'first'").await;
    flip_all(database, database.head_table(), &["position", "chain", "epoch", "checked_after"], "true").await;
    let kind = &["aggregate_type", "event_type", "schema_version"];
    flip_all(database, "event_kinds", kind, "event_type = (SELECT min(event_type) FROM event_kinds)").await;
    assert_sound(database).await;
}

#[tokio::test]
async fn a_flipped_bit_of_any_stored_value_is_noticed_in_sqlite() {
    flip_everything(&InFile::new()).await;
}

#[tokio::test]
async fn a_flipped_bit_of_any_stored_value_is_noticed_in_postgresql() {
    flip_everything(&InServer::new().await).await;
}

/// All that is served from a file: what has changed otherwise was not in use.
fn contents(path: &std::path::Path) -> rusqlite::Result<String> {
    let file = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut all = String::new();
    for table in KEPT.iter().copied().chain(["log", "event_blocks"]) {
        let mut select = file.prepare(&format!("SELECT * FROM {table} ORDER BY 1"))?;
        let columns = select.column_count();
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            (0..columns).try_for_each(|column| {
                write!(all, "{:?} ", row.get_ref(column)?).map_err(|_| rusqlite::Error::InvalidQuery)
            })?;
        }
    }
    Ok(all)
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_file_changes_nothing_or_is_noticed() {
    let InFile { store, shell, directory } = InFile::new();
    fill(&store).await;
    drop((store, shell));
    let path = directory.path().join("log.db");
    let (pristine, before) = (std::fs::read(&path).unwrap(), contents(&path).unwrap());
    let mut rng = Rng::new(7);
    let (mut changed, mut tries) = (0, 0);
    while changed < 60 {
        tries += 1;
        assert!(tries < 100_000, "{changed}");
        let mut rotten = pristine.clone();
        let at = rng.below(rotten.len() as u64);
        rotten[usize::try_from(at).unwrap()] ^= 1 << rng.below(8);
        std::fs::write(&path, rotten).unwrap();
        if contents(&path).is_ok_and(|after| after == before) {
            continue;
        }
        changed += 1;
        let noticed = match SqliteStore::open(&path, in_sqlite(SqliteOptions::default())) {
            Ok(store) => {
                Audit::of(&store, &store, &Upcasters::new(), |_| ()).await.map_or(true, |audit| audit.faults > 0)
            }
            Err(_) => true,
        };
        assert!(noticed, "byte {at}");
    }
}
