//! Strict mode: asking the guard of a user's sessions, where one is bound. Without one nothing here does anything.
//!
//! A guard that cannot be reached is an answer of its own, 503 `store_unavailable`: KV alone is then not believed.

use std::rc::Rc;

use crate::ports::{GuardError, Ports, UnixSecs};
use crate::session::guard::{Answer, Inquiry, Question};
use crate::session::id::{SessionId, SessionKeys};
use crate::session::memory::{Lease, Remembered};
use crate::session::policy::LOOK_SECS;
use crate::session::record::Record;

use super::sessions::Session;
use super::visit::random_name;
use super::{Failure, Gate, GateError, apart};

/// What the guard says to a refresh.
pub(super) enum Leave {
    /// Go ahead; the name of the lease, none without a guard.
    Granted(Option<String>),
    /// Another location refreshes.
    Held,
    /// Another location has.
    Newer(Rc<Record>),
    /// The session has ended.
    Ended,
}

/// What the guard says to a new record.
pub(super) enum Kept {
    /// It is the newest.
    Saved,
    /// Another location was faster.
    Newer(Rc<Record>),
    /// The session has ended.
    Ended,
}

impl<P: Ports> Gate<P> {
    /// The newest record of a session, of which KV or this isolate gave `known`. The guard is asked at most once in
    /// `GUARD_SECS`, by one request at a time; the others wait for what it hears. `None`: the session has ended.
    ///
    /// # Errors
    /// The guard could not be asked.
    pub(super) async fn confirmed(
        &self,
        id: &SessionId,
        keys: &SessionKeys,
        known: Option<Rc<Record>>,
    ) -> Result<Option<Rc<Record>>, Failure> {
        if !self.ports.is_guarded() {
            return Ok(known);
        }
        let key = keys.as_bytes();
        let give_up_at = self.ports.now().saturating_add(LOOK_SECS);
        loop {
            let now = self.ports.now();
            let recalled = self.memory.sessions.borrow().recall(key, now);
            let known = match recalled {
                Some(Remembered::Ended) => return Ok(None),
                Some(Remembered::Record(record)) => Some(record),
                None => known.clone(),
            };
            let generation = known.as_ref().map_or(0, |record| record.version);
            if self.memory.sessions.borrow().is_confirmed(key, generation, now) {
                return Ok(known);
            }
            if let Some((failure, until)) = self.memory.sessions.borrow().recent_failure(&silence(keys), now) {
                return Err(failure.retry_in(until.saturating_sub(now)));
            }
            let may_look = self.memory.sessions.borrow_mut().may_look(key, now);
            if may_look {
                return apart(self.look(id, keys, known)).await;
            }
            if now >= give_up_at {
                return Err(unanswered(GuardError::Timeout));
            }
            self.ports.sleep(POLL_MS).await;
        }
    }

    /// Asks the guard for anything newer than `known`, and remembers what it says.
    ///
    /// # Errors
    /// It could not be asked; that is remembered for a moment.
    pub(super) async fn look(
        &self,
        id: &SessionId,
        keys: &SessionKeys,
        known: Option<Rc<Record>>,
    ) -> Result<Option<Rc<Record>>, Failure> {
        let generation = known.as_ref().map_or(0, |record| record.version);
        let asked_at = self.ports.now();
        let heard = match self.inquire(keys, Question::Look { generation }).await {
            // Older than strict mode, or a guard that has lost its memory: it takes over what is known here.
            Ok(Answer::Unknown) => match &known {
                Some(record) => match self.introduce(id, keys, record).await {
                    Ok(Kept::Saved) => Ok(known),
                    Ok(Kept::Newer(record)) => Ok(Some(record)),
                    Ok(Kept::Ended) => Ok(None),
                    Err(error) => Err(error),
                },
                None => Ok(None),
            },
            Ok(Answer::Newer { sealed }) => self.newer(&sealed, id, keys).map(Some),
            Ok(Answer::Ended) => {
                self.memory.sessions.borrow_mut().end(keys.as_bytes(), self.ports.now());
                Ok(None)
            }
            Ok(Answer::Held | Answer::Yes) => Ok(known),
            Err(error) => Err(error),
        };
        let now = self.ports.now();
        let mut sessions = self.memory.sessions.borrow_mut();
        match heard {
            Ok(newest) => {
                // For no longer than what was known before: the marks of a sign-out in KV must be looked at as ever.
                let changed = newest.as_ref().filter(|record| record.version != generation);
                if let Some(record) = changed
                    && let Remembered::Ended = sessions.replace(keys.as_bytes(), record.clone(), now)
                {
                    return Ok(None);
                }
                let generation = newest.as_ref().map_or(0, |record| record.version);
                // From when it was asked: the answer may have been long on its way.
                sessions.confirm(keys.as_bytes(), generation, self.config.guard_secs, asked_at);
                Ok(newest)
            }
            Err(error) => {
                let failure = unanswered(error);
                sessions.note_failure(&silence(keys), failure.clone(), SILENCE_SECS, now);
                sessions.give_up_look(keys.as_bytes());
                Err(failure)
            }
        }
    }

    /// Asks for leave to refresh a session, for the holder of this isolate's lease: each question prolongs it.
    ///
    /// # Errors
    /// The guard could not be asked.
    pub(super) async fn leave_to_refresh(&self, session: &Session, lease: Lease) -> Result<Leave, Failure> {
        if !self.ports.is_guarded() {
            return Ok(Leave::Granted(None));
        }
        let holder = random_name(&self.ports);
        let question = || Question::Lease { generation: session.record.version, holder: holder.clone() };
        self.extend_lease(session, lease);
        let mut answer = self.inquire(&session.keys, question()).await.map_err(unanswered)?;
        self.extend_lease(session, lease);
        if answer == Answer::Unknown {
            match self.introduce(&session.id, &session.keys, &session.record).await.map_err(unanswered)? {
                Kept::Saved => {
                    self.extend_lease(session, lease);
                    answer = self.inquire(&session.keys, question()).await.map_err(unanswered)?;
                    self.extend_lease(session, lease);
                }
                Kept::Newer(record) => return Ok(Leave::Newer(record)),
                Kept::Ended => return Ok(Leave::Ended),
            }
        }
        Ok(match answer {
            Answer::Yes => Leave::Granted(Some(holder)),
            Answer::Held | Answer::Unknown => Leave::Held,
            Answer::Ended => Leave::Ended,
            Answer::Newer { sealed } => Leave::Newer(self.newer(&sealed, &session.id, &session.keys).map_err(unanswered)?),
        })
    }

    /// Gives a lease back beside the answer: the refresh came to nothing, and the next location may try.
    pub(super) fn release(&self, session: &Session, lease: Option<String>) {
        let Some(holder) = lease else { return };
        let (gate, keys) = (self.clone(), session.keys);
        self.ports.run(Box::pin(async move {
            // Without it the lease ends by itself.
            drop(gate.inquire(&keys, Question::Release { holder }).await);
        }));
    }

    /// Tells the guard of a new record, made of generation `from`. Without a guard it is the newest.
    ///
    /// # Errors
    /// The guard could not be told; it may have heard.
    pub(super) async fn keep(&self, session: &Session, from: u64) -> Result<Kept, Failure> {
        if !self.ports.is_guarded() {
            return Ok(Kept::Saved);
        }
        self.keep_in_guard(&session.id, &session.keys, &session.record, from).await.map_err(unanswered)
    }

    /// Tells the guard that a session has ended.
    ///
    /// # Errors
    /// The guard could not be told; it may have heard.
    pub(super) async fn end_in_guard(&self, keys: &SessionKeys, expires_at: UnixSecs) -> Result<(), Failure> {
        if !self.ports.is_guarded() {
            return Ok(());
        }
        match self.inquire(keys, Question::End { expires_at }).await.map_err(unanswered)? {
            Answer::Yes | Answer::Ended => Ok(()),
            Answer::Held | Answer::Newer { .. } | Answer::Unknown => Err(unanswered(GuardError::Unavailable)),
        }
    }

    /// A record that the guard has never seen.
    async fn introduce(&self, id: &SessionId, keys: &SessionKeys, record: &Record) -> Result<Kept, GuardError> {
        self.keep_in_guard(id, keys, record, record.version).await
    }

    async fn keep_in_guard(&self, id: &SessionId, keys: &SessionKeys, record: &Record, from: u64) -> Result<Kept, GuardError> {
        let sealed = record.seal(&self.config.keys, id, &self.ports).ok_or(GuardError::Unavailable)?;
        let question = Question::Save { from, generation: record.version, sealed, expires_at: record.expires_at };
        let asked_at = self.ports.now();
        Ok(match self.inquire(keys, question).await? {
            Answer::Yes => {
                self.memory.sessions.borrow_mut().confirm(keys.as_bytes(), record.version, self.config.guard_secs, asked_at);
                Kept::Saved
            }
            Answer::Newer { sealed } => {
                let newer = self.newer(&sealed, id, keys)?;
                // Another request of this isolate may have told the guard of the same record first.
                if *newer == *record { Kept::Saved } else { Kept::Newer(newer) }
            }
            Answer::Ended => Kept::Ended,
            Answer::Held | Answer::Unknown => return Err(GuardError::Unavailable),
        })
    }

    /// The guard's record. One that does not open here is no end of the session: another version of the gateway has sealed it, with
    /// a key or in a format that this one does not have yet.
    fn newer(&self, sealed: &str, id: &SessionId, keys: &SessionKeys) -> Result<Rc<Record>, GuardError> {
        self.opened(sealed, id, keys).map(Rc::new).ok_or(GuardError::Unavailable)
    }

    /// One question, and once more after a failure that may have been a moment's: each may be repeated.
    async fn inquire(&self, keys: &SessionKeys, question: Question) -> Result<Answer, GuardError> {
        let inquiry = Inquiry { session: keys.hash(), question };
        let text = inquiry.encode();
        let mut reply = self.ports.ask(&keys.user_tag(), &text).await;
        if reply == Err(GuardError::Unavailable) {
            self.pause(RETRY_AFTER_MS, RETRY_SPREAD_MS).await;
            reply = self.ports.ask(&keys.user_tag(), &text).await;
        }
        Answer::parse(&reply?).ok_or(GuardError::Unavailable)
    }
}

fn unanswered(error: GuardError) -> Failure {
    let reason = match error {
        GuardError::Timeout => "guard_timeout",
        GuardError::Unavailable => "guard_unavailable",
    };
    Failure::new(GateError::StoreUnavailable, reason)
}

/// Where it is remembered that the guard of a session did not answer: beside the failures of its refreshes.
fn silence(keys: &SessionKeys) -> Vec<u8> {
    [b"guard/", keys.as_bytes()].concat()
}

/// Nobody waits again for a silence that was just heard.
const SILENCE_SECS: u64 = 2;
/// A page waits for it.
const RETRY_AFTER_MS: u32 = 50;
const RETRY_SPREAD_MS: u8 = 100;
/// Between looks at what another request hears.
const POLL_MS: u32 = 25;
