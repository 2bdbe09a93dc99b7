//! Sessions: their cookie, their sealed record in KV, and the policy of their life. No I/O.

pub(crate) mod bounded;
#[cfg(test)]
mod fixtures;
pub mod guard;
pub mod id;
pub mod memory;
pub mod policy;
pub mod record;
pub mod seal;
