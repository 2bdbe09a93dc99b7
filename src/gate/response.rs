//! The gateway's own responses, and their security headers.

use serde::Serialize;

use crate::config::{BrowserTokens, Config};
use crate::ports::UnixSecs;
use crate::session::record::Record;

/// A whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header lines; `set-cookie` may repeat.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Response {
    /// A response without body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// A JSON response.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        // Our own types are always written; should one ever not be, an empty object says so plainly.
        let body = serde_json::to_string(body).unwrap_or_else(|_| "{}".to_owned());
        Self { status, headers: vec![("content-type", "application/json; charset=utf-8".to_owned())], body }
    }

    /// A redirect: 302 or 303, never one that repeats a POST (RFC 9700 §4.12).
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::empty(status).with("location", location)
    }

    /// With one more header line.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With `Set-Cookie` lines.
    #[must_use]
    pub fn with_cookies(mut self, lines: Vec<String>) -> Self {
        self.headers.extend(lines.into_iter().map(|line| ("set-cookie", line)));
        self
    }

    /// A header's first value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Adds the headers that every response has, unless it has chosen its own. HSTS only where the request came over `https` (RFC
    /// 6797 §7.2).
    #[must_use]
    pub fn secured(mut self, https: bool) -> Self {
        let mut defaults = vec![
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
            ("cross-origin-resource-policy", "same-site"),
        ];
        if https {
            defaults.push(("strict-transport-security", "max-age=31536000"));
        }
        for (name, value) in defaults {
            if self.header(name).is_none() {
                self.headers.push((name, value.to_owned()));
            }
        }
        self
    }
}

/// `{"success":true,"access_token","expires_in"}`
#[derive(Serialize)]
struct TokenBody<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
    expires_in: u64,
}

/// The response with a session's access token; the token is left out where browsers get none.
pub(super) fn token_response(config: &Config, record: &Record, now: UnixSecs) -> Response {
    let access_token = (config.browser_tokens == BrowserTokens::Access).then_some(record.access_token.as_str());
    let expires_in = record.access_expires_at.saturating_sub(now);
    Response::json(200, &TokenBody { success: true, access_token, expires_in })
}
