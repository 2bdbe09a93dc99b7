//! The site, under its rules.

mod miss;
pub(super) mod plan;

use crate::access::decision::{Decision, Verdict};
use crate::auth::Gateway;
use crate::auth::error::{Error, ErrorCode};
use crate::auth::refresh::{Need, live};
use crate::auth::session::Session;
use crate::config::{Config, Site};
use crate::ports::{IncomingRequest, Level, Ports, UnixSecs, Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest};

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
/// 5. Ask the site; its answer passes, with other headers where the policy says so. For a page that it does not have, see
///    [`miss::answer`].
pub(super) async fn answer<P, R>(gateway: &Gateway<P>, request: &RequestContext<'_, R>) -> Result<Outcome<P::Answer>, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    let config = &gateway.config;
    if let Some(response) = page_to_public_origin(request, config).or_else(|| site_preflight(request, config)) {
        return Ok(Outcome::Respond(response));
    }
    let entry = if config.redirect_page_path() == Some(request.path()) {
        Entry { session: None, policy: CachePolicy::NoStore }
    } else {
        match admit(gateway, request, request.path(), None).await {
            Ok(entry) => entry,
            Err(failure) => return unauthenticated(request, failure).map(Outcome::Respond),
        }
    };
    check_method(request, if entry.session.is_none() { PUBLIC_METHODS } else { GATED_METHODS })?;
    let answer = send(gateway, request, request_for_site(config, request, entry.policy)).await?;
    if miss::is_miss(config, &answer) && request.asks_for_page() {
        return miss::answer(gateway, request, answer, entry).await;
    }
    Ok(forward(config, answer, entry.policy))
}

/// A caller whom a path's rule lets in.
pub(super) struct Entry {
    /// The caller's session; `None` if nobody asked for it.
    pub(super) session: Option<Session>,
    /// Which caches may keep the answer.
    pub(super) policy: CachePolicy,
}

/// Applies the rule of `path`. `known` is the caller's session, where a rule has asked for it before.
///
/// # Errors
/// 401 and 403 as the rule says; 5xx when KV or Cognito cannot answer.
pub(super) async fn admit<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    path: &str,
    known: Option<Session>,
) -> Result<Entry, Failure> {
    let config = &gateway.config;
    let decision = Decision::about(&config.rules, path);
    if decision.about_anybody() == Verdict::Open {
        return Ok(Entry { session: known, policy: CachePolicy::Public });
    }
    let need = if decision.needs_claims() { Need::Identity } else { Need::Page };
    let session = match known {
        Some(session) => session,
        None => request.find_session(gateway).await?.required()?,
    };
    let session = live(gateway, session, need).await?;
    if decision.about_groups(&session.record.profile.groups) == Verdict::Forbidden {
        return Err(ErrorCode::Forbidden.into());
    }
    Ok(Entry { session: Some(session), policy: CachePolicy::gated(config, request) })
}

/// Notes the status of an answer of `ORIGIN_URL`. An origin that refuses everything is told of in the log, at most once a minute.
fn note_status<P: Ports>(gateway: &Gateway<P>, status: u16, now: UnixSecs) {
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

/// Asks the site, and notes what its status says about the origin.
async fn send<P, R>(gateway: &Gateway<P>, request: &RequestContext<'_, R>, wanted: UpstreamRequest) -> Result<P::Answer, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    let answer = gateway.runtime.upstream_send(request.incoming, wanted).await?;
    note_status(gateway, answer.status(), request.now);
    Ok(answer)
}

/// The site's answer, with the changes that the policy asks for.
fn forward<A: UpstreamAnswer>(config: &Config, answer: A, policy: CachePolicy) -> Outcome<A> {
    let edits = policy.edit_answer(config, &answer);
    Outcome::Forward(answer, edits)
}

/// One answer for every unauthenticated caller. A failure of KV or Cognito (5xx) stays one: it is not "signed out".
fn unauthenticated<R: IncomingRequest>(request: &RequestContext<'_, R>, failure: Failure) -> Result<Response, Failure> {
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
    Ok(Response::redirect(302, &login_to(&return_path)))
}

pub(super) fn check_method<R: IncomingRequest>(request: &RequestContext<'_, R>, allow: &'static str) -> Result<(), Failure> {
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
