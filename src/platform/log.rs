//! What needs no configuration: the Workers log, and randomness.

use crate::ports::{Level, Log, Random};
use crate::web::log_line::log_line;

use super::runtime;

/// The runtime as such.
#[derive(Clone, Copy)]
pub(super) struct Runtime;

impl Random for Runtime {
    /// # Panics
    /// Without a random generator nothing here is safe: the isolate stops.
    fn fill(&self, bytes: &mut [u8]) {
        assert!(runtime::fill(bytes).is_ok(), "the runtime has no random generator");
    }
}

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
