//! Finding the caller's session, and ending one.

use std::rc::Rc;

use crate::ports::{IncomingRequest, KvError, Level, Ports, UnixSecs};
use crate::session::id::{SessionId, SessionKeys};
use crate::session::memory::Remembered;
use crate::session::policy::{Standing, ended_everywhere, runs_behind, standing};
use crate::session::record::{MIN_KV_LIFE_SECS, Record};
use crate::session::seal::OpenError;

use super::visit::Visit;
use super::{Failure, Gate, GateError};

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

impl<P: Ports> Gate<P> {
    /// The session id of the request's cookie.
    pub(super) fn session_id<R: IncomingRequest>(visit: &Visit<'_, R>) -> Option<SessionId> {
        visit.cookies().one(visit.cookie_style.session_name()).and_then(SessionId::parse)
    }

    /// Whether there may be a session under this id: we made it, or its record is there, or nobody can tell. A made-up one
    /// must not cost a write.
    pub(super) async fn may_exist(&self, id: &SessionId, keys: &SessionKeys) -> bool {
        id.is_from(&self.config.keys) || !matches!(self.load(id, keys).await, Ok(None))
    }

    /// Finds the session of the request's cookie: from memory, else one bulk read of KV.
    ///
    /// # Errors
    /// KV could not answer: neither signed in nor signed out.
    pub(super) async fn find_session<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Found, Failure> {
        let Some(id) = Self::session_id(visit) else { return Ok(Found::None) };
        let keys = id.keys();
        keys.log_name().clone_into(&mut visit.session_log_name.borrow_mut());
        // A statement of its own: memory must not stay borrowed across the read below.
        let recalled = self.memory.sessions.borrow().recall(&keys.record, visit.now);
        // Another location may have renewed it meanwhile: an end by its times is looked up before it is believed.
        let over = |record: &Record| standing(record, &self.config.session, visit.now) == Standing::Ended;
        let recalled = recalled.filter(|it| !matches!(it, Remembered::Record(record) if over(record)));
        let remembered = match recalled {
            Some(remembered) => remembered,
            None => match self.load(&id, &keys).await? {
                Some(record) => self.memory.sessions.borrow_mut().remember(&keys.record, Rc::new(record), visit.now),
                None => return Ok(Found::Ended),
            },
        };
        let Remembered::Record(record) = remembered else { return Ok(Found::Ended) };
        if runs_behind(&record, visit.now) {
            return Err(Failure::new(GateError::Internal, "clock_behind"));
        }
        if over(&record) {
            return Ok(Found::Ended);
        }
        Ok(Found::Session(Session { id, keys, record }))
    }

    /// Reads record and marks in one operation. `None`: absent, ended, or not ours any more.
    pub(super) async fn load(&self, id: &SessionId, keys: &SessionKeys) -> Result<Option<Record>, KvError> {
        let [sealed, ended, user_ended] = self.ports.read([&keys.record, &keys.ended, &keys.user_ended]).await?;
        let Some(sealed) = sealed.filter(|_| ended.is_none()) else { return Ok(None) };
        let record = match Record::open(&sealed, &self.config.keys, id) {
            Ok(record) => record,
            Err(OpenError::UnknownKey | OpenError::UnknownFormat) => return Ok(None),
            Err(OpenError::DoesNotOpen) => {
                // The hash matched, the key is known: somebody has written to KV.
                self.ports.line(Level::Error, "session_record_does_not_open", &[("session", keys.log_name())]);
                return Ok(None);
            }
        };
        let ours = record.belongs_to(&self.config.cognito);
        Ok(Some(record).filter(|record| ours && !marked(record, user_ended.as_deref())))
    }

    /// Ends a session: the mark first, so that a refresh under way cannot bring the record back, then the record.
    ///
    /// # Errors
    /// KV did not take the mark; the session may live on elsewhere.
    pub(super) async fn end_session(&self, keys: &SessionKeys, ends_at: UnixSecs) -> Result<(), KvError> {
        let now = self.ports.now();
        self.memory.sessions.borrow_mut().end(&keys.record, now);
        let marked = self.ports.write(&keys.ended, "1", ends_at.max(now.saturating_add(MIN_KV_LIFE_SECS))).await;
        if self.ports.delete(&keys.record).await.is_err() {
            // The mark alone ends the session.
            self.ports.line(Level::Warn, "ended_session_not_deleted", &[("session", keys.log_name())]);
        }
        marked
    }

    /// Whether a mark ends this session although its record is there.
    ///
    /// # Errors
    /// KV could not answer.
    pub(super) async fn is_marked(&self, session: &Session) -> Result<bool, KvError> {
        let [ended, user_ended] = self.ports.read([&session.keys.ended, &session.keys.user_ended]).await?;
        Ok(ended.is_some() || marked(&session.record, user_ended.as_deref()))
    }
}

/// A mark that cannot be read ends every session: not knowing lets nobody in.
fn marked(record: &Record, user_ended: Option<&str>) -> bool {
    user_ended.is_some_and(|mark| mark.trim().parse().map_or(true, |mark| ended_everywhere(record, mark)))
}
