//! The states of streams at their versions, folded once for all readers of a process.
//!
//! ```text
//!   the stream's actor -- the state it is about to leave --+
//!                                                          v
//!   log -- rehydrate, after a miss -------------------> StreamCache -- state at a version --> read models, live updates
//!                                                          ^
//!   readers -- the states they have folded ----------------+
//! ```
//!
//! **Invariant:** a state at a version is a fact: it follows from the log and never changes. A reader gets exactly the version it
//! asks for, never a newer one. What is dropped costs a read, nothing else.

use std::{hash::Hash, sync::Arc};

use lru::LruCache;
use parking_lot::Mutex;

use crate::{
    aggregate::{
        Aggregate,
        rehydrate::{Loaded, Until, rehydrate},
        request::Failure,
    },
    log::{
        event::{StreamId, Version},
        store::EventStore,
    },
};

/// Events read at a time when a stream is read back: about as many as lie between two snapshots.
const REHYDRATE_PAGE: usize = 200;

/// Streams of one cache that are read back at the same time.
const LOADED_AT_ONCE: usize = 64;

/// What an entry takes beside the state: keys, links and counts, in bytes.
const ENTRY_BYTES: usize = 128;

/// The states of the streams used last, bounded in bytes.
///
/// Three quarters of the bytes are for the newest version of each stream, so that its next event needs no read. The rest is for
/// versions before that, which readers that lag still ask for: however many there are of a busy stream, no other stream is
/// dropped for them.
pub struct StreamCache<A> {
    kept: Mutex<Kept<A>>,
    /// A stream's read is one reader's: the others wait for it.
    loading: [tokio::sync::Mutex<()>; LOADED_AT_ONCE],
}

impl<A: Aggregate> StreamCache<A> {
    /// Keeps states that take up to so many bytes together, by [`Aggregate::weight`].
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        let earlier = most_bytes / 4;
        let kept = Kept { newest: Bounded::of(most_bytes - earlier), earlier: Bounded::of(earlier) };
        Self { kept: Mutex::new(kept), loading: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }

    /// The state of a stream at a version, if it is kept.
    #[must_use]
    pub fn get(&self, stream: StreamId, version: Version) -> Option<Arc<Loaded<A>>> {
        self.kept.lock().get(stream, version)
    }

    /// Keeps a state, which must be durable.
    pub fn put(&self, stream: StreamId, state: Arc<Loaded<A>>) {
        self.kept.lock().put(stream, state);
    }

    /// Keeps a copy of a state, which must be durable, of a stream that readers would have to read back. Those that know an earlier
    /// version fold on from there.
    pub fn put_if_unknown(&self, stream: StreamId, state: &Loaded<A>) {
        let is_known = self.kept.lock().newest.states.get(&stream).is_some();
        if !is_known {
            self.put(stream, Arc::new(state.clone()));
        }
    }

    /// Drops all states.
    pub fn clear(&self) {
        let mut kept = self.kept.lock();
        if kept.bytes() > 0 {
            *kept = kept.empty();
        }
    }

    /// The bytes of all states kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.kept.lock().bytes()
    }

    /// The state of a stream at a version, read back if it is not kept. A stream that ends before comes as it ends.
    ///
    /// # Errors
    /// As [`rehydrate`].
    pub async fn at(
        &self,
        log: &dyn EventStore,
        stream: StreamId,
        version: Version,
    ) -> Result<Arc<Loaded<A>>, Failure> {
        if version == Version::NONE {
            return Ok(Arc::default());
        }
        if let Some(known) = self.get(stream, version) {
            return Ok(known);
        }
        let _turn = self.loading[stream.0.as_u128() as usize % LOADED_AT_ONCE].lock().await;
        if let Some(known) = self.get(stream, version) {
            return Ok(known);
        }
        let loaded = Arc::new(rehydrate(log, stream, Until::Version(version), REHYDRATE_PAGE).await?);
        self.put(stream, Arc::clone(&loaded));
        Ok(loaded)
    }
}

struct Kept<A> {
    newest: Bounded<StreamId, A>,
    earlier: Bounded<(StreamId, Version), A>,
}

impl<A: Aggregate> Kept<A> {
    fn get(&mut self, stream: StreamId, version: Version) -> Option<Arc<Loaded<A>>> {
        let newest = self.newest.states.get(&stream).filter(|newest| newest.version == version);
        newest.or_else(|| self.earlier.states.get(&(stream, version))).cloned()
    }

    fn put(&mut self, stream: StreamId, state: Arc<Loaded<A>>) {
        let (version, newest) = (state.version, self.newest.version(stream));
        if version < newest {
            self.earlier.put((stream, version), state);
        } else if let Some(before) = self.newest.put(stream, state)
            && newest < version
        {
            self.earlier.put((stream, newest), before);
        }
    }

    fn bytes(&self) -> usize {
        self.newest.bytes + self.earlier.bytes
    }

    fn empty(&self) -> Self {
        Self { newest: Bounded::of(self.newest.most_bytes), earlier: Bounded::of(self.earlier.most_bytes) }
    }
}

/// States by a key; beyond the limit those used longest ago are dropped.
struct Bounded<K: Hash + Eq, A> {
    states: LruCache<K, Arc<Loaded<A>>>,
    bytes: usize,
    most_bytes: usize,
}

impl<K: Hash + Eq, A: Aggregate> Bounded<K, A> {
    fn of(most_bytes: usize) -> Self {
        Self { states: LruCache::unbounded(), bytes: 0, most_bytes }
    }

    /// Keeps a state in place of another, which is given back.
    fn put(&mut self, key: K, state: Arc<Loaded<A>>) -> Option<Arc<Loaded<A>>> {
        self.bytes += weight(&state);
        let replaced = self.states.put(key, state);
        self.bytes -= replaced.as_deref().map_or(0, weight);
        while self.bytes > self.most_bytes
            && let Some((_, oldest)) = self.states.pop_lru()
        {
            self.bytes -= weight(&oldest);
        }
        replaced
    }
}

impl<A> Bounded<StreamId, A> {
    fn version(&self, stream: StreamId) -> Version {
        self.states.peek(&stream).map_or(Version::NONE, |state| state.version)
    }
}

fn weight<A: Aggregate>(state: &Loaded<A>) -> usize {
    ENTRY_BYTES + size_of::<Loaded<A>>() + state.state.weight()
}
