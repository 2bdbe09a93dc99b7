//! Cognito's tokens: verifying them, by structure, key, signature and times (`jose`), then by their claims (`oidc::claims`); and
//! revoking a refresh token.

use crate::access::Claims;
use crate::config::Config;
use crate::jose::jws::{StructureError, UnverifiedToken};
use crate::jose::times::TimeError;
use crate::jose::verify::{SignedClaims, VerifyError, verify as verify_token};
use crate::oidc::claims::{AccessToken, ClaimError, IdToken, Nonce, check_access_token, check_id_token, claims_for_rules};
use crate::oidc::token_request::build_revocation;
use crate::oidc::token_response::TokenSet;
use crate::ports::{HttpError, HttpResponse, Level, Ports, RsaPublicKey, UnixSecs};
use crate::session::record::Record;

use super::Gateway;
use super::error::{Error, ErrorCode};
use super::jwks::{self, NoKey};
use super::retry::{Pause, once_more};

/// Why a token does not count.
pub(crate) enum TokenError {
    /// A verdict: refused, with the reason for the log.
    Refused(&'static str),
    /// No verdict: keys or cryptography were not available.
    Unknown(Error),
}

impl TokenError {
    /// As an error, where a refused token means `refused`.
    pub(crate) fn into_error(self, refused: ErrorCode) -> Error {
        match self {
            Self::Refused(reason) => Error::new(refused, reason),
            Self::Unknown(error) => error,
        }
    }
}

/// The tokens of one answer of Cognito, all verified and of one person.
pub(crate) struct VerifiedTokens {
    /// The ID token's claims; a refresh may come without.
    pub id: Option<IdToken>,
    /// The claims of the ID token that rules name; none of a refresh without one, because what decides about access must be new.
    pub rule_claims: Claims,
    /// The access token's claims.
    pub access: AccessToken,
    /// The tokens themselves.
    pub set: TokenSet,
}

impl VerifiedTokens {
    /// The ID token and its `exp`, where a route asks for it.
    pub(crate) fn id_token_to_keep(&self, config: &Config) -> (Option<String>, Option<UnixSecs>) {
        match (&self.id, &self.set.id_token) {
            (Some(id), Some(token)) if config.api_routes.need_id_token() => (Some(token.clone()), Some(id.times.expires_at)),
            _ => (None, None),
        }
    }
}

/// A token whose signature and times hold.
pub(crate) struct Signed {
    /// Its claims.
    pub claims: SignedClaims,
    /// The id of its signing key.
    pub key_id: String,
    /// Its signing key.
    pub key: RsaPublicKey,
}

/// Verifies the tokens of one answer (OIDC Core §3.1.3.7). Both must be of one subject.
///
/// # Errors
/// A token does not count, or could not be judged.
pub(crate) async fn verify<P: Ports>(
    gateway: &Gateway<P>,
    set: TokenSet,
    nonce: Nonce<'_>,
) -> Result<VerifiedTokens, TokenError> {
    let cognito = &gateway.config.cognito;
    let access = verify_signed(gateway, &set.access_token).await?;
    let access = check_access_token(&access.claims, cognito).map_err(refused)?;
    let (id, rule_claims) = match &set.id_token {
        Some(text) => {
            let claims = verify_signed(gateway, text).await?.claims;
            let id = check_id_token(&claims, cognito, nonce, Some(&set.access_token)).map_err(refused)?;
            (Some(id), claims_for_rules(&claims, gateway.config.rules.claim_names()))
        }
        None => (None, Claims::new()),
    };
    if id.as_ref().is_some_and(|id| id.subject != access.subject) {
        return Err(TokenError::Refused("subjects_differ"));
    }
    Ok(VerifiedTokens { id, rule_claims, access, set })
}

/// Verifies signature and times of any token of the user pool (RFC 7515 §5.2, RFC 7519 §7.2).
///
/// # Errors
/// The token does not count, or could not be judged.
pub(crate) async fn verify_signed<P: Ports>(gateway: &Gateway<P>, text: &str) -> Result<Signed, TokenError> {
    let token = UnverifiedToken::parse(text).map_err(|error| {
        TokenError::Refused(match error {
            StructureError::TooLong => "token_too_long",
            StructureError::NotCompact => "token_not_compact",
            StructureError::RepeatedMember => "token_member_repeated",
            StructureError::AlgorithmNotAllowed => "token_algorithm",
            StructureError::ExtensionNotUnderstood => "token_extension",
            StructureError::TypeNotAllowed => "token_type",
            StructureError::NoKeyId => "token_no_key_id",
        })
    })?;
    let key = jwks::signing_key(gateway, token.key_id()).await.map_err(|no_key| match no_key {
        NoKey::Unknown => TokenError::Refused("token_key_unknown"),
        NoKey::Unavailable(error) => TokenError::Unknown(error),
    })?;
    let verified = verify_token(&token, &key, &gateway.runtime, gateway.runtime.now()).await.map_err(|error| {
        TokenError::Refused(match error {
            VerifyError::BadSignature => "token_signature",
            VerifyError::BadPayload => "token_payload",
            VerifyError::Times(TimeError::OutOfRange) => "token_times",
            VerifyError::Times(TimeError::Expired) => "token_expired",
            VerifyError::Times(TimeError::FromTheFuture) => "token_from_the_future",
            VerifyError::CheckFailed => {
                return TokenError::Unknown(Error::new(ErrorCode::Internal, "signature_check_failed"));
            }
        })
    });
    Ok(Signed { claims: verified?, key_id: token.key_id().to_owned(), key })
}

/// Revokes a session's refresh token in the background (RFC 7009): best effort. One more attempt after trouble that may pass, a
/// time-out too, since no request waits and a token revoked twice is no error (§2.2).
pub(crate) fn revoke<P: Ports>(gateway: &Gateway<P>, record: &Record) {
    let Some(refresh_token) = record.refresh_token.clone() else { return };
    let beside = gateway.clone();
    gateway.runtime.wait_until(Box::pin(async move {
        let gateway = beside;
        let may_pass = |answer: &Result<HttpResponse, HttpError>| {
            matches!(answer, Err(_) | Ok(HttpResponse { status: 429 | 500..=599, .. }))
        };
        let attempt = async || gateway.runtime.cognito_send(build_revocation(&gateway.config.cognito, &refresh_token)).await;
        if !once_more(&gateway, BEFORE_REVOKING_AGAIN, may_pass, attempt).await.is_ok_and(|response| response.status == 200) {
            let fields = [("code", ErrorCode::IdpUnavailable.name())];
            gateway.runtime.log(Level::Warn, "refresh_token_not_revoked", &fields);
        }
    }));
}

/// A refused claim, for the log.
pub(crate) fn refused(error: ClaimError) -> TokenError {
    TokenError::Refused(match error {
        ClaimError::WrongIssuer => "claim_iss",
        ClaimError::WrongAudience => "claim_aud",
        ClaimError::WrongAuthorizedParty => "claim_azp",
        ClaimError::WrongTokenUse => "claim_token_use",
        ClaimError::BadSubject => "claim_sub",
        ClaimError::WrongNonce => "claim_nonce",
        ClaimError::WrongAccessTokenHash => "claim_at_hash",
    })
}

const BEFORE_REVOKING_AGAIN: Pause = Pause { at_least_ms: 500, spread_ms: u8::MAX };
