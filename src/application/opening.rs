//! Opening a store: its log, and the rows of its read models.

use std::{path::Path, sync::Arc};

use ordo_actors::{
    log::{inspection::Inspect, store::EventStore, upcast::Upcasters},
    projection::row_store::RowStore,
    stores::memory::{MemoryRows, MemoryStore},
};

use super::{
    ApplicationError,
    schema::{in_postgres, in_sqlite},
};
use crate::config::{Accepted, StoreUrl};
use ordo_actors::stores::{
    postgres::{PostgresOptions, PostgresStore},
    sqlite::{OpenError, SqliteOptions, SqliteStore},
};

/// A store with both its sides.
#[derive(Clone)]
pub struct Stores {
    /// The log.
    pub log: Arc<dyn EventStore>,
    /// The rows of the read models.
    pub rows: Arc<dyn RowStore>,
}

/// A store, and what an audit reads of its log.
type Inspected = (Stores, Arc<dyn Inspect>);

/// A log whose read models live in memory and are folded anew at each start.
fn in_memory(log: MemoryStore) -> Inspected {
    let log = Arc::new(log);
    let inspect = Arc::clone(&log) as Arc<dyn Inspect>;
    (Stores { log, rows: Arc::new(MemoryRows::new()) }, inspect)
}

/// A database that holds both.
fn in_database<S: EventStore + RowStore + Inspect>(store: S) -> Inspected {
    let store = Arc::new(store);
    let inspect = Arc::clone(&store) as Arc<dyn Inspect>;
    (Stores { log: Arc::clone(&store) as Arc<dyn EventStore>, rows: store }, inspect)
}

/// Opens a store, migrated and ready, for a command that may take its time.
///
/// # Errors
/// A sentence that says why not.
pub async fn open_stores(url: &StoreUrl, allow_unsafe_durability: bool) -> Result<Stores, ApplicationError> {
    open_stores_as_accepted(url, Accepted { unsafe_durability: allow_unsafe_durability, lost_tail: false }).await
}

/// The same, with what the operator has accepted.
///
/// # Errors
/// A sentence that says why not.
pub async fn open_stores_as_accepted(url: &StoreUrl, accepted: Accepted) -> Result<Stores, ApplicationError> {
    Ok(open(url, accepted, PostgresOptions::patient()).await?.0)
}

/// The same for a server: clients get their answers in time whatever the store does.
pub(super) async fn open_to_serve(url: &StoreUrl, accepted: Accepted) -> Result<Stores, ApplicationError> {
    Ok(open(url, accepted, PostgresOptions::default()).await?.0)
}

async fn open(url: &StoreUrl, accepted: Accepted, options: PostgresOptions) -> Result<Inspected, ApplicationError> {
    Ok(match url {
        StoreUrl::Memory => in_memory(MemoryStore::new()),
        StoreUrl::Sqlite(path) => {
            let options = SqliteOptions { accept_lost_tail: accepted.lost_tail, ..in_sqlite(SqliteOptions::default()) };
            in_database(SqliteStore::open(path, options).map_err(|error| failed(url, &error))?)
        }
        StoreUrl::Postgres(address) => {
            let options =
                PostgresOptions { allow_unsafe_durability: accepted.unsafe_durability, ..in_postgres(options) };
            in_database(PostgresStore::connect(address, options).await.map_err(|error| failed(url, &error))?)
        }
    })
}

/// A store that was there, to be looked at.
pub struct Existing {
    /// The store.
    pub stores: Stores,
    /// What an audit reads of its log.
    pub inspect: Arc<dyn Inspect>,
    /// What is known to be missing, as a sentence.
    pub missing: Option<String>,
}

impl Existing {
    fn new((stores, inspect): Inspected, missing: Option<String>) -> Self {
        Self { stores, inspect, missing }
    }
}

/// Opens a store to look at what is in it: a file that is not there is not made, one that may not be written is only read,
/// and so is one that has lost something.
///
/// # Errors
/// A sentence that says why not.
pub async fn open_existing_stores(url: &StoreUrl) -> Result<Existing, ApplicationError> {
    let StoreUrl::Sqlite(path) = url else {
        let accepted = Accepted { unsafe_durability: true, lost_tail: false };
        return Ok(Existing::new(open(url, accepted, PostgresOptions::patient()).await?, None));
    };
    if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Err(ApplicationError::NoLog(path.clone()));
    }
    let options = in_sqlite(SqliteOptions::default());
    match SqliteStore::open(path, options) {
        Ok(store) => Ok(Existing::new(in_database(store), None)),
        Err(error @ (OpenError::LostTail { .. } | OpenError::Shorter { .. })) => to_read(url, path, &error),
        Err(error) if error.is_for_want_of_rights() => to_read(url, path, &error),
        Err(error) => Err(failed(url, &error)),
    }
}

/// Opens a file to read it. When that cannot be done either, the reason for which it could not be written is told first.
fn to_read(url: &StoreUrl, path: &Path, refused: &OpenError) -> Result<Existing, ApplicationError> {
    log::info!("opened for reading alone: {}", with_causes(refused));
    match SqliteStore::open_to_read(path, in_sqlite(SqliteOptions::default())) {
        Ok((store, missing)) => Ok(Existing::new(in_database(store), missing.map(|missing| with_causes(&missing)))),
        Err(OpenError::File { .. }) => Err(failed(url, refused)),
        Err(error) => Err(failed(url, &error)),
    }
}

fn failed(url: &StoreUrl, error: &dyn std::error::Error) -> ApplicationError {
    ApplicationError::Store { store: url.to_string(), reason: with_causes(error) }
}

/// How events of older schema versions are read. Empty as long as every event has its first schema: the reader is in place, and
/// a log that needs more is refused at start.
#[must_use]
pub fn upcasters() -> Upcasters {
    Upcasters::new()
}

/// An error and what caused it, in one sentence.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |sentence, cause| format!("{sentence}: {cause}"))
}
