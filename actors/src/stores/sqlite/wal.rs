//! Looks at a write-ahead log before SQLite does. SQLite reads it up to the first frame that is not whole and takes that for
//! the end, as it must after a power cut; what lies behind, or was cut off, it never mentions.
//!
//! The formats are those of <https://www.sqlite.org/walformat.html> and <https://www.sqlite.org/fileformat2.html#walformat>.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use super::own_file::beside;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The magic number, whose last bit says that checksums are of big-endian words.
const MAGIC: u32 = 0x377f_0682;
/// One copy of the header of the shared memory.
const INDEX_HEADER: usize = 48;

/// What lies beside a database that nobody has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wal {
    /// No write-ahead log, or nothing that is one.
    Missing,
    /// A log that is whole as far as can be told. It may have no frame: it has just been begun anew.
    Whole,
    /// Transactions follow a frame that is not whole, or the log is shorter than it was: something was written to the disk
    /// and is not there any more.
    Damaged,
}

/// Looks at the write-ahead log of a database. Reads it once.
pub fn look(database: &Path) -> io::Result<Wal> {
    let file = match File::open(beside(database, "-wal")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Wal::Missing),
        Err(error) => return Err(error),
    };
    let Some(mut log) = Log::begin(BufReader::with_capacity(1 << 16, file))? else { return Ok(Wal::Missing) };
    while log.next_is_whole()? {}
    let index = std::fs::read(beside(database, "-shm")).unwrap_or_default();
    let is_cut = index_of(&index).is_some_and(|(frames, salts)| salts == log.salts && frames > log.whole);
    // One transaction behind the end may have been on its way to the disk at a power cut. A second one was begun only when
    // the first was on the disk.
    Ok(if is_cut || log.commits_behind()? > 1 { Wal::Damaged } else { Wal::Whole })
}

/// A log while it is read.
struct Log {
    input: BufReader<File>,
    salts: [u8; 8],
    is_big_endian: bool,
    checksum: (u32, u32),
    page: Vec<u8>,
    /// Frames that are whole.
    whole: u32,
    /// Transactions that end in the frame which is not whole.
    broken_commits: u32,
}

impl Log {
    /// None when the header is not one.
    fn begin(mut input: BufReader<File>) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        if !read_whole(&mut input, &mut header)? {
            return Ok(None);
        }
        let (magic, page) = (word(&header, 0), word(&header, 8));
        let is_big_endian = magic & 1 == 1;
        let checksum = sum(is_big_endian, (0, 0), &header[..24]);
        let is_header = magic & !1 == MAGIC
            && page.is_power_of_two()
            && (512..=65_536).contains(&page)
            && checksum == (word(&header, 24), word(&header, 28));
        let mut salts = [0; 8];
        salts.copy_from_slice(&header[16..24]);
        let page = vec![0; page as usize];
        Ok(is_header.then_some(Self { input, salts, is_big_endian, checksum, page, whole: 0, broken_commits: 0 }))
    }

    /// The header of the next frame and its page; None at the end of the file.
    fn next_frame(&mut self) -> io::Result<Option<[u8; FRAME_HEADER]>> {
        let mut header = [0; FRAME_HEADER];
        Ok((read_whole(&mut self.input, &mut header)? && read_whole(&mut self.input, &mut self.page)?)
            .then_some(header))
    }

    fn next_is_whole(&mut self) -> io::Result<bool> {
        let Some(header) = self.next_frame()? else { return Ok(false) };
        let checksum = sum(self.is_big_endian, self.checksum, &header[..8]);
        let checksum = sum(self.is_big_endian, checksum, &self.page);
        let is_whole = header[8..16] == self.salts && checksum == (word(&header, 16), word(&header, 20));
        if is_whole {
            self.checksum = checksum;
            self.whole += 1;
        } else {
            self.broken_commits = u32::from(self.ends_a_transaction(&header));
        }
        Ok(is_whole)
    }

    fn ends_a_transaction(&self, header: &[u8; FRAME_HEADER]) -> bool {
        header[8..16] == self.salts && word(header, 4) > 0
    }

    /// How many transactions of this log end behind its last whole frame.
    fn commits_behind(&mut self) -> io::Result<u32> {
        let mut commits = self.broken_commits;
        while let Some(header) = self.next_frame()? {
            commits += u32::from(self.ends_a_transaction(&header));
        }
        Ok(commits)
    }
}

/// Fills the buffer; false at the end of the file.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The four bytes at `at`, as the log writes numbers.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Goes on with a checksum of the log.
fn sum(is_big_endian: bool, (mut first, mut second): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let number = |four: &[u8]| {
        let four = [four[0], four[1], four[2], four[3]];
        if is_big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    for eight in bytes.chunks_exact(8) {
        first = first.wrapping_add(number(&eight[..4])).wrapping_add(second);
        second = second.wrapping_add(number(&eight[4..])).wrapping_add(first);
    }
    (first, second)
}

/// How many frames the log had, by the shared memory, and its salts. A frame is counted there only when it is on the disk, so
/// the log is never shorter. None when the shared memory is not in order: it is written without a sync.
fn index_of(bytes: &[u8]) -> Option<(u32, [u8; 8])> {
    let header = bytes.get(..INDEX_HEADER)?;
    let native = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let is_in_order = bytes.get(INDEX_HEADER..2 * INDEX_HEADER)? == header
        && header[12] == 1
        && sum(cfg!(target_endian = "big"), (0, 0), &header[..40]) == (native(40), native(44));
    let mut salts = [0; 8];
    salts.copy_from_slice(&header[32..40]);
    is_in_order.then(|| (native(16), salts))
}
