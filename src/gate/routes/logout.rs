//! `POST /auth/logout`: ends the session here, then at Cognito.

use std::rc::Rc;

use serde::Serialize;

use crate::oidc::logout::build_logout_url;
use crate::oidc::token_request::build_revocation;
use crate::ports::{HttpResponse, IncomingRequest, Level, Ports, UnixSecs};
use crate::session::id::{SessionId, SessionKeys};
use crate::session::memory::Remembered;
use crate::session::record::Record;
use crate::web::query::Query;

use super::sessions::Loaded;
use super::visit::Visit;
use super::{Answer, Failure, Gate, GateError};

#[derive(Serialize)]
struct LogoutBody<'a> {
    success: bool,
    #[serde(rename = "logoutUrl", skip_serializing_if = "Option::is_none")]
    logout_url: Option<&'a str>,
}

impl<P: Ports> Gate<P> {
    /// 1. Without a session it is the same answer: signing out twice is no error.
    /// 2. Read the record for its refresh token, the newer of store and memory. Absent or unreadable, the session is marked
    ///    as ended all the same: this location may just not see it yet.
    /// 3. Mark, delete (KV refuses the mark → 503 with the way to Cognito's sign-out, never `success`).
    /// 4. Revoke the refresh token beside the answer (RFC 7009): best effort, and nobody waits for it.
    /// 5. Clear the cookie; tell a script where to go, send a form there and clear the browser's cache with it.
    ///
    /// A script that asks for the clearing of the cache gets that and no more.
    pub(super) async fn logout<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        self.body(visit).await?;
        if !visit.is_form_post() && asks_for_clearing(visit) {
            let cleared = Answer::json(200, &LogoutBody { success: true, logout_url: None });
            return Ok(cleared.with("clear-site-data", CLEAR_SITE_DATA));
        }
        let style = visit.cookie_style;
        let clear = vec![style.clear(style.session_name())];
        let logout_url = build_logout_url(&self.config.cognito);
        if let Some((keys, id)) = Self::session_id(visit).map(|id| (id.keys(), id))
            && !self.has_ended(&keys, visit.now)
            && self.may_exist(&id, &keys).await
        {
            *visit.session_log_name.borrow_mut() = keys.log_name();
            let record = self.newest_record(&id, &keys).await;
            let ends_at =
                record.as_ref().map_or(visit.now.saturating_add(self.config.session.ttl_secs), |record| record.expires_at);
            let ended = self.end_session(&keys, ends_at).await;
            if let Some(record) = record {
                self.revoke(&record);
            }
            if let Err(error) = ended {
                return Err(Failure { set_cookies: clear, logout_url: Some(logout_url), ..error });
            }
        }
        let answer = if visit.is_form_post() {
            Answer::redirect(303, &logout_url).with("clear-site-data", CLEAR_SITE_DATA)
        } else {
            Answer::json(200, &LogoutBody { success: true, logout_url: Some(&logout_url) })
        };
        Ok(answer.with_cookies(clear))
    }

    /// Whether this isolate has just ended it, everywhere: nothing is left to do, and a loop of sign-outs costs nothing.
    pub(super) fn has_ended(&self, keys: &SessionKeys, now: UnixSecs) -> bool {
        self.memory.sessions.borrow().is_end_settled(keys.as_bytes(), now)
    }

    pub(super) async fn newest_record(&self, id: &SessionId, keys: &SessionKeys) -> Option<Rc<Record>> {
        let stored = match self.load(id, keys).await {
            Ok(Loaded::Record(record)) => Some(record),
            Ok(Loaded::Absent(_) | Loaded::Ended) | Err(_) => None,
        };
        let recalled = match self.memory.sessions.borrow().recall(keys.as_bytes(), self.ports.now()) {
            Some(Remembered::Record(record)) => Some(record),
            Some(Remembered::Ended) | None => None,
        };
        let newest = [stored, recalled].into_iter().flatten().max_by_key(|record| record.version);
        if !self.ports.is_guarded() {
            return newest;
        }
        // What is not heard of is not revoked; the session ends all the same.
        self.look(id, keys, newest.clone()).await.ok().flatten().or(newest)
    }

    /// Revokes a session's refresh token beside the answer; once more after trouble that may pass, a time-out too, since nobody
    /// waits and a token revoked twice is no error (RFC 7009 §2.2).
    pub(super) fn revoke(&self, record: &Record) {
        let Some(refresh_token) = record.refresh_token.clone() else { return };
        let gate = self.clone();
        self.ports.run(Box::pin(async move {
            let request = || build_revocation(&gate.config.cognito, &refresh_token);
            let mut answer = gate.ports.send(request()).await;
            if matches!(&answer, Err(_) | Ok(HttpResponse { status: 429 | 500..=599, .. })) {
                gate.pause(REVOKE_AGAIN_MS, u8::MAX).await;
                answer = gate.ports.send(request()).await;
            }
            if !answer.is_ok_and(|response| response.status == 200) {
                let code = GateError::IdpUnavailable.describe().code;
                gate.ports.line(Level::Warn, "refresh_token_not_revoked", &[("code", code)]);
            }
        }));
    }
}

/// Whether a script asks for the clearing of the browser's cache, for which Chromium makes an answer wait: some 100 ms for a thousand
/// entries of all sites. So a script gets the answer to its sign-out at once and asks for the clearing beside it, with `?clear=cache`.
/// That may arrive after the next sign-in, in another tab, so it touches no session and no cookie. Beside a form without script
/// nothing runs that could ask: its sign-out clears.
fn asks_for_clearing<R: IncomingRequest>(visit: &Visit<'_, R>) -> bool {
    matches!(Query::new(visit.query()).one("clear"), Ok(Some(what)) if what == "cache")
}

const REVOKE_AGAIN_MS: u32 = 500;
/// Gated pages that the browser keeps would open again for whoever comes next. The site's storage and other cookies are not
/// ours to clear.
pub(super) const CLEAR_SITE_DATA: &str = "\"cache\"";
