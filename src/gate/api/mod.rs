//! An API behind the gate (`ROUTES`): the session's token is attached here, so that the browser needs none.

mod plan;

use std::rc::Rc;

use crate::access::rules::METHODS;
use crate::auth::error::ErrorCode;
use crate::auth::{Gateway, route_token};
use crate::config::{ApiRoute, RouteToken};
use crate::ports::{ForwardedBody, IncomingRequest, Ports, Upstream, UpstreamAnswer};

use super::cors::is_preflight;
use super::request::RequestContext;
use super::site::{Entry, admit, is_unsafe, not_allowed};
use super::{Failure, Outcome, Response};

use plan::{edit_answer, request_for_api};

/// 1. A preflight is the gateway's to answer.
/// 2. A method that changes something must be the page's own (CSRF).
/// 3. Who may use the path: its rule, as for the site. Signed out, every caller gets 401.
/// 4. Attach a living token and send the request on; the body streams, unless it is short enough to be sent again.
/// 5. The API refuses the token (401): one refresh, at most one in 30 s and session, and the request again if its body can be.
/// 6. The answer streams back, an error too.
pub(super) async fn answer<P, R>(gateway: &Gateway<P>, request: &RequestContext<'_, R>) -> Result<Outcome<P::Answer>, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    let config = &gateway.config;
    let Some(route) = config.api_routes.find(request.path()) else { return Err(ErrorCode::NotFound.into()) };
    if is_preflight(request) {
        return Ok(Outcome::Respond(Response::empty(204).with("allow", METHODS.join(", "))));
    }
    if !METHODS.contains(&request.method) {
        return Err(not_allowed(METHODS));
    }
    if is_unsafe(request.method) {
        request.check_own_page(config)?;
    }
    let mut entry = admit(gateway, request, request.path(), None).await?;
    if route.token != RouteToken::None
        && let Some(session) = entry.session
    {
        entry.session = Some(route_token::with_living(gateway, session, route.token).await?);
    }
    let body = body_to_forward(request).await?;
    let mut answer = send(gateway, request, route, &entry, &body).await?;
    if answer.status() == 401
        && let Some(session) = entry.session.as_ref().filter(|session| route_token::of(session, route.token).is_some())
        && let Some(newer) = route_token::after_refusal(gateway, session).await
        && body != ForwardedBody::Streamed
    {
        answer.discard();
        entry.session = Some(newer);
        answer = send(gateway, request, route, &entry, &body).await?;
    }
    let edits = edit_answer(config, request, route, entry.policy, &answer);
    Ok(Outcome::Forward(answer, edits))
}

async fn send<P, R>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    route: &ApiRoute,
    entry: &Entry,
    body: &ForwardedBody,
) -> Result<P::Answer, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    let wanted = request_for_api(&gateway.config, request, route, entry, body.clone());
    Ok(gateway.runtime.upstream_send(request.incoming, wanted).await?)
}

/// A body of a known and small length is read, so that it can be sent again.
async fn body_to_forward<R: IncomingRequest>(request: &RequestContext<'_, R>) -> Result<ForwardedBody, Failure> {
    if matches!(request.method, "GET" | "HEAD") || !request.incoming.has_body() {
        return Ok(ForwardedBody::Empty);
    }
    let length: Option<usize> = request.incoming.header("content-length").and_then(|length| length.parse().ok());
    if length.is_none_or(|length| length > MAX_REPEATED_BYTES) {
        return Ok(ForwardedBody::Streamed);
    }
    Ok(ForwardedBody::Whole(Rc::from(request.body_up_to(MAX_REPEATED_BYTES).await?)))
}

/// JSON calls are shorter; uploads are not held in memory.
const MAX_REPEATED_BYTES: usize = 64 * 1024;
