//! `GET /auth/status`: whether somebody is signed in, at any time, without a 401.

use serde::Serialize;

use crate::auth::session::{Found, Session};
use crate::auth::{Gateway, refresh};
use crate::gate::request::RequestContext;
use crate::gate::{Failure, Response};
use crate::ports::{IncomingRequest, Ports, UnixSecs};
use crate::session::policy::renew_at;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusBody {
    authenticated: bool,
    /// When the session ends unless it is renewed.
    expires_at: Option<UnixSecs>,
    /// When the access token should be.
    refresh_at: Option<UnixSecs>,
    login_url: String,
}

/// "Yes" only for a session that opens something now; a store or Cognito that cannot be asked is 5xx, not "no".
pub(in crate::gate) async fn answer<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Response, Failure> {
    let session = match request.find_session(gateway).await? {
        Found::Session(session) => refresh::live_if_signed_in(gateway, session).await?,
        Found::None | Found::Ended => None,
    };
    let life = &gateway.config.session;
    let body = StatusBody {
        authenticated: session.is_some(),
        expires_at: session.as_ref().map(|Session { record, .. }| record.ends_at(life)),
        refresh_at: session.as_ref().map(|Session { record, .. }| renew_at(record)),
        login_url: format!("{}/auth/login", gateway.config.public_url),
    };
    Ok(Response::json(200, &body))
}
