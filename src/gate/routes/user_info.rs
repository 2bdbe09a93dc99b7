//! `GET /user-info`: who is signed in, from verified claims.

use serde::Serialize;

use crate::oidc::claims::Profile;
use crate::ports::{IncomingRequest, Ports};

use super::renewal::Need;
use super::visit::Visit;
use super::{Answer, Failure, Gate};

impl<P: Ports> Gate<P> {
    /// With an `Authorization` header it alone decides, also when it is wrong: a client that brings a token means it.
    /// Without, the session's cookie does.
    pub(super) async fn user_info<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        if let Some(authorization) = visit.request.header("authorization") {
            let person = &self.bearer(&authorization).await?.person;
            return Ok(user_info_answer(&person.subject, &person.profile));
        }
        let session = self.find_session(visit).await?.required()?;
        let session = self.living(session, Need::Identity).await?;
        Ok(user_info_answer(&session.record.subject, &session.record.profile))
    }
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

fn user_info_answer(subject: &str, profile: &Profile) -> Answer {
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
    Answer::json(200, &body)
}
