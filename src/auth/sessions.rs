//! Finding the caller's session, and ending one.

use std::rc::Rc;

use crate::ports::{IncomingRequest, KvError, Level, Ports, UnixSecs};
use crate::session::id::{SessionId, SessionKeys};
use crate::session::memory::Remembered;
use crate::session::policy::{Standing, ended_everywhere, runs_behind, standing};
use crate::session::record::{MIN_KV_LIFE_SECS, Record};
use crate::session::seal::OpenError;

use super::saving::WRITE_AGAIN_MS;
use super::visit::Visit;
use super::{Failure, Gate, GateError, apart};

/// A session that has not ended. Whether its access token still lives is another question (`renewal`).
#[derive(Clone)]
pub(super) struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its places in KV.
    pub keys: SessionKeys,
    /// What is known of it.
    pub record: Rc<Record>,
}

/// What was found for a request.
pub(super) enum Found {
    /// A session.
    Session(Session),
    /// No cookie, or none of ours.
    None,
    /// A cookie whose session has ended.
    Ended,
}

impl Found {
    /// The session, or the 401 that says why there is none.
    pub(super) fn required(self) -> Result<Session, Failure> {
        match self {
            Self::Session(session) => Ok(session),
            Self::None => Err(GateError::SessionRequired.into()),
            Self::Ended => Err(GateError::SessionExpired.into()),
        }
    }
}

/// What KV has of a session.
pub(super) enum Loaded {
    /// Its record.
    Record(Rc<Record>),
    /// No record, as far as this location knows; with the mark of a sign-out everywhere, if there is one.
    Absent(Option<String>),
    /// Marked as ended, or not ours any more.
    Ended,
}

impl<P: Ports> Gate<P> {
    /// The session id of the request's cookie.
    pub(super) fn session_id<R: IncomingRequest>(visit: &Visit<'_, R>) -> Option<SessionId> {
        visit.cookies().one(visit.cookie_style.session_name()).and_then(SessionId::parse)
    }

    /// Whether there may be a session under this id: we made it, or its record is there, or nobody can tell. A made-up one
    /// must not cost a write.
    pub(super) async fn may_exist(&self, id: &SessionId, keys: &SessionKeys) -> bool {
        id.is_from(&self.config.keys) || !matches!(self.load(id, keys).await, Ok(Loaded::Absent(_) | Loaded::Ended))
    }

    /// Finds the session of the request's cookie: from memory, else one bulk read of KV; in strict mode its guard is asked as
    /// well.
    ///
    /// # Errors
    /// KV or the guard could not answer: neither signed in nor signed out.
    pub(super) async fn find_session<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Found, Failure> {
        let Some(id) = Self::session_id(visit) else { return Ok(Found::None) };
        let keys = id.keys();
        *visit.session_log_name.borrow_mut() = keys.log_name();
        let Some(record) = self.newest(&id, &keys, visit.now).await? else { return Ok(Found::Ended) };
        if runs_behind(&record, visit.now) {
            return Err(Failure::new(GateError::Internal, "clock_behind"));
        }
        if standing(&record, &self.config.session, visit.now) == Standing::Ended {
            return Ok(Found::Ended);
        }
        Ok(Found::Session(Session { id, keys, record }))
    }

    /// The newest record that can be known here. `None`: the session has ended.
    pub(super) async fn newest(&self, id: &SessionId, keys: &SessionKeys, now: UnixSecs) -> Result<Option<Rc<Record>>, Failure> {
        // A statement of its own: memory must not stay borrowed across the read below.
        let recalled = self.memory.sessions.borrow().recall(keys.as_bytes(), now);
        // Another location may have renewed it meanwhile: an idle end is looked up before it is believed.
        let idle = |record: &Record| now < record.expires_at && standing(record, &self.config.session, now) == Standing::Ended;
        let recalled = recalled.filter(|it| !matches!(it, Remembered::Record(record) if idle(record)));
        let record = match recalled {
            Some(Remembered::Ended) => return Ok(None),
            Some(Remembered::Record(record)) => record,
            None => match apart(self.load(id, keys)).await? {
                Loaded::Record(record) => match self.memory.sessions.borrow_mut().remember(keys.as_bytes(), record, now) {
                    Remembered::Record(record) => record,
                    Remembered::Ended => return Ok(None),
                },
                // KV may lag behind a login: the guard knows. It is not asked about an id that somebody made up.
                Loaded::Absent(user_ended) if id.is_from(&self.config.keys) => {
                    let record = self.confirmed(id, keys, None).await?;
                    if record.as_ref().is_some_and(|record| marked(record, user_ended.as_deref())) {
                        self.memory.sessions.borrow_mut().end(keys.as_bytes(), self.ports.now());
                        return Ok(None);
                    }
                    return Ok(record);
                }
                Loaded::Absent(_) | Loaded::Ended => return Ok(None),
            },
        };
        self.confirmed(id, keys, Some(record)).await
    }

    /// Reads record and marks in one operation.
    pub(super) async fn load(&self, id: &SessionId, keys: &SessionKeys) -> Result<Loaded, KvError> {
        let [sealed, ended, user_ended] = self.read([&keys.record(), &keys.ended(), &keys.user_ended()]).await?;
        if ended.is_some() {
            return Ok(Loaded::Ended);
        }
        let Some(sealed) = sealed else { return Ok(Loaded::Absent(user_ended)) };
        let record = self.opened(&sealed, id, keys).filter(|record| !marked(record, user_ended.as_deref()));
        Ok(record.map_or(Loaded::Ended, |record| Loaded::Record(Rc::new(record))))
    }

    /// Opens a sealed record. `None`: not ours (any more).
    pub(super) fn opened(&self, sealed: &str, id: &SessionId, keys: &SessionKeys) -> Option<Record> {
        match Record::open(sealed, &self.config.keys, id) {
            Ok(record) => Some(record).filter(|record| record.belongs_to(&self.config.cognito)),
            Err(OpenError::UnknownKey | OpenError::UnknownFormat) => None,
            Err(OpenError::DoesNotOpen) => {
                // The hash matched, the key is known: somebody has written to KV.
                self.ports.line(Level::Error, "session_record_does_not_open", &[("session", &keys.log_name())]);
                None
            }
        }
    }

    /// Ends a session: the guard and the mark first, so that a refresh under way cannot bring the record back, then the
    /// record. A mark that KV did not take is written once more: it says the same, and without it the session lives on.
    ///
    /// # Errors
    /// KV did not take the mark, or the guard did not hear of it; the session may live on elsewhere.
    pub(super) async fn end_session(&self, keys: &SessionKeys, ends_at: UnixSecs) -> Result<(), Failure> {
        let now = self.ports.now();
        self.memory.sessions.borrow_mut().end(keys.as_bytes(), now);
        let ends_at = ends_at.max(now.saturating_add(MIN_KV_LIFE_SECS));
        let told = self.end_in_guard(keys, ends_at).await;
        let mut marked = self.ports.write(&keys.ended(), "1", ends_at).await;
        if matches!(marked, Err(KvError::TooManyWrites | KvError::Unavailable)) {
            self.pause(WRITE_AGAIN_MS, u8::MAX).await;
            marked = self.ports.write(&keys.ended(), "1", ends_at).await;
        }
        if self.ports.delete(&keys.record()).await.is_err() {
            // The mark alone ends the session.
            self.ports.line(Level::Warn, "ended_session_not_deleted", &[("session", &keys.log_name())]);
        }
        marked?;
        told?;
        self.memory.sessions.borrow_mut().settle_end(keys.as_bytes(), self.ports.now());
        Ok(())
    }

    /// Whether a mark ends this session although its record is there.
    ///
    /// # Errors
    /// KV could not answer.
    pub(super) async fn is_marked(&self, session: &Session) -> Result<bool, KvError> {
        let [ended, user_ended] = self.read([&session.keys.ended(), &session.keys.user_ended()]).await?;
        Ok(ended.is_some() || marked(&session.record, user_ended.as_deref()))
    }
}

/// A mark that cannot be read ends every session: not knowing lets nobody in.
fn marked(record: &Record, user_ended: Option<&str>) -> bool {
    user_ended.is_some_and(|mark| mark.trim().parse().map_or(true, |mark| ended_everywhere(record, mark)))
}
