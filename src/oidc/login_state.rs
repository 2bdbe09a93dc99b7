//! The login state: one login attempt between `/auth/login` and the callback. State, nonce, verifier and return path are in a
//! sealed cookie of their own, so that several tabs can log in at once and KV holds sessions only.
//!
//! The login state is sealed under a key derived from the key ring *and* `state` (`gate/login_cookies.rs`). Neither the cookie
//! with the Worker's keys nor `state` alone opens it. A callback with another `state` finds nothing to open.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::jose::unique_json;
use crate::ports::{Random, UnixSecs};

use super::random_text;

/// A login attempt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginState {
    /// `state` (RFC 6749 §10.12).
    pub state: String,
    /// `nonce` (OIDC Core §15.5.2).
    pub nonce: String,
    /// PKCE `code_verifier` (RFC 7636 §4.1).
    pub verifier: String,
    /// The return path; checked before it was sealed.
    pub return_path: String,
    /// The end of the login state.
    pub expires_at: UnixSecs,
    /// Whether the browser had a session cookie when the login began. That session opened nothing, so the sign-in can be part of
    /// a loop.
    #[serde(default)]
    pub again: bool,
    /// Whether the login has succeeded. A spent login state has no nonce and no verifier.
    #[serde(default)]
    pub spent: bool,
}

impl LoginState {
    /// A new login.
    #[must_use]
    pub fn generate(random: &impl Random, return_path: String, now: UnixSecs) -> Self {
        Self {
            state: random_text(random),
            nonce: random_text(random),
            verifier: random_text(random),
            return_path,
            expires_at: now.saturating_add(LOGIN_LIFE_SECS),
            again: false,
            spent: false,
        }
    }

    /// The same login state as a retry: the gateway began it in place of a login that could not be finished. The suffix is in
    /// `state`, which comes back from Cognito even where the browser keeps no cookie.
    #[must_use]
    pub fn as_retry(mut self) -> Self {
        self.state.push_str(RETRY_SUFFIX);
        self
    }

    /// The spent login state after a successful login: the return path, for a repeated callback. It holds no secret.
    #[must_use]
    pub fn as_spent(&self, now: UnixSecs) -> Self {
        Self {
            state: self.state.clone(),
            nonce: String::new(),
            verifier: String::new(),
            return_path: self.return_path.clone(),
            expires_at: now.saturating_add(SPENT_LOGIN_LIFE_SECS),
            again: false,
            spent: true,
        }
    }

    /// When the login began. Unknown for a spent login state.
    #[must_use]
    pub fn begun_at(&self) -> UnixSecs {
        self.expires_at.saturating_sub(LOGIN_LIFE_SECS)
    }

    /// As JSON, for its cookie.
    #[must_use]
    pub fn encode(&self) -> String {
        // Texts, numbers and truth values are always written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the text of [`Self::encode`]. Older versions wrote no `again` and no `spent`.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        unique_json::read(json)
    }

    /// Whether this is the login state that `state` names, and has not expired.
    #[must_use]
    pub fn answers(&self, state: &str, now: UnixSecs) -> bool {
        let same: bool = self.state.as_bytes().ct_eq(state.as_bytes()).into();
        same && now < self.expires_at
    }
}

/// Whether a `state` is that of a retry ([`LoginState::as_retry`]).
#[must_use]
pub fn is_retry(state: &str) -> bool {
    state.ends_with(RETRY_SUFFIX)
}

/// The suffix of a login-state cookie's name. It tells login states apart and reveals nothing of `state`.
#[must_use]
pub fn state_tag(state: &str) -> String {
    let digest = Sha256::new().chain_update("edgegate/flow/1").chain_update(state).finalize();
    let (tag, _) = digest.split_at(TAG_BYTES);
    URL_SAFE_NO_PAD.encode(tag)
}

/// Time for a mailed code, a new password and a second factor.
pub const LOGIN_LIFE_SECS: u64 = 3600;
/// A repeated callback arrives within seconds: a second click, a service worker, a reload.
pub const SPENT_LOGIN_LIFE_SECS: u64 = 30;
/// Its characters are in the alphabet of `state`, which Cognito returns unchanged.
const RETRY_SUFFIX: &str = "-retry";
/// Tabs that can log in at once. The oldest login state makes room for a new one.
pub const MAX_LOGINS: usize = 5;
/// 96 bits: the tags of one browser's login states do not collide.
const TAG_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::fixtures::Counting;

    const STATE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn flow() -> LoginState {
        LoginState::generate(&Counting::default(), "/app/".to_owned(), 1000)
    }

    #[test]
    fn state_nonce_and_verifier_are_three_random_values() {
        let flow = flow();
        assert_eq!(flow.state, STATE);
        assert_eq!(flow.nonce, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE");
        assert_eq!(flow.verifier, "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI");
        assert_eq!((flow.return_path.as_str(), flow.begun_at(), flow.expires_at), ("/app/", 1000, 4600));
    }

    #[test]
    fn a_flow_answers_to_its_exact_state_for_an_hour() {
        for (state, now, answers) in [
            (STATE, 1000, true),
            (STATE, 4599, true),
            (STATE, 4600, false),
            (STATE, 4601, false),
            (STATE, u64::MAX, false),
            ("", 1000, false),
            (&STATE[1..], 1000, false),
            (&STATE.replace('A', "a"), 1000, false),
            (&format!("{STATE}A"), 1000, false),
            (&format!("{}B", &STATE[1..]), 1000, false),
            ("another", 1000, false),
        ] {
            assert_eq!(flow().answers(state, now), answers, "{state} at {now}");
        }
    }

    #[test]
    fn what_is_left_of_a_flow_names_no_secret_and_lives_for_half_a_minute() {
        let spent = flow().as_spent(2000);
        assert!(spent.spent && spent.state == STATE && spent.return_path == "/app/");
        assert_eq!((spent.nonce.as_str(), spent.verifier.as_str(), spent.expires_at), ("", "", 2030));
        assert!(LoginState::parse(spent.encode().as_bytes()).is_some_and(|read| read == spent));
    }

    #[test]
    fn a_retry_says_so_in_its_state() {
        let retry = flow().as_retry();
        assert!(is_retry(&retry.state) && !is_retry(STATE) && retry.state.starts_with(STATE));
        assert!(retry.answers(&retry.state, 1000) && !retry.answers(STATE, 1000));
    }

    #[test]
    fn a_tag_tells_flows_apart_and_nothing_of_the_state() {
        // Of SHA-256("edgegate/flow/1" and the state), the first 12 bytes.
        assert_eq!(state_tag(STATE), "At0kM9AXgKAgslbA");
        assert_ne!(state_tag("a"), state_tag("b"));
    }
}
