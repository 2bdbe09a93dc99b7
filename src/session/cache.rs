//! What this isolate remembers of sessions: read records, leases, recent failures, refused tokens. Values only, with
//! deadlines; never a pending future, which the runtime would cancel with the request that made it.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::oidc::flow::{FLOW_LIFE_SECS, SPENT_FLOW_LIFE_SECS};
use crate::ports::UnixSecs;

use super::bounded::Bounded;
use super::policy::{EXCHANGE_SECS, FORCE_INTERVAL_SECS, LEASE_SECS, LOOK_SECS, REFUSED_SECS, STEP_SECS};
use super::record::Record;

/// Keys that are there for a time, and a number each: the guard's generation, or nothing. One type, so that the Worker holds its
/// code once.
type Marks = Bounded<u64>;

/// A request's hold on a session's refresh in this isolate: each taking has its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(u64);

/// The memory. `E` is how a failed refresh is remembered.
pub struct SessionMemory<E> {
    records: Bounded<Rc<Record>>,
    /// Apart from the records, so that a flood of the ones never pushes out the others.
    ended: Marks,
    /// Those of them whose end was written down.
    settled: Marks,
    /// With the number of the lease.
    leases: Marks,
    last_lease: u64,
    failures: Bounded<Rc<E>>,
    /// How refreshes failed lately, for longer than nobody tries again.
    trouble: Bounded<Rc<E>>,
    forced: Marks,
    /// The login flows whose code was sent from here.
    exchanges: Bounded<Exchange<E>>,
    refused: Marks,
    /// What the guard has said yes to, and the generation.
    confirmed: Marks,
    looks: Marks,
}

/// What is known of a session without asking KV.
#[derive(Clone)]
pub enum Remembered {
    /// Its record, read or written within the last [`RECORD_SECS`].
    Record(Rc<Record>),
    /// It was ended here.
    Ended,
}

/// An exchange of a login flow's code, and how it ended.
struct Exchange<E> {
    /// SHA-256 of the code: a callback with another code is another callback.
    code: [u8; 32],
    /// The id of the session that the flow became, sealed; or why there is none. `None` while it goes on.
    outcome: Option<Result<Rc<str>, Rc<E>>>,
    /// Until when it may go on, or its outcome is told.
    until: UnixSecs,
}

/// What a callback is to do with its code.
pub enum Turn<E> {
    /// Send it: nobody else here may.
    Yours,
    /// Wait: another request has sent it and not heard yet.
    Wait,
    /// The same callback has made a session just now, of this id, which is sealed.
    SignedIn(Rc<str>),
    /// The same callback has failed just now.
    Failed(E),
    /// Nothing: a code was sent before.
    Spent,
}

impl<E> Default for SessionMemory<E> {
    fn default() -> Self {
        Self {
            records: Bounded::default(),
            ended: Bounded::default(),
            settled: Bounded::default(),
            leases: Bounded::default(),
            last_lease: 0,
            failures: Bounded::default(),
            trouble: Bounded::default(),
            forced: Bounded::default(),
            exchanges: Bounded::default(),
            refused: Bounded::default(),
            confirmed: Bounded::default(),
            looks: Bounded::default(),
        }
    }
}

impl<E: Clone> SessionMemory<E> {
    /// What is known of the session by this name ([`super::id::SessionKeys::as_bytes`]).
    #[must_use]
    pub fn recall(&self, key: &[u8], now: UnixSecs) -> Option<Remembered> {
        if self.ended.live(key, now).is_some() {
            return Some(Remembered::Ended);
        }
        self.records.live(key, now).cloned().map(Remembered::Record)
    }

    /// Remembers a record, unless a newer one or the session's end is known. Gives what holds now.
    pub fn remember(&mut self, key: &[u8], record: Rc<Record>, now: UnixSecs) -> Remembered {
        self.keep(key, record, now.saturating_add(RECORD_SECS), now)
    }

    /// The same for a record that is about to be saved, or that somebody else has saved, but for no longer than what was known
    /// before, or than those need it who wait for it: the marks of a logout have not been looked at again. Once they have, it
    /// is remembered. What trouble there was is over.
    pub fn replace(&mut self, key: &[u8], record: Rc<Record>, now: UnixSecs) -> Remembered {
        self.trouble.remove(key);
        let known_until = self.records.live_until(key, now).map_or(now, |(_, until)| until);
        self.keep(key, record, known_until.max(now.saturating_add(STEP_SECS)), now)
    }

    fn keep(&mut self, key: &[u8], record: Rc<Record>, until: UnixSecs, now: UnixSecs) -> Remembered {
        match self.recall(key, now) {
            Some(Remembered::Ended) => return Remembered::Ended,
            Some(Remembered::Record(known)) if known.version > record.version => return Remembered::Record(known),
            _ => {}
        }
        self.records.put(key, record.clone(), until, now);
        Remembered::Record(record)
    }

    /// Drops what has ended, tokens among it. Costs one look at each map where nothing has.
    pub fn drop_expired(&mut self, now: UnixSecs) {
        self.records.drop_expired(now);
        self.failures.drop_expired(now);
        self.trouble.drop_expired(now);
        self.exchanges.drop_expired(now);
        for marks in [
            &mut self.ended,
            &mut self.settled,
            &mut self.leases,
            &mut self.forced,
            &mut self.refused,
            &mut self.confirmed,
            &mut self.looks,
        ] {
            marks.drop_expired(now);
        }
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the record: KV has another word of the session.
    pub fn forget(&mut self, key: &[u8]) {
        self.records.remove(key);
    }

    /// Remembers that the session was ended, for longer than KV can be behind.
    pub fn end(&mut self, key: &[u8], now: UnixSecs) {
        self.forget(key);
        self.ended.put(key, 0, now.saturating_add(ENDED_SECS), now);
    }

    /// Remembers that the session's end was written down where all locations see it.
    pub fn settle_end(&mut self, key: &[u8], now: UnixSecs) {
        self.settled.put(key, 0, now.saturating_add(ENDED_SECS), now);
    }

    /// Whether nothing is left to do about the session's end.
    #[must_use]
    pub fn is_end_settled(&self, key: &[u8], now: UnixSecs) -> bool {
        self.settled.live(key, now).is_some()
    }

    /// Remembers that the guard knows no newer generation of the session than this one, for `for_secs`.
    pub fn confirm(&mut self, key: &[u8], generation: u64, for_secs: u64, now: UnixSecs) {
        self.looks.remove(key);
        self.confirmed.put(key, generation, now.saturating_add(for_secs), now);
    }

    /// Whether the guard has said lately that this generation is the newest.
    #[must_use]
    pub fn is_confirmed(&self, key: &[u8], generation: u64, now: UnixSecs) -> bool {
        self.confirmed.live(key, now).is_some_and(|confirmed| *confirmed == generation)
    }

    /// Whether this request is to ask the guard; false while another one does.
    pub fn may_look(&mut self, key: &[u8], now: UnixSecs) -> bool {
        self.looks.claim(key, now.saturating_add(LOOK_SECS), now)
    }

    /// The guard did not answer: the next may ask.
    pub fn give_up_look(&mut self, key: &[u8]) {
        self.looks.remove(key);
    }

    /// Takes the refresh lease of a session for [`LEASE_SECS`]; `None` while another request holds it.
    pub fn take_lease(&mut self, key: &[u8], now: UnixSecs) -> Option<Lease> {
        if self.is_leased(key, now) {
            return None;
        }
        self.last_lease = self.last_lease.wrapping_add(1);
        self.leases.put(key, self.last_lease, now.saturating_add(LEASE_SECS), now);
        Some(Lease(self.last_lease))
    }

    /// Whether a request is refreshing this session.
    #[must_use]
    pub fn is_leased(&self, key: &[u8], now: UnixSecs) -> bool {
        self.leases.live(key, now).is_some()
    }

    /// Prolongs a lease for the next step of a refresh, unless another request has taken it over.
    pub fn extend_lease(&mut self, key: &[u8], lease: Lease, now: UnixSecs) {
        let until = now.saturating_add(STEP_SECS);
        if self.leases.live_until(key, now).is_none_or(|(holder, held_until)| *holder == lease.0 && held_until < until) {
            self.leases.put(key, lease.0, until, now);
        }
    }

    /// Gives a lease back; one that another request took over stays theirs.
    pub fn release_lease(&mut self, key: &[u8], lease: Lease) {
        if self.leases.live(key, 0) == Some(&lease.0) {
            self.leases.remove(key);
        }
    }

    /// Remembers a passing failure for `for_secs`, and for longer that there was one.
    pub fn note_failure(&mut self, key: &[u8], failure: E, for_secs: u64, now: UnixSecs) {
        let failure = Rc::new(failure);
        self.trouble.put(key, failure.clone(), now.saturating_add(TROUBLE_SECS), now);
        self.failures.put(key, failure, now.saturating_add(for_secs), now);
    }

    /// A passing failure of the last moments, and until when nobody tries again.
    #[must_use]
    pub fn recent_failure(&self, key: &[u8], now: UnixSecs) -> Option<(E, UnixSecs)> {
        self.failures.live_until(key, now).map(|(failure, until)| (E::clone(failure), until))
    }

    /// How a refresh of the session has failed lately, if none has succeeded since.
    #[must_use]
    pub fn last_trouble(&self, key: &[u8], now: UnixSecs) -> Option<&E> {
        self.trouble.live(key, now).map(Rc::as_ref)
    }

    /// Whether a forced refresh is honoured now; if so, the next one is not for [`FORCE_INTERVAL_SECS`].
    pub fn may_force(&mut self, key: &[u8], now: UnixSecs) -> bool {
        self.forced.claim(key, now.saturating_add(FORCE_INTERVAL_SECS), now)
    }

    /// Whose turn it is to send the code of a login flow. A flow sends one code in its life, also where a client keeps its
    /// cookie; whoever brings the same code a moment later hears what became of it. A request that has died while it
    /// exchanged keeps the others waiting for [`EXCHANGE_SECS`] at most.
    pub fn begin_exchange(&mut self, flow_tag: &str, code: &str, now: UnixSecs) -> Turn<E> {
        let code: [u8; 32] = Sha256::digest(code).into();
        let Some(exchange) = self.exchanges.live(flow_tag.as_bytes(), now) else {
            let exchange = Exchange { code, outcome: None, until: now.saturating_add(EXCHANGE_SECS) };
            self.exchanges.put(flow_tag.as_bytes(), exchange, now.saturating_add(FLOW_LIFE_SECS), now);
            return Turn::Yours;
        };
        if exchange.code != code || now >= exchange.until {
            return Turn::Spent;
        }
        match &exchange.outcome {
            None => Turn::Wait,
            Some(Ok(sealed_id)) => Turn::SignedIn(sealed_id.clone()),
            Some(Err(failure)) => Turn::Failed(E::clone(failure)),
        }
    }

    /// Remembers for half a minute how the exchange of a flow's code ended.
    pub fn end_exchange(&mut self, flow_tag: &str, code: &str, outcome: Result<Rc<str>, E>, now: UnixSecs) {
        let until = now.saturating_add(SPENT_FLOW_LIFE_SECS);
        let exchange = Exchange { code: Sha256::digest(code).into(), outcome: Some(outcome.map_err(Rc::new)), until };
        self.exchanges.put(flow_tag.as_bytes(), exchange, now.saturating_add(FLOW_LIFE_SECS), now);
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
}

/// How long a read record serves without another look at KV; with KV's own lag it bounds how late a logout is seen.
pub const RECORD_SECS: u64 = 30;
/// Longer than the pauses between two attempts, a time-out included; after it, a page waits for an attempt once more.
const TROUBLE_SECS: u64 = 60;
/// Longer than KV's reads lag behind (60 s, not guaranteed, plus the cache of a read).
const ENDED_SECS: u64 = 300;

#[cfg(test)]
mod tests;
