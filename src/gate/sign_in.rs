//! The two ends of a login: `GET /auth/callback` at the edge, and `POST /auth/token` for an app page that is the redirect
//! URI. Both take the same steps.

use std::rc::Rc;

use serde::Deserialize;

use crate::jose::unique_json;
use crate::oidc::callback::{AuthorizeError, CallbackAnswer, CallbackParams};
use crate::oidc::claims::Nonce;
use crate::oidc::flow::{LoginFlow, flow_tag, is_retry};
use crate::oidc::token_request::build_code_exchange;
use crate::oidc::token_response::{self, TokenError};
use crate::ports::{IncomingRequest, Level, Ports};
use crate::session::id::SessionId;
use crate::session::memory::{Remembered, Turn};
use crate::session::record::Record;
use crate::session::seal::{self, Purpose};
use crate::web::query::Query;
use crate::web::return_path::ReturnPath;

use super::answer::token_answer;
use super::flow_cookies::{FoundFlow, find_flow, last_return_path, spend_flow, spent_flow};
use super::login::{RETRY_PARAMETER, login_to};
use super::renewal::Need;
use super::rounds::{count_retry, count_round, has_just_retried};
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
    /// 1. The query becomes [`CallbackParams`] (ambiguous → 400).  2. [`Self::finish`].
    /// 3. 303 to the return path, which drops code and state from the address bar.
    /// 4. A login that cannot be finished is begun anew, once; then it is told.
    pub(super) async fn callback<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        self.limit("callback", &visit.client_network()).await?;
        let query = Query::new(visit.query());
        let result = if let Ok(params) = CallbackParams::parse(query, &self.config.cognito.issuer) {
            self.finish(visit, params).await
        } else {
            let state = query.one("state").ok().flatten();
            let found = find_flow(&self.config, visit, state.as_deref());
            self.late(visit, found, incomplete("callback_query")).await
        };
        match result {
            Ok(signed_in) => Ok(Answer::redirect(303, signed_in.return_path.as_str()).with_cookies(signed_in.set_cookies)),
            Err(failure) => retry(visit, query, failure),
        }
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
    /// 1. Find the flow of `state`.
    /// 2. Cognito's error, or no code at all → its own answer, no token request.
    /// 3. Exchange the code; verify the tokens and the nonce; create a session under a new id.
    /// 4. The browser's older session ends, beside the answer.
    /// 5. What is left of the flow stays for a moment; one that failed is cleared.
    /// 6. A late or repeated callback of a browser that is signed in is not an error: it goes where it wanted to. Where the flow is
    ///    still whole, the browser must have signed in since it began.
    async fn finish<R: IncomingRequest>(&self, visit: &Visit<'_, R>, params: CallbackParams) -> Result<SignedIn, Failure> {
        let mut found = find_flow(&self.config, visit, params.state.as_deref());
        visit.log_hint.replace(params.hint);
        let mut keep_last_path = || found.return_path = found.return_path.take().or_else(|| last_return_path(visit));
        let result = match (params.answer, &found.flow) {
            (CallbackAnswer::Error(error), Ok(_)) => Err(authorize_failure(error)),
            // Anybody can write such a link.
            (CallbackAnswer::Error(error), Err(_)) => {
                keep_last_path();
                Err(Failure { level: Level::Info, ..authorize_failure(error) })
            }
            (CallbackAnswer::Nothing, _) => {
                keep_last_path();
                Err(incomplete("callback_without_code"))
            }
            (CallbackAnswer::Code(_), Err(_)) if params.state.is_none() => {
                keep_last_path();
                Err(incomplete("callback_without_state"))
            }
            (CallbackAnswer::Code(_), Err(missing)) => Err(missing.clone()),
            (CallbackAnswer::Code(code), Ok(flow)) => self.exchange(visit, &code, flow).await,
        };
        let failure = match result {
            Ok(signed_in) => return Ok(signed_in),
            Err(failure) => failure,
        };
        if found.flow.is_err() || matches!(failure.error, GateError::CodeRejected | GateError::LoginExpired) {
            return self.late(visit, found, failure).await;
        }
        Err(Failure { set_cookies: found.clear, return_path: found.return_path, ..failure })
    }

    /// The end of a callback that came late, again or garbled: the session that the browser has, else the failure.
    async fn late<R: IncomingRequest>(
        &self,
        visit: &Visit<'_, R>,
        FoundFlow { flow, return_path, clear }: FoundFlow,
        failure: Failure,
    ) -> Result<SignedIn, Failure> {
        let session = self.signed_in_already(visit).await;
        // A login that is still under way has no older session for its result: that may be another user's.
        let begun_at = flow.as_ref().ok().filter(|flow| !flow.spent).map(LoginFlow::begun_at);
        let is_result = |session: &Session| begun_at.is_none_or(|begun_at| session.record.created_at >= begun_at);
        match session.map(|session| session.filter(is_result)) {
            Ok(Some(session)) => {
                let set_cookies = flow.map_or(clear, |flow| spend_flow(&self.config, visit, &flow, &self.ports));
                Ok(SignedIn { session, return_path: return_path.unwrap_or_default(), set_cookies })
            }
            Ok(None) => Err(Failure { set_cookies: clear, return_path, ..failure }),
            Err(unknown) => Err(Failure { set_cookies: clear, return_path, ..unknown }),
        }
    }

    /// Sends the code of a flow, unless another request here has: then it waits for what that one hears, and answers alike.
    async fn exchange<R: IncomingRequest>(
        &self,
        visit: &Visit<'_, R>,
        code: &str,
        flow: &LoginFlow,
    ) -> Result<SignedIn, Failure> {
        if flow.spent {
            return Err(spent_flow());
        }
        let tag = flow_tag(&flow.state);
        loop {
            let turn = self.memory.sessions.borrow_mut().begin_exchange(&tag, code, self.ports.now());
            match turn {
                Turn::Yours => break,
                Turn::Wait => self.ports.sleep(POLL_MS).await,
                Turn::SignedIn(sealed_id) => {
                    // A session that another tab has made since then stays.
                    if let Some(session) = self.signed_in_already(visit).await? {
                        let set_cookies = spend_flow(&self.config, visit, flow, &self.ports);
                        return Ok(SignedIn { session, return_path: return_path_of(flow), set_cookies });
                    }
                    let session = self.session_of(visit, flow, &sealed_id).await?;
                    return Ok(self.finished(visit, flow, session));
                }
                Turn::Failed(failure) => return Err(failure),
                Turn::Spent => return Err(spent_flow()),
            }
        }
        let session = self.sign_in(visit, code, flow).await;
        let outcome = match &session {
            Ok(session) => self.sealed_id(flow, &session.id).ok_or_else(spent_flow),
            Err(failure) => Err(failure.clone()),
        };
        self.memory.sessions.borrow_mut().end_exchange(&tag, code, outcome, self.ports.now());
        Ok(self.finished(visit, flow, session?))
    }

    /// A login that ended well: the session's cookie, the count of sign-ins, and what is left of the flow.
    fn finished<R: IncomingRequest>(&self, visit: &Visit<'_, R>, flow: &LoginFlow, session: Session) -> SignedIn {
        let style = visit.cookie_style;
        let life_secs = session.record.expires_at.saturating_sub(visit.now).min(self.config.session.ttl_secs);
        let cookie = style.set(style.session_name(), &session.id.expose(), life_secs);
        let mut set_cookies = vec![cookie, count_round(visit, flow.again)];
        set_cookies.extend(spend_flow(&self.config, visit, flow, &self.ports));
        SignedIn { session, return_path: return_path_of(flow), set_cookies }
    }

    /// The id of the session that a flow became, sealed under what only the flow's cookie holds.
    fn sealed_id(&self, flow: &LoginFlow, id: &SessionId) -> Option<Rc<str>> {
        let (verifier, context) = (flow.verifier.as_bytes(), became(flow));
        let sealed = seal::seal(&self.config.keys, Purpose::Flow, verifier, &context, id.expose().as_bytes(), &self.ports);
        sealed.map(Rc::from)
    }

    /// The session that a flow became a moment ago, if it has not ended.
    async fn session_of<R: IncomingRequest>(
        &self,
        visit: &Visit<'_, R>,
        flow: &LoginFlow,
        sealed_id: &str,
    ) -> Result<Session, Failure> {
        let opened = seal::open(&self.config.keys, Purpose::Flow, flow.verifier.as_bytes(), &became(flow), sealed_id);
        let id = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|id| SessionId::parse(&id));
        let id = id.ok_or_else(spent_flow)?;
        let keys = id.keys();
        *visit.session_log_name.borrow_mut() = keys.log_name();
        let record = self.newest(&id, &keys, self.ports.now()).await?.ok_or_else(spent_flow)?;
        self.living(Session { id, keys, record }, Need::Identity).await
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

    async fn sign_in<R: IncomingRequest>(&self, visit: &Visit<'_, R>, code: &str, flow: &LoginFlow) -> Result<Session, Failure> {
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
        Ok(session)
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

/// Begins a login anew in place of one that could not be finished, since Cognito's own cookie mostly makes that silent: once in
/// a minute, for a page load alone. The state of such a login says what it is, so that a browser that keeps no cookie does not
/// go round for ever.
fn retry<R: IncomingRequest>(visit: &Visit<'_, R>, query: Query<'_>, failure: Failure) -> Result<Answer, Failure> {
    use GateError as E;
    let unfinished = matches!(failure.error, E::CodeRejected | E::InvalidRequest | E::LoginExpired | E::StateMismatch);
    if !unfinished || !visit.is_navigation() {
        return Err(failure);
    }
    let retried = query.one("state").is_ok_and(|state| state.is_some_and(|state| is_retry(&state)));
    if retried && visit.cookies().pairs().all(|(name, _)| !visit.cookie_style.reserves(name)) {
        return Err(Failure { detail: Some(Detail::CookiesMissing), ..failure });
    }
    if retried || has_just_retried(visit) {
        return Err(failure);
    }
    visit.log_reason.set(failure.reason);
    let return_path = failure.return_path.unwrap_or_default();
    let location = format!("{}&{RETRY_PARAMETER}=1", login_to(&return_path));
    let mut set_cookies = failure.set_cookies;
    set_cookies.push(count_retry(visit));
    Ok(Answer::redirect(302, &location).with_cookies(set_cookies))
}

/// An answer of Cognito's that is none.
fn incomplete(reason: &'static str) -> Failure {
    Failure { detail: Some(Detail::AnswerIncomplete), ..Failure::new(GateError::InvalidRequest, reason) }
}

fn return_path_of(flow: &LoginFlow) -> ReturnPath {
    ReturnPath::parse(&flow.return_path).unwrap_or_default()
}

/// What the sealed id of a flow's session is bound to.
fn became(flow: &LoginFlow) -> String {
    format!("session-of/{}", flow_tag(&flow.state))
}

/// What the page brings: `{"code","state"}`.
fn page_params(body: &[u8]) -> Option<CallbackParams> {
    #[derive(Deserialize)]
    struct Written {
        code: String,
        state: String,
    }
    let Written { code, state } = unique_json::read(body)?;
    CallbackParams::from_page(code, state).ok()
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
/// Between looks at an exchange that another request makes.
const POLL_MS: u32 = 50;
