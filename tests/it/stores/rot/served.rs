//! What is not what was written is not served, and told.

use super::*;

#[tokio::test]
async fn an_event_that_is_not_what_was_written_is_told_and_not_served() {
    let (file, server) = (InFile::new(), InServer::new().await);
    rotten_event(&file).await;
    rotten_event(&server).await;
}

async fn rotten_event(database: &impl Database) {
    let stream = StreamId::generate();
    append(database.store(), counted(stream, exact(0), 3)).await;
    append(database.store(), counted(StreamId::generate(), exact(0), 1)).await;
    assert!(database.execute("UPDATE events SET event_type = 'Incremfnted' WHERE position = 2").await);
    let told = |error: StoreError| {
        matches!(&error, StoreError::Corrupt(reason)
        if reason.contains("position 2") && reason.contains(&format!("{stream}@2")))
    };
    assert!(told(database.store().read_stream(stream, Version(1), 10).await.unwrap_err()));
    assert!(told(database.store().read_all(&LogQuery::after(Position(1), 1)).await.unwrap_err()));
    assert_eq!(database.store().read_all(&LogQuery::after(Position(2), 10)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_snapshot_that_is_not_what_was_written_is_not_used() {
    let (file, server) = (InFile::new(), InServer::new().await);
    rotten_snapshot(&file).await;
    rotten_snapshot(&server).await;
}

async fn rotten_snapshot(database: &impl Database) {
    let stream = StreamId::generate();
    let write = with_snapshot(2, r#"{"value":2}"#, increments(stream, exact(0), 2));
    append(database.store(), commit([write])).await;
    assert!(database.store().snapshot(stream).await.unwrap().is_some());
    assert!(database.execute(r#"UPDATE snapshots SET state = '{"value":6}'"#).await);
    assert!(database.store().snapshot(stream).await.unwrap().is_none());
}

#[tokio::test]
async fn a_key_whose_record_is_not_what_was_written_stays_used_and_gives_nobody_an_answer() {
    let (file, server) = (InFile::new(), InServer::new().await);
    rotten_record(&file).await;
    rotten_record(&server).await;
}

async fn rotten_record(database: &impl Database) {
    let again = || keyed(record("used"), counted(StreamId::generate(), exact(0), 1));
    append(database.store(), again()).await;
    assert_eq!(duplicate(verdict(database.store(), again()).await).fingerprint, record("used").fingerprint);
    assert!(database.execute("UPDATE idempotency SET position = position + 1").await);
    assert_eq!(duplicate(verdict(database.store(), again()).await).fingerprint, [0; 32]);
    assert_eq!(database.store().idempotency(&record("used").key).await.unwrap().unwrap().fingerprint, [0; 32]);
}

#[test]
fn verify_names_the_event_that_is_not_what_was_written() {
    let file = InFile::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fill(&file.store));
    let store = sqlite(&file.path());
    let InFile { store: opened, shell, directory: _directory } = file;
    let stream: Vec<u8> =
        shell.query_row("SELECT aggregate_id FROM events WHERE position = 7", [], |row| row.get(0)).unwrap();
    drop(opened);
    assert_eq!(verify(&store), 15);
    shell.execute("UPDATE events SET event_id = zeroblob(16) WHERE position = 7", []).unwrap();
    drop(shell);
    let report = run(&["verify", "--store", &store]).complains(1, &["1 faults were found"]);
    let place = format!("the event at position 7 ({}@1) is not what was written", Uuid::from_slice(&stream).unwrap());
    assert!(report.out.contains(&place), "{}", report.out);
    assert!(report.out.contains("checksums begin at position 1\n"), "{}", report.out);
    let report: serde_json::Value =
        serde_json::from_str(&run(&["verify", "--json", "--store", &store]).expect(1).out).unwrap();
    assert_eq!((&report["faults"], &report["checksums_from"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(report["findings"][0], place);
}

#[tokio::test]
async fn a_file_that_has_lost_its_end_is_not_gone_on_with() {
    let InFile { store, shell, directory } = InFile::new();
    fill(&store).await;
    shell.execute("DELETE FROM events WHERE position > 12", []).unwrap();
    drop((store, shell));
    let path = directory.path().join("log.db");
    let refused = SqliteStore::open(&path, in_sqlite(SqliteOptions::default())).err().unwrap();
    assert!(matches!(refused, OpenError::Shorter { .. }), "{refused}");
    let report = run(&["verify", "--store", &sqlite(&path)]).expect(1).out;
    assert!(report.contains("the log ends at position 12, its head says 15"), "{report}");
}
