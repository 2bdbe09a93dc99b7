//! Login states in their cookies: one sealed cookie each, at most five, the oldest makes room. The return path has a cookie of
//! its own beside it, which outlives the login state: it is no secret, and is checked like any return path when it is read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::error::ErrorCode;
use crate::config::Config;
use crate::oidc::login_state::{LOGIN_LIFE_SECS, LoginState, MAX_LOGINS, SPENT_LOGIN_LIFE_SECS, state_tag};
use crate::ports::{IncomingRequest, Random};
use crate::session::seal::{self, Purpose};
use crate::web::return_path::ReturnPath;

use super::Failure;
use super::messages::Detail;
use super::request::RequestContext;

/// The `Set-Cookie` lines that begin a login.
pub(super) fn begin<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    login: &LoginState,
    random: &impl Random,
) -> Result<Vec<String>, Failure> {
    let style = request.cookie_style;
    let sealed = sealed_line(config, request, login, LOGIN_LIFE_SECS, random)
        .ok_or(Failure::new(ErrorCode::Internal, "flow_not_sealed"))?;

    // Browsers send older cookies first.
    let known: Vec<&str> =
        request.cookies().pairs().map(|(name, _)| name).filter(|name| name.starts_with(style.login_prefix())).collect();
    let surplus = known.len().saturating_add(1).saturating_sub(MAX_LOGINS);
    let mut lines: Vec<String> = known.into_iter().take(surplus).map(|name| style.clear(name)).collect();
    lines.push(sealed);
    if login.return_path != ReturnPath::default().as_str() {
        keep_return_path(request, login, &mut lines);
    }
    Ok(lines)
}

/// Adds the line of a return path's cookie, and the lines that make room for it.
fn keep_return_path<R: IncomingRequest>(request: &RequestContext<'_, R>, login: &LoginState, lines: &mut Vec<String>) {
    let style = request.cookie_style;
    let (name, value) = (return_name(request, &login.state), URL_SAFE_NO_PAD.encode(&login.return_path));
    let bytes = |name: &str, value: &str| name.len().saturating_add(value.len());
    let known: Vec<(&str, &str)> =
        request.cookies().pairs().filter(|(name, _)| name.starts_with(style.return_prefix())).collect();
    let mut count = known.len().saturating_add(1);
    let mut total = known.iter().fold(bytes(&name, &value), |sum, (name, value)| sum.saturating_add(bytes(name, value)));
    for (name, value) in known {
        if count <= MAX_RETURN_PATHS && total <= MAX_RETURN_PATHS_BYTES {
            break;
        }
        lines.push(style.clear(name));
        (count, total) = (count.saturating_sub(1), total.saturating_sub(bytes(name, value)));
    }
    lines.push(style.set(&name, &value, RETURN_PATH_LIFE_SECS));
}

/// The lines after a login that ended well: the rest of the login state stays for half a minute, so that a repeated callback is
/// known.
pub(super) fn spend<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    login: &LoginState,
    random: &impl Random,
) -> Vec<String> {
    if login.spent {
        return Vec::new();
    }
    let spent = sealed_line(config, request, &login.as_spent(request.now), SPENT_LOGIN_LIFE_SECS, random);
    let line = spent.unwrap_or_else(|| request.cookie_style.clear(&cookie_name(request, &login.state)));
    [line].into_iter().chain(clear_return_path(request, &login.state)).collect()
}

/// The login that a callback belongs to.
pub(super) struct FoundLogin {
    /// Its login state, or why there is none.
    pub login: Result<LoginState, Failure>,
    /// Its return path, also when the login state is gone.
    pub return_path: Option<ReturnPath>,
    /// The lines that clear its cookies: a login state is used once.
    pub clear: Vec<String>,
}

/// Finds the login of `state`.
pub(super) fn find<R: IncomingRequest>(config: &Config, request: &RequestContext<'_, R>, state: Option<&str>) -> FoundLogin {
    let style = request.cookie_style;
    let any = request.cookies().pairs().any(|(name, _)| name.starts_with(style.login_prefix()));
    let missing = |error| Failure::new(error, "flow_missing");
    let unknown = missing(if any { ErrorCode::StateMismatch } else { ErrorCode::LoginExpired });
    let Some(state) = state else { return FoundLogin { login: Err(unknown), return_path: None, clear: Vec::new() } };

    let kept = request.cookies().one(&return_name(request, state)).and_then(read_return_path);
    let mut clear: Vec<String> = clear_return_path(request, state).into_iter().collect();
    let name = cookie_name(request, state);
    let Some(sealed) = request.cookies().one(&name) else { return FoundLogin { login: Err(unknown), return_path: kept, clear } };
    clear.push(style.clear(&name));
    let opened = seal::open(&config.sealing_keys, Purpose::LoginState, state.as_bytes(), &name, sealed).ok();
    let login = match opened.and_then(|plain| LoginState::parse(&plain)) {
        Some(login) if login.answers(state, request.now) => Ok(login),
        Some(LoginState { spent: true, .. }) => Err(spent()),
        Some(_) => Err(Failure { detail: Some(Detail::LoginTooOld), ..missing(ErrorCode::LoginExpired) }),
        None => Err(missing(ErrorCode::LoginExpired)),
    };
    let sealed_path = login.as_ref().ok().and_then(|login| ReturnPath::parse(&login.return_path));
    FoundLogin { login, return_path: sealed_path.or(kept), clear }
}

/// The failure of a login state whose code was sent before.
pub(super) fn spent() -> Failure {
    Failure { detail: Some(Detail::LoginSpent), ..Failure::new(ErrorCode::LoginExpired, "flow_spent") }
}

/// The return path of the login that was begun last.
pub(super) fn last_return_path<R: IncomingRequest>(request: &RequestContext<'_, R>) -> Option<ReturnPath> {
    let prefix = request.cookie_style.return_prefix();
    let last = request.cookies().pairs().filter(|(name, _)| name.starts_with(prefix)).last();
    last.and_then(|(_, value)| read_return_path(value))
}

fn read_return_path(value: &str) -> Option<ReturnPath> {
    let path = URL_SAFE_NO_PAD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    ReturnPath::parse(&path)
}

fn clear_return_path<R: IncomingRequest>(request: &RequestContext<'_, R>, state: &str) -> Option<String> {
    let name = return_name(request, state);
    let there = request.cookies().pairs().any(|(known, _)| known == name);
    there.then(|| request.cookie_style.clear(&name))
}

fn sealed_line<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    login: &LoginState,
    life_secs: u64,
    random: &impl Random,
) -> Option<String> {
    let name = cookie_name(request, &login.state);
    let sealed =
        seal::seal(&config.sealing_keys, Purpose::LoginState, login.state.as_bytes(), &name, login.encode().as_bytes(), random)?;
    Some(request.cookie_style.set(&name, &sealed, life_secs))
}

fn cookie_name<R: IncomingRequest>(request: &RequestContext<'_, R>, state: &str) -> String {
    format!("{}{}", request.cookie_style.login_prefix(), state_tag(state))
}

fn return_name<R: IncomingRequest>(request: &RequestContext<'_, R>, state: &str) -> String {
    format!("{}{}", request.cookie_style.return_prefix(), state_tag(state))
}

/// A login page that was left open overnight.
const RETURN_PATH_LIFE_SECS: u64 = 24 * 3600;
/// More than login states: a tab whose login state made room still finds its page.
const MAX_RETURN_PATHS: usize = 10;
/// Two of the longest; with five of the longest login states it is within the limit of a `Cookie` header.
const MAX_RETURN_PATHS_BYTES: usize = 6 * 1024;
