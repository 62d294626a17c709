//! A map that never stops everybody while it grows.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
};

/// Maps that the keys are spread over; a power of two.
const SHARDS: usize = 1024;

/// A map in many parts, so that the growth of one part is short.
#[derive(Debug)]
pub(crate) struct Sharded<K, V> {
    hasher: RandomState,
    shards: Box<[HashMap<K, V, RandomState>]>,
}

impl<K: Eq + Hash, V> Sharded<K, V> {
    pub fn new() -> Self {
        let hasher = RandomState::new();
        let shards = (0..SHARDS).map(|_| HashMap::with_hasher(hasher.clone())).collect();
        Self { hasher, shards }
    }

    /// Picks by bits of the hash that a map of this size uses for nothing else.
    fn shard_of<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        (self.hasher.hash_one(key) >> 32) as usize & (SHARDS - 1)
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shards[self.shard_of(key)].get(key)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.shards[self.shard_of(key)].get_mut(key)
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.shards[self.shard_of(&key)].insert(key, value);
    }

    pub fn entry_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.shards[self.shard_of(&key)].entry(key).or_insert_with(value)
    }

    pub fn remove(&mut self, key: &K) {
        self.shards[self.shard_of(key)].remove(key);
    }
}
