//! A file with personal data in it: its owner's alone, and whole or not there.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

/// A file that is being written under another name. It takes the place of what was there when it is finished, and goes when it is
/// not.
pub struct PrivateFile {
    file: File,
    path: PathBuf,
    /// The name until it is finished; nothing for a device or a pipe, which is written to as it is.
    partial: Option<PathBuf>,
}

impl PrivateFile {
    /// Begins a file that its owner alone may read and write. What is there may be replaced when it is a file of the same
    /// owner; a symbolic link is not followed, and not replaced.
    ///
    /// # Errors
    /// It cannot be made, or something else is there.
    pub fn create(path: &Path) -> Result<Self, String> {
        Self::begin(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    fn begin(path: &Path) -> io::Result<Self> {
        if is_stream(path)? {
            return Ok(Self { file: OpenOptions::new().write(true).open(path)?, path: path.into(), partial: None });
        }
        let name = path.file_name().ok_or(ErrorKind::IsADirectory)?;
        let mut partial = OsString::from(".");
        partial.push(name);
        partial.push(format!(".{}.part", std::process::id()));
        let partial = path.with_file_name(partial);
        // What an earlier process of this number has left over; what is no file of ours stays, and then nothing is made.
        let _ = fs::remove_file(&partial);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        Ok(Self { file, path: path.into(), partial: Some(partial) })
    }

    /// Where to write. Who buffers flushes before [`Self::finish`].
    ///
    /// # Errors
    /// The process has too many open files.
    pub fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Makes what was written durable and gives it its name.
    ///
    /// # Errors
    /// It cannot be; then what was there before is still there.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(partial) = &self.partial {
            self.file.sync_all()?;
            fs::rename(partial, &self.path)?;
            self.partial = None;
        }
        Ok(())
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // It has gone, or nobody could do better.
            let _ = fs::remove_file(partial);
        }
    }
}

/// Whether a path names a device or a pipe, to be written to as it is. Refuses what must not be written to or replaced.
fn is_stream(path: &Path) -> io::Result<bool> {
    // Links that the system has made: /dev/stdout, and what a shell makes of >(command).
    if path.parent().is_some_and(|folder| [Path::new("/dev"), Path::new("/dev/fd")].contains(&folder)) {
        return Ok(true);
    }
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let refused = |why: &str| Err(io::Error::new(ErrorKind::AlreadyExists, why.to_owned()));
    match there.file_type() {
        kind if kind.is_symlink() => refused("it is a symbolic link"),
        kind if !kind.is_file() => refused("it is no regular file"),
        _ if there.uid() != geteuid().as_raw() => refused("it is the file of another user"),
        _ => Ok(false),
    }
}
