//! The marker of a sign-out everywhere: sessions that were created up to its time are refused.

use serde::Serialize;

use crate::ports::UnixSecs;

use super::id::user_marker_key;
use super::record::MIN_KV_LIFE_SECS;

/// A KV entry that ends all sessions of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserEndMarker {
    /// The KV key.
    pub key: String,
    /// The KV value: the time of the sign-out.
    pub value: String,
    /// How long KV must keep the marker, in seconds: as long as the longest-lived of these sessions.
    pub ttl_secs: u64,
}

impl UserEndMarker {
    /// The marker that ends the sessions of `subject` at `issuer` that were created up to `now`. A session lives for
    /// `session_ttl_secs`.
    #[must_use]
    pub fn new(issuer: &str, subject: &str, session_ttl_secs: u64, now: UnixSecs) -> Self {
        let ttl_secs = session_ttl_secs.max(MIN_KV_LIFE_SECS);
        Self { key: user_marker_key(issuer, subject), value: now.to_string(), ttl_secs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_for_one_user_and_lives_as_long_as_their_sessions() {
        // The tag is the one of `id::tests::cookie_and_keys_are_the_documented_ones`.
        let marker = |ttl_secs| UserEndMarker::new("iss", "sub", ttl_secs, 1000);
        let key = "ended/GNpPkN_-6iCbleRhjq9A6w".to_owned();
        assert_eq!(marker(432_000), UserEndMarker { key, value: "1000".to_owned(), ttl_secs: 432_000 });
        assert_eq!((marker(60).ttl_secs, marker(90).ttl_secs, marker(91).ttl_secs), (90, 90, 91));
        assert_ne!(UserEndMarker::new("iss", "sub2", 60, 1000).key, marker(60).key);
    }
}
