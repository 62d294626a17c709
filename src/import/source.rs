//! Opens what is to be imported: a file or standard input, plain or packed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

use super::ImportError;

/// Bytes read from the system at once, and unpacked at once.
const BUFFER_BYTES: usize = 128 << 10;

/// The name that stands for standard input.
const STDIN: &str = "-";

/// How a file writes orders down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    JsonLines,
    /// One row per order line, below a header.
    Csv,
}

impl Format {
    /// Tells the format by the file's name, with or without `.gz` or `.zst`.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// How far a source has been read, in bytes as they lie on the disk, packed or not. Shared with whoever draws the bar.
#[derive(Debug, Clone)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Progress {
    /// Bytes read so far.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes there are to read; unknown for standard input and pipes.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }
}

/// The unpacked bytes of an import. gzip (of one or several members) and zstd are recognized by their first bytes,
/// whatever the file is called. A packed file that was cut off ends in an error, not in silence.
pub struct Source {
    unpacked: Box<dyn BufRead + Send>,
    progress: Progress,
}

impl Source {
    /// Opens a file, or standard input for `-`. What is packed may unpack to `most` bytes: one more is an error.
    pub fn open(path: &Path, most: u64) -> Result<Self, ImportError> {
        if path.as_os_str() == STDIN {
            return Self::unpack(io::stdin(), None, most).map_err(|source| ImportError::Read { line: 1, source });
        }
        let opened = File::open(path).and_then(|file| {
            let about = file.metadata()?;
            Self::unpack(file, about.is_file().then_some(about.len()), most)
        });
        opened.map_err(|source| ImportError::Open { path: path.into(), source })
    }

    /// Reads from anything; `total` is how many bytes it will give, if known, and `most` how many it may unpack to.
    pub fn unpack(packed: impl Read + Send + 'static, total: Option<u64>, most: u64) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let mut packed = Counted { inner: packed, read: Arc::clone(&read) };
        let mut first = Vec::with_capacity(4);
        packed.by_ref().take(4).read_to_end(&mut first)?;
        let packing = Packing::of(&first);
        let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(first).chain(packed));
        let unpacked: Box<dyn BufRead + Send> = match packing {
            Packing::None => Box::new(whole),
            Packing::Gzip => Box::new(buffered(MultiGzDecoder::new(whole), most)),
            Packing::Zstd => Box::new(buffered(zstd::stream::read::Decoder::with_buffer(whole)?, most)),
        };
        Ok(Self { unpacked, progress: Progress { read, total } })
    }

    /// Follows how much has been read.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

fn buffered<R: Read>(unpacking: R, most: u64) -> BufReader<Bounded<R>> {
    BufReader::with_capacity(BUFFER_BYTES, Bounded { inner: unpacking, most, left: most })
}

/// Gives so many bytes, and then an error instead of one more.
struct Bounded<R> {
    inner: R,
    most: u64,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let most = self.most;
            let detail = format!("it unpacks to more than {most} bytes; --max-unpacked-bytes allows more");
            io::Error::new(io::ErrorKind::FileTooLarge, detail)
        })?;
        Ok(read)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.unpacked.read(buffer)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.unpacked.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.unpacked.consume(amount);
    }
}

enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    /// RFC 1952 and RFC 8878; a zstd file may open with a skippable frame.
    fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::None,
        }
    }
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gz(text: &str) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    }

    fn zst(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 0).unwrap()
    }

    fn unpacked(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        Source::unpack(Cursor::new(bytes), None, u64::MAX)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_file_is_unpacked_by_what_it_is_not_by_its_name() {
        for (bytes, name) in [(b"a,b\n1,2\n".to_vec(), "x.gz"), (gz("a,b\n1,2\n"), "x.csv"), (zst("a,b\n1,2\n"), "x")] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let mut text = String::new();
            Source::open(&path, u64::MAX).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "a,b\n1,2\n", "{name}");
        }
    }

    #[test]
    fn all_members_of_a_packed_file_are_read() {
        assert_eq!(unpacked([gz("one "), gz("two")].concat()).unwrap(), "one two");
        assert_eq!(unpacked([zst("one "), zst("two")].concat()).unwrap(), "one two");
    }

    #[test]
    fn a_packed_file_that_was_cut_off_is_an_error() {
        for whole in [gz(&"order ".repeat(1000)), zst(&"order ".repeat(1000))] {
            assert!(unpacked(whole[..whole.len() - 3].to_vec()).is_err());
        }
    }

    #[test]
    fn a_file_shorter_than_any_magic_number_is_read_as_it_is() {
        assert_eq!(unpacked(b"{}".to_vec()).unwrap(), "{}");
        assert_eq!(unpacked(Vec::new()).unwrap(), "");
    }

    #[test]
    fn what_unpacks_to_more_than_is_allowed_ends_in_an_error_that_says_how_to_allow_it() {
        let text = "order ".repeat(100_000);
        for packed in [gz(&text), zst(&text)] {
            let read = |most| {
                let mut read = String::new();
                Source::unpack(Cursor::new(packed.clone()), None, most).unwrap().read_to_string(&mut read)
            };
            assert_eq!(read(text.len() as u64).unwrap(), text.len());
            assert!(read(text.len() as u64 - 1).unwrap_err().to_string().contains("--max-unpacked-bytes"));
        }
        let mut plain = Source::unpack(Cursor::new(text.clone()), None, 1).unwrap();
        assert_eq!(io::copy(&mut plain, &mut io::sink()).unwrap(), text.len() as u64);
    }

    #[test]
    fn progress_counts_the_packed_bytes() {
        let packed = gz(&"order ".repeat(100_000));
        let size = packed.len() as u64;
        let mut source = Source::unpack(Cursor::new(packed), Some(size), u64::MAX).unwrap();
        let progress = source.progress();
        io::copy(&mut source, &mut io::sink()).unwrap();
        assert_eq!((progress.read(), progress.total()), (size, Some(size)));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Source::open(Path::new("no/such/file.csv"), u64::MAX).err().unwrap();
        assert_eq!(error.to_string(), "cannot open no/such/file.csv");
    }

    #[test]
    fn the_name_tells_the_format_below_its_packing() {
        for (name, format) in [
            ("orders.csv", Some(Format::Csv)),
            ("orders.CSV.zst", Some(Format::Csv)),
            ("orders.jsonl.gz", Some(Format::JsonLines)),
            ("orders.ndjson", Some(Format::JsonLines)),
            ("orders.gz", None),
            ("-", None),
        ] {
            assert_eq!(Format::of_name(Path::new(name)), format, "{name}");
        }
    }
}
