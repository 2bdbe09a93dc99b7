//! Signature first, then claims (RFC 8725 §3.3): the only way to the claims.

use serde_json::{Map, Value};

use crate::ports::{RsaPublicKey, Signatures, UnixSecs};

use super::jws::UnverifiedToken;
use super::times::{TimeError, TokenTimes, check_times};

/// Claims of a token whose signature and times have been verified. Issuer and audience have not been checked.
#[derive(Debug)]
pub struct SignedClaims {
    /// `iat` and `exp`.
    pub times: TokenTimes,
    /// All claims but `exp`, `iat` and `nbf`.
    pub members: Map<String, Value>,
}

/// Why a well-formed token is refused, or why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature is not by this key.
    #[error("signature does not match")]
    BadSignature,
    /// The signature is valid, but the payload is not a JSON object with unique members.
    #[error("payload is not a json object")]
    BadPayload,
    /// The token is not valid now.
    #[error(transparent)]
    Times(#[from] TimeError),
    /// No verdict: the platform's cryptography failed.
    #[error("signature check could not be made")]
    CheckFailed,
}

/// Verifies signature and times.
///
/// # Errors
/// The token is refused, or there is no verdict ([`VerifyError::CheckFailed`]).
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
    let claims = token.claims().ok_or(VerifyError::BadPayload)?;
    let times = check_times(&claims, now)?;
    Ok(SignedClaims { times, members: claims.custom.0 })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use futures_executor::block_on;
    use serde_json::json;

    use super::*;
    use crate::ports::SignatureCheckFailed;

    const NOW: u64 = 1_760_000_000;

    /// Key, signed octets and signature.
    type Question = (RsaPublicKey, Vec<u8>, Vec<u8>);

    /// Gives its verdict and records its input.
    struct Judge {
        verdict: Result<bool, SignatureCheckFailed>,
        asked: RefCell<Vec<Question>>,
    }

    impl Signatures for Judge {
        async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed> {
            self.asked.borrow_mut().push((key.clone(), message.to_vec(), signature.to_vec()));
            self.verdict
        }
    }

    fn judge(verdict: Result<bool, SignatureCheckFailed>) -> Judge {
        Judge { verdict, asked: RefCell::default() }
    }

    fn key() -> RsaPublicKey {
        RsaPublicKey { n: vec![0xff, 0xfd], e: vec![1, 0, 1] }
    }

    fn token(payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"kid":"a","alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(payload))
    }

    fn verified(payload: &str, judge: &Judge) -> Result<SignedClaims, VerifyError> {
        let text = token(payload);
        let token = UnverifiedToken::parse(&text).expect("well-formed");
        block_on(verify(&token, &key(), judge, NOW))
    }

    fn good() -> String {
        json!({"sub": "s-1", "iat": NOW, "exp": NOW + 60, "nbf": NOW, "aud": ["c"]}).to_string()
    }

    #[test]
    fn claims_come_from_a_signed_token_that_holds() {
        let judge = judge(Ok(true));
        let claims = verified(&good(), &judge).expect("verified");
        assert_eq!(claims.times, TokenTimes { issued_at: NOW, expires_at: NOW + 60 });
        assert_eq!(Value::Object(claims.members), json!({"sub": "s-1", "aud": ["c"]}));
        let text = token(&good());
        let (signed, _) = text.rsplit_once('.').expect("three parts");
        assert_eq!(*judge.asked.borrow(), [(key(), signed.as_bytes().to_vec(), b"sig".to_vec())]);
    }

    #[test]
    fn the_signature_decides_before_anything_is_read() {
        for payload in [good().as_str(), "{}", "no json", r#"{"exp":0}"#] {
            for (verdict, error) in
                [(Ok(false), VerifyError::BadSignature), (Err(SignatureCheckFailed), VerifyError::CheckFailed)]
            {
                assert_eq!(verified(payload, &judge(verdict)).err(), Some(error), "{payload}");
            }
        }
    }

    #[test]
    fn a_signed_payload_must_be_an_object_with_unique_members_and_times_that_hold() {
        for (payload, error) in [
            ("no json", VerifyError::BadPayload),
            ("[]", VerifyError::BadPayload),
            ("null", VerifyError::BadPayload),
            (r#""text""#, VerifyError::BadPayload),
            (r#"{"iat":1,"exp":2,"sub":"a","sub":"b"}"#, VerifyError::BadPayload),
            (r#"{"iat":1,"exp":9999999999,"exp":9999999999}"#, VerifyError::BadPayload),
            (r#"{"iat":1,"exp":"9999999999"}"#, VerifyError::BadPayload),
            ("{}", VerifyError::Times(TimeError::OutOfRange)),
            (r#"{"iat":1,"exp":1760000000}"#, VerifyError::Times(TimeError::Expired)),
            (r#"{"iat":1760000061,"exp":9999999999}"#, VerifyError::Times(TimeError::FromTheFuture)),
        ] {
            assert_eq!(verified(payload, &judge(Ok(true))).err(), Some(error), "{payload}");
        }
    }
}
