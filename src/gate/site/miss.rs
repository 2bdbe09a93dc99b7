//! Paths that the site does not have: the shell of a single-page app, a folder's page, or the gateway's 404 page.

use crate::auth::Gateway;
use crate::auth::error::ErrorCode;
use crate::config::{Config, Site};
use crate::ports::{IncomingRequest, Ports, Upstream, UpstreamAnswer};

use crate::gate::request::RequestContext;
use crate::gate::{Failure, Outcome, Response};

use super::plan::request_for_page;
use super::{Entry, admit, forward, refuse, send};

/// Whether the site says that it does not have the path. S3 behind an origin access control says 403 for it.
pub(super) fn is_miss(config: &Config, answer: &impl UpstreamAnswer) -> bool {
    match config.site {
        Site::Assets => answer.status() == 404,
        Site::Origin(_) => answer.status() == 404 || answer.status() == 403 && config.spa_fallback.is_some(),
    }
}

/// Whether there is nothing to show: the answer says so, or has no type, as those of the assets.
fn is_empty(answer: &impl UpstreamAnswer) -> bool {
    answer.header("content-type").is_none() || answer.header("content-length").as_deref() == Some("0")
}

/// The answer where a page was asked for and the site does not have it.
///
/// 1. The embedded site: a folder's path without its slash leads to the folder's page.
/// 2. With `SPA_FALLBACK`: the app's shell, if the shell's own rule lets the caller in as well. A public miss so never shows a
///    gated shell.
/// 3. Else the site's own answer, or the gateway's page where that is empty.
pub(super) async fn answer<P, R>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    missed: P::Answer,
    entry: Entry,
) -> Result<Outcome<P::Answer>, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    let config = &gateway.config;
    if config.site == Site::Assets
        && let Some(response) = folder(gateway, request, &entry).await?
    {
        missed.discard();
        return Ok(Outcome::Respond(response));
    }
    if let Some(shell) = &config.spa_fallback {
        missed.discard();
        return app_shell(gateway, request, shell, entry).await;
    }
    if is_empty(&missed) && request.method == "GET" {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(forward(config, missed, entry.policy))
}

/// A redirect to the page of a folder whose path was asked for without its slash.
async fn folder<P, R>(gateway: &Gateway<P>, request: &RequestContext<'_, R>, entry: &Entry) -> Result<Option<Response>, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    if request.raw_path().ends_with('/') {
        return Ok(None);
    }
    let folder = format!("{}/", request.raw_path());
    let page = send(gateway, request, request_for_page(&gateway.config, request, &folder, entry)).await?;
    let exists = matches!(page.status(), 200 | 304);
    page.discard();
    Ok(exists.then(|| Response::redirect(302, &[&folder, request.query_with_mark()].concat())))
}

async fn app_shell<P, R>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
    shell: &str,
    entry: Entry,
) -> Result<Outcome<P::Answer>, Failure>
where
    P: Ports + Upstream<R>,
    R: IncomingRequest,
{
    let config = &gateway.config;
    let (rule, outcome) = (request.rule.get(), request.outcome.get());
    let shells = match admit(gateway, request, shell, entry.session.clone()).await {
        Ok(entry) => entry,
        Err(failure) => return refuse(config, request, failure).map(Outcome::Respond),
    };
    // Where both let the caller in, the log names the rule of the path.
    request.rule.set(rule);
    request.outcome.set(outcome);
    let entry = Entry { policy: entry.policy.stricter(shells.policy), ..entry };
    let page = send(gateway, request, request_for_page(config, request, shell, &entry)).await?;
    if is_miss(config, &page) {
        page.discard();
        return Err(Failure::new(ErrorCode::OriginUnavailable, "fallback_missing"));
    }
    Ok(forward(config, page, entry.policy))
}
