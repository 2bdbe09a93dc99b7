//! Refreshing a session's tokens (RFC 6749 §6): which request asks Cognito, and what each answer means for the session.
//!
//! In an isolate one request at a time refreshes a session, by a lease with a deadline. A refusal never deletes or overwrites a
//! record: another location may have refreshed it meanwhile. Trouble that passes keeps the session.

use std::rc::Rc;

use crate::oidc::claims::Nonce;
use crate::oidc::token_request::build_refresh;
use crate::oidc::token_response::{self, TokenError, TokenSet};
use crate::ports::{HttpError, Level, Ports};
use crate::session::cache::Cached;
use crate::session::policy::{LEASE_SECS, PATIENCE_SECS, RETRY_SECS, Standing, grace_holds, standing};
use crate::session::record::Record;

use super::error::{Error, ErrorCode};
use super::guard::{self, LeaseGrant, extend_refresh};
use super::retry::{Pause, pause};
use super::session::{Loaded, Session};
use super::single_flight::Lease;
use super::store::{self, SaveOutcome, is_outdated};
use super::tokens::{self, VerifiedTokens};
use super::{Gateway, boxed};

/// What a session is needed for while Cognito cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A plain page under a signed-in rule: stays open for the outage grace.
    Page,
    /// A token, claims, or a page under a rule with conditions or identity: only while the access token lives.
    Identity,
}

/// What became of a refresh.
pub(crate) enum RefreshOutcome {
    /// The session has living tokens, by this request or by another.
    Refreshed(Session),
    /// The session was ended meanwhile.
    Ended,
    /// Cognito refused the refresh token, and no newer one is known.
    Refused,
    /// It could not be known; the session stays.
    Failed(Error),
}

/// What one attempt came to.
enum Attempt {
    /// The refresh is over.
    Over(RefreshOutcome),
    /// Another location has stored a newer record, whose access token has expired too.
    Newer(Session),
    /// Another location is refreshing.
    Held,
    /// No answer in time, though Cognito may have carried it out.
    TimedOut(Error),
}

/// A session whose access token lives: refreshed if it must be; refreshed in the background if its end is near.
///
/// # Errors
/// 401 when the session has ended, 5xx when Cognito could not be asked.
pub(crate) async fn live<P: Ports>(gateway: &Gateway<P>, session: Session, need: Need) -> Result<Session, Error> {
    match standing(&session.record, &gateway.config.session, gateway.runtime.now()) {
        Standing::Fresh => Ok(session),
        Standing::Ended => Err(ErrorCode::SessionExpired.into()),
        Standing::RenewSoon => {
            refresh_in_background(gateway, &session);
            Ok(session)
        }
        // Cognito was in trouble a moment ago: no page waits for its next time-out.
        Standing::RenewNow if need == Need::Page && is_in_grace(gateway, &session) => {
            refresh_in_background(gateway, &session);
            Ok(session)
        }
        Standing::RenewNow => match boxed(refresh(gateway, session.clone())).await {
            RefreshOutcome::Refreshed(session) => Ok(session),
            RefreshOutcome::Ended => Err(ErrorCode::SessionExpired.into()),
            RefreshOutcome::Refused => Err(ErrorCode::RefreshRejected.into()),
            RefreshOutcome::Failed(error) => {
                let holds = grace_holds(&session.record, &gateway.config.session, gateway.runtime.now());
                if need == Need::Page && error.code.is_outage() && holds { Ok(session) } else { Err(error) }
            }
        },
    }
}

/// The session, if its access token lives or could be refreshed. `None`: signed out.
///
/// # Errors
/// Cognito could not be asked.
pub(crate) async fn live_if_signed_in<P: Ports>(gateway: &Gateway<P>, session: Session) -> Result<Option<Session>, Error> {
    match live(gateway, session, Need::Identity).await {
        Ok(session) => Ok(Some(session)),
        Err(error) if error.code.is_signed_out() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The session with refreshed tokens, or as it is where the refresh failed and its access token still lives.
///
/// # Errors
/// The refresh failed, and the access token has expired.
pub(crate) async fn refreshed_or_stored<P: Ports>(gateway: &Gateway<P>, session: Session) -> Result<Session, Error> {
    let error = match refresh(gateway, session.clone()).await {
        RefreshOutcome::Refreshed(session) => return Ok(session),
        RefreshOutcome::Ended => return Err(ErrorCode::SessionExpired.into()),
        RefreshOutcome::Refused => ErrorCode::RefreshRejected.into(),
        RefreshOutcome::Failed(error) => error,
    };
    if gateway.runtime.now() < session.record.access_expires_at { Ok(session) } else { Err(error) }
}

/// Whether a plain page stays open and an attempt has failed lately, by an outage and not by a refusal since.
fn is_in_grace<P: Ports>(gateway: &Gateway<P>, session: &Session) -> bool {
    let now = gateway.runtime.now();
    let state = gateway.isolate.refresh_state.borrow();
    let refused = session.record.refresh_token.as_ref().is_none_or(|token| state.is_refused(token, now));
    let outage = state.last_trouble(session.names.as_bytes(), now).is_some_and(|error| error.code.is_outage());
    outage && !refused && grace_holds(&session.record, &gateway.config.session, now)
}

/// Refreshes in the background, unless another request is at it or an attempt failed a moment ago.
fn refresh_in_background<P: Ports>(gateway: &Gateway<P>, session: &Session) {
    let (name, now) = (session.names.as_bytes(), gateway.runtime.now());
    let busy = gateway.isolate.refreshes.borrow().is_held(name, now);
    if busy || gateway.isolate.refresh_state.borrow().recent_failure(name, now).is_some() {
        return;
    }
    let (beside, session) = (gateway.clone(), session.clone());
    gateway.runtime.wait_until(Box::pin(async move {
        refresh(&beside, session).await;
    }));
}

/// Refreshes a session's tokens, or finds out that another request or location has.
pub(crate) async fn refresh<P: Ports>(gateway: &Gateway<P>, mut session: Session) -> RefreshOutcome {
    let names = session.names;
    let name = names.as_bytes();
    let isolate = &gateway.isolate;
    let give_up_at = gateway.runtime.now().saturating_add(PATIENCE_SECS);
    loop {
        let now = gateway.runtime.now();
        match isolate.cached(&names, now) {
            Some(Cached::Ended) => return RefreshOutcome::Ended,
            Some(Cached::Record(record)) if record.version > session.record.version => {
                session.record = record;
                // A newer record may hold a newer refresh token only: its access token must live as well.
                if now < session.record.access_expires_at {
                    return RefreshOutcome::Refreshed(session);
                }
            }
            _ => {}
        }
        let Some(refresh_token) = session.record.refresh_token.clone() else { return RefreshOutcome::Refused };
        if isolate.refresh_state.borrow().is_refused(&refresh_token, now) {
            return RefreshOutcome::Refused;
        }
        if let Some((error, until)) = isolate.refresh_state.borrow().recent_failure(name, now) {
            return RefreshOutcome::Failed(error.retry_in(until.saturating_sub(now)));
        }
        let lease = isolate.refreshes.borrow_mut().take(name, LEASE_SECS, now);
        if let Some(lease) = lease {
            let attempt = attempt(gateway, &session, &refresh_token, lease).await;
            if let Attempt::TimedOut(_) = attempt {
                repeat_in_background(gateway, &session, &refresh_token);
            }
            if matches!(attempt, Attempt::Held) {
                // With the lease in hand: of all requests that wait here, one asks the guard.
                gateway.runtime.sleep(GUARD_POLL_MS).await;
            }
            isolate.refreshes.borrow_mut().release(name, lease);
            match attempt {
                Attempt::Over(outcome) => return outcome,
                Attempt::TimedOut(error) => return RefreshOutcome::Failed(error),
                Attempt::Newer(newer) => session = newer,
                Attempt::Held => {}
            }
        }
        if gateway.runtime.now() >= give_up_at {
            return RefreshOutcome::Failed(Error::new(ErrorCode::IdpTimeout, "refresh_lease"));
        }
        gateway.runtime.sleep(POLL_MS).await;
    }
}

/// A refresh whose answer did not come in time may have spent the token, which then works for as long as Cognito's rotation
/// grace: so it is repeated at once, but no request waits for that.
fn repeat_in_background<P: Ports>(gateway: &Gateway<P>, session: &Session, refresh_token: &str) {
    let (beside, session, refresh_token) = (gateway.clone(), session.clone(), refresh_token.to_owned());
    gateway.runtime.wait_until(Box::pin(async move {
        let gateway = beside;
        pause(&gateway, BEFORE_REPEATING).await;
        if is_outdated(&gateway, &session) {
            return;
        }
        let name = session.names.as_bytes();
        let lease = gateway.isolate.refreshes.borrow_mut().take(name, LEASE_SECS, gateway.runtime.now());
        if let Some(lease) = lease {
            attempt(&gateway, &session, &refresh_token, lease).await;
            gateway.isolate.refreshes.borrow_mut().release(name, lease);
        }
    }));
}

/// One attempt by the holder of this isolate's lease, if the session's guard gives leave (strict mode).
async fn attempt<P: Ports>(gateway: &Gateway<P>, session: &Session, refresh_token: &str, lease: Lease) -> Attempt {
    match guard::lease_refresh(gateway, session, lease).await {
        Ok(LeaseGrant::Granted(holder)) => {
            let attempt = ask_cognito(gateway, session, refresh_token, lease).await;
            if !matches!(attempt, Attempt::Over(RefreshOutcome::Refreshed(_))) {
                guard::release_refresh(gateway, session, holder);
            }
            attempt
        }
        Ok(LeaseGrant::Held) => Attempt::Held,
        Ok(LeaseGrant::Newer(record)) => adopt_newer_record(gateway, session, record),
        Ok(LeaseGrant::Ended) => {
            gateway.isolate.end(&session.names, gateway.runtime.now());
            Attempt::Over(RefreshOutcome::Ended)
        }
        Err(error) => Attempt::Over(failed(gateway, session, error)),
    }
}

/// One token request; once more if its answer was lost at once: the token may be spent, and works for as long as the grace.
async fn ask_cognito<P: Ports>(gateway: &Gateway<P>, session: &Session, refresh_token: &str, lease: Lease) -> Attempt {
    let request = || build_refresh(&gateway.config.cognito, refresh_token);
    let mut answer = gateway.runtime.cognito_send(request()).await;
    if answer.as_ref().err() != Some(&HttpError::Timeout) && token_response::may_be_lost(&answer) {
        pause(gateway, BEFORE_REPEATING).await;
        extend_refresh(gateway, &session.names, lease);
        answer = gateway.runtime.cognito_send(request()).await;
    }
    match token_response::read(answer) {
        Ok(tokens) => {
            // Keys may have to be fetched now, and the old refresh token may be spent: no other request may try it meanwhile.
            extend_refresh(gateway, &session.names, lease);
            match accept_new_tokens(gateway, session, tokens).await {
                // A newer record was adopted whose access token has expired by now as well.
                RefreshOutcome::Refreshed(newer) if gateway.runtime.now() >= newer.record.access_expires_at => {
                    Attempt::Newer(newer)
                }
                outcome => Attempt::Over(outcome),
            }
        }
        Err(TokenError::Refused) => after_invalid_grant(gateway, session, refresh_token, lease).await,
        Err(error) => {
            let wait_secs = if let TokenError::Throttled { retry_after_secs } = error { retry_after_secs } else { None };
            let told = Error::of_token_endpoint(error, ErrorCode::RefreshRejected);
            let told = note_failure(gateway, session, told, wait_secs.map_or(0, u64::from));
            if error == TokenError::TimedOut { Attempt::TimedOut(told) } else { Attempt::Over(RefreshOutcome::Failed(told)) }
        }
    }
}

/// Verifies new tokens as at login and saves them. A new refresh token replaces the old one in the same write.
async fn accept_new_tokens<P: Ports>(gateway: &Gateway<P>, session: &Session, tokens: TokenSet) -> RefreshOutcome {
    let new_refresh_token = tokens.refresh_token.clone();
    let old = &session.record;
    let error = match tokens::verify(gateway, tokens, Nonce::AbsentOr(&old.nonce)).await {
        Ok(verified) => match renewed_record(gateway, old, verified) {
            Ok(record) => {
                // OpenID asks for the same one (Core §12.2); subject, issuer and client decide whose the tokens are.
                if old.auth_time.is_some() && record.auth_time != old.auth_time {
                    let fields = [("session", &*session.names.log_name())];
                    gateway.runtime.log(Level::Warn, "refresh_auth_time_differs", &fields);
                }
                return match store::save(gateway, session, record, new_refresh_token.is_some()).await {
                    Ok(SaveOutcome::Saved(session) | SaveOutcome::Superseded(session)) => RefreshOutcome::Refreshed(session),
                    Ok(SaveOutcome::Ended) => RefreshOutcome::Ended,
                    Err(error) => failed(gateway, session, error),
                };
            }
            // Another person's: nothing of it is taken.
            Err(reason) => return failed(gateway, session, Error::new(ErrorCode::TokenRejected, reason)),
        },
        Err(error) => error.into_error(ErrorCode::TokenRejected),
    };
    // The new tokens cannot be believed: no keys, clocks apart, or worse. But the old refresh token may be spent: the new one
    // opens nothing here, only Cognito will ever judge it, and it must not be lost.
    if let Some(refresh_token) = new_refresh_token {
        let record = Record { refresh_token: Some(refresh_token), version: old.version.saturating_add(1), ..Record::clone(old) };
        if let Ok(SaveOutcome::Ended) = store::save(gateway, session, record, true).await {
            return RefreshOutcome::Ended;
        }
    }
    failed(gateway, session, error)
}

/// After `invalid_grant` (RFC 6749 §5.2) another location may have rotated the token: the record is read again, and a newer one
/// wins. Another isolate may have spent the token just now and be about to save: that is worth a second read, when nothing else
/// opens the session.
async fn after_invalid_grant<P: Ports>(gateway: &Gateway<P>, session: &Session, refresh_token: &str, lease: Lease) -> Attempt {
    extend_refresh(gateway, &session.names, lease);
    let mut found = read_again(gateway, session).await;
    let unchanged = matches!(&found, Ok(Some(record)) if record.version <= session.record.version);
    if unchanged && gateway.runtime.now() >= session.record.access_expires_at {
        gateway.runtime.sleep(READ_AGAIN_MS).await;
        extend_refresh(gateway, &session.names, lease);
        found = read_again(gateway, session).await;
    }
    let now = gateway.runtime.now();
    match found {
        Ok(Some(record)) if record.version > session.record.version => adopt_newer_record(gateway, session, record),
        Ok(Some(_)) => {
            // A read of another request here may have shown a newer record, and this one still the old one.
            let cached = gateway.isolate.cached_record(&session.names, now);
            if let Some(record) = cached.filter(|record| record.version > session.record.version) {
                return adopt_newer_record(gateway, session, record);
            }
            gateway.isolate.refresh_state.borrow_mut().refuse(refresh_token, now);
            Attempt::Over(RefreshOutcome::Refused)
        }
        Ok(None) => {
            // Else the remembered record would be served for the rest of its thirty seconds.
            gateway.isolate.records.borrow_mut().remove(session.names.as_bytes());
            Attempt::Over(RefreshOutcome::Ended)
        }
        Err(error) => Attempt::Over(failed(gateway, session, error)),
    }
}

/// The session's record as it is now: by KV, or by the guard if that knows a newer one. `None`: it has ended.
async fn read_again<P: Ports>(gateway: &Gateway<P>, session: &Session) -> Result<Option<Rc<Record>>, Error> {
    let Session { id, names, record: known } = session;
    let guarded = gateway.runtime.guard_is_bound();
    match store::load(gateway, id, names).await? {
        Loaded::Ended => Ok(None),
        Loaded::Record(record) if record.version > known.version || !guarded => Ok(Some(record)),
        Loaded::Absent(_) if !guarded => Ok(None),
        Loaded::Record(_) | Loaded::Absent(_) => guard::ask_newest(gateway, id, names, Some(known.clone())).await,
    }
}

/// Another location has refreshed the session. Its record may have come without its markers, so it is not remembered for longer
/// than the one before.
fn adopt_newer_record<P: Ports>(gateway: &Gateway<P>, session: &Session, record: Rc<Record>) -> Attempt {
    let now = gateway.runtime.now();
    let cached = gateway.isolate.put_unconfirmed(&session.names, record, now);
    let Cached::Record(record) = cached else { return Attempt::Over(RefreshOutcome::Ended) };
    let lives = now < record.access_expires_at;
    let newer = Session { record, ..session.clone() };
    if lives { Attempt::Over(RefreshOutcome::Refreshed(newer)) } else { Attempt::Newer(newer) }
}

fn failed<P: Ports>(gateway: &Gateway<P>, session: &Session, error: Error) -> RefreshOutcome {
    RefreshOutcome::Failed(note_failure(gateway, session, error, 0))
}

/// Remembers a passing failure, so that no request waits for it again at once: for `at_least_secs` if Cognito asked for it.
fn note_failure<P: Ports>(gateway: &Gateway<P>, session: &Session, error: Error, at_least_secs: u64) -> Error {
    let mut jitter = [0];
    gateway.runtime.random_bytes(&mut jitter);
    let [jitter] = jitter;
    let for_secs = RETRY_SECS.max(at_least_secs).saturating_add(u64::from(jitter % 4));
    let now = gateway.runtime.now();
    gateway.isolate.refresh_state.borrow_mut().note_failure(session.names.as_bytes(), error, for_secs, now);
    let fields = [("code", error.code.name()), ("reason", error.reason), ("session", &session.names.log_name())];
    let level = if error.code.level() == Level::Info { Level::Warn } else { error.code.level() };
    gateway.runtime.log(level, "refresh_failed", &fields);
    // Where Cognito has named a time, that is told.
    if at_least_secs > 0 { error } else { error.retry_in(for_secs) }
}

/// The record with its new tokens, if they are the same person's (OIDC Core §12.2).
fn renewed_record<P: Ports>(gateway: &Gateway<P>, old: &Record, tokens: VerifiedTokens) -> Result<Record, &'static str> {
    let (id_token, id_expires_at) = tokens.id_token_to_keep(&gateway.config);
    let VerifiedTokens { id, rule_claims, access, set } = tokens;
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
        // Groups decide which paths are open; they are in the access token as well.
        None => profile.groups = access.profile.groups,
    }
    Ok(Record {
        profile,
        rule_claims,
        auth_time,
        id_token,
        id_expires_at,
        access_token: set.access_token,
        refresh_token: set.refresh_token.or_else(|| old.refresh_token.clone()),
        renewed_at: gateway.runtime.now(),
        access_issued_at: access.times.issued_at,
        access_expires_at: access.times.expires_at,
        version: old.version.saturating_add(1),
        ..old.clone()
    })
}

/// Before another read after a refusal: a refresh that came first is mostly saved within this time. A session that is refused for
/// good waits for it once.
const READ_AGAIN_MS: u32 = 1000;
/// Before a refresh whose answer was lost is repeated.
const BEFORE_REPEATING: Pause = Pause { at_least_ms: 100, spread_ms: u8::MAX };
/// Between looks at a refresh that another request makes.
const POLL_MS: u32 = 50;
/// Between questions to the guard while another location refreshes.
const GUARD_POLL_MS: u32 = 250;
