//! Every variable and secret: one row each, with its name, its parser, and the words of a problem.

use url::Url;

use super::{BrowserTokens, KeyRing, Origin, urls};
use crate::access::rules::Rules;

/// A variable of the configuration.
pub(super) struct Variable<T> {
    /// Its name in `wrangler.toml`, or as a secret.
    pub(super) name: &'static str,
    /// Its value; `None` for a text that has none.
    pub(super) parse: fn(&str) -> Option<T>,
    /// What it should be, as in "SCOPES: wanted is …".
    pub(super) wanted: &'static str,
    /// A value that would do.
    pub(super) example: &'static str,
}

/// A constant for each row, and the list of their names.
macro_rules! variables {
    ($($name:ident: $value:ty = $parse:expr, $wanted:expr, $example:expr;)*) => {
        $(pub(super) const $name: Variable<$value> =
            Variable { name: stringify!($name), parse: $parse, wanted: $wanted, example: $example };)*

        /// The names of all variables and secrets, in the order of the README's table.
        pub const VARIABLES: &[&str] = &[$(stringify!($name)),*];
    };
}

variables! {
    PUBLIC_URL: Origin = Origin::parse,
        WANTED_ORIGIN, "https://app.example.com";
    COGNITO_USER_POOL_ID: String = urls::issuer_of_pool,
        "a user pool id: its region, an underscore, letters and digits", "us-east-1_AbCdEf123";
    COGNITO_CLIENT_ID: String = |text| word(text, 1, 128),
        "an app client id of letters and digits", "1example23456789abcdefghij";
    COGNITO_DOMAIN: Origin = Origin::parse,
        WANTED_ORIGIN, "https://auth.example.com";
    COGNITO_ISSUER: String = urls::issuer,
        "an https URL without a trailing slash, query or fragment (http for localhost only)",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123";
    COGNITO_CLIENT_SECRET: String = |text| word(text, 24, 64),
        "the app client's secret, 24 to 64 letters and digits; leave it out for a public client",
        "npx wrangler secret put COGNITO_CLIENT_SECRET";
    REDIRECT_URI: Url = urls::page,
        "a URL on PUBLIC_URL's origin without query or fragment: /auth/callback or a public page outside /auth/",
        "https://app.example.com/auth/callback";
    LOGOUT_URI: String = urls::absolute,
        "an https URL registered as sign-out URL, without fragment (http for localhost only)", "https://app.example.com/";
    SCOPES: String = scopes,
        "scopes separated by single spaces, `openid` among them, never `offline_access`", "openid email profile";
    SESSION_KEYS: KeyRing = KeyRing::parse,
        "name:base64 of 32 random bytes, newest first, separated by commas", "v1:$(openssl rand -base64 32)";
    SESSION_TTL_SECS: u64 = |text| seconds(text, 60, 2_592_000),
        "whole seconds from 60 to 2592000", "432000";
    SESSION_IDLE_SECS: u64 = |text| seconds(text, 60, 2_592_000),
        "whole seconds from 60 to 2592000, at least twice the access token's life", "7200";
    OUTAGE_GRACE_SECS: u64 = |text| seconds(text, 0, 3600),
        "whole seconds from 0 to 3600", "600";
    GUARD_SECS: u64 = |text| seconds(text, 1, 30),
        "whole seconds from 1 to 30", "10";
    BROWSER_TOKENS: BrowserTokens = browser_tokens,
        "`access` or `none`", "access";
    API_URL: String = urls::absolute,
        WANTED_HTTP_URL, "https://api.example.com";
    WS_URL: String = urls::web_socket,
        "a wss URL (ws for localhost only)", "wss://ws.example.com";
    ORIGIN_URL: Origin = Origin::parse,
        WANTED_ORIGIN, "https://d111111abcdef8.cloudfront.net";
    ORIGIN_SECRET: String = header_secret,
        "16 to 256 visible ASCII characters without spaces; leave it out if the origin checks none",
        "npx wrangler secret put ORIGIN_SECRET";
    ALLOWED_ORIGINS: Vec<Origin> = Origin::parse_list,
        "exact origins separated by commas", "https://admin.example.com,https://www.example.com";
    RULES: Rules = |text| Rules::parse(text).ok(),
        "a JSON list of rules", r#"[{"path":"/assets/*","allow":"public"},{"path":"/*","allow":"signed-in"}]"#;
    SPA_FALLBACK: String = urls::site_path,
        "the path of a page of the site, without query, fragment and `%`, and none of the gateway's own", "/index.html";
    // Read by `Reader::api_routes`: a route must agree with RULES, and a problem names it.
    ROUTES: () = |_| None,
        "a JSON list of routes", r#"[{"path":"/api/*","to":"https://abc123.execute-api.us-east-1.amazonaws.com/prod"}]"#;
    KEEP_FRAGMENT: bool = switch,
        "`true` or `false`", "true";
}

/// Letters, digits, `_` and `+`, as Cognito makes client ids and secrets (API model).
fn word(text: &str, min: usize, max: usize) -> Option<String> {
    let fits = (min..=max).contains(&text.len());
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'+');
    (fits && plain).then(|| text.to_owned())
}

/// A header's value as it is: nothing to trim, to quote or to split.
fn header_secret(text: &str) -> Option<String> {
    let fits = (16..=256).contains(&text.len());
    (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

fn seconds(text: &str, min: u64, max: u64) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|value| (min..=max).contains(value))
}

/// RFC 6749 §3.3 scope tokens.
fn scopes(text: &str) -> Option<String> {
    let valid = |scope: &str| {
        !scope.is_empty()
            && scope != "offline_access"
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    let tokens: Vec<&str> = text.split(' ').collect();
    (tokens.iter().all(|scope| valid(scope)) && tokens.contains(&"openid")).then(|| text.to_owned())
}

fn browser_tokens(text: &str) -> Option<BrowserTokens> {
    match text {
        "access" => Some(BrowserTokens::Access),
        "none" => Some(BrowserTokens::None),
        _ => None,
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

const WANTED_ORIGIN: &str = "an https origin: scheme and host, no path (http for localhost, 127.0.0.1 and [::1] only)";
const WANTED_HTTP_URL: &str = "an https URL without fragment (http for localhost only)";
