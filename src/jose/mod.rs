//! JSON Web Signatures as Cognito makes them: RS256 only, keys from the configured key set only (RFC 7515, 7517, 8725).
//!
//! The checks of issuer, audience and nonce are in `oidc`.

pub mod jwk;
pub mod jws;
pub mod key_cache;
pub mod times;
pub mod unique_json;
pub mod verify;
