//! Opening the file: ours alone, of our making, and up to date.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{log::event::Epoch, stores::schema::Schema};
use rusqlite::{Connection, ErrorCode, OpenFlags, Result, functions::FunctionFlags};
use uuid::Uuid;

use super::{
    OpenError,
    checkpoint::{self, Frames},
    columns::count,
    migrations,
    own_file::{OwnFile, beside},
    wal::{self, Wal},
};

/// "ordo": says in the file's header whose file it is.
const APPLICATION_ID: i64 = 0x6f72_646f;

/// The smallest file that can be a database.
const SMALLEST: u64 = 512;

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
    /// Goes on without events that were confirmed and are lost with the write-ahead log. The log has another identity then.
    pub accept_lost_tail: bool,
    /// The tables; those of the engine unless the application adds its own.
    pub schema: Schema,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 2,
            busy_timeout: Duration::from_secs(2),
            max_pages: None,
            accept_lost_tail: false,
            schema: migrations::SCHEMA,
        }
    }
}

/// An opened file.
pub struct Opened {
    // Fields are dropped in this order: connections before the file.
    /// The one that writes.
    pub writer: Connection,
    /// Those that read.
    pub readers: Vec<Connection>,
    /// The file itself, locked.
    pub file: OwnFile,
    /// What the last commit has made of the write-ahead log.
    pub frames: Frames,
    /// Which log it is.
    pub epoch: Epoch,
}

/// Opens or creates the file at `path`.
pub fn open(path: &Path, options: SqliteOptions) -> Result<Opened, OpenError> {
    let mut file = OwnFile::open(path)?;
    let path = &file.path().to_owned();
    let sqlite = |source| unusable(path, source);
    let wal = wal::look(path).map_err(|source| OpenError::File { path: beside(path, "-wal"), source })?;
    refuse_cut_off(&file, wal)?;
    if wal == Wal::Damaged && !options.accept_lost_tail {
        // Before SQLite takes the log for a whole one and brings what is left of it into the file.
        return Err(damaged_log(&file, options)?);
    }
    let begun = |source| unwritable(path, source);
    let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options).map_err(begun)?;
    if !claim(&writer).map_err(begun)? {
        return Err(OpenError::Foreign { path: path.clone() });
    }
    file.keep_private()?;
    let lost = lost_tail(&writer, &file, wal)?;
    file.lock_name()?;
    let is_another = lost.is_some();
    match lost {
        Some(lost) if options.accept_lost_tail => log::warn!("going on without what is lost: {lost}"),
        Some(lost) => return Err(lost),
        None => {}
    }
    make_durable(&writer, options).map_err(sqlite)?;
    migrations::apply(&mut writer, options.schema).map_err(|source| unmigrated(path, source))?;
    let epoch = epoch(&writer, is_another).map_err(sqlite)?;
    refuse_shorter(&writer, path)?;
    let frames = checkpoint::count_frames(&mut writer).map_err(sqlite)?;
    anchor(&writer, &file)?;
    let readers = (0..options.readers.max(1))
        .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, options))
        .collect::<Result<_>>()
        .map_err(sqlite)?;
    file.watch_companions()?;
    Ok(Opened { writer, readers, file, frames, epoch })
}

/// Opens a file that is there to look at it, and tells what is missing of it. Nothing is written: not in the file, and, unless
/// there is a write-ahead log to be read, not beside it.
pub fn open_to_read(path: &Path, options: SqliteOptions) -> Result<(Opened, Option<OpenError>), OpenError> {
    let file = OwnFile::open_to_read(path)?;
    let path = &file.path().to_owned();
    let wal = wal::look(path).map_err(|source| OpenError::File { path: beside(path, "-wal"), source })?;
    refuse_cut_off(&file, wal)?;
    // Nobody can change the file as long as this holds the lock, so it can be read without its write-ahead log; and must be
    // when SQLite would take a damaged one for a whole one.
    let name = if wal == Wal::Whole { path.clone() } else { immutable(path) };
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let sqlite = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) if wal == Wal::Whole => {
            OpenError::Unreadable { wal: beside(path, "-wal"), source }
        }
        _ => unusable(path, source),
    };
    let writer = connect(&name, mode, options).map_err(sqlite)?;
    let owner: i64 = writer.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sqlite)?;
    if owner != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.clone() });
    }
    let lost = lost_tail(&writer, &file, wal)?;
    if !migrations::are_applied(&writer, options.schema).map_err(sqlite)? {
        return Err(OpenError::OtherVersion { path: path.clone() });
    }
    let epoch = read_epoch(&writer).map_err(sqlite)?;
    let lost = lost.or(refuse_shorter(&writer, path).err());
    let readers = (0..options.readers.max(1)).map(|_| connect(&name, mode, options));
    let readers = readers.collect::<Result<_>>().map_err(sqlite)?;
    Ok((Opened { writer, readers, file, frames: Frames::default(), epoch }, lost))
}

/// Tells of a write-ahead log that is damaged, and leaves everything as it is.
fn damaged_log(file: &OwnFile, options: SqliteOptions) -> Result<OpenError, OpenError> {
    let path = file.path();
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = connect(&immutable(path), mode, options).map_err(|source| unusable(path, source))?;
    let foreign = || OpenError::Foreign { path: path.to_owned() };
    Ok(lost_tail(&connection, file, Wal::Damaged)?.unwrap_or_else(foreign))
}

/// The name by which SQLite opens a file that does not change.
fn immutable(path: &Path) -> PathBuf {
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
        other => format!("%{other:02x}"),
    };
    let name: String = path.as_os_str().as_bytes().iter().map(encode).collect();
    PathBuf::from(format!("file:{name}?immutable=1"))
}

/// Refuses a file that is shorter than it says, when no write-ahead log can make up for it.
fn refuse_cut_off(file: &OwnFile, wal: Wal) -> Result<(), OpenError> {
    let path = file.path();
    let length = file.length().map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let is_cut_off = match file.stated_length() {
        Some(stated) => length < stated && wal == Wal::Missing,
        None => length > 0 && length < SMALLEST && beside(path, ".lock").exists(),
    };
    if is_cut_off { Err(OpenError::Truncated { path: path.to_owned() }) } else { Ok(()) }
}

/// What was confirmed and is not there any more. Refuses a file by another name than the one its write-ahead log lies beside.
fn lost_tail(connection: &Connection, file: &OwnFile, wal: Wal) -> Result<Option<OpenError>, OpenError> {
    let path = file.path();
    let sqlite = |source| unusable(path, source);
    let note = checkpoint::note(connection).map_err(sqlite)?;
    let is_ours =
        note.is_some() || !checkpoint::has_table(connection, "log").map_err(sqlite)? || beside(path, ".lock").exists();
    let names = file.names().map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let known_as = note.as_ref().map_or_else(|| path.to_string_lossy().into_owned(), |note| note.known_as.clone());
    if names > 1 && !is_ours {
        let known_as = "the one that has a .lock beside it".to_owned();
        return Err(OpenError::OtherName { path: path.to_owned(), known_as });
    }
    if names > 1 && Path::new(&known_as) != path {
        return Err(OpenError::OtherName { path: path.to_owned(), known_as });
    }
    let how = match wal {
        Wal::Damaged => "is damaged or was cut off",
        Wal::Missing if note.is_some_and(|note| note.goes_on) => "is not there",
        Wal::Missing | Wal::Whole => return Ok(None),
    };
    let position = checkpoint::end(connection).map_err(sqlite)?;
    Ok(Some(OpenError::LostTail { wal: beside(Path::new(&known_as), "-wal"), how, position }))
}

/// Refuses a log that has been longer: its last batch, a read model or a block cannot be further than the log.
fn refuse_shorter(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |source| unusable(path, source);
    let head = checkpoint::end(connection).map_err(sqlite)?;
    let known = connection
        .query_row(
            "SELECT max((SELECT position FROM log), (SELECT max(first) - 1 FROM event_blocks), \
             (SELECT coalesce(max(c.position), 0) FROM read_model_checkpoints c JOIN log USING (epoch)))",
            [],
            |row| count(row, 0),
        )
        .map_err(sqlite)?;
    if known > head { Err(OpenError::Shorter { path: path.to_owned(), head, known }) } else { Ok(()) }
}

/// Brings everything into the file, which says from then on that it goes on in the write-ahead log. On a full disk the log
/// can still be read.
fn anchor(connection: &Connection, file: &OwnFile) -> Result<(), OpenError> {
    let path = file.path();
    match checkpoint::anchor(connection, path) {
        Ok(true) => refuse_short_of_pages(connection, file),
        Ok(false) => {
            log::warn!("{} is being read by another program: it is not noticed if its -wal is lost", path.display());
            Ok(())
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
            log::warn!("{} cannot be written now: the disk is full", path.display());
            Ok(())
        }
        Err(error) => Err(unusable(path, error)),
    }
}

/// Refuses a file into which everything has been brought, and which has fewer pages than the database.
fn refuse_short_of_pages(connection: &Connection, file: &OwnFile) -> Result<(), OpenError> {
    let path = file.path();
    let pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let needed = connection.query_row(pages, [], |row| count(row, 0)).map_err(|source| unusable(path, source))?;
    let length = file.length().map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    if length < needed { Err(OpenError::Truncated { path: path.to_owned() }) } else { Ok(()) }
}

/// What a migration that failed means.
fn unmigrated(path: &Path, source: refinery::Error) -> OpenError {
    let causes = std::iter::successors(std::error::Error::source(&source), |cause| cause.source());
    let damage = causes
        .filter_map(|cause| cause.downcast_ref::<rusqlite::Error>())
        .any(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt));
    if damage {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return OpenError::Damaged { path: path.to_owned(), source: rusqlite::Error::SqliteFailure(code, None) };
    }
    OpenError::Schema { path: path.to_owned(), source: Box::new(source) }
}

/// What it means when SQLite cannot begin: it does not say that it is the directory that cannot be written.
fn unwritable(path: &Path, source: rusqlite::Error) -> OpenError {
    let directory = path.parent().unwrap_or(path);
    match rustix::fs::access(directory, rustix::fs::Access::WRITE_OK) {
        Err(why) if matches!(source.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) => {
            OpenError::File { path: directory.to_owned(), source: why.into() }
        }
        Ok(()) | Err(_) => unusable(path, source),
    }
}

/// What an error of SQLite while opening means.
fn unusable(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) if beside(&path, ".lock").exists() => OpenError::Damaged { path, source },
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, source },
        _ => OpenError::Sqlite { path, source },
    }
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

/// The log's identity, drawn when it is asked for the first time, and anew when the log `is_another`: one that has lost its
/// end gives its positions to other events.
fn epoch(connection: &Connection, is_another: bool) -> Result<Epoch> {
    let conflict = if is_another {
        "UPDATE SET begun_as = iif(begun_as = '', epoch, begun_as), epoch = excluded.epoch"
    } else {
        "NOTHING"
    };
    connection.execute(
        &format!("INSERT INTO log (id, epoch) VALUES (1, ?) ON CONFLICT (id) DO {conflict}"),
        [Uuid::new_v4().to_string()],
    )?;
    read_epoch(connection)
}

fn read_epoch(connection: &Connection) -> Result<Epoch> {
    let text: String = connection.query_row("SELECT epoch FROM log", [], |row| row.get(0))?;
    Uuid::parse_str(&text)
        .map(Epoch)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}
