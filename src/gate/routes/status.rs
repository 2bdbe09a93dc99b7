//! `GET /auth/status`: whether somebody is signed in, at any time, without a 401.

use serde::Serialize;

use crate::ports::{IncomingRequest, Ports, UnixSecs};
use crate::session::policy::renew_at;

use super::renewal::Need;
use super::sessions::{Found, Session};
use super::visit::Visit;
use super::{Answer, Failure, Gate};

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

impl<P: Ports> Gate<P> {
    /// "Yes" only for a session that opens something now; a store or Cognito that cannot be asked is 5xx, not "no".
    pub(super) async fn status<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        let session = match self.find_session(visit).await? {
            Found::Session(session) => match self.living(session, Need::Identity).await {
                Ok(session) => Some(session),
                Err(failure) if failure.error.is_signed_out() => None,
                Err(failure) => return Err(failure),
            },
            Found::None | Found::Ended => None,
        };
        let life = &self.config.session;
        let body = StatusBody {
            authenticated: session.is_some(),
            expires_at: session.as_ref().map(|Session { record, .. }| record.ends_at(life)),
            refresh_at: session.as_ref().map(|Session { record, .. }| renew_at(record)),
            login_url: self.login_url(),
        };
        Ok(Answer::json(200, &body))
    }

    /// Where a login starts.
    pub(super) fn login_url(&self) -> String {
        format!("{}/auth/login", self.config.public_url)
    }
}
