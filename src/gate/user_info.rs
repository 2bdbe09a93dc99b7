//! `GET /user-info`: who is signed in, from verified claims.

use serde::Serialize;

use crate::jose::verify::SignedClaims;
use crate::oidc::claims::{Nonce, Profile, check_access_token, check_id_token};
use crate::ports::{IncomingRequest, Ports};

use super::renewal::Need;
use super::tokens::refused;
use super::visit::Visit;
use super::{Answer, Failure, Gate, GateError};

/// The allow-listed answer.
#[derive(Serialize)]
struct UserInfo<'a> {
    sub: &'a str,
    email: Option<&'a str>,
    email_verified: Option<bool>,
    name: Option<&'a str>,
    given_name: Option<&'a str>,
    family_name: Option<&'a str>,
    username: Option<&'a str>,
    groups: &'a [String],
}

impl<P: Ports> Gate<P> {
    /// With an `Authorization` header it alone decides, also when it is wrong: a client that brings a token means it.
    /// Without, the session's cookie does.
    pub(super) async fn user_info<R: IncomingRequest>(&self, visit: &Visit<'_, R>) -> Result<Answer, Failure> {
        if let Some(authorization) = visit.request.header("authorization") {
            let (subject, profile) = self.bearer(&authorization).await?;
            return Ok(user_info_answer(&subject, &profile));
        }
        let session = self.find_session(visit).await?.required()?;
        let session = self.living(session, Need::Identity).await?;
        Ok(user_info_answer(&session.record.subject, &session.record.profile))
    }

    /// An access or ID token of ours (RFC 6750 §2.1); `token_use` tells which, after the signature.
    async fn bearer(&self, authorization: &str) -> Result<(String, Profile), Failure> {
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(Failure::new(GateError::TokenInvalid, "authorization_scheme"));
        }
        let claims = self.verify_signed(token.trim()).await.map_err(|failure| failure.into_failure(GateError::TokenInvalid))?;
        self.person(&claims).map_err(|error| refused(error).into_failure(GateError::TokenInvalid))
    }

    fn person(&self, claims: &SignedClaims) -> Result<(String, Profile), crate::oidc::claims::ClaimError> {
        let cognito = &self.config.cognito;
        if claims.members.get("token_use").and_then(serde_json::Value::as_str) == Some("id") {
            let token = check_id_token(claims, cognito, Nonce::Unknown, None)?;
            return Ok((token.subject, token.profile));
        }
        let token = check_access_token(claims, cognito)?;
        Ok((token.subject, token.profile))
    }
}

fn user_info_answer(subject: &str, profile: &Profile) -> Answer {
    let body = UserInfo {
        sub: subject,
        email: profile.email.as_deref(),
        email_verified: profile.email_verified,
        name: profile.display_name(),
        given_name: profile.given_name.as_deref(),
        family_name: profile.family_name.as_deref(),
        username: profile.username.as_deref(),
        groups: &profile.groups,
    };
    Answer::json(200, &body)
}
