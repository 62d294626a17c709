//! One file, whatever it is called: its lock, and whether it is still where it was found.
//!
//! A file is its inode. The lock is on the inode itself (`flock`, which SQLite does not use), so links, mounts and names in
//! other directories all meet it. Links are resolved before anything is named after the path, so that the write-ahead log and
//! the shared memory lie beside the file and not beside the link.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::{
        fd::IntoRawFd,
        unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use super::OpenError;

/// What a file of SQLite begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What lies beside a database while it is open, and after a crash.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// How often the lock of a file in use is tried, and how far apart.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A database file that this process alone has open.
///
/// Invariant: the descriptor is opened before SQLite opens the file and outlives its connections, because closing any
/// descriptor of a file releases the locks that SQLite holds on it in this process.
#[derive(Debug)]
pub struct OwnFile {
    path: PathBuf,
    file: File,
    /// Locked for earlier versions, which know no other lock; and the sign that a log belongs here when the file is gone.
    name_lock: Option<File>,
    /// What must stay where it is.
    seen: Vec<Seen>,
    /// How long the file was when this was looked at last.
    length: AtomicU64,
}

/// A file under its name.
#[derive(Debug)]
struct Seen {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Seen {
    fn at(path: PathBuf) -> io::Result<Self> {
        let found = fs::symlink_metadata(&path)?;
        Ok(Self { path, device: found.dev(), inode: found.ino() })
    }

    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}

impl OwnFile {
    /// Opens or creates the file (mode 0600, its directory 0700) and locks it against every other process.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = resolve(path)?;
        let failed = |source| OpenError::File { path: path.clone(), source };
        if !fs::exists(&path).map_err(failed)? {
            refuse_leftovers(&path)?;
        }
        let file = open_private(&path, false).map_err(failed)?;
        let file = lock(file, &path, File::try_lock)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.len() == 0 {
            refuse_leftovers(&path).map_err(|_| OpenError::Truncated { path: path.clone() })?;
            sync_directory(&path)?;
        }
        let seen = vec![Seen { path: path.clone(), device: metadata.dev(), inode: metadata.ino() }];
        Ok(Self { file, name_lock: None, seen, length: AtomicU64::new(metadata.len()), path })
    }

    /// Opens a file that is there, to read it. Others may do so at the same time, and nobody writes.
    pub fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        let path = fs::canonicalize(path).map_err(failed)?;
        let file = lock(File::open(&path).map_err(failed)?, &path, File::try_lock_shared)?;
        let metadata = file.metadata().map_err(failed)?;
        let seen = vec![Seen { path: path.clone(), device: metadata.dev(), inode: metadata.ino() }];
        Ok(Self { file, name_lock: None, seen, length: AtomicU64::new(metadata.len()), path })
    }

    /// Its name, with all links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many names it has.
    pub fn names(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.nlink())
    }

    /// Takes the lock that earlier versions look at. To be called once the file is a database: from then on this lock
    /// without the file means that the file was taken away.
    pub fn lock_name(&mut self) -> Result<(), OpenError> {
        let path = beside(&self.path, ".lock");
        let failed = |source| OpenError::File { path: path.clone(), source };
        let lock = open_private(&path, true).map_err(failed)?;
        self.name_lock = Some(match in_time(&lock, File::try_lock) {
            Ok(()) => lock,
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: self.path.clone() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        });
        sync_directory(&self.path)
    }

    /// Remembers the write-ahead log and the shared memory, which SQLite has made by now: they must stay where they are, too.
    pub fn watch_companions(&mut self) -> Result<(), OpenError> {
        for suffix in COMPANIONS {
            let path = beside(&self.path, suffix);
            let seen = Seen::at(path.clone()).map_err(|source| OpenError::File { path, source })?;
            self.seen.push(seen);
        }
        Ok(())
    }

    /// Whether everything is still where it was when it was opened, and the file as long. Takes microseconds.
    ///
    /// # Errors
    /// A sentence: what is written from now on may be found by nobody.
    pub fn check(&self) -> Result<(), String> {
        if let Some(lost) = self.seen.iter().find(|seen| !seen.is_there()) {
            let path = lost.path.display();
            return Err(format!(
                "{path} was moved, deleted or replaced while it was open: put back what was taken away"
            ));
        }
        if self.is_cut_off() {
            return Err(format!("{} was cut off while it was open: restore a backup", self.path.display()));
        }
        Ok(())
    }

    /// Whether the file is shorter than it was, and than its own header says. A file that was vacuumed is only the former.
    pub fn is_cut_off(&self) -> bool {
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        let before = self.length.swap(length, Ordering::Relaxed);
        length < before && self.stated_length().is_none_or(|stated| length < stated)
    }

    /// How long the file should be by its header: pages times their size. None when it has no header.
    pub fn stated_length(&self) -> Option<u64> {
        let mut header = [0; 32];
        self.file.read_exact_at(&mut header, 0).ok()?;
        let page = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
        header.starts_with(MAGIC).then(|| page * u64::from(pages))
    }

    /// How long the write-ahead log is.
    pub fn wal_length(&self) -> u64 {
        fs::metadata(beside(&self.path, "-wal")).map_or(0, |metadata| metadata.len())
    }

    /// Its length.
    pub fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Makes the files readable by their owner alone, and says so when they were not.
    pub fn keep_private(&self) -> Result<(), OpenError> {
        let private = || Permissions::from_mode(0o600);
        let failed = |source| OpenError::File { path: self.path.clone(), source };
        let mode = self.file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = self.path.clone();
            self.file.set_permissions(private()).map_err(|source| OpenError::Readable { path, mode, source })?;
            log::warn!("{} could be read by others (mode {mode:o}): its mode is 600 now", self.path.display());
        }
        for path in COMPANIONS.map(|suffix| beside(&self.path, suffix)) {
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.mode() & 0o077 != 0) {
                fs::set_permissions(&path, private()).map_err(|source| OpenError::Readable { path, mode, source })?;
            }
        }
        Ok(())
    }
}

/// The name of what lies beside a file.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The path with all links resolved; of a file that is not there yet, its directory, which is made.
fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |path: &Path, source| OpenError::File { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(|source| failed(path, source))?;
    match fs::canonicalize(&absolute) {
        Ok(resolved) => return Ok(resolved),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(path, error)),
    }
    if fs::symlink_metadata(&absolute).is_ok() {
        return Err(OpenError::Dangling { path: absolute });
    }
    let (Some(directory), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(failed(path, io::ErrorKind::InvalidFilename.into()));
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.and_then(|()| fs::canonicalize(directory))
        .map(|found| found.join(name))
        .map_err(|source| failed(directory, source))
}

/// Where a database is not, or is empty, nothing may be left of one. A file without content is no log in the making: its
/// first page is durable before anything lies beside it.
fn refuse_leftovers(path: &Path) -> Result<(), OpenError> {
    let left = ["-wal", ".lock"].map(|suffix| beside(path, suffix)).into_iter().find(|left| left.exists());
    left.map_or(Ok(()), |left| Err(OpenError::Gone { path: path.to_owned(), left }))
}

fn open_private(path: &Path, write_only: bool) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(!write_only).write(true).mode(0o600).open(path)
}

fn lock(file: File, path: &Path, how: fn(&File) -> Result<(), TryLockError>) -> Result<File, OpenError> {
    match in_time(&file, how) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            // Never closed: another store of this process may have the file open, and closing releases SQLite's locks.
            let _ = file.into_raw_fd();
            Err(OpenError::InUse { path: path.to_owned() })
        }
        Err(TryLockError::Error(source)) => Err(OpenError::File { path: path.to_owned(), source }),
    }
}

/// Tries for a second: a process that is ending, or a child that it has forked and that has not yet become another program,
/// may hold the lock for a moment longer.
fn in_time(file: &File, how: fn(&File) -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match how(file) {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
    how(file)
}

fn sync_directory(path: &Path) -> Result<(), OpenError> {
    let directory = path.parent().unwrap_or(path);
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| OpenError::File { path: directory.to_owned(), source })
}
