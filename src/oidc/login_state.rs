//! One login attempt between `/auth/login` and the callback: state, nonce, verifier and return path, in a sealed cookie
//! of its own, so that several tabs can log in at once and KV holds sessions only.
//!
//! The flow is sealed under a key derived from the key ring *and* the state (`gate/login_cookies.rs`): neither the cookie
//! with the Worker's keys nor the state alone opens it, and a callback with another state finds nothing to open.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::jose::unique_json;
use crate::ports::{Random, UnixSecs};

use super::random_text;

/// A login under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginState {
    /// `state` (RFC 6749 §10.12).
    pub state: String,
    /// `nonce` (OIDC Core §15.5.2).
    pub nonce: String,
    /// PKCE `code_verifier` (RFC 7636 §4.1).
    pub verifier: String,
    /// Where the login returns to; checked before it was sealed.
    pub return_path: String,
    /// End of its life.
    pub expires_at: UnixSecs,
    /// Whether the browser came with a session cookie when it began: for whom it opened nothing.
    #[serde(default)]
    pub again: bool,
    /// Whether the login has ended well: then this is the rest of it, with no nonce and no verifier.
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

    /// The same, as one that the gateway has begun in place of a login that could not be finished. Its state says so, which
    /// comes back from Cognito also where the browser keeps no cookie.
    #[must_use]
    pub fn as_retry(mut self) -> Self {
        self.state.push_str(RETRY_SUFFIX);
        self
    }

    /// What is left of the flow once it has ended well: where it led to, for a callback that comes again. It names no secret.
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

    /// When the login began. Of a spent one it is not known.
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

    /// What [`Self::encode`] wrote; once it did not write `again` and `spent`.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        unique_json::read(json)
    }

    /// Whether the flow is the one that `state` names, and still alive.
    #[must_use]
    pub fn answers(&self, state: &str, now: UnixSecs) -> bool {
        let same: bool = self.state.as_bytes().ct_eq(state.as_bytes()).into();
        same && now < self.expires_at
    }
}

/// Whether a state is that of a login that the gateway has begun by itself ([`LoginState::as_retry`]).
#[must_use]
pub fn is_retry(state: &str) -> bool {
    state.ends_with(RETRY_SUFFIX)
}

/// What the name of a flow's cookie ends with: tells flows apart, tells nothing of the state.
#[must_use]
pub fn state_tag(state: &str) -> String {
    let digest = Sha256::new().chain_update("edgegate/flow/1").chain_update(state).finalize();
    let (tag, _) = digest.split_at(FLOW_TAG_BYTES);
    URL_SAFE_NO_PAD.encode(tag)
}

/// Time for a mailed code, a new password and a second factor.
pub const LOGIN_LIFE_SECS: u64 = 3600;
/// A callback that comes twice does so within seconds: a second click, a service worker, a reload.
pub const SPENT_LOGIN_LIFE_SECS: u64 = 30;
/// In the alphabet of states, which Cognito gives back unchanged.
const RETRY_SUFFIX: &str = "-retry";
/// Tabs that can log in at once; the oldest makes room.
pub const MAX_LOGINS: usize = 5;
/// 96 bits: no two flows of one browser meet.
const FLOW_TAG_BYTES: usize = 12;

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
