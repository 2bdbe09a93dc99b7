//! Sessions: cookie, sealed record in KV, and lifetime policy. No I/O.

pub(crate) mod bounded;
pub mod cache;
pub mod end_marker;
#[cfg(test)]
mod fixtures;
pub mod id;
pub mod policy;
pub mod record;
pub mod seal;
