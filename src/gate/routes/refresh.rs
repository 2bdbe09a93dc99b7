//! `POST /auth/refresh`: the page's access token, renewed when its end is near.

use serde::Deserialize;

use crate::jose::unique_json;
use crate::ports::{IncomingRequest, Ports};
use crate::session::policy::{Standing, standing};

use super::answer::token_answer;
use super::renewal::{Need, Renewal};
use super::sessions::Session;
use super::visit::Visit;
use super::{Answer, Failure, Gate, GateError};

impl<P: Ports> Gate<P> {
    /// 1. Read the optional body (nonsense → 400).  2. Find the session (none → 401).
    /// 3. Fresh and not forced: the stored token. Near its end, or forced: renew, and if that fails while the stored token
    ///    lives, that one. Past its end: renew or say why not.
    pub(super) async fn refresh<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        let body = self.body(visit).await?;
        let force = read_force(&body).ok_or(Failure::new(GateError::InvalidRequest, "refresh_body"))?;
        let session = self.find_session(visit).await?.required()?;
        self.limit("refresh", &session.keys.log_name()).await?;

        let forced = force && self.memory.sessions.borrow_mut().may_force(session.keys.as_bytes(), visit.now);
        let near = standing(&session.record, &self.config.session, visit.now) == Standing::RenewSoon;
        let session =
            if forced || near { self.renewed_or_stored(session).await? } else { self.living(session, Need::Identity).await? };
        let record = &session.record;
        Ok(token_answer(&self.config, &record.access_token, record.access_expires_at, self.ports.now()))
    }

    async fn renewed_or_stored(&self, session: Session) -> Result<Session, Failure> {
        let failure = match self.renew(session.clone()).await {
            Renewal::Renewed(session) => return Ok(session),
            Renewal::Ended => return Err(GateError::SessionExpired.into()),
            Renewal::Refused => GateError::RefreshRejected.into(),
            Renewal::Failed(failure) => failure,
        };
        if self.ports.now() < session.record.access_expires_at { Ok(session) } else { Err(failure) }
    }
}

/// `force` of the body, both of which may be left out.
fn read_force(body: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(default)]
        force: bool,
    }
    if body.is_empty() { Some(false) } else { unique_json::read(body).map(|Written { force }| force) }
}
