//! The site, under its rules.

mod keep_fragment;
pub(super) mod plan;

use crate::access::decision::{Decision, Verdict};
use crate::auth::Gateway;
use crate::auth::error::{Error, ErrorCode};
use crate::auth::refresh::{Need, live};
use crate::auth::session::Session;
use crate::config::{Config, Site};
use crate::ports::{IncomingRequest, Level, Ports, UnixSecs, Upstream, UpstreamError};

use super::cors::site_preflight;
use super::login_loop::is_login_loop;
use super::public_origin::page_to_public_origin;
use super::request::RequestContext;
use super::routes::login::login_to;
use super::{Failure, Outcome, Response};

use plan::{CachePolicy, request_for_site};

/// A page load at another origin than the public one goes there first, and a preflight of an allowed origin gets leave. Then:
/// 1. The app page that is the redirect URI: public, fetched without its query, never stored.
/// 2. Who may read the path: everybody, or a session whose access token lives, and for a group rule its groups.
/// 3. Signed out: a navigation goes to the login (unless a login loop is under way), any other request gets 401.
/// 4. GET and HEAD only, of a public path OPTIONS too, after the rules: a POST that meets an ended session must get 401, not
///    become a GET.
/// 5. Ask the site; its answer passes, with other headers where the policy says so.
pub(super) async fn answer<P, R>(gateway: &Gateway<P>, request: &RequestContext<'_, R>) -> Result<Outcome<P::Answer>, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    let config = &gateway.config;
    if let Some(response) = page_to_public_origin(request, config).or_else(|| site_preflight(request, config)) {
        return Ok(Outcome::Respond(response));
    }
    if config.redirect_page_path() == Some(request.path()) {
        return ask_site(gateway, request, CachePolicy::NoStore, PUBLIC_METHODS).await;
    }
    let decision = Decision::about(&config.rules, request.path());
    if decision.about_anybody() == Verdict::Open {
        return ask_site(gateway, request, CachePolicy::Public, PUBLIC_METHODS).await;
    }
    let need = if decision.needs_claims() { Need::Identity } else { Need::Page };
    let session = match signed_in(gateway, request, need).await {
        Ok(session) => session,
        Err(failure) => return unauthenticated(config, request, failure).map(Outcome::Respond),
    };
    if decision.about_groups(&session.record.profile.groups) == Verdict::Forbidden {
        return Err(ErrorCode::Forbidden.into());
    }
    ask_site(gateway, request, CachePolicy::gated(config, request), GATED_METHODS).await
}

/// Notes the status of an answer of `ORIGIN_URL`. An origin that refuses everything is told of in the log, at most once a minute.
pub(super) fn note_status<P: Ports>(gateway: &Gateway<P>, status: u16, now: UnixSecs) {
    if gateway.config.site == Site::Assets {
        return;
    }
    let mut refusals = gateway.isolate.origin_refusals.get();
    let warns = refusals.note(status, now);
    gateway.isolate.origin_refusals.set(refusals);
    if warns {
        let secret = if gateway.config.origin_secret.is_some() { "set" } else { "not set" };
        gateway.runtime.log(Level::Warn, "origin_refused", &[("status", "403"), ("ORIGIN_SECRET", secret)]);
    }
}

async fn signed_in<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    need: Need,
) -> Result<Session, Failure> {
    let session = request.find_session(gateway).await?.required()?;
    Ok(live(gateway, session, need).await?)
}

async fn ask_site<P, R>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    policy: CachePolicy,
    allow: &'static str,
) -> Result<Outcome<P::Answer>, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    check_method(request, allow)?;
    let wanted = request_for_site(&gateway.config, request, policy);
    let answer = gateway.runtime.upstream_send(request.incoming, wanted).await?;
    let edits = policy.edit_answer(&gateway.config, &answer);
    Ok(Outcome::Forward(answer, edits))
}

/// One answer for every unauthenticated caller. A failure of KV or Cognito (5xx) stays one: it is not "signed out".
fn unauthenticated<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    failure: Failure,
) -> Result<Response, Failure> {
    let readable = matches!(request.method, "GET" | "HEAD");
    if !failure.code().is_signed_out() || !request.is_navigation() || !readable {
        return Err(failure);
    }
    if is_login_loop(request) {
        let error = Error { reason: "login_loop", ..failure.error };
        let return_path = request.return_path();
        return Err(Failure { error, level: Level::Warn, return_path, login_loop: true, ..failure });
    }
    let return_path = request.return_path_or_default(request.path_and_query());
    if config.keep_fragment && request.method == "GET" {
        return Ok(keep_fragment::page(&return_path, request.language()));
    }
    Ok(Response::redirect(302, &login_to(&return_path)))
}

fn check_method<R: IncomingRequest>(request: &RequestContext<'_, R>, allow: &'static str) -> Result<(), Failure> {
    if allow.split(", ").any(|method| method == request.method) {
        return Ok(());
    }
    Err(Failure { allow: Some(allow), ..ErrorCode::MethodNotAllowed.into() })
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::TimedOut => ErrorCode::OriginTimeout.into(),
            UpstreamError::Unreachable => ErrorCode::OriginUnavailable.into(),
        }
    }
}

const GATED_METHODS: &str = "GET, HEAD";
/// An `OPTIONS` of a public path is the site's to answer, the preflight of a stranger too.
const PUBLIC_METHODS: &str = "GET, HEAD, OPTIONS";
