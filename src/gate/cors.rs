//! CORS (Fetch Standard): who may read an answer across origins, and who may ask for more than a plain form could.

use crate::config::Config;
use crate::ports::IncomingRequest;
use crate::web::headers::is_token;
use crate::web::origin;

use super::Answer;
use super::route::Route;
use super::visit::Visit;

/// Adds CORS headers for scripts of allowed origins, and none for others.
pub(super) fn readable<R: IncomingRequest>(answer: Answer, route: Route, visit: &Visit<'_, R>, config: &Config) -> Answer {
    let script = route.is_json() || route == Route::Site && !visit.is_navigation();
    if !script {
        return answer;
    }
    let sender = visit.request.header("origin");
    let answer = answer.with("vary", if visit.method == "OPTIONS" { "Origin, Access-Control-Request-Headers" } else { "Origin" });
    let Some(origin) = origin::readable_by(config, sender.as_deref()) else { return answer };
    let answer = answer.with("access-control-allow-origin", origin).with("access-control-allow-credentials", "true");
    let methods = answer.header("allow").map(str::to_owned).filter(|_| is_preflight(visit));
    let Some(methods) = methods else { return answer.with("access-control-expose-headers", EXPOSED_HEADERS) };
    let answer = answer.with("access-control-allow-methods", methods).with("access-control-max-age", "600");
    match requested_headers(visit) {
        Some(names) => answer.with("access-control-allow-headers", names),
        None => answer,
    }
}

/// The answer to an allowed origin's preflight for a path of the site, before its rules: a preflight never has the cookie that they
/// ask for. Nobody else's is answered here: for a public path the site does.
pub(super) fn site_preflight<R: IncomingRequest>(visit: &Visit<'_, R>, config: &Config) -> Option<Answer> {
    let allowed = || origin::readable_by(config, visit.request.header("origin").as_deref()).is_some();
    (is_preflight(visit) && allowed()).then(|| Answer::empty(204).with("allow", "GET, HEAD"))
}

fn is_preflight<R: IncomingRequest>(visit: &Visit<'_, R>) -> bool {
    visit.method == "OPTIONS" && visit.request.header("access-control-request-method").is_some()
}

/// The header names that a preflight asks leave for, as it wrote them: the origin is trusted, and names such as `traceparent` or
/// `sentry-trace` are its own affair. `None` where there are none, or something else stands there.
fn requested_headers<R: IncomingRequest>(visit: &Visit<'_, R>) -> Option<String> {
    let names = visit.request.header("access-control-request-headers")?;
    let are_names =
        names.len() <= MAX_REQUESTED_HEADERS_BYTES && names.split(',').all(|name| is_token(name.trim_matches([' ', '\t'])));
    are_names.then_some(names)
}

/// What the client module reads of an answer, beside the few headers that every script may.
const EXPOSED_HEADERS: &str = "Retry-After, Location";
/// Some fifty names.
const MAX_REQUESTED_HEADERS_BYTES: usize = 1024;
