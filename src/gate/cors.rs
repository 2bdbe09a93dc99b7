//! CORS (Fetch Standard): who may read an answer across origins.

use crate::config::Config;
use crate::ports::IncomingRequest;
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
    let answer = answer.with("vary", "Origin");
    let Some(origin) = origin::readable_by(config, sender.as_deref()) else { return answer };
    let answer = answer.with("access-control-allow-origin", origin).with("access-control-allow-credentials", "true");
    if visit.method != "OPTIONS" {
        return answer;
    }
    answer
        .with("access-control-allow-methods", "GET, HEAD, POST")
        .with("access-control-allow-headers", "authorization, content-type")
        .with("access-control-max-age", "600")
}
