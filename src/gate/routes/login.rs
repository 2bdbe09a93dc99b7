//! `GET /auth/login`: sends the browser to Cognito (RFC 6749 §4.1.1).

use crate::oidc::authorize::{PassThrough, build_authorize_url};
use crate::oidc::flow::LoginFlow;
use crate::ports::{IncomingRequest, Ports};
use crate::web::query::{Query, encode};
use crate::web::return_path::ReturnPath;

use super::flow_cookies::begin_flow;
use super::public_origin::to_public_origin;
use super::rounds::{has_just_signed_in, is_script_loop};
use super::visit::Visit;
use super::{Answer, Failure, Gate, GateError};

impl<P: Ports> Gate<P> {
    /// 1. A script or frame is refused: signing in is a navigation.
    /// 2. A browser that goes round in circles is stopped.
    /// 3. Under another origin than the public one, go there first: the flow's cookie must be where Cognito returns.
    /// 4. Check the return path (a bad one is the default) and the pass-through parameters (a bad one is 400).
    /// 5. Make state, nonce and verifier, seal them into a cookie of their own, redirect.
    pub(super) async fn login<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        let asked_by_browser = visit.request.header("sec-fetch-mode").is_some();
        if asked_by_browser && !visit.is_navigation() {
            return Err(Failure::new(GateError::InvalidRequest, "login_not_a_navigation"));
        }
        if is_script_loop(visit) {
            return Err(Failure { in_circles: true, ..Failure::new(GateError::RateLimited, "login_loop") });
        }
        if let Some(answer) = to_public_origin(visit, &self.config) {
            return Ok(answer);
        }
        self.limit("login", &visit.client_network()).await?;

        let query = Query::new(visit.query());
        let bad = || Failure::new(GateError::InvalidRequest, "login_parameter");
        let return_to = query.one("return_to").map_err(|_| bad())?;
        let return_path = return_to.map_or_else(ReturnPath::default, |path| visit.return_path_or_default(&path));
        let pass_through = PassThrough::parse(query).map_err(|_| bad())?;

        let flow = LoginFlow::generate(&self.ports, return_path.as_str().to_owned(), visit.now);
        let flow = if matches!(query.one(RETRY_PARAMETER), Ok(None)) { flow } else { flow.as_retry() };
        let flow = LoginFlow { again: has_just_signed_in(visit) || Self::session_id(visit).is_some(), ..flow };
        let cookies = begin_flow(&self.config, visit, &flow, &self.ports)?;
        let location = build_authorize_url(&self.config.cognito, &flow, &pass_through);
        Ok(Answer::redirect(302, &location).with_cookies(cookies))
    }

    /// Refuses with 429 when the optional rate limit says so. The key is hashed by nobody but the platform: it holds an
    /// address or a session's look-up hash and is not stored.
    pub(super) async fn limit(&self, what: &str, who: &str) -> Result<(), Failure> {
        if self.ports.allows(&format!("{what}:{who}")).await { Ok(()) } else { Err(GateError::RateLimited.into()) }
    }
}

/// In the address of a login that the gateway itself begins. Anybody can write it: then a failure of that login is told at once.
pub(super) const RETRY_PARAMETER: &str = "retry";

/// Where a login begins that returns to `path`.
pub(super) fn login_to(path: &ReturnPath) -> String {
    format!("/auth/login?return_to={}", encode(path.as_str()))
}
