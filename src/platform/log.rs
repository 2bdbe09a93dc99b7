//! One line of JSON to the console for each event.

use worker::{console_error, console_log, console_warn};

use crate::json::{self, Json};
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
        let mut line: Vec<(&str, Json<'_>)> = vec![("level", name.into()), ("message", message.into())];
        line.extend(fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, Json::Text(value))));
        // JSON escapes CR and LF, so no value can forge a line.
        let line = json::encode(&line);
        match level {
            Level::Info => console_log!("{}", line),
            Level::Warn => console_warn!("{}", line),
            Level::Error => console_error!("{}", line),
        }
    }
}
