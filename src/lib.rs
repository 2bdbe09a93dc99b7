//! Edgegate: a sign-in gateway for static sites and single-page apps on Amazon Cognito, as one Cloudflare Worker.
//!
//! # Life of a request
//! `platform/shim.js` hands the runtime's request to `platform::fetch`, which builds a [`gate::Gate`] from the isolate's
//! [`config::Config`] and the adapters of [`ports`] → the gate reads the request once, finds its route and runs that handler →
//! handlers decide with pure steps of [`oidc`], [`jose`], [`session`] and [`web`], and do I/O through ports only; the site is one of
//! them → the outcome is an answer of the gateway's own, or the site's with other headers, whose body only the platform streams.
//!
//! # Trust boundaries
//! - **The browser** is trusted with a session cookie that means nothing without the Worker and KV, and, unless
//!   `BROWSER_TOKENS` is `none`, with an access token. Never with the refresh or ID token.
//! - **KV** is trusted to keep, not to know: records are sealed under a key that also needs the cookie's secret.
//! - **Cognito** is trusted for what verifies under its published keys, and for refusing; nothing that a token or a request
//!   says chooses a URL, a key set or an algorithm.
//! - **The site's origin** is trusted with paths and the site's own cookies; it sees neither session nor tokens.
//!
//! # Modules
//! Dependencies point one way: `platform` → [`gate`] → [`session`] → [`oidc`] → [`web`] → [`config`] → [`jose`] → [`ports`].
//! Everything but `platform` is plain Rust and is tested natively.

// In the Worker; tests may count and cut.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::string_slice))]
#![expect(async_fn_in_trait, reason = "an isolate has one thread: the futures of ports need no Send bound")]

pub mod access;
pub mod auth;
pub mod config;
pub mod gate;
pub mod guard;
pub mod jose;
pub mod oidc;
pub mod ports;
pub mod session;
pub mod web;

#[cfg(target_arch = "wasm32")]
mod platform;
