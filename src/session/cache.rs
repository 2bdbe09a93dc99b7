//! The isolate's caches: records, refreshes, the guard's replies, spent login states. Each is a map of its own, so that a flood
//! of one kind evicts nothing of another. The maps hold values with deadlines, never pending futures: the runtime would cancel a
//! future with the request that made it.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::oidc::login_state::{LOGIN_LIFE_SECS, SPENT_LOGIN_LIFE_SECS};
use crate::ports::UnixSecs;

use super::bounded::Bounded;
use super::policy::{EXCHANGE_SECS, FORCE_INTERVAL_SECS, REFUSED_SECS, STEP_SECS};
use super::record::Record;

/// Keys that expire, each with a number: the guard's generation, or nothing.
type Markers = Bounded<u64>;

/// Records that were recently read or written, and sessions that were ended here.
#[derive(Default)]
pub struct RecordCache {
    records: Bounded<Rc<Record>>,
    ended: Markers,
    /// The ended sessions whose end was written where all locations see it.
    settled: Markers,
}

/// The cached state of a session.
#[derive(Clone)]
pub enum Cached {
    /// The record, read or written within the last [`RECORD_SECS`].
    Record(Rc<Record>),
    /// The session was ended here.
    Ended,
}

impl RecordCache {
    /// The cached state of the session of this name ([`super::id::SessionNames::as_bytes`]).
    #[must_use]
    pub fn get(&self, name: &[u8], now: UnixSecs) -> Option<Cached> {
        if self.ended.live(name, now).is_some() {
            return Some(Cached::Ended);
        }
        self.records.live(name, now).cloned().map(Cached::Record)
    }

    /// Caches a record, unless a newer record or the session's end is known. Returns the state that holds now.
    pub fn put(&mut self, name: &[u8], record: Rc<Record>, now: UnixSecs) -> Cached {
        self.put_until(name, record, now.saturating_add(RECORD_SECS), now)
    }

    /// Caches a record that is about to be saved, or that another location has saved: its markers have not been read again. The
    /// entry expires when the entry of the previous record would have, but not before [`STEP_SECS`], which the waiting requests
    /// need.
    pub fn put_unconfirmed(&mut self, name: &[u8], record: Rc<Record>, now: UnixSecs) -> Cached {
        let known_until = self.records.live_until(name, now).map_or(now, |(_, until)| until);
        self.put_until(name, record, known_until.max(now.saturating_add(STEP_SECS)), now)
    }

    fn put_until(&mut self, name: &[u8], record: Rc<Record>, until: UnixSecs, now: UnixSecs) -> Cached {
        match self.get(name, now) {
            Some(Cached::Ended) => return Cached::Ended,
            Some(Cached::Record(known)) if known.version > record.version => return Cached::Record(known),
            _ => {}
        }
        self.records.put(name, record.clone(), until, now);
        Cached::Record(record)
    }

    /// Removes the record, because KV says otherwise.
    pub fn remove(&mut self, name: &[u8]) {
        self.records.remove(name);
    }

    /// Caches the end of a session, for longer than KV can lag.
    pub fn end(&mut self, name: &[u8], now: UnixSecs) {
        self.remove(name);
        self.ended.put(name, 0, now.saturating_add(ENDED_SECS), now);
    }

    /// Caches that the session's end was written where all locations see it.
    pub fn settle_end(&mut self, name: &[u8], now: UnixSecs) {
        self.settled.put(name, 0, now.saturating_add(ENDED_SECS), now);
    }

    /// Whether the session's end needs no further work.
    #[must_use]
    pub fn is_end_settled(&self, name: &[u8], now: UnixSecs) -> bool {
        self.settled.live(name, now).is_some()
    }

    /// Drops the expired entries, tokens among them.
    pub fn drop_expired(&mut self, now: UnixSecs) {
        self.records.drop_expired(now);
        self.ended.drop_expired(now);
        self.settled.drop_expired(now);
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The recent outcomes of refreshes, by session. `E` is the error of a failed refresh.
pub struct RefreshState<E> {
    /// Failures of the last moments, after which a refresh is not tried again at once.
    failures: Bounded<E>,
    /// Recent failures, kept for longer than that.
    trouble: Bounded<E>,
    forced: Markers,
    /// Refresh tokens that Cognito refused, by hash.
    refused: Markers,
}

impl<E> Default for RefreshState<E> {
    fn default() -> Self {
        Self {
            failures: Bounded::default(),
            trouble: Bounded::default(),
            forced: Bounded::default(),
            refused: Bounded::default(),
        }
    }
}

impl<E: Clone> RefreshState<E> {
    /// Caches a temporary failure for `for_secs`, and for a minute that there was one.
    pub fn note_failure(&mut self, name: &[u8], error: E, for_secs: u64, now: UnixSecs) {
        self.trouble.put(name, error.clone(), now.saturating_add(TROUBLE_SECS), now);
        self.failures.put(name, error, now.saturating_add(for_secs), now);
    }

    /// A temporary failure of the last moments, and until when no refresh is tried.
    #[must_use]
    pub fn recent_failure(&self, name: &[u8], now: UnixSecs) -> Option<(E, UnixSecs)> {
        self.failures.live_until(name, now).map(|(error, until)| (error.clone(), until))
    }

    /// The last failure of the session's refresh, if no refresh has succeeded since.
    #[must_use]
    pub fn last_trouble(&self, name: &[u8], now: UnixSecs) -> Option<&E> {
        self.trouble.live(name, now)
    }

    /// Forgets the trouble of a session of which a newer record is known.
    pub fn end_trouble(&mut self, name: &[u8]) {
        self.trouble.remove(name);
    }

    /// Whether a forced refresh is allowed now. If so, the next is not allowed for [`FORCE_INTERVAL_SECS`].
    pub fn may_force(&mut self, name: &[u8], now: UnixSecs) -> bool {
        self.forced.claim(name, now.saturating_add(FORCE_INTERVAL_SECS), now)
    }

    /// Caches a refused refresh token, by hash.
    pub fn refuse(&mut self, refresh_token: &str, now: UnixSecs) {
        self.refused.put(&Sha256::digest(refresh_token), 0, now.saturating_add(REFUSED_SECS), now);
    }

    /// Whether Cognito recently refused this refresh token.
    #[must_use]
    pub fn is_refused(&self, refresh_token: &str, now: UnixSecs) -> bool {
        self.refused.live(&Sha256::digest(refresh_token), now).is_some()
    }

    /// Drops the expired entries.
    pub fn drop_expired(&mut self, now: UnixSecs) {
        self.failures.drop_expired(now);
        self.trouble.drop_expired(now);
        self.forced.drop_expired(now);
        self.refused.drop_expired(now);
    }
}

/// The guard's recent replies, by session (strict mode). `E` is the error of a failed guard call.
pub struct GuardState<E> {
    /// The generation that the guard confirmed as the newest.
    confirmed: Markers,
    failures: Bounded<E>,
}

impl<E> Default for GuardState<E> {
    fn default() -> Self {
        Self { confirmed: Bounded::default(), failures: Bounded::default() }
    }
}

impl<E: Clone> GuardState<E> {
    /// Caches for `for_secs` that the guard knows no newer generation of the session than this one.
    pub fn confirm(&mut self, name: &[u8], generation: u64, for_secs: u64, now: UnixSecs) {
        self.confirmed.put(name, generation, now.saturating_add(for_secs), now);
    }

    /// Whether the guard recently confirmed this generation as the newest.
    #[must_use]
    pub fn is_confirmed(&self, name: &[u8], generation: u64, now: UnixSecs) -> bool {
        self.confirmed.live(name, now).is_some_and(|confirmed| *confirmed == generation)
    }

    /// Caches for `for_secs` that the guard of the session did not answer.
    pub fn note_failure(&mut self, name: &[u8], error: E, for_secs: u64, now: UnixSecs) {
        self.failures.put(name, error, now.saturating_add(for_secs), now);
    }

    /// A failed guard call of the last moments, and until when the guard is not asked again.
    #[must_use]
    pub fn recent_failure(&self, name: &[u8], now: UnixSecs) -> Option<(E, UnixSecs)> {
        self.failures.live_until(name, now).map(|(error, until)| (error.clone(), until))
    }

    /// Drops the expired entries.
    pub fn drop_expired(&mut self, now: UnixSecs) {
        self.confirmed.drop_expired(now);
        self.failures.drop_expired(now);
    }
}

/// The login states whose code this isolate has sent, and the outcomes of the exchanges. `E` is the error of a failed exchange.
pub struct SpentStates<E> {
    exchanges: Bounded<Exchange<E>>,
}

struct Exchange<E> {
    /// SHA-256 of the code. A callback with another code is a different callback.
    code: [u8; 32],
    /// The sealed id of the new session, or why there is none. `None` while the exchange is under way.
    outcome: Option<Result<Rc<str>, E>>,
    /// The deadline of the exchange, or of its outcome.
    until: UnixSecs,
}

/// The decision for a callback's code.
pub enum Turn<E> {
    /// Send the code: no other request of this isolate may.
    Yours,
    /// Wait: another request has sent the code and has no answer yet.
    Wait,
    /// The same callback made a session a moment ago, with this sealed id.
    SignedIn(Rc<str>),
    /// The same callback failed a moment ago.
    Failed(E),
    /// Do not send: a code was sent before.
    Spent,
}

impl<E> Default for SpentStates<E> {
    fn default() -> Self {
        Self { exchanges: Bounded::default() }
    }
}

impl<E: Clone> SpentStates<E> {
    /// Decides whether this callback sends the code of a login state; `tag` is the tag of its cookie. A login state sends one
    /// code in its life, even if the client keeps the cookie. The same code a moment later gets the same outcome. A request that
    /// dies during its exchange blocks the others for at most [`EXCHANGE_SECS`].
    pub fn begin_exchange(&mut self, tag: &str, code: &str, now: UnixSecs) -> Turn<E> {
        let code: [u8; 32] = Sha256::digest(code).into();
        let Some(exchange) = self.exchanges.live(tag.as_bytes(), now) else {
            let exchange = Exchange { code, outcome: None, until: now.saturating_add(EXCHANGE_SECS) };
            self.exchanges.put(tag.as_bytes(), exchange, now.saturating_add(LOGIN_LIFE_SECS), now);
            return Turn::Yours;
        };
        if exchange.code != code || now >= exchange.until {
            return Turn::Spent;
        }
        match &exchange.outcome {
            None => Turn::Wait,
            Some(Ok(sealed_id)) => Turn::SignedIn(sealed_id.clone()),
            Some(Err(error)) => Turn::Failed(error.clone()),
        }
    }

    /// Caches the outcome of an exchange for half a minute.
    pub fn end_exchange(&mut self, tag: &str, code: &str, outcome: Result<Rc<str>, E>, now: UnixSecs) {
        let until = now.saturating_add(SPENT_LOGIN_LIFE_SECS);
        let exchange = Exchange { code: Sha256::digest(code).into(), outcome: Some(outcome), until };
        self.exchanges.put(tag.as_bytes(), exchange, now.saturating_add(LOGIN_LIFE_SECS), now);
    }

    /// Drops the expired entries.
    pub fn drop_expired(&mut self, now: UnixSecs) {
        self.exchanges.drop_expired(now);
    }
}

/// How long a cached record serves without another read of KV. With KV's own lag, it bounds how late a logout is seen.
pub const RECORD_SECS: u64 = 30;
/// Longer than the pause between two attempts with a time-out. After it, a page waits for an attempt once more.
const TROUBLE_SECS: u64 = 60;
/// Longer than KV's reads lag (60 s, not guaranteed, plus the cache of a read).
const ENDED_SECS: u64 = 300;

#[cfg(test)]
mod tests;
