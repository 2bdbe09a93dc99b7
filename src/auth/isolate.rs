//! What an isolate remembers between requests. Borrowed around synchronous code only, never across an `await`.

use std::cell::{Cell, RefCell};

use crate::jose::key_cache::KeyCache;
use crate::ports::UnixSecs;
use crate::session::memory::SessionMemory;

use super::Failure;
use super::bearer::SeenTokens;
use super::origin_refusals::OriginRefusals;

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
    pub(super) origin_refusals: Cell<OriginRefusals>,
    swept_at: Cell<UnixSecs>,
}

impl Memory {
    /// Drops what has ended: the tokens of a session's record do not stay until somebody else's session needs the room. Once a
    /// second is enough; only an isolate that gets no request at all keeps what it has.
    pub(super) fn drop_expired(&self, now: UnixSecs) {
        if self.swept_at.replace(now) != now {
            self.sessions.borrow_mut().drop_expired(now);
            self.seen_tokens.borrow_mut().drop_expired(now);
        }
    }

    /// How many records of sessions and tokens of API clients it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.borrow().len().saturating_add(self.seen_tokens.borrow().len())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
