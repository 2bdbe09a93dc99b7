//! One time for everybody. It moves when a test says so, or when all that is left to do is to wait.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::START;
use super::world::yield_once;

pub struct Time {
    now_ms: Cell<u64>,
    /// Until when each waiting task sleeps.
    sleepers: RefCell<BTreeMap<u64, u64>>,
    next_sleeper: Cell<u64>,
    /// Grows whenever somebody has done something other than wait.
    work: Cell<u64>,
}

impl Default for Time {
    fn default() -> Self {
        Self { now_ms: Cell::new(START * 1000), sleepers: RefCell::default(), next_sleeper: Cell::new(0), work: Cell::new(0) }
    }
}

impl Time {
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    pub fn set_ms(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
        self.note_work();
    }

    /// Somebody was at work: as long as that goes on, nobody's waiting moves the clock.
    pub fn note_work(&self) {
        self.work.set(self.work.get() + 1);
    }

    /// What takes so long, and no step of its own where it takes no time.
    pub async fn take(&self, duration_ms: u32) {
        if duration_ms > 0 {
            self.sleep(duration_ms).await;
        }
    }

    /// Waits. Looked at twice with no work in between, everybody sleeps: then the clock moves to who wakes first.
    pub async fn sleep(&self, duration_ms: u32) {
        let until = self.now_ms() + u64::from(duration_ms);
        let sleeper = Sleeper::new(self, until);
        let mut seen = self.work.get();
        loop {
            yield_once().await;
            if self.work.get() == seen {
                // Not to who should be awake and is not polled: that one is a task that the test holds up.
                let next = self.sleepers.borrow().values().filter(|at| **at > self.now_ms()).min().copied();
                self.set_ms(next.unwrap_or(self.now_ms()));
            }
            if self.now_ms() >= until {
                drop(sleeper);
                self.note_work();
                return;
            }
            seen = self.work.get();
        }
    }
}

/// Its place among those who wait, given up when the task is dropped.
struct Sleeper<'a> {
    time: &'a Time,
    number: u64,
}

impl<'a> Sleeper<'a> {
    fn new(time: &'a Time, until: u64) -> Self {
        let number = time.next_sleeper.get();
        time.next_sleeper.set(number + 1);
        time.sleepers.borrow_mut().insert(number, until);
        Self { time, number }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.time.sleepers.borrow_mut().remove(&self.number);
    }
}
