//! A reader that refuses a record without an end.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

/// Most bytes between two records of a CSV file, its read buffer included. One unclosed quote would otherwise draw the
/// rest of the file into memory as a single field.
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// Passes bytes on until [`MAX_RECORD_BYTES`] have come without a record being finished, then fails.
pub(super) struct RecordLimit<R> {
    inner: R,
    left: RecordAllowance,
}

/// The bytes that may still be read for the record at hand.
#[derive(Clone)]
pub(super) struct RecordAllowance(Rc<Cell<usize>>);

impl RecordAllowance {
    /// A record is finished: the next one has the full allowance.
    pub(super) fn renew(&self) {
        self.0.set(MAX_RECORD_BYTES);
    }
}

impl<R> RecordLimit<R> {
    pub(super) fn new(inner: R) -> (Self, RecordAllowance) {
        let left = RecordAllowance(Rc::new(Cell::new(MAX_RECORD_BYTES)));
        (Self { inner, left: left.clone() }, left)
    }
}

impl<R: Read> Read for RecordLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.0.get();
        if left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("one record is longer than {MAX_RECORD_BYTES} bytes: is a quote left open?"),
            ));
        }
        let wanted = buffer.len().min(left);
        let read = self.inner.read(&mut buffer[..wanted])?;
        self.left.0.set(left - read);
        Ok(read)
    }
}
