//! Standard output. A reader that has gone (`| head`) is no failure: what was for reading only is left unsaid, and a command
//! whose work is its output ends quietly, as if the signal SIGPIPE had ended it.

use std::{
    io::{ErrorKind, Result, Write, stdout},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::order::escaped;

/// What a shell says of a process that SIGPIPE ended.
pub(super) const READER_GONE: u8 = 128 + 13;

static IS_READER_GONE: AtomicBool = AtomicBool::new(false);

/// Whether a command could not go on because nobody reads its output any more.
pub(super) fn is_reader_gone() -> bool {
    IS_READER_GONE.load(Ordering::Relaxed)
}

/// Says a line to whoever ran the command, with what a terminal would obey made visible. A reader that has gone does not
/// need it.
///
/// # Errors
/// It cannot be written for another reason, such as a full disk.
pub(super) fn say(line: &str) -> Result<()> {
    let text = format!("{}\n", escaped(line, true));
    match stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The output of a command whose work it is. Without a reader it fails, and the process ends with [`READER_GONE`].
pub(super) struct Output;

/// Whether somebody may still read what is written. A file always has a reader.
pub(super) fn has_reader() -> bool {
    let out = stdout();
    let mut ends = [PollFd::new(&out, PollFlags::empty())];
    let asked = poll(&mut ends, Some(&Timespec::default()));
    let is_gone = asked.is_ok() && ends[0].revents().contains(PollFlags::ERR);
    if is_gone {
        IS_READER_GONE.store(true, Ordering::Relaxed);
    }
    !is_gone
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        note(stdout().lock().write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        note(stdout().lock().flush())
    }
}

fn note<T>(written: Result<T>) -> Result<T> {
    if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        IS_READER_GONE.store(true, Ordering::Relaxed);
    }
    written
}
