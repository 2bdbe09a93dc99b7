//! CORS (Fetch Standard): which origins may read a response, and which may send more than a plain form could.

use crate::config::Config;
use crate::ports::IncomingRequest;
use crate::web::headers::is_token;
use crate::web::same_origin;

use super::Response;
use super::request::RequestContext;
use super::route::Route;
use super::site::opened_methods;

/// Adds CORS headers for scripts of allowed origins, and none for others.
pub(super) fn readable<R: IncomingRequest>(
    answer: Response,
    route: Route,
    request: &RequestContext<'_, R>,
    config: &Config,
) -> Response {
    let script = route.is_json() || route == Route::Site && !request.is_navigation();
    if !script {
        return answer;
    }
    let sender = request.incoming.header("origin");
    let answer =
        answer.with("vary", if request.method == "OPTIONS" { "Origin, Access-Control-Request-Headers" } else { "Origin" });
    let Some(origin) = same_origin::readable_by(config, sender.as_deref()) else { return answer };
    let answer = answer.with("access-control-allow-origin", origin).with("access-control-allow-credentials", "true");
    let methods = answer.header("allow").map(str::to_owned).filter(|_| is_preflight(request));
    let Some(methods) = methods else { return answer.with("access-control-expose-headers", EXPOSED_HEADERS) };
    let answer = answer.with("access-control-allow-methods", methods).with("access-control-max-age", "600");
    match requested_headers(request) {
        Some(names) => answer.with("access-control-allow-headers", names),
        None => answer,
    }
}

/// The response to an allowed origin's preflight for a path of the site. It comes before the rules, since a preflight never has
/// the session's cookie. The preflight of another origin is left to the site, on a public path.
pub(super) fn site_preflight<R: IncomingRequest>(request: &RequestContext<'_, R>, config: &Config) -> Option<Response> {
    let allowed = || same_origin::readable_by(config, request.incoming.header("origin").as_deref()).is_some();
    (is_preflight(request) && allowed()).then(|| Response::empty(204).with("allow", script_methods(config, request.path())))
}

/// The methods with which a script may ask for a path of the site.
fn script_methods(config: &Config, path: &str) -> String {
    opened_methods(config, path).filter(|method| *method != "OPTIONS").collect::<Vec<_>>().join(", ")
}

pub(super) fn is_preflight<R: IncomingRequest>(request: &RequestContext<'_, R>) -> bool {
    request.method == "OPTIONS" && request.incoming.header("access-control-request-method").is_some()
}

/// The header names that a preflight asks for, as written: the origin is trusted, and names such as `traceparent` or
/// `sentry-trace` are its own affair. `None` without names, or for a text that is no list of names.
fn requested_headers<R: IncomingRequest>(request: &RequestContext<'_, R>) -> Option<String> {
    let names = request.incoming.header("access-control-request-headers")?;
    let are_names =
        names.len() <= MAX_REQUESTED_HEADERS_BYTES && names.split(',').all(|name| is_token(name.trim_matches([' ', '\t'])));
    are_names.then_some(names)
}

/// The headers that the client module reads, beside the few that every script may.
pub(super) const EXPOSED_HEADERS: &str = "Retry-After, Location";
/// Some fifty names.
const MAX_REQUESTED_HEADERS_BYTES: usize = 1024;
