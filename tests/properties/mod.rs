//! What must hold whatever comes in: one property per reader of untrusted text. The fuzz targets run them on what libFuzzer
//! makes up, `tests/fuzz_seeds.rs` on the committed seeds, `tests/properties.rs` on valid things with edits.
//!
//! What is expected comes from `oracle`: second readers, written for these tests and without the code under test.

#![allow(unreachable_pub, reason = "a module of several test crates")]
#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

pub mod config;
pub mod jose;
pub mod oidc;
pub mod oracle;
pub mod session;
pub mod web;

#[path = "../support/mod.rs"]
mod support;

/// What the code under test made of an input, so that the seeds can prove that both sides are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Refused,
}

impl Verdict {
    pub fn of(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// Panics when something does not hold.
pub type Property = fn(&[u8]) -> Verdict;

/// Every property under the name of its fuzz target.
pub const ALL: [(&str, Property); 12] = [
    ("cookie_header", web::cookie_header),
    ("flow_cookie", session::flow_cookie),
    ("jwks", jose::jwks),
    ("jwt", jose::jwt),
    ("location", web::location),
    ("path", web::path),
    ("query", web::query),
    ("return_path", web::return_path),
    ("rules", config::rules),
    ("session_cookie", session::session_cookie),
    ("session_keys", config::session_keys),
    ("token_response", oidc::token_response),
];

/// Headers and URLs reach the core as text; other bytes are not for it.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
