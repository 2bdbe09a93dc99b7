//! A map whose entries end at their time and whose size is bounded, so that an isolate's memory stays flat.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::ports::UnixSecs;

/// A map whose entries end at their time and whose size is bounded.
///
/// Trees, not hash tables: clients choose some of the keys, and the Worker's hashes are not seeded, so that a client could choose
/// keys which collide. A look-up is 12 comparisons at most. Each entry is put into the order of ends once and taken out of it once.
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
    /// The value of `key` while it lives.
    pub(crate) fn live(&self, key: &[u8], now: UnixSecs) -> Option<&V> {
        self.live_until(key, now).map(|(value, _)| value)
    }

    /// The same, and until when.
    pub(crate) fn live_until(&self, key: &[u8], now: UnixSecs) -> Option<(&V, UnixSecs)> {
        self.entries.get(key).filter(|entry| now < entry.until).map(|entry| (&entry.value, entry.until))
    }

    /// Keeps a value until then. A full map drops the entry that would end first: forgetting costs a read of KV or a signature
    /// check, and what must be remembered for longest stays.
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

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.ends.remove(&(entry.until, key));
        }
    }

    /// Drops the entries that have ended. Costs one look where none has.
    pub(crate) fn drop_expired(&mut self, now: UnixSecs) {
        while self.ends.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, key)) = self.ends.pop_first() {
                self.entries.remove(&key);
            }
        }
    }

    /// How many entries it holds, ended ones included.
    pub(crate) fn len(&self) -> usize {
        debug_assert_eq!(self.entries.len(), self.ends.len());
        self.entries.len()
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
