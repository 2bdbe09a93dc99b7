//! Renewing a session's tokens (RFC 6749 §6): who asks Cognito, and what each answer means for the session.
//!
//! In an isolate one request at a time refreshes a session, by a lease with a deadline. A refusal never deletes or
//! overwrites a record: another location may have renewed it meanwhile. Trouble that passes keeps the session.

use std::rc::Rc;

use crate::oidc::claims::Nonce;
use crate::oidc::token_request::build_refresh;
use crate::oidc::token_response::{self, TokenError, TokenSet};
use crate::ports::{HttpError, Level, Ports};
use crate::session::memory::{Lease, Remembered};
use crate::session::policy::{PATIENCE_SECS, RETRY_SECS, Standing, grace_holds, standing};
use crate::session::record::Record;

use super::guard::Leave;
use super::sessions::{Loaded, Session};
use super::tokens::VerifiedTokens;
use super::{Failure, Gate, GateError, apart};

/// What a session is needed for while Cognito cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A plain page under a signed-in rule: stays open for the outage grace.
    Page,
    /// A token, claims, or a page for a group: only while the access token lives.
    Identity,
}

/// What became of a renewal.
pub(super) enum Renewal {
    /// The session has living tokens, from us or from somebody else.
    Renewed(Session),
    /// The session was ended meanwhile.
    Ended,
    /// Cognito refused the refresh token and nobody has a newer one.
    Refused,
    /// It could not be known; the session stays.
    Failed(Failure),
}

/// What one request to Cognito came to.
enum Asked {
    /// The end of it.
    Renewal(Renewal),
    /// Another location has stored a newer record, whose access token has run out too.
    Newer(Session),
    /// Another location is asking.
    Held,
    /// No answer in time, though Cognito may have carried it out.
    TimedOut(Failure),
}

impl<P: Ports> Gate<P> {
    /// A session whose access token lives: renewed if it must be; renewed beside the answer if its end is near.
    ///
    /// # Errors
    /// 401 when the session has ended, 5xx when Cognito could not be asked.
    pub(super) async fn living(&self, session: Session, need: Need) -> Result<Session, Failure> {
        match standing(&session.record, &self.config.session, self.ports.now()) {
            Standing::Fresh => Ok(session),
            Standing::Ended => Err(GateError::SessionExpired.into()),
            Standing::RenewSoon => {
                self.renew_beside(&session);
                Ok(session)
            }
            // Cognito was in trouble a moment ago: nobody waits for its next time-out.
            Standing::RenewNow if need == Need::Page && self.is_in_grace(&session) => {
                self.renew_beside(&session);
                Ok(session)
            }
            Standing::RenewNow => match apart(self.renew(session.clone())).await {
                Renewal::Renewed(session) => Ok(session),
                Renewal::Ended => Err(GateError::SessionExpired.into()),
                Renewal::Refused => Err(GateError::RefreshRejected.into()),
                Renewal::Failed(failure) => {
                    let holds = grace_holds(&session.record, &self.config.session, self.ports.now());
                    if need == Need::Page && failure.error.is_outage() && holds { Ok(session) } else { Err(failure) }
                }
            },
        }
    }

    /// Whether a plain page stays open and an attempt has failed lately, by an outage and not by a refusal since.
    fn is_in_grace(&self, session: &Session) -> bool {
        let now = self.ports.now();
        let sessions = self.memory.sessions.borrow();
        let refused = session.record.refresh_token.as_ref().is_none_or(|token| sessions.is_refused(token, now));
        let outage = sessions.last_trouble(session.keys.as_bytes(), now).is_some_and(|failure| failure.error.is_outage());
        outage && !refused && grace_holds(&session.record, &self.config.session, now)
    }

    /// Renews after the answer, unless another request is at it or it was in vain a moment ago.
    fn renew_beside(&self, session: &Session) {
        let (key, now) = (session.keys.as_bytes(), self.ports.now());
        let busy = {
            let sessions = self.memory.sessions.borrow();
            sessions.is_leased(key, now) || sessions.recent_failure(key, now).is_some()
        };
        if busy {
            return;
        }
        let (gate, session) = (self.clone(), session.clone());
        self.ports.run(Box::pin(async move {
            gate.renew(session).await;
        }));
    }

    /// Renews a session's tokens, or finds out that somebody else has.
    pub(super) async fn renew(&self, mut session: Session) -> Renewal {
        let keys = session.keys;
        let key = keys.as_bytes();
        let give_up_at = self.ports.now().saturating_add(PATIENCE_SECS);
        loop {
            let now = self.ports.now();
            let recalled = self.memory.sessions.borrow().recall(key, now);
            match recalled {
                Some(Remembered::Ended) => return Renewal::Ended,
                Some(Remembered::Record(record)) if record.version > session.record.version => {
                    session.record = record;
                    // A newer record may hold a newer refresh token only: its access token must live as well.
                    if now < session.record.access_expires_at {
                        return Renewal::Renewed(session);
                    }
                }
                _ => {}
            }
            let Some(refresh_token) = session.record.refresh_token.clone() else { return Renewal::Refused };
            if self.memory.sessions.borrow().is_refused(&refresh_token, now) {
                return Renewal::Refused;
            }
            if let Some((failure, until)) = self.memory.sessions.borrow().recent_failure(key, now) {
                return Renewal::Failed(failure.retry_in(until.saturating_sub(now)));
            }
            let lease = self.memory.sessions.borrow_mut().take_lease(key, now);
            if let Some(lease) = lease {
                let asked = self.ask_with_leave(&session, &refresh_token, lease).await;
                if let Asked::TimedOut(_) = asked {
                    self.ask_again_beside(&session, &refresh_token);
                }
                if matches!(asked, Asked::Held) {
                    // With the lease in hand: of all who wait here, one asks the guard.
                    self.ports.sleep(GUARD_POLL_MS).await;
                }
                self.memory.sessions.borrow_mut().release_lease(key, lease);
                match asked {
                    Asked::Renewal(renewal) => return renewal,
                    Asked::TimedOut(failure) => return Renewal::Failed(failure),
                    Asked::Newer(newer) => session = newer,
                    Asked::Held => {}
                }
            }
            if self.ports.now() >= give_up_at {
                return Renewal::Failed(Failure::new(GateError::IdpTimeout, "refresh_lease"));
            }
            self.ports.sleep(POLL_MS).await;
        }
    }

    /// A refresh whose answer did not come in time may have spent the token, which then works for as long as Cognito's rotation
    /// grace: so it is asked for once more at once, but nobody waits for that.
    fn ask_again_beside(&self, session: &Session, refresh_token: &str) {
        let (gate, session, refresh_token) = (self.clone(), session.clone(), refresh_token.to_owned());
        self.ports.run(Box::pin(async move {
            gate.pause(LOST_AGAIN_MS, u8::MAX).await;
            if gate.is_outdated(&session) {
                return;
            }
            let lease = gate.memory.sessions.borrow_mut().take_lease(session.keys.as_bytes(), gate.ports.now());
            if let Some(lease) = lease {
                gate.ask_with_leave(&session, &refresh_token, lease).await;
                gate.memory.sessions.borrow_mut().release_lease(session.keys.as_bytes(), lease);
            }
        }));
    }

    /// One refresh by the holder of this isolate's lease, if the session's guard gives leave (strict mode).
    async fn ask_with_leave(&self, session: &Session, refresh_token: &str, lease: Lease) -> Asked {
        match self.leave_to_refresh(session, lease).await {
            Ok(Leave::Granted(name)) => {
                let asked = self.ask_cognito(session, refresh_token, lease).await;
                if !matches!(asked, Asked::Renewal(Renewal::Renewed(_))) {
                    self.release(session, name);
                }
                asked
            }
            Ok(Leave::Held) => Asked::Held,
            Ok(Leave::Newer(record)) => self.overtaken(session, record),
            Ok(Leave::Ended) => {
                self.memory.sessions.borrow_mut().end(session.keys.as_bytes(), self.ports.now());
                Asked::Renewal(Renewal::Ended)
            }
            Err(failure) => Asked::Renewal(Renewal::Failed(self.failed(session, failure, 0))),
        }
    }

    /// The next step of a refresh begins: the other requests of this isolate go on waiting for it.
    pub(super) fn extend_lease(&self, session: &Session, lease: Lease) {
        self.memory.sessions.borrow_mut().extend_lease(session.keys.as_bytes(), lease, self.ports.now());
    }

    /// Somebody else has renewed the session. Their record may have come without a look at the marks of a sign-out, so it is not
    /// remembered for longer than the one before.
    fn overtaken(&self, session: &Session, record: Rc<Record>) -> Asked {
        let now = self.ports.now();
        let remembered = self.memory.sessions.borrow_mut().replace(session.keys.as_bytes(), record, now);
        let Remembered::Record(record) = remembered else { return Asked::Renewal(Renewal::Ended) };
        let lives = now < record.access_expires_at;
        let newer = Session { record, ..session.clone() };
        if lives { Asked::Renewal(Renewal::Renewed(newer)) } else { Asked::Newer(newer) }
    }

    /// One refresh; once more if its answer was lost at once: the token may be spent, and works for as long as the grace.
    async fn ask_cognito(&self, session: &Session, refresh_token: &str, lease: Lease) -> Asked {
        let mut answer = self.ports.send(build_refresh(&self.config.cognito, refresh_token)).await;
        if answer.as_ref().err() != Some(&HttpError::Timeout) && token_response::may_be_lost(&answer) {
            self.pause(LOST_AGAIN_MS, u8::MAX).await;
            self.extend_lease(session, lease);
            answer = self.ports.send(build_refresh(&self.config.cognito, refresh_token)).await;
        }
        match token_response::read(answer) {
            Ok(tokens) => {
                // Keys may have to be fetched now, and the old refresh token may be spent: nobody else may try it meanwhile.
                self.extend_lease(session, lease);
                match self.take_over(session, tokens).await {
                    // Overtaken, and by now that access token has run out as well.
                    Renewal::Renewed(newer) if self.ports.now() >= newer.record.access_expires_at => Asked::Newer(newer),
                    renewal => Asked::Renewal(renewal),
                }
            }
            Err(TokenError::Refused) => self.refused(session, refresh_token, lease).await,
            Err(error) => {
                let wait_secs = if let TokenError::Throttled { retry_after_secs } = error { retry_after_secs } else { None };
                let failure = Failure::of_token_endpoint(error, GateError::RefreshRejected);
                let failure = self.failed(session, failure, wait_secs.map_or(0, u64::from));
                if error == TokenError::TimedOut { Asked::TimedOut(failure) } else { Asked::Renewal(Renewal::Failed(failure)) }
            }
        }
    }

    /// Verifies new tokens as at login and saves them. A new refresh token replaces the old one in the same write.
    async fn take_over(&self, session: &Session, tokens: TokenSet) -> Renewal {
        let new_refresh_token = tokens.refresh_token.clone();
        let old = &session.record;
        let failure = match self.verify_tokens(tokens, Nonce::AbsentOr(&old.nonce)).await {
            Ok(verified) => match renewed_record(old, verified, self.ports.now()) {
                Ok(record) => {
                    // OpenID asks for the same one (Core §12.2); the subject, issuer and client decide whose the tokens are.
                    if old.auth_time.is_some() && record.auth_time != old.auth_time {
                        self.ports.line(Level::Warn, "refresh_auth_time_differs", &[("session", &session.keys.log_name())]);
                    }
                    return self.save(session, record, new_refresh_token.is_some()).await;
                }
                // Somebody else's: nothing of it is taken.
                Err(reason) => {
                    return Renewal::Failed(self.failed(session, Failure::new(GateError::TokenRejected, reason), 0));
                }
            },
            Err(failure) => failure.into_failure(GateError::TokenRejected),
        };
        // The new tokens cannot be believed: no keys, clocks apart, or worse. But the old refresh token may be spent: the
        // new one opens nothing here, only Cognito will ever judge it, and it must not be lost.
        if let Some(refresh_token) = new_refresh_token {
            let record =
                Record { refresh_token: Some(refresh_token), version: old.version.saturating_add(1), ..Record::clone(old) };
            if let Renewal::Ended = self.save(session, record, true).await {
                return Renewal::Ended;
            }
        }
        Renewal::Failed(self.failed(session, failure, 0))
    }

    /// After `invalid_grant`: another location may have rotated the token. Look again; a newer record wins. Another isolate may
    /// have spent it just now and be about to save: that is worth a second look, when nothing else opens the session.
    async fn refused(&self, session: &Session, refresh_token: &str, lease: Lease) -> Asked {
        self.extend_lease(session, lease);
        let mut found = self.reread(session).await;
        let unchanged = matches!(&found, Ok(Some(record)) if record.version <= session.record.version);
        if unchanged && self.ports.now() >= session.record.access_expires_at {
            self.ports.sleep(LOOK_AGAIN_MS).await;
            self.extend_lease(session, lease);
            found = self.reread(session).await;
        }
        match found {
            Ok(Some(record)) if record.version > session.record.version => self.overtaken(session, record),
            Ok(Some(_)) => {
                // A read of another request here may have shown a newer record, and these still the old one.
                let recalled = self.memory.sessions.borrow().recall(session.keys.as_bytes(), self.ports.now());
                if let Some(Remembered::Record(record)) = recalled
                    && record.version > session.record.version
                {
                    return self.overtaken(session, record);
                }
                self.memory.sessions.borrow_mut().refuse(refresh_token, self.ports.now());
                Asked::Renewal(Renewal::Refused)
            }
            Ok(None) => {
                // What is remembered here would be served on for its thirty seconds.
                self.memory.sessions.borrow_mut().forget(session.keys.as_bytes());
                Asked::Renewal(Renewal::Ended)
            }
            Err(failure) => Asked::Renewal(Renewal::Failed(self.failed(session, failure, 0))),
        }
    }

    /// The session's record as it is now: by KV, or by the guard if that knows a newer one. `None`: it has ended.
    async fn reread(&self, session: &Session) -> Result<Option<Rc<Record>>, Failure> {
        let Session { id, keys, record: known } = session;
        match self.load(id, keys).await? {
            Loaded::Ended => Ok(None),
            Loaded::Record(record) if record.version > known.version || !self.ports.is_guarded() => Ok(Some(record)),
            Loaded::Absent(_) if !self.ports.is_guarded() => Ok(None),
            Loaded::Record(_) | Loaded::Absent(_) => self.look(id, keys, Some(known.clone())).await,
        }
    }

    /// Remembers trouble that passes, so that nobody waits for it again at once: for `at_least_secs` if Cognito asked for it.
    pub(super) fn failed(&self, session: &Session, failure: Failure, at_least_secs: u64) -> Failure {
        let mut jitter = [0];
        self.ports.fill(&mut jitter);
        let [jitter] = jitter;
        let for_secs = RETRY_SECS.max(at_least_secs).saturating_add(u64::from(jitter % 4));
        let now = self.ports.now();
        self.memory.sessions.borrow_mut().note_failure(session.keys.as_bytes(), failure.clone(), for_secs, now);
        let fields = [("code", failure.error.describe().code), ("reason", failure.reason), ("session", &session.keys.log_name())];
        let level = if failure.error.level() == Level::Info { Level::Warn } else { failure.error.level() };
        self.ports.line(level, "refresh_failed", &fields);
        // Where Cognito has named a time, that is told.
        if at_least_secs > 0 { failure } else { failure.retry_in(for_secs) }
    }
}

/// The record with its new tokens, if they are the same person's (OIDC Core §12.2).
fn renewed_record(old: &Record, tokens: VerifiedTokens, now: u64) -> Result<Record, &'static str> {
    let VerifiedTokens { id, access, set } = tokens;
    if access.subject != old.subject {
        return Err("refresh_sub_differs");
    }
    let id_issued_at = id.as_ref().map_or(access.times.issued_at, |id| id.times.issued_at);
    if access.times.issued_at.min(id_issued_at) < old.access_issued_at {
        return Err("refresh_iat_older");
    }
    let (mut profile, mut auth_time) = (old.profile.clone(), old.auth_time);
    match id {
        Some(id) => {
            auth_time = id.auth_time.or(auth_time);
            profile = id.profile;
        }
        // Groups decide who may read what; they are in the access token as well.
        None => profile.groups = access.profile.groups,
    }
    Ok(Record {
        profile,
        auth_time,
        access_token: set.access_token,
        refresh_token: set.refresh_token.or_else(|| old.refresh_token.clone()),
        renewed_at: now,
        access_issued_at: access.times.issued_at,
        access_expires_at: access.times.expires_at,
        version: old.version.saturating_add(1),
        ..old.clone()
    })
}

/// After a refusal: a refresh that came first is saved within this time, mostly. Who is refused for good waits for it once.
const LOOK_AGAIN_MS: u32 = 1000;
/// Before a refresh whose answer was lost is asked for once more; up to 255 ms are added.
const LOST_AGAIN_MS: u32 = 100;
/// Between looks at a refresh that another request makes.
const POLL_MS: u32 = 50;
/// Between questions to the guard while another location refreshes.
const GUARD_POLL_MS: u32 = 250;
