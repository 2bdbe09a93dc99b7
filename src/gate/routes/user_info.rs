//! `GET /user-info`: who is signed in, from verified claims.

use serde::Serialize;

use crate::auth::refresh::{Need, live};
use crate::auth::{Gateway, bearer};
use crate::gate::request::RequestContext;
use crate::gate::{Failure, Response};
use crate::oidc::claims::Profile;
use crate::ports::{IncomingRequest, Ports};

/// With an `Authorization` header it alone decides, also when it is wrong: a client that brings a token means it. Without, the
/// session's cookie does.
pub(in crate::gate) async fn answer<P: Ports, R: IncomingRequest>(
    gateway: &Gateway<P>,
    request: &RequestContext<'_, R>,
) -> Result<Response, Failure> {
    if let Some(authorization) = request.incoming.header("authorization") {
        let person = &bearer::verify(gateway, &authorization).await?.person;
        return Ok(user_info(&person.subject, &person.profile));
    }
    let session = request.find_session(gateway).await?.required()?;
    let session = live(gateway, session, Need::Identity).await?;
    Ok(user_info(&session.record.subject, &session.record.profile))
}

/// The allow-listed answer; what a token did not have is `null`.
#[derive(Serialize)]
struct UserInfoBody<'a> {
    sub: &'a str,
    email: Option<&'a str>,
    email_verified: Option<bool>,
    name: Option<&'a str>,
    given_name: Option<&'a str>,
    family_name: Option<&'a str>,
    username: Option<&'a str>,
    groups: &'a [String],
}

fn user_info(subject: &str, profile: &Profile) -> Response {
    let name = profile.display_name();
    let body = UserInfoBody {
        sub: subject,
        email: profile.email.as_deref(),
        email_verified: profile.email_verified,
        name: name.as_deref(),
        given_name: profile.given_name.as_deref(),
        family_name: profile.family_name.as_deref(),
        username: profile.username.as_deref(),
        groups: &profile.groups,
    };
    Response::json(200, &body)
}
