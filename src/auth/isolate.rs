//! What an isolate remembers between requests. Borrowed around synchronous code only, never across an `await`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::jose::key_cache::KeyCache;
use crate::ports::UnixSecs;
use crate::session::cache::{Cached, GuardState, RecordCache, RefreshState, SpentStates};
use crate::session::id::SessionNames;
use crate::session::record::Record;
use crate::web::origin_refusals::OriginRefusals;

use super::bearer::SeenTokens;
use super::error::{Error, ErrorCode};
use super::single_flight::SingleFlight;

/// Sessions, keys, tokens of API clients, and how Cognito, the guard and the origin have answered lately.
#[derive(Default)]
pub struct Isolate {
    pub(crate) records: RefCell<RecordCache>,
    pub(crate) refresh_state: RefCell<RefreshState<Error>>,
    /// One request at a time refreshes a session.
    pub(crate) refreshes: RefCell<SingleFlight>,
    pub(crate) guard_state: RefCell<GuardState<Error>>,
    /// One request at a time asks the guard about a session.
    pub(crate) guard_questions: RefCell<SingleFlight>,
    pub(crate) spent_states: RefCell<SpentStates<Error>>,
    pub(crate) jwks: RefCell<KeyCache>,
    /// Why the key set could not be fetched the last time.
    pub(crate) jwks_error: Cell<Option<Error>>,
    pub(crate) seen_tokens: RefCell<SeenTokens>,
    /// The last readiness check, if any: what was missing, and when it was made.
    pub(crate) readiness: Cell<Option<(Option<ErrorCode>, UnixSecs)>>,
    /// One request at a time checks the readiness.
    pub(crate) readiness_checks: RefCell<SingleFlight>,
    pub(crate) origin_refusals: Cell<OriginRefusals>,
    swept_at: Cell<UnixSecs>,
}

impl Isolate {
    /// What is known of a session without asking KV.
    pub(crate) fn cached(&self, names: &SessionNames, now: UnixSecs) -> Option<Cached> {
        self.records.borrow().get(names.as_bytes(), now)
    }

    /// The record that is known of a session, if it was not ended here.
    pub(crate) fn cached_record(&self, names: &SessionNames, now: UnixSecs) -> Option<Rc<Record>> {
        match self.cached(names, now) {
            Some(Cached::Record(record)) => Some(record),
            Some(Cached::Ended) | None => None,
        }
    }

    /// Remembers a record whose markers have not been read again. The session's trouble is over.
    pub(crate) fn put_unconfirmed(&self, names: &SessionNames, record: Rc<Record>, now: UnixSecs) -> Cached {
        self.refresh_state.borrow_mut().end_trouble(names.as_bytes());
        self.records.borrow_mut().put_unconfirmed(names.as_bytes(), record, now)
    }

    /// Remembers that a session has ended.
    pub(crate) fn end(&self, names: &SessionNames, now: UnixSecs) {
        self.records.borrow_mut().end(names.as_bytes(), now);
    }

    /// Drops what has expired: a record's tokens do not stay until another session needs the room. Once a second is enough; only
    /// an isolate without any request keeps what it has.
    pub(crate) fn drop_expired(&self, now: UnixSecs) {
        if self.swept_at.replace(now) == now {
            return;
        }
        self.records.borrow_mut().drop_expired(now);
        self.refresh_state.borrow_mut().drop_expired(now);
        self.refreshes.borrow_mut().drop_expired(now);
        self.guard_state.borrow_mut().drop_expired(now);
        self.guard_questions.borrow_mut().drop_expired(now);
        self.spent_states.borrow_mut().drop_expired(now);
        self.seen_tokens.borrow_mut().drop_expired(now);
    }

    /// How many records of sessions and tokens of API clients it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.borrow().len().saturating_add(self.seen_tokens.borrow().len())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
