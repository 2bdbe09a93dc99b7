//! One line of JSON to the console for each event.

use wasm_bindgen::JsValue;
use web_sys::console;

use crate::ports::{Level, Log, Random};
use crate::web::log_line::log_line;

use super::crypto;

/// What needs no configuration: the Workers log, and randomness.
#[derive(Clone, Copy)]
pub(super) struct Runtime;

impl Random for Runtime {
    fn fill(&self, bytes: &mut [u8]) {
        crypto::fill(bytes);
    }
}

impl Log for Runtime {
    fn line(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let line = JsValue::from(log_line(level, message, fields));
        match level {
            Level::Info => console::log_1(&line),
            Level::Warn => console::warn_1(&line),
            Level::Error => console::error_1(&line),
        }
    }
}
