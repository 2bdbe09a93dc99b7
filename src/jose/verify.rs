//! Signature first, then claims (RFC 8725 §3.3): the only way to claims.

use serde_json::{Map, Value};

use crate::ports::{RsaPublicKey, Signatures, UnixSecs};

use super::compact::UnverifiedToken;
use super::json::UniqueObject;
use super::times::{TimeError, TokenTimes, check_times};

/// Claims of a token whose signature and times have been verified. Issuer and audience have not.
#[derive(Debug)]
pub struct SignedClaims {
    /// `iat` and `exp`.
    pub times: TokenTimes,
    /// All other claims, `nbf` excepted.
    pub members: Map<String, Value>,
}

/// Why a well-formed token is refused, or could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not by that key.
    #[error("signature does not match")]
    BadSignature,
    /// Signed, but the payload is not a JSON object with unique members.
    #[error("payload is not a json object")]
    BadPayload,
    /// The token does not hold now.
    #[error(transparent)]
    Times(#[from] TimeError),
    /// Not a verdict: the platform's cryptography failed.
    #[error("signature check could not be made")]
    CheckFailed,
}

/// Verifies signature and times.
///
/// # Errors
/// The token is refused, or ([`VerifyError::CheckFailed`]) could not be judged.
pub async fn verify(
    token: &UnverifiedToken<'_>,
    key: &RsaPublicKey,
    signatures: &impl Signatures,
    now: UnixSecs,
) -> Result<SignedClaims, VerifyError> {
    match signatures.verify_rs256(key, token.signed(), token.signature()).await {
        Ok(true) => {}
        Ok(false) => return Err(VerifyError::BadSignature),
        Err(_) => return Err(VerifyError::CheckFailed),
    }
    let claims = token.token.deserialize_claims_unchecked::<UniqueObject>().map_err(|_| VerifyError::BadPayload)?;
    let times = check_times(&claims, now)?;
    Ok(SignedClaims { times, members: claims.custom.0 })
}
