//! Ports that need no configuration: the Workers log, and randomness.

use std::cell::RefCell;

use worker::{console_error, console_log, console_warn};

use crate::ports::{Level, Log, Random, log_line};

use super::crypto;

/// The runtime itself.
#[derive(Clone, Copy)]
pub(super) struct Runtime;

impl Random for Runtime {
    /// Request names are eight bytes: they come from a buffer that holds many. Secrets are longer, and each is drawn on its own.
    fn random_bytes(&self, bytes: &mut [u8]) {
        if bytes.len() > SHORT_BYTES {
            return crypto::fill(bytes);
        }
        AHEAD.with_borrow_mut(|ahead| {
            if ahead.len() < bytes.len() {
                ahead.resize(AHEAD_BYTES, 0);
                crypto::fill(ahead);
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
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let line = log_line(level, message, fields);
        match level {
            Level::Info => console_log!("{line}"),
            Level::Warn => console_warn!("{line}"),
            Level::Error => console_error!("{line}"),
        }
    }
}
