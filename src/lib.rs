//! Edgegate: a sign-in gateway for static sites and single-page apps on Amazon Cognito, as one Cloudflare Worker.
//!
//! # Life of a request
//! `platform/shim.js` hands the runtime's request to `platform::fetch`, which builds an [`auth::Gateway`] from the isolate's
//! [`config::Config`], the adapters of [`ports`] and the isolate's memory. [`gate::handle`] reads the request once, finds its
//! route and runs its handler. A handler speaks HTTP; it asks [`auth`] for sessions and tokens, and decides with the pure steps
//! of [`access`], [`oidc`], [`session`] and [`web`]. The outcome is a response of the gateway's own, or the site's answer with
//! other headers. Bodies of the site are streamed by the platform and never read here.
//!
//! # Trust boundaries
//! - **The browser** is trusted with a session cookie that means nothing without the Worker and KV, and, unless
//!   `BROWSER_TOKENS` is `none`, with an access token. Never with the refresh or ID token.
//! - **KV** is trusted to keep, not to know: records are sealed under a key that also needs the cookie's secret.
//! - **Cognito** is trusted for tokens that verify under its published keys, and for refusals. No token and no request chooses a
//!   URL, a key set or an algorithm.
//! - **The site's origin** is trusted with paths and the site's own cookies; it sees neither session nor tokens.
//!
//! # Modules
//! Dependencies point one way: `platform` → [`gate`] → [`auth`] → [`guard`] → [`session`] → [`oidc`] → [`web`] → [`config`] →
//! [`access`] → [`jose`] → [`ports`]. All but `platform` is plain Rust and is tested natively.
//!
//! | question | place |
//! |---|---|
//! | Which routes are there? | `gate/route.rs`, one file each in `gate/routes/` |
//! | Where is a session refreshed? | `gate/routes/refresh.rs` → `auth/refresh.rs` → `oidc/token_request.rs` |
//! | Where is a variable added? | a row in `config/variables.rs`, a field in `config/mod.rs` |
//! | Where is a header for the origin added? | `gate/site/plan.rs`, `own_request_headers` |
//! | Where is an error code added? | `auth/error.rs`, its sentences in `gate/messages.rs` |
//! | Where is a rule's condition added? | `access/parse.rs` reads it into `access/rules.rs`, `access/decision.rs` applies it |
//! | Where does an API of `ROUTES` get its token? | `gate/api/mod.rs` → `auth/route_token.rs` |
//! | What becomes of a page that the site does not have? | `gate/site/miss.rs` |
//! | Where is a request's body read? | `gate/request.rs`, `RequestContext::body` |
//!
//! # Glossary
//! | word | meaning |
//! |---|---|
//! | access token | Cognito's token for APIs (RFC 6749 §1.4); a session opens something only while it lives |
//! | API route | an object of `ROUTES`: paths, the server behind them, and the token that it gets |
//! | callback | the browser's return from Cognito, with a code (RFC 6749 §4.1.2) |
//! | claim | a member of a token's payload (RFC 7519 §4) |
//! | generation | the version of a record, as the guard compares it |
//! | grace | the time in which a page stays open although Cognito cannot be reached (`OUTAGE_GRACE_SECS`) |
//! | guard | strict mode's Durable Object: one for each user, strongly consistent |
//! | ID token | Cognito's token about the user (OIDC Core §2) |
//! | isolate | one running instance of the Worker; its memory is [`auth::Isolate`] |
//! | JWKS, key set | Cognito's public keys (RFC 7517 §5); a signing key is one of them |
//! | key ring | the Worker's sealing keys (`SESSION_KEYS`): the first seals, all open |
//! | lease | one request's or location's right to refresh a session, with a deadline |
//! | location | a data centre of Cloudflare; its isolates share a cache, and KV lags between locations |
//! | login loop | sign-ins in a row that open nothing |
//! | login state | `state`, `nonce`, PKCE verifier and return path of a login, sealed in a cookie |
//! | marker | a KV entry that ends one session, or all sessions of a user |
//! | names | what a session is called in KV, at the guard, in memory and in the log |
//! | normal path | a path's one reading: decoded once, refused where two servers could read it in two ways |
//! | preflight | a browser's `OPTIONS` request before a cross-origin one (Fetch Standard) |
//! | record | the sealed KV value of a session: its tokens, claims and times |
//! | refresh | new tokens for a refresh token (RFC 6749 §6) |
//! | return path | the path of the site to which a login leads back |
//! | rotation | Cognito's habit of replacing the refresh token at each refresh |
//! | rule | an object of `RULES`: paths, perhaps methods, and who may read them |
//! | session id | the cookie's value: user tag and secret |
//! | site, upstream | the server behind the gateway: the Worker's assets or `ORIGIN_URL` |
//! | strict mode | sessions with a guard: a sign-out is seen everywhere at once |
//! | user tag | a hash of issuer and subject; the common prefix of a user's KV keys |

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
