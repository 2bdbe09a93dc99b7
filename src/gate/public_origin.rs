//! The gateway is at home at one origin: `PUBLIC_URL`. Its cookies, its logins and its HSTS are of that origin and of no other.
//!
//! The target of these redirects is `PUBLIC_URL` as configured, never what `Host` says. Each leaves a reason in the log, which shows
//! the cause of a circle between this gateway and what stands before it.

use crate::config::Config;
use crate::ports::IncomingRequest;

use super::visit::{MAX_URL_BYTES, Visit};
use super::{Answer, Failure, GateError};

/// Plain http where `PUBLIC_URL` is https: before cookie, bearer and path are looked at, a GET or HEAD goes to the same path at
/// `PUBLIC_URL`. 308, so that it stays what it is. An address that is too long or cannot be read is left to [`Visit::check`].
///
/// # Errors
/// Any other method: what it carries has crossed the net in the clear already, and must not do so again unnoticed.
pub(super) fn require_https<R: IncomingRequest>(visit: &Visit<'_, R>, config: &Config) -> Result<Option<Answer>, Failure> {
    if !config.public_url.is_https() || visit.is_https() {
        return Ok(None);
    }
    if !matches!(visit.method, "GET" | "HEAD") {
        return Err(Failure::new(GateError::InvalidRequest, "plain_http"));
    }
    let path = Some(visit.path_and_query()).filter(|path| !path.is_empty() && visit.request.url().len() <= MAX_URL_BYTES);
    Ok(path.map(|path| {
        visit.log_reason.set("plain_http");
        Answer::redirect(308, &format!("{}{path}", config.public_url))
    }))
}

/// A page load under another origin than `PUBLIC_URL` goes to the same path there: a page that is shown here would not find the
/// session. `None`: it is at the right origin, or no page load.
pub(super) fn page_to_public_origin<R: IncomingRequest>(visit: &Visit<'_, R>, config: &Config) -> Option<Answer> {
    let is_page_load = visit.is_navigation() && matches!(visit.method, "GET" | "HEAD");
    if is_page_load { to_public_origin(visit, config) } else { None }
}

/// The way to the same path at `PUBLIC_URL`; `None`: it is there already.
pub(super) fn to_public_origin<R: IncomingRequest>(visit: &Visit<'_, R>, config: &Config) -> Option<Answer> {
    let public_url = &config.public_url;
    let elsewhere = visit.origin() != public_url.as_str();
    elsewhere.then(|| {
        visit.log_reason.set("other_origin");
        Answer::redirect(302, &format!("{public_url}{}", visit.path_and_query()))
    })
}
