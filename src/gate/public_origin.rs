//! The gateway is at home at one origin: `PUBLIC_URL`. Its cookies, its logins and its HSTS are of that origin and of no other.
//!
//! The target of these redirects is `PUBLIC_URL` as configured, never the `Host` header. Each leaves a reason in the log, so that
//! a redirect loop between this gateway and a proxy before it can be explained.

use crate::auth::error::ErrorCode;
use crate::config::Config;
use crate::ports::IncomingRequest;

use super::request::{MAX_URL_BYTES, RequestContext};
use super::{Failure, Response};

/// Plain http where `PUBLIC_URL` is https: before cookie, bearer token and path are read, a GET or HEAD is sent to the same path
/// at `PUBLIC_URL`, by 308, which keeps the method. An address that is too long or cannot be read is left to
/// [`RequestContext::check`].
///
/// # Errors
/// Any other method: its body has crossed the net in the clear already, and must not do so again unnoticed.
pub(super) fn require_https<R: IncomingRequest>(
    request: &RequestContext<'_, R>,
    config: &Config,
) -> Result<Option<Response>, Failure> {
    if !config.public_url.is_https() || request.is_https() {
        return Ok(None);
    }
    if !matches!(request.method, "GET" | "HEAD") {
        return Err(Failure::new(ErrorCode::InvalidRequest, "plain_http"));
    }
    let path = Some(request.path_and_query()).filter(|path| !path.is_empty() && request.incoming.url().len() <= MAX_URL_BYTES);
    Ok(path.map(|path| {
        request.log_reason.set("plain_http");
        Response::redirect(308, &format!("{}{path}", config.public_url))
    }))
}

/// A page load under another origin than `PUBLIC_URL` goes to the same path there: a page that is shown here would not find the
/// session. `None`: the origin is right, or the request is no page load.
pub(super) fn page_to_public_origin<R: IncomingRequest>(request: &RequestContext<'_, R>, config: &Config) -> Option<Response> {
    let is_page_load = request.is_navigation() && matches!(request.method, "GET" | "HEAD");
    if is_page_load { to_public_origin(request, config) } else { None }
}

/// A redirect to the same path at `PUBLIC_URL`; `None` at the right origin.
pub(super) fn to_public_origin<R: IncomingRequest>(request: &RequestContext<'_, R>, config: &Config) -> Option<Response> {
    let public_url = &config.public_url;
    let elsewhere = request.origin() != public_url.as_str();
    elsewhere.then(|| {
        request.log_reason.set("other_origin");
        Response::redirect(302, &format!("{public_url}{}", request.path_and_query()))
    })
}
