//! URLs of the configuration: `https`, or `http` on a loopback host only.

use std::fmt;

use url::Url;

use super::is_own_path;
use crate::access::pattern::is_exact_path;

/// A web origin (RFC 6454) as configured: scheme, host and port, no trailing slash.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Parses `https://host[:port]`, with or without one trailing slash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let origin = web_url(text)?.origin().ascii_serialization();
        // The text must equal its normal form: a default port or capitals would never match a browser's header.
        (text.strip_suffix('/').unwrap_or(text) == origin).then_some(Self(origin))
    }

    /// Parses origins separated by commas.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(|item| Self::parse(item.trim())).collect()
    }

    /// The origin as browsers send it in `Origin`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Host and port as in a `Host` header.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, host)| host)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The issuer that Cognito derives from a pool id; China has its own domain.
pub(super) fn issuer_of_pool(pool_id: &str) -> Option<String> {
    let (region, name) = pool_id.split_once('_')?;
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if pool_id.len() > MAX_POOL_ID_CHARS || !named || !is_region(region) {
        return None;
    }
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(format!("https://cognito-idp.{region}.{suffix}/{pool_id}"))
}

/// `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    match parts.split_last() {
        Some((number, words)) if words.len() >= 2 => {
            !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        }
        _ => false,
    }
}

/// An issuer is compared as an exact string, so it must be in the form of Cognito's tokens.
pub(super) fn issuer(text: &str) -> Option<String> {
    (is_page(&web_url(text)?) && !text.ends_with('/')).then(|| text.to_owned())
}

/// The path of a page of the site, in the one spelling that rules and origin share.
pub(super) fn site_path(text: &str) -> Option<String> {
    let url = Url::parse("https://site.invalid").and_then(|site| site.join(text)).ok()?;
    (url.path() == text && is_exact_path(text) && !is_own_path(text)).then(|| text.to_owned())
}

/// A page: no query, no fragment.
pub(super) fn page(text: &str) -> Option<Url> {
    web_url(text).filter(|url| is_page(url) && url.as_str() == text)
}

/// A server and a path there, which other paths are appended to.
pub(super) fn upstream(text: &str) -> Option<Url> {
    web_url(text).filter(is_page)
}

/// Any absolute URL without fragment; kept as written, since Cognito compares registered URLs as strings.
pub(super) fn absolute(text: &str) -> Option<String> {
    web_url(text).filter(|url| url.fragment().is_none()).map(|_| text.to_owned())
}

/// The origin of a URL that this module accepted.
pub(super) fn origin_of(absolute: &str) -> String {
    Url::parse(absolute).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// A WebSocket URL.
pub(super) fn web_socket(text: &str) -> Option<String> {
    let http = match text.split_once("://")? {
        ("wss", rest) => format!("https://{rest}"),
        ("ws", rest) => format!("http://{rest}"),
        _ => return None,
    };
    absolute(&http).map(|_| text.to_owned())
}

/// Neither query nor fragment.
fn is_page(url: &Url) -> bool {
    url.query().is_none() && url.fragment().is_none()
}

/// An absolute URL without credentials, whose host is written as browsers write it; `http` on loopback hosts only.
fn web_url(text: &str) -> Option<Url> {
    if text.len() > MAX_URL_CHARS || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    // Browsers also read `0x7f.1` and `%61.example` as hosts, but not as written. Here they are mistakes.
    let (_, written) = text.split_once("://")?;
    let (written, after) = written.split_at_checked(host.len())?;
    let as_written = written.eq_ignore_ascii_case(host) && after.chars().next().is_none_or(|next| ":/?#".contains(next));
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let allowed = match url.scheme() {
        // `*` and `_` are not allowed in host names, although browsers accept them.
        "https" => loopback || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)),
        "http" => loopback,
        _ => false,
    };
    let no_user = url.username().is_empty() && url.password().is_none();
    (as_written && allowed && no_user).then_some(url)
}

/// Cognito API model: user pool ids have at most 55 characters.
const MAX_POOL_ID_CHARS: usize = 55;
/// Cognito registers callback and sign-out URLs of at most 1024 characters.
const MAX_URL_CHARS: usize = 1024;
