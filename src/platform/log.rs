//! One line of JSON to the console for each event.

use serde_json::{Map, Value};
use worker::{console_error, console_log, console_warn};

use crate::ports::{Level, Log, Random};

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
        let name = match level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let mut line = Map::new();
        line.insert("level".to_owned(), Value::from(name));
        line.insert("message".to_owned(), Value::from(message));
        let filled = fields.iter().filter(|(_, value)| !value.is_empty());
        line.extend(filled.map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
        // JSON escapes CR and LF, so no value can forge a line.
        let line = Value::Object(line).to_string();
        match level {
            Level::Info => console_log!("{}", line),
            Level::Warn => console_warn!("{}", line),
            Level::Error => console_error!("{}", line),
        }
    }
}
