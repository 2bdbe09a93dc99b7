//! The end of a login, for both of its routes: `GET /auth/callback` and `POST /auth/token`.

use crate::auth::code_exchange::{self, Exchanged};
use crate::auth::error::ErrorCode;
use crate::auth::session::{Found, Session};
use crate::auth::{Gateway, refresh, sessions};
use crate::oidc::callback::{AuthorizeError, CallbackAnswer, CallbackParams};
use crate::oidc::login_state::LoginState;
use crate::ports::{IncomingRequest, Level, Ports};
use crate::web::return_path::ReturnPath;

use super::Failure;
use super::login_cookies::{self, FoundLogin};
use super::login_loop::count_sign_in;
use super::messages::Detail;
use super::request::RequestContext;

/// A login that ended well.
pub(super) struct SignedIn {
    pub(super) session: Session,
    pub(super) return_path: ReturnPath,
    pub(super) set_cookies: Vec<String>,
}

/// The steps of every login.
///
/// 1. Find the login state of `state`.
/// 2. Cognito's error, or no code at all → its own answer, no token request.
/// 3. Exchange the code; verify the tokens and the nonce; create a session under a new id.
/// 4. The browser's older session ends in the background.
/// 5. The rest of the login state stays for a moment; a failed one is cleared.
/// 6. A late or repeated callback of a browser that is signed in is not an error: it goes to its return path. Where the login
///    state is still whole, the browser must have signed in since it began.
pub(super) async fn finish<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    params: CallbackParams,
) -> Result<SignedIn, Failure> {
    let mut found = login_cookies::find(&gateway.config, request, params.state.as_deref());
    request.log_hint.replace(params.hint);
    let mut keep_last_path = || found.return_path = found.return_path.take().or_else(|| login_cookies::last_return_path(request));
    let result = match (params.answer, &found.login) {
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
        (CallbackAnswer::Code(code), Ok(login)) => exchange(gateway, request, &code, login).await,
    };
    let failure = match result {
        Ok(signed_in) => return Ok(signed_in),
        Err(failure) => failure,
    };
    if found.login.is_err() || matches!(failure.code(), ErrorCode::CodeRejected | ErrorCode::LoginExpired) {
        return finish_late(gateway, request, found, failure).await;
    }
    Err(Failure { set_cookies: found.clear, return_path: found.return_path, ..failure })
}

/// The end of a callback that came late, again or garbled: the session that the browser has, else the failure.
pub(super) async fn finish_late<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    FoundLogin { login, return_path, clear }: FoundLogin,
    failure: Failure,
) -> Result<SignedIn, Failure> {
    let session = browsers_session(gateway, request).await;
    // A login that is still under way has no older session for its result: that may be another user's.
    let begun_at = login.as_ref().ok().filter(|login| !login.spent).map(LoginState::begun_at);
    let is_result = |session: &Session| begun_at.is_none_or(|begun_at| session.record.created_at >= begun_at);
    match session.map(|session| session.filter(is_result)) {
        Ok(Some(session)) => {
            let set_cookies =
                login.map_or(clear, |login| login_cookies::spend(&gateway.config, request, &login, &gateway.runtime));
            Ok(SignedIn { session, return_path: return_path.unwrap_or_default(), set_cookies })
        }
        Ok(None) => Err(Failure { set_cookies: clear, return_path, ..failure }),
        Err(unknown) => Err(Failure { set_cookies: clear, return_path, ..unknown }),
    }
}

async fn exchange<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    code: &str,
    login: &LoginState,
) -> Result<SignedIn, Failure> {
    if login.spent {
        return Err(login_cookies::spent());
    }
    let session = match code_exchange::exchange(gateway, login, code).await? {
        Exchanged::New(session) => {
            if let Some(older) = request.session_id() {
                sessions::end_in_background(gateway, older);
            }
            session
        }
        Exchanged::Before(sealed_id) => {
            // A session that another tab has made since then stays.
            if let Some(session) = browsers_session(gateway, request).await? {
                let set_cookies = login_cookies::spend(&gateway.config, request, login, &gateway.runtime);
                return Ok(SignedIn { session, return_path: return_path_of(login), set_cookies });
            }
            let session = code_exchange::session_before(gateway, login, &sealed_id).await?;
            session.ok_or_else(login_cookies::spent)?
        }
        Exchanged::Spent => return Err(login_cookies::spent()),
    };
    request.session_name.replace(session.names.log_name());
    Ok(signed_in(gateway, request, login, session))
}

/// The session's cookie, the count of sign-ins, and the rest of the login state.
fn signed_in<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    login: &LoginState,
    session: Session,
) -> SignedIn {
    let style = request.cookie_style;
    let life_secs = session.record.expires_at.saturating_sub(request.now).min(gateway.config.session.ttl_secs);
    let cookie = style.set(style.session_name(), &session.id.expose(), life_secs);
    let mut set_cookies = vec![cookie, count_sign_in(request, login.again)];
    set_cookies.extend(login_cookies::spend(&gateway.config, request, login, &gateway.runtime));
    SignedIn { session, return_path: return_path_of(login), set_cookies }
}

/// The browser's session if it opens something now, as its page load would find it. A session that cannot be refreshed is none:
/// sent home with it, the browser would be back here at once.
async fn browsers_session<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Option<Session>, Failure> {
    let Found::Session(session) = request.find_session(gateway).await? else { return Ok(None) };
    Ok(refresh::live_if_signed_in(gateway, session).await?)
}

fn return_path_of(login: &LoginState) -> ReturnPath {
    ReturnPath::parse(&login.return_path).unwrap_or_default()
}

/// An answer of Cognito without code and error.
pub(super) fn incomplete(reason: &'static str) -> Failure {
    Failure { detail: Some(Detail::AnswerIncomplete), ..Failure::new(ErrorCode::InvalidRequest, reason) }
}

fn authorize_failure(error: AuthorizeError) -> Failure {
    match error {
        AuthorizeError::Denied => Failure::new(ErrorCode::LoginDenied, "authorize_denied"),
        AuthorizeError::Failed => {
            Failure { detail: Some(Detail::LoginFailed), ..Failure::new(ErrorCode::LoginDenied, "authorize_failed") }
        }
        AuthorizeError::LoginRequired => Failure::new(ErrorCode::SessionRequired, "authorize_login_required"),
        // What a browser brings is no alarm: it may have written it itself.
        AuthorizeError::Misconfigured => {
            Failure { level: Level::Warn, ..Failure::new(ErrorCode::IdpMisconfigured, "authorize_client_refused") }
        }
        AuthorizeError::Unavailable => Failure::new(ErrorCode::IdpUnavailable, "authorize_server_error"),
    }
}
