//! The gateway's policy of renewals and sign-outs under a model checker: the real gate at two gateways, in a world that does
//! everything it may. See docs/reliability.md.

#![allow(unreachable_pub, reason = "a module of a test crate")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod gateways;
pub mod isolate;
mod state;
mod steps;
mod texts;
mod world;

#[path = "../support/mod.rs"]
mod support;

pub use isolate::Ask;
pub use state::Property as Promise;
pub use steps::{Broken, Model, Scenario};
pub use world::Rotation;
