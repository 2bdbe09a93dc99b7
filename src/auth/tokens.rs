//! Verifying tokens: structure, key, signature and times (`jose`), then what they must say (`oidc::claims`).

use crate::jose::compact::UnverifiedToken;
use crate::jose::verify::{SignedClaims, VerifyError, verify};
use crate::oidc::claims::{AccessToken, ClaimError, IdToken, Nonce, check_access_token, check_id_token};
use crate::oidc::token_response::TokenSet;
use crate::ports::{Ports, RsaPublicKey};

use super::keys::NoKey;
use super::{Failure, Gate, GateError};

/// Why a token does not count.
pub(super) enum TokenFailure {
    /// A verdict: refused. The word says why, for the log.
    Refused(&'static str),
    /// Could not be judged: keys or cryptography were not to be had.
    Unknown(Failure),
}

impl TokenFailure {
    /// As an answer, where a refused token means `refused`.
    pub(super) fn into_failure(self, refused: GateError) -> Failure {
        match self {
            Self::Refused(reason) => Failure::new(refused, reason),
            Self::Unknown(failure) => failure,
        }
    }
}

/// The tokens of one answer of Cognito, all verified and of one person.
pub(super) struct VerifiedTokens {
    /// The ID token's claims; a refresh may come without.
    pub id: Option<IdToken>,
    /// The access token's claims.
    pub access: AccessToken,
    /// The tokens themselves.
    pub set: TokenSet,
}

/// A token whose signature and times hold, and the key that says so.
pub(super) struct Signed {
    /// What it says.
    pub claims: SignedClaims,
    /// The key's id.
    pub key_id: String,
    /// The key.
    pub key: RsaPublicKey,
}

impl<P: Ports> Gate<P> {
    /// Verifies the tokens of one answer (OIDC Core §3.1.3.7). Both must be of one subject.
    pub(super) async fn verify_tokens(&self, set: TokenSet, nonce: Nonce<'_>) -> Result<VerifiedTokens, TokenFailure> {
        let cognito = &self.config.cognito;
        let access = self.verify_signed(&set.access_token).await?;
        let access = check_access_token(&access.claims, cognito).map_err(refused)?;
        let id = match &set.id_token {
            Some(text) => {
                let signed = self.verify_signed(text).await?;
                Some(check_id_token(&signed.claims, cognito, nonce, Some(&set.access_token)).map_err(refused)?)
            }
            None => None,
        };
        if id.as_ref().is_some_and(|id| id.subject != access.subject) {
            return Err(TokenFailure::Refused("subjects_differ"));
        }
        Ok(VerifiedTokens { id, access, set })
    }

    /// Signature and times of any token of the user pool.
    pub(super) async fn verify_signed(&self, text: &str) -> Result<Signed, TokenFailure> {
        let token = UnverifiedToken::parse(text).map_err(|error| {
            use crate::jose::compact::StructureError as E;
            TokenFailure::Refused(match error {
                E::TooLong => "token_too_long",
                E::NotCompact => "token_not_compact",
                E::RepeatedMember => "token_member_repeated",
                E::AlgorithmNotAllowed => "token_algorithm",
                E::ExtensionNotUnderstood => "token_extension",
                E::TypeNotAllowed => "token_type",
                E::NoKeyId => "token_no_key_id",
            })
        })?;
        let key = self.signing_key(token.key_id()).await.map_err(|no_key| match no_key {
            NoKey::Unknown => TokenFailure::Refused("token_key_unknown"),
            NoKey::Unavailable(failure) => TokenFailure::Unknown(failure),
        })?;
        let verified = verify(&token, &key, &self.ports, self.ports.now()).await.map_err(|error| {
            use crate::jose::times::TimeError;
            TokenFailure::Refused(match error {
                VerifyError::BadSignature => "token_signature",
                VerifyError::BadPayload => "token_payload",
                VerifyError::Times(TimeError::OutOfRange) => "token_times",
                VerifyError::Times(TimeError::Expired) => "token_expired",
                VerifyError::Times(TimeError::FromTheFuture) => "token_from_the_future",
                VerifyError::CheckFailed => {
                    return TokenFailure::Unknown(Failure::new(GateError::Internal, "signature_check_failed"));
                }
            })
        });
        Ok(Signed { claims: verified?, key_id: token.key_id().to_owned(), key })
    }
}

/// A refused claim, for the log.
pub(super) fn refused(error: ClaimError) -> TokenFailure {
    TokenFailure::Refused(match error {
        ClaimError::WrongIssuer => "claim_iss",
        ClaimError::WrongAudience => "claim_aud",
        ClaimError::WrongAuthorizedParty => "claim_azp",
        ClaimError::WrongTokenUse => "claim_token_use",
        ClaimError::BadSubject => "claim_sub",
        ClaimError::WrongNonce => "claim_nonce",
        ClaimError::WrongAccessTokenHash => "claim_at_hash",
    })
}
