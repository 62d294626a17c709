//! Checkpoints, and what the file says of itself between them (see `migrations/sqlite/0007_file.sql`).
//!
//! A checkpoint is three steps: a transaction that says "the file goes on", the checkpoint, which brings this into the file,
//! and a transaction that takes it back, which is the first one that the file does not have. So a file without its write-ahead
//! log says that something is missing, while a program that reads both (SQLite's backup, a shell that closes the file after a crash)
//! finds and copies a file that is complete.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rusqlite::{Connection, OptionalExtension, Result};

use super::columns::count;

/// Frames in the write-ahead log after which a checkpoint is due: 4 MiB.
pub const FRAMES: u32 = 1_000;

/// How long a checkpoint waits for those who read an older state.
const WAIT_MILLIS: u32 = 100;

/// How many frames the write-ahead log had after the last commit.
#[derive(Debug, Clone, Default)]
pub struct Frames(Arc<AtomicU32>);

impl Frames {
    /// As of the last commit.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a file says of itself.
pub struct Note {
    /// It goes on in a write-ahead log.
    pub goes_on: bool,
    /// The path it was opened by last.
    pub known_as: String,
}

/// Counts frames from now on. SQLite makes no checkpoint by itself any more.
pub fn count_frames(connection: &mut Connection) -> Result<Frames> {
    let frames = Frames::default();
    let counted = Arc::clone(&frames.0);
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, frames: std::ffi::c_int| {
        counted.store(u32::try_from(frames).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(frames)
}

/// What the file says; nothing when an earlier version has written it, or nobody.
pub fn note(connection: &Connection) -> Result<Option<Note>> {
    if !has_table(connection, "log_file")? {
        return Ok(None);
    }
    connection
        .query_row("SELECT goes_on, known_as FROM log_file WHERE known_as <> ''", [], |row| {
            Ok(Note { goes_on: row.get(0)?, known_as: row.get(1)? })
        })
        .optional()
}

/// Where the log ends.
pub fn end(connection: &Connection) -> Result<u64> {
    if !has_table(connection, "events")? {
        return Ok(0);
    }
    connection.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| count(row, 0))
}

/// The first checkpoint of a file that was opened by this path.
pub fn anchor(connection: &Connection, path: &Path) -> Result<bool> {
    connection.execute("UPDATE log_file SET goes_on = 1, known_as = ?", [path.to_string_lossy()])?;
    let is_complete = run(connection)?;
    complete(connection)?;
    Ok(is_complete)
}

/// Brings everything into the file; false when an older state is being read for longer than this waits.
pub fn checkpoint(connection: &Connection) -> Result<bool> {
    connection.execute("UPDATE log_file SET goes_on = 1", [])?;
    let is_complete = run(connection)?;
    complete(connection)?;
    Ok(is_complete)
}

/// Says in the write-ahead log that with it the file is complete.
pub fn complete(connection: &Connection) -> Result<()> {
    connection.execute("UPDATE log_file SET goes_on = 0 WHERE goes_on = 1", []).map(drop)
}

/// How long the write-ahead log must be at least, by what SQLite knows of it.
pub fn least_wal_length(connection: &Connection) -> Result<u64> {
    let frames: i64 = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
    Ok(wal_length(u32::try_from(frames).unwrap_or(0)))
}

/// How long a write-ahead log with this number of frames is.
pub fn wal_length(frames: u32) -> u64 {
    const HEADER: u64 = 32;
    const FRAME: u64 = 24 + 4096;
    if frames == 0 { 0 } else { HEADER + FRAME * u64::from(frames) }
}

fn run(connection: &Connection) -> Result<bool> {
    let patience: u32 = connection.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
    let wait = |millis: u32| connection.pragma_update_and_check(None, "busy_timeout", millis, |_| Ok(()));
    wait(WAIT_MILLIS)?;
    let busy: Result<bool> = connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0));
    wait(patience)?;
    busy.map(|busy| !busy)
}

/// Whether there is a table of this name.
pub fn has_table(connection: &Connection, name: &str) -> Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)", [name], |row| row.get(0))
}
