//! What an isolate remembers lives for a time and has a bound, so that its memory stays flat.

use crate::ports::UnixSecs;

/// A map whose entries die at their time and whose size is bounded.
///
/// A list in the order of its keys: far less code than a hash table, which the Worker would hold once for each kind of value.
/// Clients choose some of the keys, but none that is worse than another: a look-up is 12 comparisons at most, and what a new
/// entry moves aside is some 100 kB in the fullest map, a few microseconds.
pub(crate) struct Bounded<V> {
    pub(super) entries: Vec<Entry<V>>,
}

pub(super) struct Entry<V> {
    key: Box<[u8]>,
    value: V,
    until: UnixSecs,
}

impl<V> Default for Bounded<V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<V> Bounded<V> {
    /// The value of `key` while it lives.
    pub(crate) fn live(&self, key: &[u8], now: UnixSecs) -> Option<&V> {
        self.live_until(key, now).map(|(value, _)| value)
    }

    /// The same, and until when.
    pub(super) fn live_until(&self, key: &[u8], now: UnixSecs) -> Option<(&V, UnixSecs)> {
        self.place(key)
            .ok()
            .and_then(|at| self.entries.get(at))
            .filter(|entry| now < entry.until)
            .map(|entry| (&entry.value, entry.until))
    }

    /// Keeps a value until then.
    pub(crate) fn put(&mut self, key: &[u8], value: V, until: UnixSecs, now: UnixSecs) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.retain(|entry| now < entry.until);
        }
        // All alive: forgetting costs reads of KV or signature checks, never correctness beyond what another isolate would do.
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.clear();
        }
        self.remove(key);
        if let Err(at) = self.place(key) {
            self.entries.insert(at, Entry { key: key.into(), value, until });
        }
    }

    /// Forgets `key`.
    pub(super) fn remove(&mut self, key: &[u8]) {
        if let Ok(at) = self.place(key) {
            self.entries.remove(at);
        }
    }

    /// Where `key` is, or else where it belongs.
    fn place(&self, key: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.key.as_ref().cmp(key))
    }
}

impl Bounded<u64> {
    /// Takes `key` until then; false while somebody has it.
    pub(super) fn claim(&mut self, key: &[u8], until: UnixSecs, now: UnixSecs) -> bool {
        let free = self.live(key, now).is_none();
        if free {
            self.put(key, 0, until, now);
        }
        free
    }
}

/// Some 5 kB each in the largest map: within an isolate's 128 MB.
pub(crate) const MAX_ENTRIES: usize = 4096;
