//! What an isolate remembers lives for a time and has a bound, so that its memory stays flat.

use std::collections::HashMap;
use std::hash::Hash;

use crate::ports::UnixSecs;

/// A map whose entries die at their time and whose size is bounded.
pub(crate) struct Bounded<K, V> {
    pub(super) entries: HashMap<K, (V, UnixSecs)>,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<K: Eq + Hash, V> Bounded<K, V> {
    /// The value of `key` while it lives.
    pub(crate) fn live<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: UnixSecs) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.live_until(key, now).map(|(value, _)| value)
    }

    /// The same, and until when.
    pub(super) fn live_until<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: UnixSecs) -> Option<&(V, UnixSecs)>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key).filter(|(_, until)| now < *until)
    }

    /// Keeps a value until then.
    pub(crate) fn put(&mut self, key: K, value: V, until: UnixSecs, now: UnixSecs) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.retain(|_, (_, until)| now < *until);
        }
        // All alive: forgetting costs reads of KV or signature checks, never correctness beyond what another isolate would do.
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.clear();
        }
        self.entries.insert(key, (value, until));
    }
}

impl Bounded<String, ()> {
    /// Takes `key` until then; false while somebody has it.
    pub(super) fn claim(&mut self, key: &str, until: UnixSecs, now: UnixSecs) -> bool {
        let free = self.live(key, now).is_none();
        if free {
            self.put(key.to_owned(), (), until, now);
        }
        free
    }
}

/// Some 5 kB each in the largest map: within an isolate's 128 MB.
pub(crate) const MAX_ENTRIES: usize = 4096;
