//! Fixtures of this layer's unit tests.

use crate::access::Claims;
use crate::config::SessionLife;
use crate::oidc::claims::Profile;

use super::record::Record;

pub(super) const LIFE: SessionLife = SessionLife { ttl_secs: 1000, idle_secs: None, outage_grace_secs: 600 };

/// A record of a login at 10 000 s. The access token lives for an hour, the session for five days.
pub(super) fn record() -> Record {
    Record {
        issuer: "iss".to_owned(),
        subject: "sub".to_owned(),
        client_id: "client".to_owned(),
        profile: Profile::default(),
        rule_claims: Claims::new(),
        auth_time: None,
        nonce: String::new(),
        access_token: "token".to_owned(),
        id_token: None,
        id_expires_at: None,
        refresh_token: None,
        created_at: 10_000,
        renewed_at: 10_000,
        access_issued_at: 10_000,
        access_expires_at: 13_600,
        expires_at: 442_000,
        version: 1,
    }
}
