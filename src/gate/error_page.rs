//! Errors as responses: JSON for scripts, a small page for people. Neither repeats anything from outside, except a return path
//! that was checked and sealed here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::auth::error::ErrorCode;
use crate::config::Config;
use crate::ports::IncomingRequest;
use crate::web::fetch_metadata::is_navigation;
use crate::web::language::Language;

use super::messages::{login_loop, sentence, words};
use super::request::RequestContext;
use super::route::Route;
use super::routes::login::login_to;
use super::routes::logout::CLEAR_SITE_DATA;
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
        || route == Route::Logout && request.is_form_post()
        || frame == Frame::OfASitesPage;
    let mut answer = if people {
        error_page(config, request, failure, frame)
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

/// Where the page is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// In the browser's window.
    None,
    /// In a frame of a page of this origin, and of no other. Cognito's pages refuse to be framed, so links open in the whole
    /// window.
    OfASitesPage,
}

impl Frame {
    fn target(self) -> &'static str {
        match self {
            Self::None => "",
            Self::OfASitesPage => " target=\"_top\"",
        }
    }

    fn ancestors(self) -> &'static str {
        match self {
            Self::None => "'none'",
            Self::OfASitesPage => "'self'",
        }
    }
}

fn error_page<R: IncomingRequest>(config: &Config, request: &RequestContext<'_, R>, failure: &Failure, frame: Frame) -> Response {
    let words = words(request.language());
    let framed_page = || request.return_path().filter(|_| frame == Frame::OfASitesPage);
    let login = failure.return_path.clone().or_else(framed_page).map_or("/auth/login".to_owned(), |path| login_to(&path));
    let target = frame.target();
    let link = |target: &str, href: &str, text: &str| format!("<a class=\"main\"{target} href=\"{}\">{text}</a>", escape(href));
    let action = match (&failure.logout_url, failure.code()) {
        (Some(logout_url), _) => link(target, logout_url, words.finish_sign_out),
        (None, ErrorCode::Forbidden) => {
            let button = format!("<button class=\"main\">{}</button>", words.sign_out);
            format!("<form method=\"post\" action=\"/auth/logout\"{target}>{button}</form>")
        }
        (None, code) if starts_over(code) || failure.detail.is_some() => link(target, &login, words.sign_in),
        (None, code) if passes(code) => {
            link("", request.return_path().map_or(login, |path| path.as_str().to_owned()).as_str(), words.try_again)
        }
        (None, _) => String::new(),
    };
    // Chromium holds `form-action` against every redirect that follows the form: Cognito and the sign-out URL's origin are in it.
    let form_targets = format!("'self' {} {}", config.cognito.domain, config.cognito.logout_origin);
    let language = request.language();
    let message = if failure.login_loop { login_loop(failure.code(), language) } else { failure_message(failure, language) };
    let title = if frame == Frame::OfASitesPage && failure.code().is_signed_out() { words.not_signed_in } else { words.title };
    let answer = Page {
        code: failure.code(),
        title,
        message,
        language,
        request_id: &request.request_id,
        action: &action,
        form_targets: &form_targets,
        frame,
    }
    .answer();
    // A form's POST must carry its origin for the CSRF check.
    if failure.code() == ErrorCode::Forbidden { answer.with("referrer-policy", "same-origin") } else { answer }
}

/// The sentence about a failure.
fn failure_message(failure: &Failure, language: Language) -> &'static str {
    failure.detail.map_or_else(|| sentence(failure.code(), language), |detail| detail.message(language))
}

/// A page with a sentence, the error's code, and one thing to do about it.
struct Page<'a> {
    code: ErrorCode,
    title: &'a str,
    message: &'a str,
    language: Language,
    request_id: &'a str,
    action: &'a str,
    form_targets: &'a str,
    frame: Frame,
}

impl Page<'_> {
    fn answer(&self) -> Response {
        let Self { title, message, request_id, action, form_targets, .. } = self;
        let words = words(self.language);
        let body = format!(
            "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{message}</p>\n\
             <div class=\"actions\">{action}<a{target} href=\"/\">{home}</a></div>\n\
             <p class=\"small\">{code} <code id=\"error-code\">{error_code}</code> · {request} <code>{request_id}</code></p>\n\
             </main>\n</body>\n</html>\n",
            lang = self.language.tag(),
            target = self.frame.target(),
            home = words.home,
            code = words.code,
            error_code = self.code.name(),
            request = words.request,
        );
        let style = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; form-action {form_targets}; frame-ancestors {}; base-uri 'none'",
            self.frame.ancestors(),
        );
        Response { status: self.code.status(), headers: Vec::new(), body }
            .with("content-type", "text/html; charset=utf-8")
            .with("content-language", self.language.tag())
            .with("vary", "Accept-Language")
            .with("content-security-policy", policy)
            .with("cross-origin-opener-policy", "same-origin")
    }
}

/// The response while the configuration is wrong.
pub(super) fn unconfigured<R: IncomingRequest>(request: &R, request_id: &str) -> Response {
    let code = ErrorCode::ConfigInvalid;
    let route = Url::parse(request.url()).map_or(Route::Unknown, |url| Route::of(url.path()));
    if is_navigation(request) && !route.is_json() && !route.is_monitoring() {
        let language = Language::negotiate(request.header("accept-language").as_deref());
        let (title, message) = (words(language).title, sentence(code, language));
        let (action, form_targets, frame) = ("", "'none'", Frame::None);
        return Page { code, title, message, language, request_id, action, form_targets, frame }.answer();
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

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

const STYLE: &str = ":root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1d2430;--soft:#5b6577;--line:#dfe3ea;--main:#2456c8}\
@media(prefers-color-scheme:dark){:root{--bg:#12151b;--card:#1b2028;--text:#e8ebf1;--soft:#a3acbb;--line:#303744;--main:#8ab0ff}}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);color:var(--text);font:16px/1.6 system-ui,sans-serif}\
main{box-sizing:border-box;width:min(30rem,calc(100vw - 2rem));padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}\
h1{margin:0 0 .5rem;font-size:1.35rem}p{margin:.5rem 0}.actions{display:flex;flex-wrap:wrap;gap:.75rem 1.25rem;align-items:center;margin:1.25rem 0}\
form{margin:0}a{color:var(--main)}.main{font:inherit;font-weight:600;padding:.55rem 1.1rem;border:0;border-radius:8px;background:var(--main);color:var(--card);text-decoration:none;cursor:pointer}\
.small{color:var(--soft);font-size:.85rem}code{font-size:.85em;overflow-wrap:anywhere}";
