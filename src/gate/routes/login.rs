//! `GET /auth/login`: sends the browser to Cognito (RFC 6749 §4.1.1).

use crate::auth::Gateway;
use crate::auth::error::ErrorCode;
use crate::gate::login_cookies;
use crate::gate::login_loop::{has_just_signed_in, is_script_loop};
use crate::gate::public_origin::to_public_origin;
use crate::gate::request::RequestContext;
use crate::gate::{Failure, Response};
use crate::oidc::authorize::{PassThrough, build_authorize_url};
use crate::oidc::login_state::LoginState;
use crate::ports::{IncomingRequest, Ports};
use crate::web::query::{Query, encode};
use crate::web::return_path::ReturnPath;

/// 1. A script or frame is refused: signing in is a navigation.
/// 2. A login loop is stopped.
/// 3. Under another origin than the public one, go there first: the login state's cookie must be where Cognito returns.
/// 4. Check the return path (a bad one is the default) and the pass-through parameters (a bad one is 400).
/// 5. Make state, nonce and verifier, seal them into a cookie of their own, redirect.
pub(in crate::gate) async fn answer<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Response, Failure> {
    let asked_by_browser = request.incoming.header("sec-fetch-mode").is_some();
    if asked_by_browser && !request.is_navigation() {
        return Err(Failure::new(ErrorCode::InvalidRequest, "login_not_a_navigation"));
    }
    if is_script_loop(request) {
        return Err(Failure { login_loop: true, ..Failure::new(ErrorCode::RateLimited, "login_loop") });
    }
    if let Some(response) = to_public_origin(request, &gateway.config) {
        return Ok(response);
    }
    request.limit(gateway, "login", &request.client_network()).await?;

    let query = Query::new(request.query());
    let bad = || Failure::new(ErrorCode::InvalidRequest, "login_parameter");
    let return_to = query.one("return_to").map_err(|_| bad())?;
    let return_path = return_to.map_or_else(ReturnPath::default, |path| request.return_path_or_default(&path));
    let pass_through = PassThrough::parse(query).map_err(|_| bad())?;

    let login = LoginState::generate(&gateway.runtime, return_path.as_str().to_owned(), request.now);
    let login = if matches!(query.one(RETRY_PARAMETER), Ok(None)) { login } else { login.as_retry() };
    let login = LoginState { again: has_just_signed_in(request) || request.session_id().is_some(), ..login };
    let cookies = login_cookies::begin(&gateway.config, request, &login, &gateway.runtime)?;
    let location = build_authorize_url(&gateway.config.cognito, &login, &pass_through);
    Ok(Response::redirect(302, &location).with_cookies(cookies))
}

/// In the address of a login that the gateway itself begins. Anybody can write it: then a failure of that login is shown at once.
pub(in crate::gate) const RETRY_PARAMETER: &str = "retry";

/// Where a login begins that returns to `path`.
pub(in crate::gate) fn login_to(path: &ReturnPath) -> String {
    format!("/auth/login?return_to={}", encode(path.as_str()))
}
