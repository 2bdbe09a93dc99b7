//! The token that a session brings to an API behind the gate (`ROUTES`).

use crate::config::RouteToken;
use crate::ports::Ports;
use crate::session::policy::FORCE_INTERVAL_SECS;

use super::Gateway;
use super::error::{Error, ErrorCode};
use super::refresh::{Need, RefreshOutcome, live, refresh, refreshed_or_stored};
use super::session::Session;

/// The session with a living token of this kind, refreshed if it must be. An older session has no ID token before its next
/// refresh, and an ID token may end before the access token.
///
/// # Errors
/// 401 when the session has ended, 5xx when Cognito could not be asked or gives no ID token.
pub(crate) async fn with_living<P: Ports>(gateway: &Gateway<P>, session: Session, kind: RouteToken) -> Result<Session, Error> {
    let session = live(gateway, session, Need::Identity).await?;
    if kind != RouteToken::Id || has_living_id_token(gateway, &session) {
        return Ok(session);
    }
    // One that has just been refreshed and still has none will not get one.
    if session.record.id_token.is_none() && gateway.runtime.now() < session.record.renewed_at.saturating_add(FORCE_INTERVAL_SECS)
    {
        return Err(Error::new(ErrorCode::IdpInvalidResponse, "no_id_token"));
    }
    match refresh(gateway, session).await {
        RefreshOutcome::Refreshed(session) if has_living_id_token(gateway, &session) => Ok(session),
        RefreshOutcome::Refreshed(_) => Err(Error::new(ErrorCode::IdpInvalidResponse, "no_id_token")),
        RefreshOutcome::Ended => Err(ErrorCode::SessionExpired.into()),
        RefreshOutcome::Refused => Err(ErrorCode::RefreshRejected.into()),
        RefreshOutcome::Failed(error) => Err(error),
    }
}

fn has_living_id_token<P: Ports>(gateway: &Gateway<P>, session: &Session) -> bool {
    session.record.id_token.is_some() && session.record.id_expires_at.is_some_and(|end| gateway.runtime.now() < end)
}

/// The token of this kind; `None` if none is attached.
pub(crate) fn of(session: &Session, kind: RouteToken) -> Option<&str> {
    match kind {
        RouteToken::Access => Some(&session.record.access_token),
        RouteToken::Id => session.record.id_token.as_deref(),
        RouteToken::None => None,
    }
}

/// The session with newer tokens after the API has refused these: another request's, or those of a refresh, which is made once in
/// 30 s and session. `None`: there are no newer ones.
pub(crate) async fn after_refusal<P: Ports>(gateway: &Gateway<P>, session: &Session) -> Option<Session> {
    let now = gateway.runtime.now();
    let version = session.record.version;
    let cached = gateway.isolate.cached_record(&session.names, now).filter(|record| record.version > version);
    if let Some(record) = cached {
        return Some(Session { record, ..session.clone() });
    }
    if !gateway.isolate.refresh_state.borrow_mut().may_force(session.names.as_bytes(), now) {
        return None;
    }
    let newer = refreshed_or_stored(gateway, session.clone()).await.ok()?;
    (newer.record.version > version).then_some(newer)
}
