//! What needs no configuration: the Workers log, and randomness.

use std::cell::RefCell;

use crate::ports::{Level, Log, Random, log_line};

use super::runtime;

/// The runtime as such.
#[derive(Clone, Copy)]
pub(super) struct Runtime;

impl Random for Runtime {
    /// A name for each request is eight bytes: those are drawn ahead, many at once. What opens something is longer, and drawn for itself.
    ///
    /// # Panics
    /// Without a random generator nothing here is safe: the isolate stops.
    fn fill(&self, bytes: &mut [u8]) {
        let draw = |bytes: &mut [u8]| assert!(runtime::fill(bytes).is_ok(), "the runtime has no random generator");
        if bytes.len() > SHORT_BYTES {
            return draw(bytes);
        }
        AHEAD.with_borrow_mut(|ahead| {
            if ahead.len() < bytes.len() {
                ahead.resize(AHEAD_BYTES, 0);
                draw(ahead);
            }
            let left = ahead.len().saturating_sub(bytes.len());
            bytes.iter_mut().zip(ahead.drain(left..)).for_each(|(to, from)| *to = from);
        });
    }
}

thread_local! {
    static AHEAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

const AHEAD_BYTES: usize = 512;
const SHORT_BYTES: usize = 8;

impl Log for Runtime {
    fn line(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let line = log_line(level, message, fields);
        match level {
            Level::Info => runtime::log(&line),
            Level::Warn => runtime::warn(&line),
            Level::Error => runtime::error(&line),
        }
    }
}
