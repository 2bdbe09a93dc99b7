//! The two ends of a login: `GET /auth/callback` at the edge, and `POST /auth/token` for an app page that is the redirect
//! URI. Both take the same steps.

use std::rc::Rc;

use crate::json::Members;
use crate::oidc::callback::{AuthorizeError, CallbackAnswer, CallbackParams};
use crate::oidc::claims::Nonce;
use crate::oidc::flow::{LoginFlow, flow_tag};
use crate::oidc::token_request::build_code_exchange;
use crate::oidc::token_response::{self, TokenError};
use crate::ports::{IncomingRequest, Level, Ports};
use crate::session::id::SessionId;
use crate::session::memory::Remembered;
use crate::session::record::Record;
use crate::web::query::Query;
use crate::web::return_path::ReturnPath;

use super::answer::token_answer;
use super::flow_cookies::{FoundFlow, find_flow};
use super::renewal::Need;
use super::rounds::count_round;
use super::sessions::{Found, Session};
use super::tokens::VerifiedTokens;
use super::visit::Visit;
use super::words::Detail;
use super::{Answer, Failure, Gate, GateError};

/// How a login ended well.
struct SignedIn {
    session: Session,
    return_path: ReturnPath,
    set_cookies: Vec<String>,
}

impl<P: Ports> Gate<P> {
    /// `GET /auth/callback` (RFC 6749 §4.1.2, OIDC Core §3.1.2.5)
    ///
    /// 1. The query becomes [`CallbackParams`] (ambiguous → 400).  2. [`Self::finish`].  3. 303 to the return path, which drops code and state from the address bar.
    pub(super) async fn callback<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        self.limit("callback", &visit.client_network()).await?;
        let query = Query::new(visit.query());
        let params = CallbackParams::parse(query, &self.config.cognito.issuer).map_err(|_| {
            let state = query.one("state").ok().flatten();
            let FoundFlow { clear, .. } = find_flow(&self.config, visit, state.as_deref());
            Failure { set_cookies: clear, ..Failure::new(GateError::InvalidRequest, "callback_query") }
        })?;
        let signed_in = self.finish(visit, params).await?;
        Ok(Answer::redirect(303, signed_in.return_path.as_str()).with_cookies(signed_in.set_cookies))
    }

    /// `POST /auth/token`: the same steps for an app page; the return path is in `Location`, since the 200 is the page's.
    pub(super) async fn token<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        self.limit("token", &visit.client_network()).await?;
        let bad = |reason| Failure::new(GateError::InvalidRequest, reason);
        let kind = visit.request.header("content-type").unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(bad("token_content_type"));
        }
        let body = self.body(visit).await?;
        let params = page_params(&body).ok_or_else(|| bad("token_body"))?;
        let SignedIn { session, return_path, set_cookies } = self.finish(visit, params).await?;
        let record = &session.record;
        let answer = token_answer(&self.config, &record.access_token, record.access_expires_at, self.ports.now());
        Ok(answer.with("location", return_path.as_str()).with_cookies(set_cookies))
    }

    /// A request body within the limit.
    pub(super) async fn body<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Vec<u8>, Failure> {
        use crate::ports::BodyError;
        visit.request.body(MAX_BODY_BYTES).await.map_err(|error| match error {
            BodyError::TooLarge => GateError::PayloadTooLarge.into(),
            BodyError::Broken => Failure::new(GateError::InvalidRequest, "body_broken"),
        })
    }

    /// The steps of every login.
    ///
    /// 1. Find the flow of `state`; its cookie is cleared whatever comes of it.
    /// 2. A late or repeated callback of a browser that is signed in is not an error: it goes where it wanted to.
    /// 3. Cognito's error, or no code at all → its own answer, no token request.
    /// 4. Exchange the code; verify the tokens and the nonce; create a session under a new id.
    /// 5. The browser's older session ends, beside the answer.
    async fn finish<R: IncomingRequest>(&self, visit: &Visit<'_, R>, params: CallbackParams) -> Result<SignedIn, Failure> {
        let FoundFlow { flow, clear } = find_flow(&self.config, visit, params.state.as_deref());
        let flow_missing = flow.is_err();
        let return_path = flow.as_ref().ok().and_then(|flow| ReturnPath::parse(&flow.return_path));
        let result = match (params.answer, flow) {
            (CallbackAnswer::Error(error), Ok(_)) => Err(Failure { hint: params.hint, ..authorize_failure(error) }),
            // Anybody can write such a link.
            (CallbackAnswer::Error(error), Err(_)) => {
                Err(Failure { hint: params.hint, level: Level::Info, ..authorize_failure(error) })
            }
            (CallbackAnswer::Nothing, _) => Err(Failure::new(GateError::InvalidRequest, "callback_without_code")),
            (CallbackAnswer::Code(_), Err(_)) if params.state.is_none() => {
                Err(Failure::new(GateError::InvalidRequest, "callback_without_state"))
            }
            (CallbackAnswer::Code(_), Err(error)) => Err(Failure::new(error, "flow_missing")),
            (CallbackAnswer::Code(code), Ok(flow)) => {
                let first = self.memory.sessions.borrow_mut().may_exchange(&flow_tag(&flow.state), visit.now);
                if first {
                    self.sign_in(visit, &code, &flow).await
                } else {
                    Err(Failure::new(GateError::LoginExpired, "flow_spent"))
                }
            }
        };
        match result {
            Ok(mut signed_in) => {
                signed_in.set_cookies.extend(clear);
                Ok(signed_in)
            }
            Err(failure) => {
                let late = flow_missing || matches!(failure.error, GateError::CodeRejected | GateError::LoginExpired);
                let signed_in = if late { self.signed_in_already(visit).await } else { Ok(None) };
                match signed_in {
                    Ok(Some(session)) => {
                        Ok(SignedIn { session, return_path: return_path.unwrap_or_default(), set_cookies: clear })
                    }
                    Ok(None) => Err(Failure { set_cookies: clear, return_path, ..failure }),
                    Err(unknown) => Err(Failure { set_cookies: clear, return_path, ..unknown }),
                }
            }
        }
    }

    /// The browser's session if it opens something now, as its page load would find it. A session that cannot be renewed is
    /// none: sent home with it, the browser would be back here at once.
    async fn signed_in_already<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Option<Session>, Failure> {
        let Found::Session(session) = self.find_session(visit).await? else { return Ok(None) };
        match self.living(session, Need::Identity).await {
            Ok(session) => Ok(Some(session)),
            Err(failure) if failure.error.is_signed_out() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn sign_in<R: IncomingRequest>(&self, visit: &Visit<'_, R>, code: &str, flow: &LoginFlow) -> Result<SignedIn, Failure> {
        let request = build_code_exchange(&self.config.cognito, code, &flow.verifier);
        let tokens = token_response::read(self.ports.send(request).await)
            .map_err(|error: TokenError| Failure::of_token_endpoint(error, GateError::CodeRejected))?;
        if tokens.id_token.is_none() {
            return Err(Failure::new(GateError::IdpInvalidResponse, "no_id_token"));
        }
        let tokens = self
            .verify_tokens(tokens, Nonce::MustBe(&flow.nonce))
            .await
            .map_err(|failure| failure.into_failure(GateError::TokenRejected))?;
        let session = self.new_session(tokens, &flow.nonce);
        self.create(&session).await?;
        *visit.session_log_name.borrow_mut() = session.keys.log_name();
        self.end_older_beside(visit);

        let style = visit.cookie_style;
        let cookie = style.set(style.session_name(), &session.id.expose(), self.config.session.ttl_secs);
        let return_path = ReturnPath::parse(&flow.return_path).unwrap_or_default();
        Ok(SignedIn { session, return_path, set_cookies: vec![cookie, count_round(visit, flow.again)] })
    }

    /// A session under a new secret; a value that a client brought is never adopted.
    fn new_session(&self, tokens: VerifiedTokens, nonce: &str) -> Session {
        let VerifiedTokens { id, access, set } = tokens;
        let now = self.ports.now();
        let cognito = &self.config.cognito;
        let (auth_time, profile) = id.map_or((None, access.profile), |id| (id.auth_time, id.profile));
        let session_id = SessionId::generate(&self.ports, &self.config.keys, &cognito.issuer, &access.subject);
        let record = Record {
            issuer: cognito.issuer.clone(),
            subject: access.subject,
            client_id: cognito.client_id.clone(),
            profile,
            auth_time,
            nonce: nonce.to_owned(),
            access_token: set.access_token,
            refresh_token: set.refresh_token,
            created_at: now,
            renewed_at: now,
            access_issued_at: access.times.issued_at,
            access_expires_at: access.times.expires_at,
            expires_at: now.saturating_add(self.config.session.ttl_secs),
            version: 1,
        };
        Session { keys: session_id.keys(), id: session_id, record: Rc::new(record) }
    }

    /// Ends the session that this browser had before, also one that this location does not see yet, and revokes its refresh
    /// token: in this isolate at once, everywhere else beside the answer. Its failure does not fail the login: the old cookie
    /// is replaced anyway.
    fn end_older_beside<R: IncomingRequest>(&self, visit: &Visit<'_, R>) {
        let Some(older) = Self::session_id(visit) else { return };
        let (keys, now) = (older.keys(), self.ports.now());
        if self.has_ended(&keys, now) {
            return;
        }
        let recalled = match self.memory.sessions.borrow().recall(keys.as_bytes(), now) {
            Some(Remembered::Record(record)) => Some(record),
            Some(Remembered::Ended) | None => None,
        };
        if recalled.is_some() || older.is_from(&self.config.keys) {
            self.memory.sessions.borrow_mut().end(keys.as_bytes(), now);
        }
        let gate = self.clone();
        self.ports.run(Box::pin(async move {
            if !gate.may_exist(&older, &keys).await {
                return;
            }
            let stored = gate.newest_record(&older, &keys).await;
            let newest = [stored, recalled].into_iter().flatten().max_by_key(|record| record.version);
            let unknown = now.saturating_add(gate.config.session.ttl_secs);
            let ends_at = newest.as_ref().map_or(unknown, |record| record.expires_at);
            if let Some(record) = newest {
                gate.revoke(&record);
            }
            if gate.end_session(&keys, ends_at).await.is_err() {
                gate.ports.line(Level::Warn, "older_session_not_ended", &[("session", &keys.log_name())]);
            }
        }));
    }
}

/// What the page brings: `{"code","state"}`.
fn page_params(body: &[u8]) -> Option<CallbackParams> {
    let mut members = Members::parse(body)?;
    CallbackParams::from_page(members.text("code")?, members.text("state")?).ok()
}

fn authorize_failure(error: AuthorizeError) -> Failure {
    match error {
        AuthorizeError::Denied => Failure::new(GateError::LoginDenied, "authorize_denied"),
        AuthorizeError::Failed => {
            Failure { detail: Some(Detail::LoginFailed), ..Failure::new(GateError::LoginDenied, "authorize_failed") }
        }
        AuthorizeError::LoginRequired => Failure::new(GateError::SessionRequired, "authorize_login_required"),
        // What a browser brings is no alarm: it may have written it itself.
        AuthorizeError::Misconfigured => {
            Failure { level: Level::Warn, ..Failure::new(GateError::IdpMisconfigured, "authorize_client_refused") }
        }
        AuthorizeError::Unavailable => Failure::new(GateError::IdpUnavailable, "authorize_server_error"),
    }
}

/// `{"code","state"}` and `{"force":true}` are short.
const MAX_BODY_BYTES: usize = 16 * 1024;
