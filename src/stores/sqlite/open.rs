//! Opening the file: ours alone, of our making, and up to date.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use ordo_actors::event::Epoch;
use rusqlite::{Connection, ErrorCode, OpenFlags, Result, functions::FunctionFlags};
use uuid::Uuid;

use super::migrations;

/// "ordo": says in the file's header whose file it is.
const APPLICATION_ID: i64 = 0x6f72_646f;

/// Prepared statements kept per connection.
const STATEMENTS: usize = 256;

/// How a store uses its file.
#[derive(Debug, Clone, Copy)]
pub struct SqliteOptions {
    /// Threads that read, each with a connection. At least one.
    pub readers: usize,
    /// How long a transaction waits for another program that locks the file.
    pub busy_timeout: Duration,
    /// The most pages (of 4 KiB) the file may have; without it the disk is the limit. Beyond it appends are refused as on
    /// a full disk.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 2, busy_timeout: Duration::from_secs(2), max_pages: None }
    }
}

/// Why a file could not be opened as a log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has it open.
    #[error("{} is in use by another process: one process per log", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It holds something else than a log.
    #[error("{} is not a log of this program: it is left untouched", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file or its directory cannot be made or opened.
    #[error("{} cannot be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its schema cannot be brought up to date: it was written by a newer version, or changed by hand.
    #[error("the schema of {} cannot be brought up to date", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Which migration, and why.
        source: Box<refinery::Error>,
    },
    /// SQLite refused.
    #[error("{} cannot be used", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// An opened file.
pub struct Opened {
    /// Held as long as the store lives; the system lets go of it when the process ends, however it ends.
    pub lock: File,
    /// The one that writes.
    pub writer: Connection,
    /// Those that read.
    pub readers: Vec<Connection>,
    /// Which log it is.
    pub epoch: Epoch,
}

/// Opens or creates the file at `path`.
pub fn open(path: &Path, options: SqliteOptions) -> Result<Opened, OpenError> {
    let path = &std::path::absolute(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let lock = create(path).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { path: path.clone() },
        _ => OpenError::File { path: path.clone(), source },
    })?;
    let sqlite = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path: path.clone() },
        _ => OpenError::Sqlite { path: path.clone(), source },
    };
    let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options).map_err(sqlite)?;
    if !claim(&writer).map_err(sqlite)? {
        return Err(OpenError::Foreign { path: path.clone() });
    }
    make_durable(&writer, options).map_err(sqlite)?;
    migrations::apply(&mut writer)
        .map_err(|source| OpenError::Schema { path: path.clone(), source: Box::new(source) })?;
    let epoch = epoch(&writer).map_err(sqlite)?;
    let readers = (0..options.readers.max(1))
        .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, options))
        .collect::<Result<_>>()
        .map_err(sqlite)?;
    Ok(Opened { lock, writer, readers, epoch })
}

/// Makes the file readable by its owner alone, and locks it against other processes. The lock is on a file beside it, since
/// closing the database file itself anywhere in the process would release SQLite's own locks.
fn create(path: &Path) -> io::Result<File> {
    let directory = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let private = |path: &Path| OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = private(Path::new(&beside))?;
    lock.try_lock()?;
    private(path)?;
    File::open(directory)?.sync_all()?;
    Ok(lock)
}

fn connect(path: &Path, mode: OpenFlags, options: SqliteOptions) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -16_384)?; // KiB
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "automatic_index", false)?; // a search must never index the whole log first
    Ok(connection)
}

/// Whether the file is ours; an empty one becomes ours.
fn claim(connection: &Connection) -> Result<bool> {
    let owner: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if owner == 0 && tables == 0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        return Ok(true);
    }
    Ok(owner == APPLICATION_ID)
}

fn make_durable(connection: &Connection, options: SqliteOptions) -> Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| match row.get::<_, String>(0)?.as_str() {
        "wal" => Ok(()),
        _ => Err(rusqlite::Error::InvalidQuery),
    })?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "recursive_triggers", true)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    connection.create_scalar_function("only_the_store_may_append", 0, FunctionFlags::SQLITE_DETERMINISTIC, |_| Ok(true))
}

/// The log's identity, drawn when it is asked for the first time.
fn epoch(connection: &Connection) -> Result<Epoch> {
    connection
        .execute("INSERT INTO log (id, epoch) VALUES (1, ?) ON CONFLICT DO NOTHING", [Uuid::new_v4().to_string()])?;
    let text: String = connection.query_row("SELECT epoch FROM log", [], |row| row.get(0))?;
    Uuid::parse_str(&text)
        .map(Epoch)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}
