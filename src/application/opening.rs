//! Opening a store: its log, and the rows of its read models.

use std::sync::Arc;

use ordo_actors::{
    memory_rows::MemoryRows, memory_store::MemoryStore, row_store::RowStore, store::EventStore, upcast::Upcasters,
};

use super::ApplicationError;
use crate::{
    config::StoreUrl,
    stores::{
        postgres::{PostgresOptions, PostgresStore},
        sqlite::{SqliteOptions, SqliteStore},
    },
};

/// A store with both its sides.
#[derive(Clone)]
pub struct Stores {
    /// The log.
    pub log: Arc<dyn EventStore>,
    /// The rows of the read models.
    pub rows: Arc<dyn RowStore>,
}

impl Stores {
    /// A log whose read models live in memory and are folded anew at each start.
    fn in_memory(log: impl EventStore) -> Self {
        Self { log: Arc::new(log), rows: Arc::new(MemoryRows::new()) }
    }

    /// A database that holds both.
    fn of<S: EventStore + RowStore>(store: S) -> Self {
        let store = Arc::new(store);
        Self { log: Arc::clone(&store) as Arc<dyn EventStore>, rows: store }
    }
}

/// Opens a store, migrated and ready, for a command that may take its time.
///
/// # Errors
/// A sentence that says why not.
pub async fn open_stores(url: &StoreUrl, allow_unsafe_durability: bool) -> Result<Stores, ApplicationError> {
    open(url, PostgresOptions { allow_unsafe_durability, ..PostgresOptions::patient() }).await
}

/// The same for a server: clients get their answers in time whatever the store does.
pub(super) async fn open_to_serve(url: &StoreUrl, allow_unsafe_durability: bool) -> Result<Stores, ApplicationError> {
    open(url, PostgresOptions { allow_unsafe_durability, ..PostgresOptions::default() }).await
}

async fn open(url: &StoreUrl, options: PostgresOptions) -> Result<Stores, ApplicationError> {
    let failed = |reason: String| ApplicationError::Store { store: url.to_string(), reason };
    Ok(match url {
        StoreUrl::Memory => Stores::in_memory(MemoryStore::new()),
        StoreUrl::Sqlite(path) => {
            Stores::of(SqliteStore::open(path, SqliteOptions::default()).map_err(|error| failed(with_causes(&error)))?)
        }
        StoreUrl::Postgres(url) => {
            Stores::of(PostgresStore::connect(url, options).await.map_err(|error| failed(with_causes(&error)))?)
        }
    })
}

/// Opens a store to look at what is in it: a file that is not there is not made.
///
/// # Errors
/// A sentence that says why not.
pub async fn open_existing_stores(url: &StoreUrl) -> Result<Stores, ApplicationError> {
    if let StoreUrl::Sqlite(path) = url
        && !path.exists()
    {
        return Err(ApplicationError::NoLog(path.clone()));
    }
    open_stores(url, true).await
}

/// How events of older schema versions are read.
#[must_use]
pub fn upcasters() -> Upcasters {
    Upcasters::new()
}

/// An error and what caused it, in one sentence.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |sentence, cause| format!("{sentence}: {cause}"))
}
