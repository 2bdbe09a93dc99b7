//! Everything that is not ours: the site, under its rules.

use crate::config::Access;
use crate::ports::{IncomingRequest, Level, Ports};
use crate::web::query::encode;

use super::forward::ForwardPlan;
use super::renewal::Need;
use super::rounds::is_loop;
use super::sessions::Session;
use super::visit::Visit;
use super::{Answer, Failure, Gate, GateError, Outcome};

impl<P: Ports> Gate<P> {
    /// 1. The app page that is the redirect URI: public, fetched without its query, never stored.
    /// 2. Who may read the path: everybody, or a session whose access token lives, and for a group rule its groups.
    /// 3. Nobody signed in: a navigation goes to the login (unless it has just been there, in vain), anything else gets 401.
    /// 4. GET and HEAD only, after the rules: a POST that meets an ended session must get 401, not become a GET.
    pub(super) async fn site<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Outcome, Failure> {
        if self.config.redirect_page_path() == Some(visit.path()) {
            check_method(visit)?;
            return Ok(forward(ForwardPlan::redirect_page(&self.config, visit)));
        }
        let access = self.config.rules.access(visit.path());
        if *access == Access::Public {
            check_method(visit)?;
            return Ok(forward(ForwardPlan::public(&self.config, visit)));
        }
        let need = if matches!(access, Access::Groups(_)) { Need::Identity } else { Need::Page };
        let session = match self.signed_in(visit, need).await {
            Ok(session) => session,
            Err(failure) => return self.unauthenticated(visit, failure),
        };
        if let Access::Groups(groups) = access {
            let member = session.record.profile.groups.iter().any(|group| groups.contains(group));
            if !member {
                return Err(GateError::Forbidden.into());
            }
        }
        check_method(visit)?;
        Ok(forward(ForwardPlan::gated(&self.config, visit)))
    }

    async fn signed_in<R: IncomingRequest>(&self, visit: &Visit<'_, R>, need: Need) -> Result<Session, Failure> {
        let session = self.find_session(visit).await?.required()?;
        self.living(session, need).await
    }

    /// One answer for every unauthenticated caller. Trouble (5xx) stays what it is: it is not "signed out".
    fn unauthenticated<R: IncomingRequest>(&self, visit: &Visit<'_, R>, failure: Failure) -> Result<Outcome, Failure> {
        let signed_out = failure.error.is_signed_out();
        let readable = matches!(visit.method, "GET" | "HEAD");
        if !signed_out || !visit.is_navigation() || !readable {
            return Err(failure);
        }
        let public_url = &self.config.public_url;
        if is_loop(visit) {
            let return_path = visit.return_path();
            return Err(Failure { level: Level::Warn, reason: "login_loop", return_path, in_circles: true, ..failure });
        }
        let location = if visit.on_public_host(public_url) {
            let return_path = visit.return_path_or_default(visit.path_and_query());
            format!("/auth/login?return_to={}", encode(return_path.as_str()))
        } else {
            // A login begun under this host could not come back to it.
            format!("{public_url}{}", visit.path_and_query())
        };
        Ok(Outcome::Respond(Answer::redirect(302, &location)))
    }
}

fn check_method<R: IncomingRequest>(visit: &Visit<'_, R>) -> Result<(), Failure> {
    if matches!(visit.method, "GET" | "HEAD") {
        return Ok(());
    }
    Err(Failure { allow: Some("GET, HEAD"), ..GateError::MethodNotAllowed.into() })
}

fn forward(plan: ForwardPlan) -> Outcome {
    Outcome::Forward(Box::new(plan))
}
