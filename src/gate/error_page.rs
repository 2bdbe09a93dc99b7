//! Errors as responses: JSON for scripts, a small page for people. Neither repeats anything from outside, except a return path
//! that was checked and sealed here.

use serde::Serialize;
use url::Url;

use crate::auth::error::ErrorCode;
use crate::config::Config;
use crate::ports::IncomingRequest;
use crate::web::fetch_metadata::is_navigation;
use crate::web::language::Language;

use super::messages::{login_loop, sentence, words};
use super::page::{Action, Frame, Page, form_targets};
use super::request::RequestContext;
use super::route::Route;
use super::routes::login::login_to;
use super::routes::logout::{CLEAR_SITE_DATA, LOGOUT_PATH};
use super::{Failure, Response};

/// `{"error","message","requestId"}`, with `loginUrl` on 401 and `logoutUrl` where signing out was not complete.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    error: &'static str,
    message: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logout_url: Option<&'a str>,
}

fn error_json(code: ErrorCode, message: &str, request_id: &str, login_url: Option<&str>, logout_url: Option<&str>) -> Response {
    Response::json(code.status(), &ErrorBody { error: code.name(), message, request_id, login_url, logout_url })
}

/// The response to a failed request.
pub(super) fn answer<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    route: Route,
    failure: &Failure,
) -> Response {
    let code = failure.code();
    let frame = if route == Route::Site && request.is_frame_navigation() { Frame::OfASitesPage } else { Frame::None };
    let people = request.is_navigation() && !route.is_json() && !route.is_monitoring()
        || route == Route::Logout && (request.is_navigation() || request.is_form_post())
        || frame == Frame::OfASitesPage;
    let mut answer = if people {
        error_page(config, request, route, failure, frame)
    } else {
        let login_url = (code.status() == 401).then(|| format!("{}/auth/login", config.public_url));
        let message = failure_message(failure, Language::English);
        error_json(code, message, &request.request_id, login_url.as_deref(), failure.logout_url.as_deref())
    };
    if code.status() == 401 && route == Route::UserInfo {
        let challenge = if code == ErrorCode::TokenInvalid { "Bearer error=\"invalid_token\"" } else { "Bearer" };
        answer = answer.with("www-authenticate", challenge);
    }
    if let Some(secs) = failure.error.retry_after_secs {
        answer = answer.with("retry-after", secs.to_string());
    }
    if failure.logout_url.is_some() && request.is_form_post() {
        answer = answer.with("clear-site-data", CLEAR_SITE_DATA);
    }
    if let Some(allow) = &failure.allow {
        answer = answer.with("allow", &**allow);
    }
    answer.with_cookies(failure.set_cookies.clone())
}

fn error_page<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    route: Route,
    failure: &Failure,
    frame: Frame,
) -> Response {
    let words = words(request.language());
    let framed_page = || request.return_path().filter(|_| frame == Frame::OfASitesPage);
    let login = failure.return_path.clone().or_else(framed_page).map_or("/auth/login".to_owned(), |path| login_to(&path));
    let again = match request.return_path() {
        _ if route == Route::Logout => LOGOUT_PATH.to_owned(),
        Some(path) => path.as_str().to_owned(),
        None => login.clone(),
    };
    let link = |href, text| Action::Link { href, text, leaves_frame: true };
    let action = match (&failure.logout_url, failure.code()) {
        (Some(logout_url), _) => link(logout_url, words.finish_sign_out),
        (None, ErrorCode::Forbidden) => Action::SignOut(words.change_account),
        (None, code) if starts_over(code) || failure.detail.is_some() => link(&login, words.sign_in),
        (None, code) if passes(code) => Action::Link { href: &again, text: words.try_again, leaves_frame: false },
        (None, _) => Action::None,
    };
    let language = request.language();
    let message = if failure.login_loop { login_loop(failure.code(), language) } else { failure_message(failure, language) };
    let title = if frame == Frame::OfASitesPage && failure.code().is_signed_out() { words.not_signed_in } else { words.title };
    let error = Some((failure.code(), &*request.request_id));
    Page { title, message, language, error, action, form_targets: &form_targets(config), frame }.answer()
}

/// The sentence about a failure.
fn failure_message(failure: &Failure, language: Language) -> &'static str {
    failure.detail.map_or_else(|| sentence(failure.code(), language), |detail| detail.message(language))
}

/// The response while the configuration is wrong.
pub(super) fn unconfigured<R: IncomingRequest>(request: &R, request_id: &str) -> Response {
    let code = ErrorCode::ConfigInvalid;
    let route = Url::parse(request.url()).map_or(Route::Unknown, |url| Route::of(url.path()));
    if is_navigation(request) && !route.is_json() && !route.is_monitoring() {
        let language = Language::negotiate(request.header("accept-language").as_deref());
        let (title, message) = (words(language).title, sentence(code, language));
        let (error, action, form_targets, frame) = (Some((code, request_id)), Action::None, "'none'", Frame::None);
        return Page { title, message, language, error, action, form_targets, frame }.answer();
    }
    error_json(code, sentence(code, Language::English), request_id, None, None)
}

/// Whether a new login mends it.
fn starts_over(code: ErrorCode) -> bool {
    use ErrorCode as E;
    matches!(
        code,
        E::LoginExpired
            | E::StateMismatch
            | E::CodeRejected
            | E::SessionRequired
            | E::SessionExpired
            | E::RefreshRejected
            | E::LoginDenied
            | E::TokenRejected
    )
}

/// Whether waiting a moment mends it.
fn passes(code: ErrorCode) -> bool {
    code.status() >= 502 || matches!(code, ErrorCode::Internal | ErrorCode::RateLimited)
}
