//! Bearer tokens (RFC 6750 §2.1): Cognito's access and ID tokens, which API clients bring.
//!
//! A client sends one token with every request of an hour. Its signature is checked once. Its claims are remembered under the
//! SHA-256 of the whole token, signature included, until its `exp`, and count for as long as its signing key is in the current
//! key set.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::config::Cognito;
use crate::jose::verify::SignedClaims;
use crate::oidc::claims::{ClaimError, Nonce, Profile, check_access_token, check_id_token};
use crate::ports::{Ports, RsaPublicKey};
use crate::session::bounded::Bounded;

use super::Gateway;
use super::error::{Error, ErrorCode};
use super::jwks;
use super::tokens::{TokenError, refused, verify_signed};

/// The user whom a token names.
pub(crate) struct Person {
    /// `sub`.
    pub(crate) subject: String,
    /// The allow-listed claims.
    pub(crate) profile: Profile,
}

/// A token that has verified, by its hash.
pub(crate) type SeenTokens = Bounded<Rc<Seen>>;

/// The claims of a token, and its signing key.
pub(crate) struct Seen {
    key_id: String,
    key: RsaPublicKey,
    /// The user whom it names.
    pub(crate) person: Person,
}

/// The user whom the `Authorization` header names.
///
/// # Errors
/// `token_invalid`, or the token could not be judged.
pub(crate) async fn verify<P: Ports>(gateway: &Gateway<P>, authorization: &str) -> Result<Rc<Seen>, Error> {
    let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Error::new(ErrorCode::TokenInvalid, "authorization_scheme"));
    }
    let token = token.trim();
    let hash: [u8; 32] = Sha256::digest(token).into();
    if let Some(seen) = seen(gateway, &hash).await {
        return Ok(seen);
    }
    let as_invalid = |error: TokenError| error.into_error(ErrorCode::TokenInvalid);
    let signed = verify_signed(gateway, token).await.map_err(as_invalid)?;
    let person = person(&gateway.config.cognito, &signed.claims).map_err(|error| as_invalid(refused(error)))?;
    let seen = Rc::new(Seen { key_id: signed.key_id, key: signed.key, person });
    if token.len() <= MAX_REMEMBERED_BYTES {
        let until = signed.claims.times.expires_at;
        gateway.isolate.seen_tokens.borrow_mut().put(&hash, seen.clone(), until, gateway.runtime.now());
    }
    Ok(seen)
}

/// The claims of a token that has verified before, if it still would. Any other is verified anew, which then says why not.
async fn seen<P: Ports>(gateway: &Gateway<P>, hash: &[u8; 32]) -> Option<Rc<Seen>> {
    let remembered = || gateway.isolate.seen_tokens.borrow().live(hash, gateway.runtime.now()).cloned();
    let key = jwks::signing_key(gateway, &remembered()?.key_id).await.ok()?;
    // Looked up again: a fetch of the key set takes time, in which the token may have expired.
    remembered().filter(|seen| seen.key == key)
}

/// The user whom the claims name. `token_use` tells the kind of the token, after the signature.
fn person(cognito: &Cognito, claims: &SignedClaims) -> Result<Person, ClaimError> {
    if claims.members.get("token_use").and_then(serde_json::Value::as_str) == Some("id") {
        let token = check_id_token(claims, cognito, Nonce::Unknown, None)?;
        return Ok(Person { subject: token.subject, profile: token.profile });
    }
    let token = check_access_token(claims, cognito)?;
    Ok(Person { subject: token.subject, profile: token.profile })
}

/// A longer token, of a user with very many groups, is verified each time: 4,096 of them would take up an isolate's memory.
const MAX_REMEMBERED_BYTES: usize = 8 * 1024;
