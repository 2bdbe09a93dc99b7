//! A world of fakes around the real gate: a clock that only moves when told, a KV that remembers expirations and lags as it is
//! told, a Cognito that rotates and fails as it is told, and a browser with a cookie jar.
//!
//! Signatures are faked too (SHA-256 over key and message): real RS256 is judged in `vectors.rs` and in workerd.

#![allow(unreachable_pub, reason = "a module of several test crates")]
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

pub mod browser;
pub mod cognito;
pub mod counts;
pub mod golden;
pub mod guard;
pub mod kv;
pub mod site;
pub mod time;
pub mod world;

pub use browser::Browser;
pub use cognito::{Rotation, Trouble};
pub use counts::Counts;
pub use kv::Fault;
pub use world::{Steps, World};

use std::rc::Rc;

use edgegate::config::Config;

pub const START: u64 = 1_760_000_000;
pub const PUBLIC_URL: &str = "https://app.example.com";
pub const CLIENT: &str = "1example23456789abcdefghij";
pub const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123";
pub const RULES: &str =
    r#"[{"path":"/","allow":"public"},{"path":"/admin/*","allow":{"groups":["admin"]}},{"path":"/*","allow":"signed-in"}]"#;

/// A working configuration with some variables changed.
pub fn config(changes: &[(&str, &str)]) -> Rc<Config> {
    let var = |name: &str| {
        if let Some((_, value)) = changes.iter().find(|(changed, _)| *changed == name) {
            return Some((*value).to_owned());
        }
        let value = match name {
            "PUBLIC_URL" => PUBLIC_URL,
            "COGNITO_USER_POOL_ID" => "us-east-1_AbCdEf123",
            "COGNITO_CLIENT_ID" => CLIENT,
            "COGNITO_CLIENT_SECRET" => "0123456789abcdef0123456789abcdef",
            "COGNITO_DOMAIN" => "https://auth.example.com",
            // TEST ONLY
            "SESSION_KEYS" => "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "RULES" => RULES,
            _ => return None,
        };
        Some(value.to_owned())
    };
    Rc::new(Config::parse(var).expect("a working configuration"))
}
