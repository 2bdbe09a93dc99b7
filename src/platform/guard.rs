//! Being strict mode's guard: what `guard.js` answers and keeps is `session::guard`'s to say.

use js_sys::Function;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::session::guard::{Row, RowError, reply};

use super::ports::now_ms;
use super::runtime::text_of;

/// The answer to an inquiry, and if a row changes, its session, when it ends and the row, a line each. `read` gives the row of a session,
/// or nothing. `None`: the inquiry or its row cannot be read.
#[wasm_bindgen]
#[must_use]
pub fn guard_reply(inquiry: &str, read: &Function) -> Option<String> {
    let row = |session: &str| match text_of(read, session) {
        Ok(text) => text.map(|text| Row::parse(&text)).transpose(),
        Err(_) => Err(RowError),
    };
    let reply = reply(inquiry, row, now_ms() / 1000)?;
    Some(match reply.changed {
        Some((session, row)) => [reply.text, session, row.expires_at.to_string(), row.encode()].join("\n"),
        None => reply.text,
    })
}
