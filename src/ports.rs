//! The core's needs: time, randomness, KV, HTTP, signatures, a request to read.
//!
//! Each port is small and defines its failures. `platform/` implements them on Workers, the tests on fakes.
//! Futures are not `Send`: a Worker isolate has one thread.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

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

/// Why the key-value store gave no answer. Must not be treated as "absent".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// No answer within the limit. A write may still be carried out.
    #[error("key-value store timed out")]
    Timeout,
    /// The store answered 429: one write a second per key (Workers KV limits).
    #[error("too many writes to one key")]
    TooManyWrites,
    /// The store could not be reached or failed.
    #[error("key-value store unavailable")]
    Unavailable,
}

/// Workers KV accepts one write a second per key: the interval between two writes, in milliseconds, with a margin.
pub const KV_WRITE_INTERVAL_MS: u32 = 1100;

/// Workers KV: eventually consistent, no compare-and-set. Values are text.
pub trait Kv {
    /// Reads several keys in one operation, in the order asked. `None` means absent *as far as this location knows*.
    ///
    /// # Errors
    /// The store could not answer; callers must not treat the key as absent.
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

/// Why strict mode's guard gave no reply. The guard may have acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// No answer within the limit.
    #[error("guard timed out")]
    Timeout,
    /// The guard could not be reached or failed.
    #[error("guard unavailable")]
    Unavailable,
}

/// Strict mode's guard of a user's sessions (a Durable Object): one for the whole world, with strongly consistent replies.
pub trait Guard {
    /// Whether a guard is bound. Without one, the guard is never asked.
    fn guard_is_bound(&self) -> bool;

    /// Asks the guard of the user with this tag. `guard::protocol` defines question and reply.
    ///
    /// # Errors
    /// The guard could not answer; callers must not treat this as consent.
    async fn guard_ask(&self, user_tag: &str, request: &str) -> Result<String, GuardError>;
}

/// A request to Cognito. Redirects are never followed.
pub struct HttpRequest {
    /// The URL; built from configuration only.
    pub url: String,
    /// Header lines, `Authorization` among them.
    pub headers: Vec<(&'static str, String)>,
    /// A form body makes the request a POST; without one it is a GET.
    pub form: Option<String>,
    /// Limit for the whole exchange, body included, in milliseconds.
    pub timeout_ms: u32,
    /// A longer body is [`HttpError::TooLarge`].
    pub max_body_bytes: usize,
}

/// A response of Cognito, with any status.
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
    /// No connection, or a broken one.
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

/// The cryptography provider failed; this says nothing about the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature check could not be made")]
pub struct SignatureCheckFailed;

/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
pub trait Signatures {
    /// Whether `signature` over `message` is by `key`.
    ///
    /// # Errors
    /// The check could not be made; this is no verdict.
    async fn verify_rs256(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Result<bool, SignatureCheckFailed>;
}

/// The last good key set, shared by the isolates of one location (Workers Cache API). Best effort: entries may be lost.
pub trait JwksCache {
    /// The saved key set, if any.
    async fn jwks_cache_get(&self) -> Option<String>;
    /// Saves `text` for up to `max_age_secs`.
    async fn jwks_cache_put(&self, text: &str, max_age_secs: u32);
}

/// Work after the answer (Workers `waitUntil`, at most 30 s).
pub trait Background {
    /// Runs `work` to its end even if the client disconnects.
    fn wait_until(&self, work: Pin<Box<dyn Future<Output = ()>>>);
}

/// Optional rate limit (Workers rate-limit binding).
pub trait Limiter {
    /// Whether one more call under `key` is within the limit; always true when no limit is bound.
    async fn rate_limit(&self, key: &str) -> bool;
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One line a request.
    Info,
    /// Degraded, but still working.
    Warn,
    /// The operator must act.
    Error,
}

/// A structured log. Fields are static names, with values that the caller knows to be harmless.
pub trait Log {
    /// Writes one line.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);
}

/// One log line: a JSON object of `level`, `message` and the fields in the given order, without empty values. JSON escapes CR and
/// LF, so that no value can forge another line.
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
    /// The client disconnected.
    #[error("body could not be read")]
    Broken,
}

/// The current request. Headers are read one by one, so that the rest never cross into wasm.
pub trait IncomingRequest {
    /// The method in upper case.
    fn method(&self) -> &str;
    /// The absolute URL as the runtime parsed it (WHATWG).
    fn url(&self) -> &str;
    /// A header's value. The runtime joins several lines.
    fn header(&self, name: &str) -> Option<String>;
    /// Whether there is a body, perhaps an empty one.
    fn has_body(&self) -> bool;
    /// The body, up to `max_bytes`. It can be read once.
    ///
    /// # Errors
    /// The body is longer, or the client disconnected.
    async fn body(&self, max_bytes: usize) -> Result<Vec<u8>, BodyError>;
}

/// Changes to the headers of a message, in this order. Without changes the message passes untouched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeaderEdits {
    /// Headers to remove.
    pub remove: Vec<Cow<'static, str>>,
    /// Headers to set, replacing the old values.
    pub set: Vec<(&'static str, String)>,
    /// Header lines to add to the old ones.
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

/// A request to the site or to an API behind the gate, made of the client's.
pub enum UpstreamRequest {
    /// To the Worker's own static assets: a GET or HEAD.
    Assets {
        /// Another URL, in place of the client's.
        url: Option<String>,
        /// Headers of the client that are left out of a request for another URL.
        without: &'static [&'static str],
    },
    /// To another server: the site's origin, or an API.
    Origin(OriginRequest),
}

/// A request to another server. It holds the origin's secret or a token, so it is not printed.
pub struct OriginRequest {
    /// The absolute URL. Its origin is configuration; path and query are the client's.
    pub url: String,
    /// Which of the client's headers pass, by name. The result depends on the name alone, so that it can be cached.
    pub passes: fn(&str) -> bool,
    /// Changes to the headers that pass.
    pub headers: HeaderEdits,
    /// What is sent on of the client's body.
    pub body: ForwardedBody,
    /// Whether Cloudflare's own cache may store the answer.
    pub may_be_cached: bool,
    /// Time limit for the start of the answer, in milliseconds.
    pub timeout_ms: u32,
}

/// The body of a request to another server.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum ForwardedBody {
    /// None.
    #[default]
    Empty,
    /// The client's, unread: it streams through.
    Streamed,
    /// The client's, read before, so that it can be sent again.
    Whole(Rc<[u8]>),
}

/// Why the site or an API gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The answer did not start within the limit; the request was cancelled.
    #[error("timed out")]
    TimedOut,
    /// No connection, or a broken one.
    #[error("unreachable")]
    Unreachable,
}

/// An answer of the site or of an API. The core reads status and headers; the platform streams the body.
pub trait UpstreamAnswer {
    /// The HTTP status.
    fn status(&self) -> u16;
    /// A header's value. The runtime joins several lines.
    fn header(&self, name: &str) -> Option<String>;
    /// The `Set-Cookie` lines, one by one.
    fn set_cookies(&self) -> &[String];
    /// Cancels the body, which nobody will read.
    fn discard(self);
}

/// The site, and the APIs behind the gate. `R` is the client's request as a runtime object.
pub trait Upstream<R> {
    /// The site's answer.
    type Answer: UpstreamAnswer;

    /// Sends one request, without following redirects.
    ///
    /// # Errors
    /// No answer arrived.
    async fn upstream_send(&self, client: &R, request: UpstreamRequest) -> Result<Self::Answer, UpstreamError>;
}

/// All ports of the gate except the site, in one bound.
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
