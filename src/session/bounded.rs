//! A bounded map whose entries expire, so that an isolate's memory stays flat.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::ports::UnixSecs;

/// A bounded map whose entries expire.
///
/// Trees, not hash tables: clients choose some of the keys, and the Worker's hashes are not seeded, so that a client could choose
/// colliding keys. A look-up is 12 comparisons at most. Each entry enters the order of ends once and leaves it once.
pub(crate) struct Bounded<V> {
    entries: BTreeMap<Rc<[u8]>, Entry<V>>,
    /// The entries by their end, the earliest first.
    ends: BTreeSet<(UnixSecs, Rc<[u8]>)>,
}

struct Entry<V> {
    value: V,
    until: UnixSecs,
}

impl<V> Default for Bounded<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), ends: BTreeSet::new() }
    }
}

impl<V> Bounded<V> {
    /// The value of `key`, unless it has expired.
    pub(crate) fn live(&self, key: &[u8], now: UnixSecs) -> Option<&V> {
        self.live_until(key, now).map(|(value, _)| value)
    }

    /// The value and its end.
    pub(crate) fn live_until(&self, key: &[u8], now: UnixSecs) -> Option<(&V, UnixSecs)> {
        self.entries.get(key).filter(|entry| now < entry.until).map(|entry| (&entry.value, entry.until))
    }

    /// Saves a value until `until`. A full map drops the entry with the earliest end: losing it costs a read of KV or a signature
    /// check, and the longest-lived entries stay.
    pub(crate) fn put(&mut self, key: &[u8], value: V, until: UnixSecs, now: UnixSecs) {
        self.drop_expired(now);
        self.remove(key);
        if self.entries.len() >= MAX_ENTRIES
            && let Some((_, earliest)) = self.ends.pop_first()
        {
            self.entries.remove(&earliest);
        }
        let key: Rc<[u8]> = key.into();
        self.ends.insert((until, key.clone()));
        self.entries.insert(key, Entry { value, until });
    }

    /// Removes `key`.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.ends.remove(&(entry.until, key));
        }
    }

    /// Drops the expired entries. Costs one comparison when there are none.
    pub(crate) fn drop_expired(&mut self, now: UnixSecs) {
        while self.ends.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, key)) = self.ends.pop_first() {
                self.entries.remove(&key);
            }
        }
    }

    /// The number of entries, expired ones included.
    pub(crate) fn len(&self) -> usize {
        debug_assert_eq!(self.entries.len(), self.ends.len());
        self.entries.len()
    }
}

impl Bounded<u64> {
    /// Claims `key` until `until`; false while it is claimed already.
    pub(super) fn claim(&mut self, key: &[u8], until: UnixSecs, now: UnixSecs) -> bool {
        let free = self.live(key, now).is_none();
        if free {
            self.put(key, 0, until, now);
        }
        free
    }
}

/// An entry of the largest map takes about 5 kB: within an isolate's 128 MB.
pub(crate) const MAX_ENTRIES: usize = 4096;
