//! Workers KV as it is at its worst: reads that lag, misses included, one write a second for a key, and faults on request.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use edgegate::ports::{KvError, UnixSecs};

use super::time::Time;

/// A value and when it expires.
type Entry = (String, UnixSecs);
/// What a key held from when on.
type Changes = Vec<(u64, Option<Entry>)>;

/// What becomes of an operation.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is not done, and that is told.
    Refused(KvError),
    /// It is done, and said to have failed.
    DoneButToldSo(KvError),
    /// It takes so many milliseconds, and is done at their end.
    Slow(u32),
    /// Its time-out passes; whether it was done at the end of it is the second member.
    TimedOut(u32, bool),
}

/// KV itself: what is true. What a location sees of it is its [`View`].
#[derive(Default)]
pub struct FakeKv {
    pub entries: RefCell<BTreeMap<String, Entry>>,
    pub reads: Cell<u32>,
    /// Keys named in them: one operation may read several.
    pub keys_read: Cell<u32>,
    pub writes: Cell<u32>,
    pub deletes: Cell<u32>,
    pub fail_reads: Cell<bool>,
    /// The next writes fail so.
    pub fail_writes: RefCell<Vec<KvError>>,
    /// All of them fail from now on.
    writes_are_spent: Cell<bool>,
    /// Faults for operations whose name and key begin so (`write ended/`), each used once, in order.
    faults: RefCell<Vec<(String, Fault)>>,
    history: RefCell<BTreeMap<String, Changes>>,
    written_ms: RefCell<BTreeMap<String, u64>>,
    locations: Cell<u64>,
}

/// What one location sees of KV.
pub struct View {
    /// For how long it goes on reading what it read, a miss included (the cache of a read).
    pub cache_secs: Cell<u64>,
    /// How long a change made elsewhere takes to come here.
    pub behind_secs: Cell<u64>,
    /// Whether it sees its own writes at once: usual, not guaranteed.
    pub sees_own_writes: Cell<bool>,
    cached: RefCell<BTreeMap<String, (Option<Entry>, u64)>>,
}

impl Default for View {
    fn default() -> Self {
        Self { cache_secs: Cell::new(0), behind_secs: Cell::new(0), sees_own_writes: Cell::new(true), cached: RefCell::default() }
    }
}

impl View {
    pub fn lag(&self, cache_secs: u64, behind_secs: u64) {
        self.cache_secs.set(cache_secs);
        self.behind_secs.set(behind_secs);
    }

    /// Whether a read of `key` does not get as far as KV itself.
    fn has_cached(&self, key: &str, now_ms: u64) -> bool {
        self.cached.borrow().get(key).is_some_and(|(_, until)| now_ms < *until)
    }

    fn own_write(&self, key: &str, entry: Option<Entry>, now_ms: u64) {
        let lag_secs = self.cache_secs.get() + self.behind_secs.get();
        if lag_secs > 0 && self.sees_own_writes.get() {
            self.cached.borrow_mut().insert(key.to_owned(), (entry, now_ms + lag_secs * 1000));
        }
    }
}

impl FakeKv {
    pub fn keys(&self) -> Vec<String> {
        self.entries.borrow().keys().cloned().collect()
    }

    /// The next `times` operations whose name and key begin with `operation` meet this fault.
    pub fn will(&self, times: usize, operation: &str, fault: Fault) {
        self.faults.borrow_mut().extend(std::iter::repeat_n((operation.to_owned(), fault), times));
    }

    /// As on the free plan when the day's writes are spent: each fails until midnight.
    pub fn take_no_more_writes(&self) {
        self.writes_are_spent.set(true);
    }

    /// Faults that nobody has met: a test that expected them would prove nothing.
    pub fn unused_faults(&self) -> usize {
        self.faults.borrow().len()
    }

    pub(super) fn next_location(&self) -> u64 {
        self.locations.set(self.locations.get() + 1);
        self.locations.get()
    }

    pub(super) async fn read<const N: usize>(
        &self,
        keys: [&str; N],
        view: &View,
        time: &Time,
    ) -> Result<[Option<String>; N], KvError> {
        time.note_work();
        self.reads.set(self.reads.get() + 1);
        self.keys_read.set(self.keys_read.get() + u32::try_from(N).expect("few keys"));
        if self.fail_reads.get() && !keys.iter().all(|key| view.has_cached(key, time.now_ms())) {
            return Err(KvError::Unavailable);
        }
        self.outcome("read", keys.first().unwrap_or(&""), time).await.1?;
        Ok(keys.map(|key| self.seen(key, view, time.now_ms())))
    }

    pub(super) async fn write(
        &self,
        key: &str,
        value: &str,
        expires_at: UnixSecs,
        view: &View,
        time: &Time,
    ) -> Result<(), KvError> {
        time.note_work();
        assert!(expires_at >= time.now_ms() / 1000 + 60, "KV refuses expirations nearer than 60 s");
        assert!(key.len() <= 512, "KV refuses longer keys");
        self.writes.set(self.writes.get() + 1);
        if self.writes_are_spent.get() {
            return Err(KvError::Unavailable);
        }
        if let Some(error) = self.fail_writes.borrow_mut().pop() {
            return Err(error);
        }
        let (done, told) = self.outcome("write", key, time).await;
        let now_ms = time.now_ms();
        if done {
            if self.written_ms.borrow().get(key).is_some_and(|written| now_ms < written + 1000) {
                return Err(KvError::TooManyWrites);
            }
            self.written_ms.borrow_mut().insert(key.to_owned(), now_ms);
            self.change(key, Some((value.to_owned(), expires_at)), view, now_ms);
        }
        told
    }

    pub(super) async fn delete(&self, key: &str, view: &View, time: &Time) -> Result<(), KvError> {
        time.note_work();
        self.deletes.set(self.deletes.get() + 1);
        let (done, told) = self.outcome("delete", key, time).await;
        if done {
            self.change(key, None, view, time.now_ms());
        }
        told
    }

    async fn outcome(&self, operation: &str, key: &str, time: &Time) -> (bool, Result<(), KvError>) {
        let named = format!("{operation} {key}");
        let fault = {
            let mut faults = self.faults.borrow_mut();
            faults.iter().position(|(start, _)| named.starts_with(start)).map(|place| faults.remove(place).1)
        };
        match fault {
            None => (true, Ok(())),
            Some(Fault::Refused(error)) => (false, Err(error)),
            Some(Fault::DoneButToldSo(error)) => (true, Err(error)),
            Some(Fault::Slow(ms)) => {
                time.sleep(ms).await;
                (true, Ok(()))
            }
            Some(Fault::TimedOut(ms, done)) => {
                time.sleep(ms).await;
                (done, Err(KvError::Timeout))
            }
        }
    }

    fn change(&self, key: &str, entry: Option<Entry>, view: &View, now_ms: u64) {
        self.history.borrow_mut().entry(key.to_owned()).or_default().push((now_ms, entry.clone()));
        view.own_write(key, entry.clone(), now_ms);
        match entry {
            Some(entry) => self.entries.borrow_mut().insert(key.to_owned(), entry),
            None => self.entries.borrow_mut().remove(key),
        };
    }

    fn seen(&self, key: &str, view: &View, now_ms: u64) -> Option<String> {
        let cached = view.cached.borrow().get(key).filter(|(_, until)| now_ms < *until).map(|(entry, _)| entry.clone());
        let entry = cached.unwrap_or_else(|| {
            let entry = self.as_of(key, now_ms, view.behind_secs.get() * 1000);
            let until = now_ms + view.cache_secs.get() * 1000;
            view.cached.borrow_mut().insert(key.to_owned(), (entry.clone(), until));
            entry
        });
        entry.filter(|(_, expires_at)| now_ms / 1000 < *expires_at).map(|(value, _)| value)
    }

    /// What was true a while ago.
    fn as_of(&self, key: &str, now_ms: u64, behind_ms: u64) -> Option<Entry> {
        if behind_ms == 0 {
            return self.entries.borrow().get(key).cloned();
        }
        let history = self.history.borrow();
        let changes = history.get(key).map(Vec::as_slice).unwrap_or_default();
        changes.iter().rev().find(|(at, _)| at + behind_ms <= now_ms).and_then(|(_, entry)| entry.clone())
    }
}
