//! What KV keeps of a session, sealed.

use serde::{Deserialize, Serialize};

use crate::config::{Cognito, KeyRing, SessionLife};
use crate::oidc::claims::Profile;
use crate::ports::{Random, UnixSecs};

use super::id::SessionId;
use super::seal::{self, OpenError, Purpose};

/// A session. Its own times decide; KV's expiry only cleans up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `iss` of its tokens.
    pub issuer: String,
    /// `sub`: with the issuer, who it is.
    pub subject: String,
    /// The app client that it was made for.
    pub client_id: String,
    /// Allow-listed claims.
    pub profile: Profile,
    /// `auth_time` of the login.
    pub auth_time: Option<UnixSecs>,
    /// The login's nonce, which a refreshed ID token may repeat.
    pub nonce: String,
    /// The access token.
    pub access_token: String,
    /// The refresh token, which never leaves the gateway.
    pub refresh_token: Option<String>,
    /// When the login was.
    pub created_at: UnixSecs,
    /// When tokens were last renewed.
    pub renewed_at: UnixSecs,
    /// `iat` of the access token.
    pub access_issued_at: UnixSecs,
    /// `exp` of the access token.
    pub access_expires_at: UnixSecs,
    /// The absolute end.
    pub expires_at: UnixSecs,
    /// Grows with each save: of two copies, the newer.
    pub version: u64,
}

impl Record {
    /// The moment the session ends unless it is renewed before.
    #[must_use]
    pub fn ends_at(&self, life: &SessionLife) -> UnixSecs {
        life.idle_secs.map_or(self.expires_at, |idle_secs| self.expires_at.min(self.renewed_at.saturating_add(idle_secs)))
    }

    /// When KV may drop the record: with the session, but at least [`MIN_KV_LIFE_SECS`] ahead.
    #[must_use]
    pub fn kv_expires_at(&self, life: &SessionLife, now: UnixSecs) -> UnixSecs {
        self.ends_at(life).max(now.saturating_add(MIN_KV_LIFE_SECS))
    }

    /// Whether it was made for this user pool and app client.
    #[must_use]
    pub fn belongs_to(&self, cognito: &Cognito) -> bool {
        self.issuer == cognito.issuer && self.client_id == cognito.client_id
    }

    /// Seals the record for its place in KV.
    #[must_use]
    pub fn seal(&self, keys: &KeyRing, id: &SessionId, random: &impl Random) -> Option<String> {
        let plain = serde_json::to_vec(self).ok()?;
        seal::seal(keys, Purpose::Session, id.secret(), &id.keys().record, &plain, random)
    }

    /// Opens a record.
    ///
    /// # Errors
    /// It does not open, is not a record, or is not this id's.
    pub fn open(sealed: &str, keys: &KeyRing, id: &SessionId) -> Result<Self, OpenError> {
        let plain = seal::open(keys, Purpose::Session, id.secret(), &id.keys().record, sealed)?;
        let record: Self = serde_json::from_slice(&plain).map_err(|_| OpenError::UnknownFormat)?;
        if id.is_of(&record.issuer, &record.subject) { Ok(record) } else { Err(OpenError::DoesNotOpen) }
    }
}

/// Workers KV refuses expirations less than 60 s ahead *when the write arrives*; the rest is for the way there. The record's
/// own times decide when a session ends.
pub const MIN_KV_LIFE_SECS: u64 = 90;
