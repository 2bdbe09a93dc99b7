//! What the core needs from the world: time, randomness, KV, HTTP, signatures, a request to read.
//!
//! Each port is small and says what failure means. `platform/` implements them on Workers, the tests on fakes.
//! Futures are not `Send`: a Worker isolate has one thread.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use serde::{Serialize, Serializer};

/// A moment as whole seconds since the Unix epoch.
pub type UnixSecs = u64;

/// Time. The core reads `now` once per request and passes it down.
pub trait Clock {
    /// The current time in milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
    /// The current time in whole seconds.
    fn now(&self) -> UnixSecs {
        self.now_ms() / 1000
    }
    /// Waits for `duration_ms` milliseconds.
    async fn sleep(&self, duration_ms: u32);
}

/// The only source of randomness.
pub trait Random {
    /// Fills `bytes` from a cryptographically secure generator.
    fn random_bytes(&self, bytes: &mut [u8]);

    /// A name of 64 random bits, in hex.
    fn random_name(&self) -> String {
        let mut bytes = [0; 8];
        self.random_bytes(&mut bytes);
        format!("{:016x}", u64::from_be_bytes(bytes))
    }
}

/// Why the key-value store gave no answer. Never to be read as "absent".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// No answer within the limit. A write may still be made.
    #[error("key-value store timed out")]
    Timeout,
    /// The store answered 429: one write a second per key (Workers KV limits).
    #[error("too many writes to one key")]
    TooManyWrites,
    /// The store could not be reached or failed.
    #[error("key-value store unavailable")]
    Unavailable,
}

/// Workers KV takes one write a second per key: the time between two of them, in milliseconds, with some to spare.
pub const KV_WRITE_INTERVAL_MS: u32 = 1100;

/// Workers KV: eventually consistent, no compare-and-set. Values are text.
pub trait Kv {
    /// Reads several keys in one operation, in the order asked. `None` means absent *as far as this location knows*.
    ///
    /// # Errors
    /// The store could not answer; callers must not treat it as absent.
    async fn kv_get_many<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N], KvError>;

    /// Writes a value that the store drops at `expires_at`, which must be at least 60 s ahead.
    ///
    /// # Errors
    /// The value may or may not have been written.
    async fn kv_put(&self, key: &str, value: &str, expires_at: UnixSecs) -> Result<(), KvError>;

    /// Deletes a key; an absent key is a success.
    ///
    /// # Errors
    /// The key may still be there.
    async fn kv_delete(&self, key: &str) -> Result<(), KvError>;
}

/// Why strict mode's guard gave no answer. It may have acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// No answer within the limit.
    #[error("guard timed out")]
    Timeout,
    /// It could not be reached or failed.
    #[error("guard unavailable")]
    Unavailable,
}

/// Strict mode's guard of a user's sessions (a Durable Object): one for the whole world, its answers strongly consistent.
pub trait Guard {
    /// Whether one is bound; without, nobody is ever asked.
    fn guard_is_bound(&self) -> bool;

    /// Asks the guard of the user of that tag. What is asked and answered is `guard::protocol`'s.
    ///
    /// # Errors
    /// It could not answer: never to be read as consent.
    async fn guard_ask(&self, user_tag: &str, inquiry: &str) -> Result<String, GuardError>;
}

/// A request to Cognito. Redirects are never followed.
pub struct HttpRequest {
    /// Where to; built from configuration only.
    pub url: String,
    /// Header lines, `Authorization` among them.
    pub headers: Vec<(&'static str, String)>,
    /// A form body makes it a POST, none a GET.
    pub form: Option<String>,
    /// Limit for the whole exchange, body included, in milliseconds.
    pub timeout_ms: u32,
    /// A longer body is [`HttpError::TooLarge`].
    pub max_body_bytes: usize,
}

/// An answer of Cognito, whatever its status.
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header as sent.
    pub retry_after: Option<String>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why an exchange gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No whole answer within the limit.
    #[error("timed out")]
    Timeout,
    /// The body was longer than allowed.
    #[error("body too large")]
    TooLarge,
    /// No connection, or it broke.
    #[error("unreachable")]
    Unreachable,
}

/// Outbound HTTP to Cognito.
pub trait Http {
    /// Sends the request once, without following redirects.
    ///
    /// # Errors
    /// No answer came; the server may or may not have acted.
    async fn cognito_send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}

/// An RSA public key, big-endian and without leading zeros (RFC 7518 §6.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublicKey {
    /// The modulus.
    pub n: Vec<u8>,
    /// The exponent.
    pub e: Vec<u8>,
}

/// The cryptography provider itself failed; says nothing about the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature check could not be made")]
pub struct SignatureCheckFailed;

/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
pub trait Signatures {
    /// Whether `signature` over `message` is by `key`.
    ///
    /// # Errors
    /// The check could not be made: not a verdict.
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed>;
}

/// The last good key set, shared by the isolates of one location (Workers Cache API). Best effort: it may forget.
pub trait JwksCache {
    /// What was last kept, if anything.
    async fn jwks_cache_get(&self) -> Option<String>;
    /// Keeps `text` for up to `max_age_secs`.
    async fn jwks_cache_put(&self, text: &str, max_age_secs: u32);
}

/// Work that goes on after the answer (Workers `waitUntil`, at most 30 s).
pub trait Background {
    /// Runs `work` to its end even when the client has gone.
    fn wait_until(&self, work: Pin<Box<dyn Future<Output = ()>>>);
}

/// Optional rate limit (Workers rate-limit binding).
pub trait Limiter {
    /// Whether one more call under `key` is within the limit; always so when no limit is bound.
    async fn rate_limit(&self, key: &str) -> bool;
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One line a request.
    Info,
    /// Degraded, but it goes on.
    Warn,
    /// Someone must act.
    Error,
}

/// A structured log. Fields are static names and values that the caller knows to be harmless.
pub trait Log {
    /// Writes one line.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);
}

/// One line of the log: a JSON object of `level`, `message` and the fields in the order given, empty values left out. JSON escapes
/// CR and LF, so that no value can forge another line.
#[must_use]
pub fn log_line(level: Level, message: &str, fields: &[(&str, &str)]) -> String {
    // Texts are always written.
    serde_json::to_string(&LogLine { level, message, fields }).unwrap_or_default()
}

struct LogLine<'a> {
    level: Level,
    message: &'a str,
    fields: &'a [(&'a str, &'a str)],
}

impl Serialize for LogLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let level = match self.level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let fields = self.fields.iter().filter(|(_, value)| !value.is_empty()).copied();
        serializer.collect_map([("level", level), ("message", self.message)].into_iter().chain(fields))
    }
}

/// Why a request body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than allowed.
    #[error("body too large")]
    TooLarge,
    /// The client broke off.
    #[error("body could not be read")]
    Broken,
}

/// The request being answered. Headers are asked for one by one, so that the rest never cross into wasm.
pub trait IncomingRequest {
    /// The method in upper case.
    fn method(&self) -> &str;
    /// The absolute URL as the runtime parsed it (WHATWG).
    fn url(&self) -> &str;
    /// A header's value; several lines are joined by the runtime.
    fn header(&self, name: &str) -> Option<String>;
    /// The body, up to `max_bytes`.
    ///
    /// # Errors
    /// It is longer, or broke off.
    async fn body(&self, max_bytes: usize) -> Result<Vec<u8>, BodyError>;
}

/// Changes to the headers of a message, in this order; without any it passes untouched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeaderEdits {
    /// Headers to remove.
    pub remove: Vec<Cow<'static, str>>,
    /// Headers to set, in place of what is there.
    pub set: Vec<(&'static str, String)>,
    /// Header lines to add to what is there.
    pub add: Vec<(&'static str, String)>,
}

impl HeaderEdits {
    /// Whether the message passes untouched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Removes headers of these names.
    pub fn remove_each(&mut self, names: impl IntoIterator<Item = &'static str>) {
        self.remove.extend(names.into_iter().map(Cow::Borrowed));
    }
}

/// A request to the site, made of the client's GET or HEAD.
pub enum UpstreamRequest {
    /// To the Worker's own static assets, which see the client's request as it is.
    Assets {
        /// Another address to ask for in its place.
        url: Option<String>,
    },
    /// To a server of its own.
    Origin(OriginRequest),
}

/// A request to the site's origin. It holds the origin's secret, so it is not printed.
pub struct OriginRequest {
    /// Absolute; the origin is configuration, path and query are the client's.
    pub url: String,
    /// Which of the client's headers go along, by name. It depends on nothing else, so that it may be remembered.
    pub passes: fn(&str) -> bool,
    /// Changes to those that do.
    pub headers: HeaderEdits,
    /// Whether Cloudflare's own cache may keep the answer.
    pub may_be_cached: bool,
    /// Limit for the answer to begin, in milliseconds.
    pub timeout_ms: u32,
}

/// Why the site gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The answer did not begin within the limit; the request was given up.
    #[error("timed out")]
    TimedOut,
    /// No connection, or it broke.
    #[error("unreachable")]
    Unreachable,
}

/// An answer of the site: status and headers are read here, its body is the platform's to stream.
pub trait UpstreamAnswer {
    /// The HTTP status.
    fn status(&self) -> u16;
    /// A header's value; several lines are joined by the runtime.
    fn header(&self, name: &str) -> Option<String>;
    /// The `Set-Cookie` lines, one by one.
    fn set_cookies(&self) -> &[String];
}

/// The site. `R` is the client's request as the runtime has it.
pub trait Upstream<R> {
    /// What it answers.
    type Answer: UpstreamAnswer;

    /// Asks once, without following redirects.
    ///
    /// # Errors
    /// No answer came.
    async fn upstream_send(&self, client: &R, request: UpstreamRequest) -> Result<Self::Answer, UpstreamError>;
}

/// Everything the gate needs but the site, in one bound.
pub trait Ports:
    Clock + Random + Kv + Guard + Http + Signatures + JwksCache + Background + Limiter + Log + Clone + 'static
{
}

impl<T> Ports for T where
    T: Clock + Random + Kv + Guard + Http + Signatures + JwksCache + Background + Limiter + Log + Clone + 'static
{
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_an_object_in_the_order_given_without_what_is_empty() {
        let fields = [("route", "site"), ("session", ""), ("status", "200")];
        let line = r#"{"level":"info","message":"request","route":"site","status":"200"}"#;
        assert_eq!(log_line(Level::Info, "request", &fields), line);
        assert_eq!(log_line(Level::Error, "x", &[]), r#"{"level":"error","message":"x"}"#);
    }

    #[test]
    fn no_value_breaks_out_of_its_log_line() {
        for text in ["a\"b\\c", "\r\n{\"level\":\"forged\"}\t\0\x1b", "\u{7f}\u{85}\u{2028}", "한글 é 😀"] {
            let line = log_line(Level::Warn, text, &[("field", text)]);
            assert!(!line.contains(['\r', '\n']), "{line}");
            let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(read, serde_json::json!({"level": "warn", "message": text, "field": text}));
        }
    }
}
