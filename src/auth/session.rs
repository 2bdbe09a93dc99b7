//! A session as a request meets it: its id, its names and its record.

use std::rc::Rc;

use crate::ports::{Level, Ports};
use crate::session::id::{SessionId, SessionNames};
use crate::session::record::Record;
use crate::session::seal::OpenError;

use super::Gateway;
use super::error::{Error, ErrorCode};

/// A session that has not ended. Whether its access token still lives is `refresh`'s question.
#[derive(Clone)]
pub(crate) struct Session {
    /// Its id.
    pub(crate) id: SessionId,
    /// What it is called in KV and elsewhere.
    pub(crate) names: SessionNames,
    /// Its newest record that is known here.
    pub(crate) record: Rc<Record>,
}

/// The session of a request, if there is one.
pub(crate) enum Found {
    /// A session.
    Session(Session),
    /// No cookie, or none of ours.
    None,
    /// A cookie whose session has ended.
    Ended,
}

impl Found {
    /// The session, or the 401 that says why there is none.
    pub(crate) fn required(self) -> Result<Session, Error> {
        match self {
            Self::Session(session) => Ok(session),
            Self::None => Err(ErrorCode::SessionRequired.into()),
            Self::Ended => Err(ErrorCode::SessionExpired.into()),
        }
    }
}

/// What KV has of a session.
pub(crate) enum Loaded {
    /// Its record.
    Record(Rc<Record>),
    /// No record, as far as this location knows; with the marker of a sign-out everywhere, if there is one.
    Absent(Option<String>),
    /// Marked as ended, or not ours any more.
    Ended,
}

/// Opens a sealed record. `None`: not ours (any more).
pub(crate) fn open_record<P: Ports>(gateway: &Gateway<P>, sealed: &str, id: &SessionId, names: &SessionNames) -> Option<Record> {
    match Record::open(sealed, &gateway.config.sealing_keys, id) {
        Ok(record) => Some(record).filter(|record| record.belongs_to(&gateway.config.cognito)),
        Err(OpenError::UnknownKey | OpenError::UnknownFormat) => None,
        Err(OpenError::DoesNotOpen) => {
            // The hash matched, the key is known: somebody has written to KV.
            gateway.runtime.log(Level::Error, "session_record_does_not_open", &[("session", &names.log_name())]);
            None
        }
    }
}
