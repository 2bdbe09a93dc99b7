//! The site, under its rules.

mod keep_fragment;
mod miss;
pub(super) mod plan;

use crate::access::decision::{Decision, Verdict};
use crate::access::rules::Mode;
use crate::auth::Gateway;
use crate::auth::error::{Error, ErrorCode};
use crate::auth::refresh::{Need, live};
use crate::auth::session::Session;
use crate::config::{Config, Site};
use crate::ports::{IncomingRequest, Level, Ports, UnixSecs, Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest};
use crate::session::record::Record;

use super::cors::site_preflight;
use super::login_loop::is_login_loop;
use super::public_origin::page_to_public_origin;
use super::request::RequestContext;
use super::routes::login::login_to;
use super::{Failure, Outcome, Response};

use plan::{CachePolicy, request_for_site};

/// A page load at another origin than the public one goes there first, and a preflight of an allowed origin gets leave. Then:
/// 1. The app page that is the redirect URI: public, fetched without its query, never stored.
/// 2. An unsafe method that the rule opens must come from a page of ours, before anything is looked up.
/// 3. Who may read the path: everybody, or a session whose access token lives and whose user meets the rule's conditions. A rule
///    that only reports logs the refusal, and its request passes; not knowing (5xx) is such a refusal too.
/// 4. Signed out: a navigation goes to the login (unless a login loop is under way), any other request gets 401.
/// 5. The methods that the rule opens only, after the rules: a POST that meets an ended session must get 401, not become a GET.
/// 6. Ask the site; its answer passes, with other headers where the policy says so. For a page that it does not have, see
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
        request.outcome.set(ALLOWED);
        if is_unsafe(request.method) {
            return Err(not_allowed(SAFE_METHODS));
        }
        Entry { session: None, tells_identity: false, policy: CachePolicy::NoStore }
    } else {
        let decision = Decision::about(&config.rules, request.path(), request.method);
        if is_unsafe(request.method) && opens(config, decision, request.method) {
            request.rule.set(Some(decision.rule));
            request.check_own_page(config)?;
        }
        let entry = match admit(gateway, request, request.path(), None).await {
            Ok(entry) => entry,
            Err(failure) => return refuse(config, request, failure).map(Outcome::Respond),
        };
        if !opens(config, decision, request.method) {
            return Err(not_allowed(opened_methods(config, request.path())));
        }
        entry
    };
    let answer = send(gateway, request, request_for_site(config, request, &entry)).await?;
    if miss::is_miss(config, &answer) && request.asks_for_page() {
        return miss::answer(gateway, request, answer, entry).await;
    }
    Ok(forward(config, answer, entry.policy))
}

/// A caller whom a path's rule lets in.
pub(super) struct Entry {
    /// The caller's session; `None` if nobody asked for it, or if there is none and the rule only reports.
    pub(super) session: Option<Session>,
    /// Whether the server behind the gate is told who the user is.
    pub(super) tells_identity: bool,
    /// Which caches may keep the answer.
    pub(super) policy: CachePolicy,
}

impl Entry {
    /// The record of the user of whom the server behind the gate is told.
    pub(super) fn identity(&self) -> Option<&Record> {
        self.session.as_ref().filter(|_| self.tells_identity).map(|session| &*session.record)
    }
}

/// Applies the rule of `path`, and notes it for the log. `known` is the caller's session, where a rule has asked for it before. A
/// rule that only reports lets the caller in: its refusal is in the log.
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
    let decision = Decision::about(&config.rules, path, request.method);
    request.rule.set(Some(decision.rule));
    let public = decision.about_anybody() == Verdict::Open;
    let (session, refusal) = if public { (known, None) } else { judge(gateway, request, decision, known).await };
    match refusal {
        Some(failure) if decision.mode() == Mode::Enforce => {
            let (forbidden, signed_out) = (failure.code() == ErrorCode::Forbidden, failure.code().is_signed_out());
            if forbidden || signed_out {
                request.outcome.set(if forbidden { "forbidden" } else { "sign_in" });
            }
            return Err(failure);
        }
        Some(failure) => {
            request.outcome.set("reported");
            request.log_reason.set(if failure.error.reason.is_empty() { failure.code().name() } else { failure.error.reason });
        }
        None => request.outcome.set(ALLOWED),
    }
    let policy = if public { CachePolicy::Public } else { CachePolicy::gated(config, request) };
    Ok(Entry { session, tells_identity: decision.gives_identity(), policy })
}

/// The methods of requests for `path` that reach the site, from whoever may send them.
pub(super) fn opened_methods(config: &Config, path: &str) -> impl Iterator<Item = &'static str> {
    config.rules.opened(path).filter(|method| config.site != Site::Assets || !is_unsafe(method))
}

/// The session, if there is one, and the refusal, if the rule does not let the caller in.
async fn judge<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    decision: Decision<'_>,
    known: Option<Session>,
) -> (Option<Session>, Option<Failure>) {
    let need = if decision.needs_claims() { Need::Identity } else { Need::Page };
    match signed_in(gateway, request, known, need).await {
        Ok(session) => {
            let refusal = match decision.about_user(&session.record.profile.groups, &session.record.rule_claims) {
                Verdict::Open => None,
                Verdict::SignInNeeded => Some(ErrorCode::SessionRequired.into()),
                Verdict::Forbidden(lack) => Some(Failure::new(ErrorCode::Forbidden, lack.reason())),
            };
            (Some(session), refusal)
        }
        Err(failure) => (None, Some(failure)),
    }
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

async fn signed_in<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    known: Option<Session>,
    need: Need,
) -> Result<Session, Failure> {
    let session = match known {
        Some(session) => session,
        None => request.find_session(gateway).await?.required()?,
    };
    Ok(live(gateway, session, need).await?)
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

/// One answer for every caller whom a rule does not let in. A failure of KV or Cognito (5xx) stays one: it is not "signed out".
fn refuse<R: IncomingRequest>(config: &Config, request: &RequestContext<'_, R>, failure: Failure) -> Result<Response, Failure> {
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

pub(super) fn not_allowed(methods: impl IntoIterator<Item = &'static str>) -> Failure {
    let allow = methods.into_iter().collect::<Vec<_>>().join(", ");
    Failure { allow: Some(allow.into()), ..ErrorCode::MethodNotAllowed.into() }
}

/// Whether requests of this method reach the site. The embedded one has nothing that they could change.
fn opens(config: &Config, decision: Decision<'_>, method: &str) -> bool {
    decision.opens(method) && (config.site != Site::Assets || !is_unsafe(method))
}

/// Whether a request of this method may change something (RFC 9110 §9.2.1).
pub(super) fn is_unsafe(method: &str) -> bool {
    !SAFE_METHODS.contains(&method)
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::TimedOut => ErrorCode::OriginTimeout.into(),
            UpstreamError::Unreachable => ErrorCode::OriginUnavailable.into(),
        }
    }
}

/// The methods that change nothing: those of a public page.
const SAFE_METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
const ALLOWED: &str = "allowed";
