//! HTTP: a router, one file for each endpoint, and the only place where errors become answers.
//!
//! A request goes [`handle`] → limits → its route → its handler → [`Outcome`]. Handlers read like the standard that they
//! implement; they ask `auth` for sessions, and decide with `oidc`, `access` and `web`.

mod api;
mod cors;
mod error_page;
mod failure;
mod login_cookies;
mod login_loop;
mod messages;
mod page;
mod public_origin;
mod request;
mod response;
mod route;
mod routes;
mod sign_in;
mod site;

use crate::auth::error::ErrorCode;
use crate::auth::{Gateway, boxed};
use crate::config::{Config, ConfigProblem};
use crate::ports::{HeaderEdits, IncomingRequest, Level, Log, Ports, Random, Upstream, UpstreamAnswer};

pub use failure::Failure;
pub use response::Response;
pub use site::plan::{ANSWER_HEADERS, CachePolicy, own_request_headers};

use cors::readable;
use public_origin::require_https;
use request::RequestContext;
use route::Route;

/// What a request comes to.
#[derive(Debug)]
pub enum Outcome<A> {
    /// An answer of the gateway's own.
    Respond(Response),
    /// The site's answer, and what changes in its headers.
    Forward(A, HeaderEdits),
}

/// Handles a request to its end.
pub async fn handle<P, R>(gateway: &Gateway<P>, incoming: &R) -> Outcome<P::Answer>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    let request = RequestContext::new(incoming, &gateway.config, &gateway.runtime);
    gateway.isolate.drop_expired(request.now);
    let route = Route::of_request(&request, &gateway.config);
    match dispatch(gateway, route, &request).await {
        Ok(Outcome::Respond(response)) => {
            log(gateway, Level::Info, route, &request, response.status, &[("reason", request.log_reason.get())]);
            let response = readable(response, route, &request, &gateway.config);
            Outcome::Respond(response.secured(is_https(&gateway.config, &request)))
        }
        Ok(Outcome::Forward(answer, edits)) => {
            log(gateway, Level::Info, route, &request, answer.status(), &[("reason", request.log_reason.get())]);
            Outcome::Forward(answer, edits)
        }
        Err(failure) => Outcome::Respond(failed(gateway, route, &request, &failure)),
    }
}

fn failed<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    route: Route,
    request: &RequestContext<'_, R>,
    failure: &Failure,
) -> Response {
    let code = failure.code();
    let hint = request.log_hint.borrow();
    let hint = Some(("hint", hint.as_str())).filter(|(_, hint)| !hint.is_empty());
    let fields = [("code", code.name()), ("reason", failure.error.reason)];
    log(gateway, failure.level, route, request, code.status(), &[&fields, hint.as_slice()].concat());
    let response = error_page::answer(&gateway.config, request, route, failure);
    readable(response, route, request, &gateway.config).secured(is_https(&gateway.config, request))
}

/// Whether the browser is to ask by https from now on.
fn is_https<R: IncomingRequest>(config: &Config, request: &RequestContext<'_, R>) -> bool {
    config.public_url.is_https() && request.is_https()
}

async fn dispatch<P, R>(
    gateway: &Gateway<P>,
    route: Route,
    request: &RequestContext<'_, R>,
) -> Result<Outcome<P::Answer>, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    if let Some(response) = require_https(request, &gateway.config)? {
        return Ok(Outcome::Respond(response));
    }
    request.check()?;
    if let Some(response) = route.check_method(request)? {
        return Ok(Outcome::Respond(response));
    }
    if route.needs_the_user() && request.is_speculative() {
        // Browsers keep an answer of success for the click.
        return Ok(Outcome::Respond(Response::empty(503)));
    }
    if request.method == "POST" && !matches!(route, Route::Site | Route::Api | Route::Unknown) {
        request.check_own_page(&gateway.config)?;
    }
    // Boxed, all but the route of nearly every request.
    let response = match route {
        Route::Config => routes::config::answer(&gateway.config),
        Route::UserInfo => boxed(routes::user_info::answer(gateway, request)).await?,
        Route::Login => boxed(routes::login::answer(gateway, request)).await?,
        Route::Callback => boxed(routes::callback::answer(gateway, request)).await?,
        Route::Token => boxed(routes::token::answer(gateway, request)).await?,
        Route::Refresh => boxed(routes::refresh::answer(gateway, request)).await?,
        Route::Logout if request.method == "POST" => boxed(routes::logout::answer(gateway, request)).await?,
        Route::Logout => boxed(routes::logout::page(gateway, request)).await?,
        Route::Status => boxed(routes::status::answer(gateway, request)).await?,
        Route::Healthz => routes::health::healthz(),
        Route::Readyz => boxed(routes::health::readyz(gateway)).await?,
        Route::Unknown => return Err(ErrorCode::NotFound.into()),
        Route::Api => return boxed(api::answer(gateway, request)).await,
        Route::Site => return site::answer(gateway, request).await,
    };
    Ok(Outcome::Respond(response))
}

/// One line a request, with its method and path, and what the rules made of it. Never the query: it may hold secrets.
fn log<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    level: Level,
    route: Route,
    request: &RequestContext<'_, R>,
    status: u16,
    more: &[(&str, &str)],
) {
    let duration_ms = gateway.runtime.now_ms().saturating_sub(request.started_ms).to_string();
    let (status, session) = (status.to_string(), request.session_name.borrow());
    let method: String = request.method.chars().take(MAX_LOGGED_METHOD_CHARS).collect();
    let path = path_for_log(request.path());
    let rule = match request.rule.get() {
        None => String::new(),
        Some(0) => "default".to_owned(),
        Some(number) => number.to_string(),
    };
    let mut fields = vec![
        ("route", route.name()),
        ("status", &status),
        ("method", &method),
        ("path", &path),
        ("rule", &rule),
        ("outcome", request.outcome.get()),
        ("request_id", &request.request_id),
        ("duration_ms", &duration_ms),
        ("session", &session),
    ];
    fields.extend(more);
    gateway.runtime.log(level, "request", &fields);
}

/// A normal path for the log: cut, and without segments that look like an e-mail address and characters that break or turn a line.
fn path_for_log(path: &str) -> String {
    let segment = |segment| if str::contains(segment, ['@', '\u{ff20}', '\u{fe6b}']) { "[e-mail]" } else { segment };
    let plain = |c: char| match c {
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => '?',
        _ => c,
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/").chars().take(MAX_LOGGED_PATH_CHARS).map(plain).collect()
}

const MAX_LOGGED_METHOD_CHARS: usize = 16;
const MAX_LOGGED_PATH_CHARS: usize = 200;

/// The answer to every request while the configuration is wrong: nothing is served, and the details are in the log only.
pub fn config_invalid<R: IncomingRequest>(runtime: &(impl Log + Random), incoming: &R, problems: &[ConfigProblem]) -> Response {
    for problem in problems {
        let fields = [("variable", problem.name), ("wanted", &*problem.wanted), ("example", problem.example)];
        runtime.log(Level::Error, "config_invalid", &fields);
    }
    error_page::unconfigured(incoming, &runtime.random_name()).secured(incoming.url().starts_with("https://"))
}
