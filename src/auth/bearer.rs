//! Bearer tokens (RFC 6750 §2.1): Cognito's access and ID tokens, which API clients bring.
//!
//! A client sends one token with every request of an hour. Its signature is checked once: what it said is remembered under the
//! SHA-256 of the whole token, signature included, until its `exp`, and holds for as long as the key that signed it is in the
//! current key set.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::jose::verify::SignedClaims;
use crate::oidc::claims::{ClaimError, Nonce, Profile, check_access_token, check_id_token};
use crate::ports::{Ports, RsaPublicKey};
use crate::session::bounded::Bounded;

use super::tokens::refused;
use super::{Failure, Gate, GateError};

/// Whom a token names.
pub(super) struct Person {
    /// `sub`.
    pub subject: String,
    /// The allow-listed claims.
    pub profile: Profile,
}

/// A token that has verified, by its hash.
pub(super) type SeenTokens = Bounded<Rc<Seen>>;

/// What a token said, and which key had signed it.
pub(super) struct Seen {
    key_id: String,
    key: RsaPublicKey,
    /// Whom it names.
    pub person: Person,
}

impl<P: Ports> Gate<P> {
    /// Whom the `Authorization` header names.
    pub(super) async fn bearer(&self, authorization: &str) -> Result<Rc<Seen>, Failure> {
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(Failure::new(GateError::TokenInvalid, "authorization_scheme"));
        }
        let token = token.trim();
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(seen) = self.seen(&hash).await {
            return Ok(seen);
        }
        let refused_as = GateError::TokenInvalid;
        let signed = self.verify_signed(token).await.map_err(|failure| failure.into_failure(refused_as))?;
        let person = self.person(&signed.claims).map_err(|error| refused(error).into_failure(refused_as))?;
        let seen = Rc::new(Seen { key_id: signed.key_id, key: signed.key, person });
        if token.len() <= MAX_REMEMBERED_BYTES {
            let until = signed.claims.times.expires_at;
            self.memory.seen_tokens.borrow_mut().put(&hash, seen.clone(), until, self.ports.now());
        }
        Ok(seen)
    }

    /// What a token says that has verified before, if it still would. For anything else it is verified anew, which then says
    /// why not.
    async fn seen(&self, hash: &[u8; 32]) -> Option<Rc<Seen>> {
        let recall = || self.memory.seen_tokens.borrow().live(hash, self.ports.now()).cloned();
        let key = self.signing_key(&recall()?.key_id).await.ok()?;
        // Looked up again: a fetch of the key set takes time, and time may have ended the token.
        recall().filter(|seen| seen.key == key)
    }

    /// `token_use` tells which kind it is, after the signature.
    fn person(&self, claims: &SignedClaims) -> Result<Person, ClaimError> {
        let cognito = &self.config.cognito;
        if claims.members.get("token_use").and_then(serde_json::Value::as_str) == Some("id") {
            let token = check_id_token(claims, cognito, Nonce::Unknown, None)?;
            return Ok(Person { subject: token.subject, profile: token.profile });
        }
        let token = check_access_token(claims, cognito)?;
        Ok(Person { subject: token.subject, profile: token.profile })
    }
}

/// A longer token, of a user with very many groups, is verified each time: 4,096 of them would take up an isolate's memory.
const MAX_REMEMBERED_BYTES: usize = 8 * 1024;
