//! What an isolate remembers of sessions: records, refreshes, the guard's word, spent login states. Each is a map of its own, so that a
//! flood of one kind pushes out nothing of another. Values with deadlines only; never a pending future, which the runtime would cancel
//! with the request that made it.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::oidc::login_state::{LOGIN_LIFE_SECS, SPENT_LOGIN_LIFE_SECS};
use crate::ports::UnixSecs;

use super::bounded::Bounded;
use super::policy::{EXCHANGE_SECS, FORCE_INTERVAL_SECS, REFUSED_SECS, STEP_SECS};
use super::record::Record;

/// Keys that are there for a time, each with a number: the guard's generation, or nothing.
type Markers = Bounded<u64>;

/// Records that were read or written lately, and sessions that were ended here.
#[derive(Default)]
pub struct RecordCache {
    records: Bounded<Rc<Record>>,
    ended: Markers,
    /// The ended sessions whose end was written down.
    settled: Markers,
}

/// What is known of a session without asking KV.
#[derive(Clone)]
pub enum Cached {
    /// Its record, read or written within the last [`RECORD_SECS`].
    Record(Rc<Record>),
    /// It was ended here.
    Ended,
}

impl RecordCache {
    /// What is known of the session of this name ([`super::id::SessionNames::as_bytes`]).
    #[must_use]
    pub fn get(&self, name: &[u8], now: UnixSecs) -> Option<Cached> {
        if self.ended.live(name, now).is_some() {
            return Some(Cached::Ended);
        }
        self.records.live(name, now).cloned().map(Cached::Record)
    }

    /// Remembers a record, unless a newer one or the session's end is known. Gives what holds now.
    pub fn put(&mut self, name: &[u8], record: Rc<Record>, now: UnixSecs) -> Cached {
        self.put_until(name, record, now.saturating_add(RECORD_SECS), now)
    }

    /// Remembers a record that is about to be saved, or that another location has saved: its markers have not been read again. It is
    /// remembered for as long as the record before would have been, or for [`STEP_SECS`], which the requests that wait for it need.
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

    /// Forgets the record: KV says otherwise.
    pub fn remove(&mut self, name: &[u8]) {
        self.records.remove(name);
    }

    /// Remembers that the session was ended, for longer than KV can lag.
    pub fn end(&mut self, name: &[u8], now: UnixSecs) {
        self.remove(name);
        self.ended.put(name, 0, now.saturating_add(ENDED_SECS), now);
    }

    /// Remembers that the session's end was written down where all locations see it.
    pub fn settle_end(&mut self, name: &[u8], now: UnixSecs) {
        self.settled.put(name, 0, now.saturating_add(ENDED_SECS), now);
    }

    /// Whether nothing is left to do about the session's end.
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

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How refreshes have gone lately, by session. `E` is the error of a failed one.
pub struct RefreshState<E> {
    /// Failures after which nobody tries again for a moment.
    failures: Bounded<E>,
    /// How refreshes failed lately, for longer than that moment.
    trouble: Bounded<E>,
    forced: Markers,
    /// Refresh tokens that Cognito refused, by their hash.
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
    /// Remembers a passing failure for `for_secs`, and for a minute that there was one.
    pub fn note_failure(&mut self, name: &[u8], error: E, for_secs: u64, now: UnixSecs) {
        self.trouble.put(name, error.clone(), now.saturating_add(TROUBLE_SECS), now);
        self.failures.put(name, error, now.saturating_add(for_secs), now);
    }

    /// A passing failure of the last moments, and until when nobody tries again.
    #[must_use]
    pub fn recent_failure(&self, name: &[u8], now: UnixSecs) -> Option<(E, UnixSecs)> {
        self.failures.live_until(name, now).map(|(error, until)| (error.clone(), until))
    }

    /// How a refresh of the session has failed lately, if none has succeeded since.
    #[must_use]
    pub fn last_trouble(&self, name: &[u8], now: UnixSecs) -> Option<&E> {
        self.trouble.live(name, now)
    }

    /// A newer record of the session is known: its trouble is over.
    pub fn end_trouble(&mut self, name: &[u8]) {
        self.trouble.remove(name);
    }

    /// Whether a forced refresh is honoured now; if so, the next one is not for [`FORCE_INTERVAL_SECS`].
    pub fn may_force(&mut self, name: &[u8], now: UnixSecs) -> bool {
        self.forced.claim(name, now.saturating_add(FORCE_INTERVAL_SECS), now)
    }

    /// Remembers a refused refresh token, as a hash.
    pub fn refuse(&mut self, refresh_token: &str, now: UnixSecs) {
        self.refused.put(&Sha256::digest(refresh_token), 0, now.saturating_add(REFUSED_SECS), now);
    }

    /// Whether Cognito refused this refresh token lately.
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

/// What the guard has said lately, by session (strict mode). `E` is the error of a question without an answer.
pub struct GuardState<E> {
    /// The generation that the guard called the newest.
    confirmed: Markers,
    failures: Bounded<E>,
}

impl<E> Default for GuardState<E> {
    fn default() -> Self {
        Self { confirmed: Bounded::default(), failures: Bounded::default() }
    }
}

impl<E: Clone> GuardState<E> {
    /// Remembers for `for_secs` that the guard knows no newer generation of the session than this one.
    pub fn confirm(&mut self, name: &[u8], generation: u64, for_secs: u64, now: UnixSecs) {
        self.confirmed.put(name, generation, now.saturating_add(for_secs), now);
    }

    /// Whether the guard has said lately that this generation is the newest.
    #[must_use]
    pub fn is_confirmed(&self, name: &[u8], generation: u64, now: UnixSecs) -> bool {
        self.confirmed.live(name, now).is_some_and(|confirmed| *confirmed == generation)
    }

    /// Remembers for `for_secs` that the guard of the session did not answer.
    pub fn note_failure(&mut self, name: &[u8], error: E, for_secs: u64, now: UnixSecs) {
        self.failures.put(name, error, now.saturating_add(for_secs), now);
    }

    /// A failed question of the last moments, and until when nobody asks again.
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

/// The login states whose code was sent from here, and how the exchange ended. `E` is the error of a failed one.
pub struct SpentStates<E> {
    exchanges: Bounded<Exchange<E>>,
}

struct Exchange<E> {
    /// SHA-256 of the code: a callback with another code is another callback.
    code: [u8; 32],
    /// The sealed id of the new session, or why there is none. `None` while the exchange goes on.
    outcome: Option<Result<Rc<str>, E>>,
    /// Until when it may go on, or its outcome is told.
    until: UnixSecs,
}

/// What a callback is to do with its code.
pub enum Turn<E> {
    /// Send it: no other request here may.
    Yours,
    /// Wait: another request has sent it and has no answer yet.
    Wait,
    /// The same callback has made a session just now, of this sealed id.
    SignedIn(Rc<str>),
    /// The same callback has failed just now.
    Failed(E),
    /// Nothing: a code was sent before.
    Spent,
}

impl<E> Default for SpentStates<E> {
    fn default() -> Self {
        Self { exchanges: Bounded::default() }
    }
}

impl<E: Clone> SpentStates<E> {
    /// Whose turn it is to send the code of a login state, of which `tag` is the cookie's. A state sends one code in its life, even where
    /// a client keeps its cookie; the same code a moment later gets the same outcome. A request that has died while it exchanged keeps
    /// the others waiting for [`EXCHANGE_SECS`] at most.
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

    /// Remembers for half a minute how the exchange of a code ended.
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

/// How long a read record serves without another read of KV; with KV's own lag it bounds how late a logout is seen.
pub const RECORD_SECS: u64 = 30;
/// Longer than the pauses between two attempts, a time-out included; after it, a page waits for an attempt once more.
const TROUBLE_SECS: u64 = 60;
/// Longer than KV's reads lag behind (60 s, not guaranteed, plus the cache of a read).
const ENDED_SECS: u64 = 300;

#[cfg(test)]
mod tests;
