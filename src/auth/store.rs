//! Saving a renewed record. KV takes one write a second per key, has no compare-and-set, and its reads lag: so a save
//! never fails a renewal, looks before it repeats, and looks back at the marks of a logout.

use std::rc::Rc;

use crate::ports::{KvError, Level, Ports};
use crate::session::memory::Remembered;
use crate::session::record::Record;

use super::guard::Kept;
use super::renewal::Renewal;
use super::sessions::{Loaded, Session};
use super::{Failure, Gate, GateError};

impl<P: Ports> Gate<P> {
    /// Saves `record` over `session`. With a rotated refresh token the answer waits for the write, since the old token in
    /// KV is dead; otherwise a second attempt may happen beside the answer.
    pub(super) async fn save(&self, session: &Session, record: Record, rotated: bool) -> Renewal {
        let saved = Session { record: Rc::new(record), ..session.clone() };
        let now = self.ports.now();
        let remembered = self.memory.sessions.borrow_mut().replace(saved.keys.as_bytes(), saved.record.clone(), now);
        match remembered {
            Remembered::Ended => {
                self.revoke(&saved.record);
                return Renewal::Ended;
            }
            // Somebody was faster with a newer one.
            Remembered::Record(record) if record.version > saved.record.version => {
                return Renewal::Renewed(Session { record, ..saved });
            }
            Remembered::Record(_) => {}
        }
        let kept = self.keep(&saved, session.record.version).await;
        match &kept {
            Ok(Kept::Newer(record)) => {
                // As in `overtaken`: the marks were not looked at.
                self.memory.sessions.borrow_mut().replace(saved.keys.as_bytes(), record.clone(), self.ports.now());
                return Renewal::Renewed(Session { record: record.clone(), ..saved });
            }
            Ok(Kept::Ended) => return self.undo(saved).await,
            Ok(Kept::Saved) | Err(_) => {}
        }
        self.remember_unsaved(&saved);
        // The guard has it: then nobody needs to wait for KV.
        let only_here = rotated && !(self.ports.is_guarded() && kept.is_ok());
        match self.write(&saved).await {
            Ok(()) => {}
            Err(_) if only_here => self.write_again(&saved).await,
            Err(_) => {
                let (gate, beside) = (self.clone(), saved.clone());
                self.ports.run(Box::pin(async move {
                    gate.write_again(&beside).await;
                    gate.look_back(beside).await;
                }));
            }
        }
        match (self.look_back(saved).await, kept) {
            // In KV at least it is not lost, but KV alone is not believed.
            (Renewal::Renewed(saved), Err(failure)) => Renewal::Failed(self.failed(&saved, failure, 0)),
            (renewal, _) => renewal,
        }
    }

    /// The first write of a new session.
    ///
    /// # Errors
    /// KV or the guard did not take it: there is no session, and what is left of it goes beside the answer.
    pub(super) async fn create(&self, session: &Session) -> Result<(), Failure> {
        if let Err(failure) = self.create_in_stores(session).await {
            self.abandon(session);
            return Err(failure);
        }
        let now = self.ports.now();
        self.memory.sessions.borrow_mut().remember(session.keys.as_bytes(), session.record.clone(), now);
        Ok(())
    }

    async fn create_in_stores(&self, session: &Session) -> Result<(), Failure> {
        match self.keep(session, 0).await? {
            Kept::Saved => Ok(self.write(session).await?),
            Kept::Newer(_) | Kept::Ended => Err(Failure::new(GateError::Internal, "session_id_taken")),
        }
    }

    /// Nobody will ever have this session's cookie: its tokens end at Cognito, and its record goes, which may have been written
    /// although KV or the guard said otherwise.
    fn abandon(&self, session: &Session) {
        self.revoke(&session.record);
        let (gate, keys, ends_at) = (self.clone(), session.keys, session.record.expires_at);
        self.ports.run(Box::pin(async move {
            drop(gate.end_in_guard(&keys, ends_at).await);
            if gate.ports.delete(&keys.record()).await.is_err() {
                gate.ports.line(Level::Warn, "unfinished_session_not_deleted", &[("session", &keys.log_name())]);
            }
        }));
    }

    async fn write(&self, session: &Session) -> Result<(), KvError> {
        let Some(sealed) = session.record.seal(&self.config.keys, &session.id, &self.ports) else {
            return Err(KvError::Unavailable);
        };
        let expires_at = session.record.kv_expires_at(&self.config.session, self.ports.now());
        self.ports.write(&session.keys.record(), &sealed, expires_at).await
    }

    /// The second attempt, after KV's second for a key has passed, unless the session has ended meanwhile or somebody else's
    /// newer record is there.
    async fn write_again(&self, session: &Session) {
        self.remember_unsaved(session);
        match self.load(&session.id, &session.keys).await {
            Ok(Loaded::Ended) => return,
            // In strict mode the guard has told that it lives.
            Ok(Loaded::Absent(_)) if !self.ports.is_guarded() => return,
            Ok(Loaded::Record(record)) if record.version > session.record.version => return,
            Ok(Loaded::Record(_) | Loaded::Absent(_)) | Err(_) => {}
        }
        self.ports.sleep(WRITE_AGAIN_MS).await;
        if self.is_outdated(session) {
            return;
        }
        self.remember_unsaved(session);
        if self.write(session).await.is_err() {
            let fields = [("code", GateError::StoreUnavailable.describe().code), ("session", &session.keys.log_name())];
            self.ports.line(Level::Error, "renewed_session_not_saved", &fields);
        }
    }

    /// The next step of a save begins: until its end the other requests of this isolate use the renewed record, and do not send the
    /// refresh token that it replaced.
    fn remember_unsaved(&self, session: &Session) {
        let mut sessions = self.memory.sessions.borrow_mut();
        sessions.replace(session.keys.as_bytes(), session.record.clone(), self.ports.now());
    }

    /// Whether this isolate knows better by now: another request has renewed the session or ended it meanwhile, which KV's reads may
    /// not show yet.
    pub(super) fn is_outdated(&self, session: &Session) -> bool {
        match self.memory.sessions.borrow().recall(session.keys.as_bytes(), self.ports.now()) {
            Some(Remembered::Record(record)) => record.version > session.record.version,
            Some(Remembered::Ended) => true,
            None => false,
        }
    }

    /// A logout that came between our read and our write has set a mark: then the record goes again.
    async fn look_back(&self, saved: Session) -> Renewal {
        self.remember_unsaved(&saved);
        let now = self.ports.now();
        match self.is_marked(&saved).await {
            Ok(true) => self.undo(saved).await,
            Ok(false) => {
                self.memory.sessions.borrow_mut().remember(saved.keys.as_bytes(), saved.record.clone(), now);
                Renewal::Renewed(saved)
            }
            // KV could not say: the next cold read looks at the marks again.
            Err(_) => Renewal::Renewed(saved),
        }
    }

    /// The session was signed out while its tokens were renewed.
    async fn undo(&self, saved: Session) -> Renewal {
        self.memory.sessions.borrow_mut().end(saved.keys.as_bytes(), self.ports.now());
        self.revoke(&saved.record);
        if self.ports.delete(&saved.keys.record()).await.is_err() {
            self.ports.line(Level::Warn, "ended_session_not_deleted", &[("session", &saved.keys.log_name())]);
        }
        Renewal::Ended
    }
}

/// KV takes one write a second per key.
pub(super) const WRITE_AGAIN_MS: u32 = 1100;
