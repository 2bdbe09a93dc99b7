//! URLs of the configuration: `https`, or `http` on a loopback host only.

use std::fmt;

use crate::address::Address;

/// A web origin (RFC 6454) as configured: scheme, host and port, no trailing slash.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Parses `https://host[:port]`, with or without one trailing slash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let address = web_address(text)?;
        let origin = address.origin();
        // The text itself, not only its normal form: a default port or capitals would never match a browser's header.
        (text.strip_suffix('/').unwrap_or(text) == origin).then(|| Self(origin.to_owned()))
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

/// An issuer is compared as an exact string, so it must be in the form that Cognito puts into tokens.
pub(super) fn issuer(text: &str) -> Option<String> {
    (is_page(&web_address(text)?) && !text.ends_with('/')).then(|| text.to_owned())
}

/// A page: no query, no fragment.
pub(super) fn page(text: &str) -> Option<Address> {
    web_address(text).filter(|address| is_page(address) && address.as_str() == text)
}

/// Any absolute URL without fragment; kept as written, since Cognito compares registered URLs as strings.
pub(super) fn absolute(text: &str) -> Option<String> {
    web_address(text).filter(|_| !text.contains('#')).map(|_| text.to_owned())
}

/// The origin of a URL that was accepted here.
pub(super) fn origin_of(absolute: &str) -> String {
    Address::parse(absolute).map(|address| address.origin().to_owned()).unwrap_or_default()
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
fn is_page(address: &Address) -> bool {
    address.reference() == address.path()
}

/// An absolute URL with a host, without credentials; `http` on loopback hosts only.
fn web_address(text: &str) -> Option<Address> {
    if text.len() > MAX_URL_CHARS || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let address = Address::parse(text)?;
    let host = address.host();
    // Without a port; `[::1]` has colons of its own.
    let name = if host.starts_with('[') { host.split_inclusive(']').next() } else { host.split(':').next() }?;
    let loopback = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    let named = !name.contains(['[', '_']) && address.origin().starts_with("https:");
    (loopback || named).then_some(address)
}

/// Cognito API model: user pool ids have at most 55 characters.
const MAX_POOL_ID_CHARS: usize = 55;
/// Cognito registers callback and sign-out URLs of at most 1024 characters.
const MAX_URL_CHARS: usize = 1024;
