//! `GET /user-info`: who is signed in, from verified claims.

use crate::json::Json;
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

/// The allow-listed answer.
fn user_info_answer(subject: &str, profile: &Profile) -> Answer {
    let name = profile.display_name();
    let body = [
        ("sub", subject.into()),
        ("email", profile.email.as_deref().into()),
        ("email_verified", profile.email_verified.into()),
        ("name", name.as_deref().into()),
        ("given_name", profile.given_name.as_deref().into()),
        ("family_name", profile.family_name.as_deref().into()),
        ("username", profile.username.as_deref().into()),
        ("groups", Json::Texts(&profile.groups)),
    ];
    Answer::json(200, &body)
}
