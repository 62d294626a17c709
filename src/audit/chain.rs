//! The chain of checksums, computed anew while the log is read.

use ordo_actors::log::{
    checksum::{Checksum, NextLink, first_link},
    event::Position,
    inspection::{LogEntry, Seal},
};

/// Follows the chain from its first link to the head of the log.
pub struct ChainWalk {
    seal: Seal,
    /// What the first batch must follow.
    first: Checksum,
    batch: Option<Batch>,
}

/// The batch being read.
struct Batch {
    first: Position,
    link: NextLink,
    /// An event of it cannot be read, and was found out already: its link cannot be computed.
    has_unreadable: bool,
}

impl ChainWalk {
    /// Nothing has been read yet.
    pub fn new(seal: Seal) -> Self {
        Self { seal, first: first_link(seal.epoch, seal.checked_after), batch: None }
    }

    /// Takes the entry after `last`. Tells what is wrong with what came before it.
    pub fn take(&mut self, entry: &LogEntry, last: Position) -> Option<String> {
        if entry.position <= self.seal.checked_after {
            let has_checksum = !entry.checksum.is_empty() || !entry.chain.is_empty();
            let Seal { checked_after, .. } = self.seal;
            return has_checksum.then(|| {
                format!("the event at position {} has a checksum, as none has up to {checked_after}", entry.position)
            });
        }
        let starts = self.batch.is_none() || !entry.chain.is_empty();
        let finding = starts.then(|| self.start(entry, last)).flatten();
        if let Some(batch) = &mut self.batch {
            match &entry.event {
                Ok(event) => batch.link.push(event.version, &entry.checksum),
                Err(_) => batch.has_unreadable = true,
            }
        }
        finding
    }

    /// Holds the last batch against the head. Tells what is wrong with it.
    pub fn end(mut self, last: Position) -> Option<String> {
        let stored = self.seal.chain.unwrap_or(self.first);
        self.close(last, &stored.0).1
    }

    fn start(&mut self, entry: &LogEntry, last: Position) -> Option<String> {
        let (computed, finding) = self.close(last, &entry.chain);
        // From the stored link on, so that one fault is told once and not of every later batch.
        let link = Checksum::from_slice(&entry.chain).unwrap_or(computed);
        self.batch = Some(Batch { first: entry.position, link: NextLink::after(link, last), has_unreadable: false });
        finding
    }

    /// Ends the batch being read, and holds its link against the stored one.
    fn close(&mut self, last: Position, stored: &[u8]) -> (Checksum, Option<String>) {
        let Some(Batch { first, link, has_unreadable }) = self.batch.take() else {
            let differs = self.first.0 != stored;
            return (self.first, differs.then(|| "the chain of checksums does not begin with this log".to_owned()));
        };
        let computed = link.end(last);
        let differs = computed.0 != stored && !has_unreadable;
        let finding = || {
            format!(
                "positions {first} to {last} do not hold what was appended: an event is missing, added or elsewhere"
            )
        };
        (computed, differs.then(finding))
    }
}
