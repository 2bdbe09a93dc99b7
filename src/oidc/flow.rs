//! One login attempt between `/auth/login` and the callback: state, nonce, verifier and return path, in a sealed cookie
//! of its own, so that several tabs can log in at once and KV holds sessions only.
//!
//! The flow is sealed under a key derived from the key ring *and* the state (`gate/flow_cookies.rs`): neither the cookie
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
pub struct LoginFlow {
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
}

impl LoginFlow {
    /// A new login.
    #[must_use]
    pub fn generate(random: &impl Random, return_path: String, now: UnixSecs) -> Self {
        Self {
            state: random_text(random),
            nonce: random_text(random),
            verifier: random_text(random),
            return_path,
            expires_at: now.saturating_add(FLOW_LIFE_SECS),
            again: false,
        }
    }

    /// As JSON, for its cookie.
    #[must_use]
    pub fn encode(&self) -> String {
        // Texts, numbers and truth values are always written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What [`Self::encode`] wrote; once it did not write `again`.
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

/// What the name of a flow's cookie ends with: tells flows apart, tells nothing of the state.
#[must_use]
pub fn flow_tag(state: &str) -> String {
    let digest = Sha256::new().chain_update("edgegate/flow/1").chain_update(state).finalize();
    let (tag, _) = digest.split_at(FLOW_TAG_BYTES);
    URL_SAFE_NO_PAD.encode(tag)
}

/// Time to type a password and a second factor.
pub const FLOW_LIFE_SECS: u64 = 600;
/// Tabs that can log in at once; the oldest makes room.
pub const MAX_FLOWS: usize = 5;
/// 96 bits: no two flows of one browser meet.
const FLOW_TAG_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::fixtures::Counting;

    const STATE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn flow() -> LoginFlow {
        LoginFlow::generate(&Counting::default(), "/app/".to_owned(), 1000)
    }

    #[test]
    fn state_nonce_and_verifier_are_three_random_values() {
        let flow = flow();
        assert_eq!(flow.state, STATE);
        assert_eq!(flow.nonce, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE");
        assert_eq!(flow.verifier, "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI");
        assert_eq!((flow.return_path.as_str(), flow.expires_at), ("/app/", 1600));
    }

    #[test]
    fn a_flow_answers_to_its_exact_state_for_ten_minutes() {
        for (state, now, answers) in [
            (STATE, 1000, true),
            (STATE, 1599, true),
            (STATE, 1600, false),
            (STATE, 1601, false),
            (STATE, u64::MAX, false),
            ("", 1000, false),
            (&STATE[1..], 1000, false),
            (&STATE.replace('A', "a"), 1000, false),
            (&format!("{STATE}A"), 1000, false),
            (&format!("{}B", &STATE[1..]), 1000, false),
            ("another", 1600, false),
        ] {
            assert_eq!(flow().answers(state, now), answers, "{state} at {now}");
        }
    }

    #[test]
    fn a_tag_tells_flows_apart_and_nothing_of_the_state() {
        // Of SHA-256("edgegate/flow/1" and the state), the first 12 bytes.
        assert_eq!(flow_tag(STATE), "At0kM9AXgKAgslbA");
        assert_ne!(flow_tag("a"), flow_tag("b"));
    }
}
