//! Everything that is not ours: the site, under its rules.

use crate::config::Access;
use crate::ports::{IncomingRequest, Level, Ports, Upstream, UpstreamError};

use super::cors::site_preflight;
use super::forward::{CachePolicy, request_for_site};
use super::login::login_to;
use super::public_origin::page_to_public_origin;
use super::renewal::Need;
use super::rounds::is_loop;
use super::sessions::Session;
use super::visit::Visit;
use super::{Answer, Failure, Gate, GateError, Outcome};

impl<P: Ports> Gate<P> {
    /// A page load at another origin than the public one goes there first, and a preflight of an allowed origin gets leave. Then:
    /// 1. The app page that is the redirect URI: public, fetched without its query, never stored.
    /// 2. Who may read the path: everybody, or a session whose access token lives, and for a group rule its groups.
    /// 3. Nobody signed in: a navigation goes to the login (unless it has just been there, in vain), anything else gets 401.
    /// 4. GET and HEAD only, of a public path OPTIONS too, after the rules: a POST that meets an ended session must get 401, not become a GET.
    /// 5. Ask the site; its answer passes, with other headers where the policy says so.
    pub(super) async fn site<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Outcome<P::Answer>, Failure>
    where
        P: Upstream<R>,
    {
        if let Some(answer) = page_to_public_origin(visit, &self.config).or_else(|| site_preflight(visit, &self.config)) {
            return Ok(Outcome::Respond(answer));
        }
        if self.config.redirect_page_path() == Some(visit.path()) {
            return self.ask_site(visit, CachePolicy::NoStore, PUBLIC_METHODS).await;
        }
        let access = self.config.rules.access(visit.path());
        if *access == Access::Public {
            return self.ask_site(visit, CachePolicy::Public, PUBLIC_METHODS).await;
        }
        let need = if matches!(access, Access::Groups(_)) { Need::Identity } else { Need::Page };
        let session = match self.signed_in(visit, need).await {
            Ok(session) => session,
            Err(failure) => return unauthenticated(visit, failure).map(Outcome::Respond),
        };
        if let Access::Groups(groups) = access {
            let member = session.record.profile.groups.iter().any(|group| groups.contains(group));
            if !member {
                return Err(GateError::Forbidden.into());
            }
        }
        self.ask_site(visit, CachePolicy::gated(&self.config, visit), GATED_METHODS).await
    }

    async fn signed_in<R: IncomingRequest>(&self, visit: &Visit<'_, R>, need: Need) -> Result<Session, Failure> {
        let session = self.find_session(visit).await?.required()?;
        self.living(session, need).await
    }

    async fn ask_site<R: IncomingRequest>(
        &self,
        visit: &Visit<'_, R>,
        policy: CachePolicy,
        allow: &'static str,
    ) -> Result<Outcome<P::Answer>, Failure>
    where
        P: Upstream<R>,
    {
        check_method(visit, allow)?;
        let wanted = request_for_site(&self.config, visit, policy);
        let answer = self.ports.upstream_send(visit.request, wanted).await?;
        let edits = policy.edit_answer(&self.config, &answer);
        Ok(Outcome::Forward(answer, edits))
    }
}

/// One answer for every unauthenticated caller. Trouble (5xx) stays what it is: it is not "signed out".
fn unauthenticated<R: IncomingRequest>(visit: &Visit<'_, R>, failure: Failure) -> Result<Answer, Failure> {
    let signed_out = failure.error.is_signed_out();
    let readable = matches!(visit.method, "GET" | "HEAD");
    if !signed_out || !visit.is_navigation() || !readable {
        return Err(failure);
    }
    if is_loop(visit) {
        let return_path = visit.return_path();
        return Err(Failure { level: Level::Warn, reason: "login_loop", return_path, in_circles: true, ..failure });
    }
    let return_path = visit.return_path_or_default(visit.path_and_query());
    Ok(Answer::redirect(302, &login_to(&return_path)))
}

fn check_method<R: IncomingRequest>(visit: &Visit<'_, R>, allow: &'static str) -> Result<(), Failure> {
    if allow.split(", ").any(|method| method == visit.method) {
        return Ok(());
    }
    Err(Failure { allow: Some(allow), ..GateError::MethodNotAllowed.into() })
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::TimedOut => GateError::OriginTimeout.into(),
            UpstreamError::Unreachable => GateError::OriginUnavailable.into(),
        }
    }
}

const GATED_METHODS: &str = "GET, HEAD";
/// What an `OPTIONS` of a public path is answered, a stranger's preflight too, is the site's own affair.
const PUBLIC_METHODS: &str = "GET, HEAD, OPTIONS";
