//! `POST /auth/logout`: ends the session here, then at Cognito. `GET /auth/logout`: a page with the button for it.

use serde::Serialize;

use crate::auth::session::Found;
use crate::auth::{Gateway, sessions};
use crate::gate::messages::words;
use crate::gate::page::{Action, Frame, Page, form_targets};
use crate::gate::public_origin::to_public_origin;
use crate::gate::request::RequestContext;
use crate::gate::{Failure, Response};
use crate::oidc::logout::build_logout_url;
use crate::ports::{IncomingRequest, Ports};
use crate::web::query::Query;

#[derive(Serialize)]
struct LogoutBody<'a> {
    success: bool,
    #[serde(rename = "logoutUrl", skip_serializing_if = "Option::is_none")]
    logout_url: Option<&'a str>,
}

/// 1. Without a session it is the same answer: signing out twice is no error.
/// 2. Mark the session as ended and delete its record (KV refuses the marker → 503 with the way to Cognito's sign-out, never
///    `success`).
/// 3. Revoke the refresh token in the background (RFC 7009): best effort, and no request waits for it.
/// 4. Clear the cookie; tell a script where to go, send a form there and clear the browser's cache with it.
///
/// A script that asks for the clearing of the cache gets that and no more.
pub(in crate::gate) async fn answer<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Response, Failure> {
    request.body().await?;
    if !request.is_form_post() && asks_for_clearing(request) {
        let cleared = Response::json(200, &LogoutBody { success: true, logout_url: None });
        return Ok(cleared.with("clear-site-data", CLEAR_SITE_DATA));
    }
    let style = request.cookie_style;
    let clear = vec![style.clear(style.session_name())];
    let logout_url = build_logout_url(&gateway.config.cognito);
    if let Some((names, id)) = request.session_id().map(|id| (id.names(), id))
        && !sessions::is_end_settled(gateway, &names, request.now)
        && sessions::may_be_ours(gateway, &id, &names).await
    {
        request.session_name.replace(names.log_name());
        if let Err(error) = sessions::sign_out(gateway, &id, &names).await {
            return Err(Failure { set_cookies: clear, logout_url: Some(logout_url.into()), ..error.into() });
        }
    }
    let response = if request.is_form_post() {
        Response::redirect(303, &logout_url).with("clear-site-data", CLEAR_SITE_DATA)
    } else {
        Response::json(200, &LogoutBody { success: true, logout_url: Some(&logout_url) })
    };
    Ok(response.with_cookies(clear))
}

/// The page with the sign-out button. It ends nothing by itself: a link or an image of any site can lead here.
/// 1. Under another origin than the public one, go there first: the session's cookie is there.
/// 2. Not knowing whether there is a session is an answer of its own (503).
/// 3. The button, or for who is signed out the way to the start page alone.
pub(in crate::gate) async fn page<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Response, Failure> {
    if let Some(response) = to_public_origin(request, &gateway.config) {
        return Ok(response);
    }
    let language = request.language();
    let words = words(language);
    let (title, message, action) = match request.find_session(gateway).await? {
        Found::Session(_) => (words.sign_out, words.what_sign_out_does, Action::SignOut(words.sign_out)),
        Found::None | Found::Ended => (words.not_signed_in, words.nothing_to_sign_out, Action::None),
    };
    let form_targets = &form_targets(&gateway.config);
    Ok(Page { title, message, language, error: None, action, form_targets, frame: Frame::None }.answer())
}

/// Whether a script asks for the clearing of the browser's cache. Chromium delays a response for it: some 100 ms for a thousand
/// entries of all sites. So the response to a script's sign-out comes at once, and the script asks for the clearing beside it,
/// with `?clear=cache`. That request may arrive after the next sign-in, in another tab, so it touches no session and no cookie. A
/// form has no script that could ask: its own response clears.
fn asks_for_clearing<R: IncomingRequest>(request: &RequestContext<'_, R>) -> bool {
    matches!(Query::new(request.query()).one("clear"), Ok(Some(what)) if what == "cache")
}

/// The path of both.
pub(in crate::gate) const LOGOUT_PATH: &str = "/auth/logout";

/// A gated page in the browser's cache would open for the next user of the browser. The site's storage and other cookies are not
/// ours to clear.
pub(in crate::gate) const CLEAR_SITE_DATA: &str = "\"cache\"";
