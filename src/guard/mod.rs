//! Strict mode: the guard of a user's sessions. No I/O: `platform/guard.rs` is its Durable Object, `auth/guard.rs` asks it.

pub mod decision;
pub mod protocol;
