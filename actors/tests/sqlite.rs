//! The SQLite store with the engine's own tables, as an application has it that is not about orders.

use std::sync::Arc;

use ordo_actors::{
    log::store::EventStore,
    projection::row_store::RowStore,
    stores::{
        schema::Migration,
        sqlite::{SCHEMA, SqliteOptions, SqliteStore},
    },
    testing::{contract::ContractFixture, row_contract::RowFixture},
};
use tempfile::TempDir;

/// The tables of the row contract, as an application adds its own.
const TABLES: &[Migration] = &[(
    "V1__contract",
    "CREATE TABLE contract_counters (generation INTEGER NOT NULL, counter_id TEXT NOT NULL, colour TEXT NOT NULL,
         value INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY (generation, counter_id)) STRICT;
     CREATE INDEX contract_counters_by_value ON contract_counters (generation, value, counter_id);
     CREATE INDEX contract_counters_by_colour_value ON contract_counters (generation, colour, value, counter_id);
     CREATE INDEX contract_counters_by_colour ON contract_counters (generation, colour, counter_id);
     CREATE TABLE contract_readings (generation INTEGER NOT NULL, reader TEXT NOT NULL, number INTEGER NOT NULL,
         at INTEGER NOT NULL, PRIMARY KEY (generation, reader, number)) STRICT;
     CREATE INDEX contract_readings_by_reader_at ON contract_readings (generation, reader, at, number);",
)];

/// Fields are dropped in this order: the store before its file.
struct File {
    store: Arc<SqliteStore>,
    directory: TempDir,
}

impl File {
    fn new() -> std::future::Ready<Self> {
        std::future::ready(Self::open(tempfile::tempdir().expect("a directory")))
    }

    fn open(directory: TempDir) -> Self {
        let options = SqliteOptions { schema: SCHEMA.with(TABLES), ..SqliteOptions::default() };
        let store = SqliteStore::open(&directory.path().join("log.db"), options).expect("a store");
        Self { store: Arc::new(store), directory }
    }

    fn open_again(self) -> Self {
        let Self { store, directory } = self;
        drop(store);
        Self::open(directory)
    }
}

impl ContractFixture for File {
    fn store(&self) -> Arc<dyn EventStore> {
        Arc::clone(&self.store) as Arc<dyn EventStore>
    }

    async fn reopen(self) -> Self {
        self.open_again()
    }
}

impl RowFixture for File {
    fn rows(&self) -> Arc<dyn RowStore> {
        Arc::clone(&self.store) as Arc<dyn RowStore>
    }

    async fn reopen(self) -> Self {
        self.open_again()
    }
}

mod log {
    ordo_actors::store_contract!(super::File::new);
    ordo_actors::durable_store_contract!(super::File::new);
}

mod rows {
    ordo_actors::row_store_contract!(super::File::new);
    ordo_actors::durable_row_store_contract!(super::File::new);
}

/// The engine's own tables for read models are those that an application with one history for everything has made.
#[test]
fn the_engines_tables_are_made_by_the_same_statements_in_both_histories() {
    for (engine, whole) in [
        (
            include_str!("../../migrations/engine/sqlite/0002_read_models.sql"),
            include_str!("../../migrations/sqlite/0002_read_models.sql"),
        ),
        (
            include_str!("../../migrations/engine/postgres/0002_read_models.sql"),
            include_str!("../../migrations/postgres/0002_read_models.sql"),
        ),
    ] {
        let (engine, whole) = (statements(engine), statements(whole));
        assert_eq!(engine.len(), 3);
        assert!(engine.iter().all(|statement| whole.contains(statement)), "{engine:?}");
    }
}

/// Without comments and with single blanks.
fn statements(text: &str) -> Vec<String> {
    let code: Vec<_> = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let blank = |statement: &str| statement.split_whitespace().collect::<Vec<_>>().join(" ");
    code.join(" ").split(';').map(blank).filter(|statement| !statement.is_empty()).collect()
}

#[test]
fn a_file_with_other_tables_of_the_application_is_refused() {
    const OTHER: &[Migration] = &[("V1__contract", "CREATE TABLE other (id INTEGER)")];
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log.db");
    let open = |tables| {
        let options = SqliteOptions { schema: SCHEMA.with(tables), ..SqliteOptions::default() };
        SqliteStore::open(&path, options).map(drop)
    };
    open(TABLES).expect("a new file");
    assert!(open(OTHER).is_err());
    open(TABLES).expect("the file as it was");
}
