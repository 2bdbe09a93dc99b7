//! What an isolate remembers between requests. Borrowed around synchronous code only, never across an `await`.

use std::cell::{Cell, RefCell};

use crate::jose::key_cache::KeyCache;
use crate::ports::UnixSecs;
use crate::session::memory::SessionMemory;

use super::Failure;
use super::bearer::SeenTokens;

/// Sessions, keys, tokens of API clients and the last readiness check.
#[derive(Default)]
pub struct Memory {
    pub(super) sessions: RefCell<SessionMemory<Failure>>,
    pub(super) keys: RefCell<KeyCache>,
    /// Why the key set could not be fetched the last time.
    pub(super) key_failure: RefCell<Option<Failure>>,
    pub(super) seen_tokens: RefCell<SeenTokens>,
    pub(super) checking_until: Cell<UnixSecs>,
    pub(super) readiness: Cell<Option<(Option<super::GateError>, UnixSecs)>>,
}
