//! `GET /auth/callback`: where Cognito returns (RFC 6749 §4.1.2, OIDC Core §3.1.2.5).

use crate::auth::Gateway;
use crate::auth::error::ErrorCode;
use crate::gate::login_cookies;
use crate::gate::login_loop::{count_retry, has_just_retried};
use crate::gate::messages::Detail;
use crate::gate::request::RequestContext;
use crate::gate::sign_in::{finish, finish_late, incomplete};
use crate::gate::{Failure, Response};
use crate::oidc::callback::CallbackParams;
use crate::oidc::login_state::is_retry;
use crate::ports::{IncomingRequest, Ports};
use crate::web::query::Query;

use super::login::{RETRY_PARAMETER, login_to};

/// 1. The query becomes [`CallbackParams`] (ambiguous → 400).  2. [`finish`].
/// 3. 303 to the return path, which drops code and state from the address bar.
/// 4. A login that cannot be finished is begun anew, once; then the failure is shown.
pub(in crate::gate) async fn answer<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Response, Failure> {
    request.limit(gateway, "callback", &request.client_network()).await?;
    let query = Query::new(request.query());
    let result = if let Ok(params) = CallbackParams::parse(query, &gateway.config.cognito.issuer) {
        finish(gateway, request, params).await
    } else {
        let state = query.one("state").ok().flatten();
        let found = login_cookies::find(&gateway.config, request, state.as_deref());
        finish_late(gateway, request, found, incomplete("callback_query")).await
    };
    match result {
        Ok(signed_in) => Ok(Response::redirect(303, signed_in.return_path.as_str()).with_cookies(signed_in.set_cookies)),
        Err(failure) => retry(request, query, failure),
    }
}

/// Begins a login anew in place of an unfinished one, since Cognito's own cookie mostly makes that silent: once in a minute, for
/// a page load alone. The `state` of such a login says so, which breaks the loop of a browser that keeps no cookie.
fn retry<R: IncomingRequest>(request: &RequestContext<'_, R>, query: Query<'_>, failure: Failure) -> Result<Response, Failure> {
    use ErrorCode as E;
    let unfinished = matches!(failure.code(), E::CodeRejected | E::InvalidRequest | E::LoginExpired | E::StateMismatch);
    if !unfinished || !request.is_navigation() {
        return Err(failure);
    }
    let retried = query.one("state").is_ok_and(|state| state.is_some_and(|state| is_retry(&state)));
    if retried && request.cookies().pairs().all(|(name, _)| !request.cookie_style.reserves(name)) {
        return Err(Failure { detail: Some(Detail::CookiesMissing), ..failure });
    }
    if retried || has_just_retried(request) {
        return Err(failure);
    }
    request.log_reason.set(failure.error.reason);
    let return_path = failure.return_path.unwrap_or_default();
    let location = format!("{}&{RETRY_PARAMETER}=1", login_to(&return_path));
    let mut set_cookies = failure.set_cookies;
    set_cookies.push(count_retry(request));
    Ok(Response::redirect(302, &location).with_cookies(set_cookies))
}
