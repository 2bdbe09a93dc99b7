//! What an isolate remembers between requests. Borrowed around synchronous code only, never across an `await`.

use std::cell::{Cell, RefCell};

use crate::jose::key_cache::KeyCache;
use crate::ports::UnixSecs;
use crate::session::memory::SessionMemory;

use super::Failure;

/// Sessions, keys and the last readiness check.
#[derive(Default)]
pub struct Memory {
    pub(super) sessions: RefCell<SessionMemory<Failure>>,
    pub(super) keys: RefCell<KeyCache>,
    pub(super) checking_until: Cell<UnixSecs>,
    pub(super) readiness: Cell<Option<(Option<super::GateError>, UnixSecs)>>,
}
