//! Configuration: strings in, typed values out, every problem named at once.
//!
//! Nothing here reads the environment; `platform/` hands in a look-up. A value is never repeated in a problem,
//! because some of them are secrets.

mod key_ring;
mod urls;

use std::borrow::Cow;

use url::Url;

use crate::access::rules::{Access, Rules};

pub use key_ring::{KeyRing, RingKey};
pub use urls::Origin;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The variable.
    pub name: &'static str,
    /// What it should have been.
    pub wanted: Cow<'static, str>,
    /// A value that would do.
    pub example: &'static str,
}

/// Whether access tokens may reach the page (`BROWSER_TOKENS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrowserTokens {
    /// `/auth/token` and `/auth/refresh` return the access token.
    Access,
    /// Tokens never reach the browser.
    None,
}

/// A secret string: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// The Cognito user pool and app client.
#[derive(Clone, Debug)]
pub struct Cognito {
    /// `iss` of its tokens; JWKS is below it.
    pub issuer: String,
    /// App client id.
    pub client_id: String,
    /// App client secret; none for a public client.
    pub client_secret: Option<Secret>,
    /// Hosted-UI origin.
    pub domain: Origin,
    /// Scopes asked for, separated by single spaces.
    pub scopes: String,
    /// Where Cognito returns to; on `PUBLIC_URL`'s origin.
    pub redirect_uri: Url,
    /// Registered sign-out URL.
    pub logout_uri: String,
    /// Its origin.
    pub logout_origin: String,
}

/// Lives of sessions, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLife {
    /// Absolute life from login.
    pub ttl_secs: u64,
    /// A session that was not renewed for so long has ended.
    pub idle_secs: Option<u64>,
    /// How long pages stay open after the access token's end while Cognito cannot be reached.
    pub outage_grace_secs: u64,
}

/// Where the site comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// The Worker's own static assets.
    Assets,
    /// A CloudFront distribution (or any other fixed origin).
    Origin(Origin),
}

/// The whole configuration: one typed value per isolate.
#[derive(Clone, Debug)]
pub struct Config {
    /// Scheme and host that browsers see.
    pub public_url: Origin,
    /// The user pool and app client.
    pub cognito: Cognito,
    /// Keys that seal sessions and login flows.
    pub sealing_keys: KeyRing,
    /// Lives of sessions.
    pub session: SessionLife,
    /// In strict mode: how long an isolate takes the guard's word for a session, in seconds.
    pub guard_secs: u64,
    /// Whether access tokens may reach the page.
    pub browser_tokens: BrowserTokens,
    /// Given out by `/config`.
    pub api_url: Option<String>,
    /// Given out by `/config`.
    pub ws_url: Option<String>,
    /// Where the site comes from.
    pub site: Site,
    /// What the origin knows the gateway by; sent to it alone.
    pub origin_secret: Option<Secret>,
    /// Sibling origins that may call the JSON endpoints with credentials.
    pub allowed_origins: Vec<Origin>,
    /// Who may read which path.
    pub rules: Rules,
}

/// The path of the gateway's own callback.
pub const CALLBACK_PATH: &str = "/auth/callback";

/// Whether a path is the gateway's own, or below one: never the site's.
#[must_use]
pub fn is_own_path(path: &str) -> bool {
    const OWN: [&str; 5] = ["/auth", "/config", "/user-info", "/healthz", "/readyz"];
    OWN.iter().any(|route| path.strip_prefix(route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Every variable and secret that is read, for documentation checks.
pub const VARIABLES: [&str; 20] = [
    "PUBLIC_URL",
    "COGNITO_USER_POOL_ID",
    "COGNITO_CLIENT_ID",
    "COGNITO_DOMAIN",
    "COGNITO_ISSUER",
    "COGNITO_CLIENT_SECRET",
    "REDIRECT_URI",
    "LOGOUT_URI",
    "SCOPES",
    "SESSION_KEYS",
    "SESSION_TTL_SECS",
    "SESSION_IDLE_SECS",
    "OUTAGE_GRACE_SECS",
    "GUARD_SECS",
    "BROWSER_TOKENS",
    "API_URL",
    "WS_URL",
    "ORIGIN_URL",
    "ORIGIN_SECRET",
    "ALLOWED_ORIGINS",
];

/// The variable that holds the rules as JSON; apart, since it is the only structured one.
pub const RULES_VARIABLE: &str = "RULES";

impl Config {
    /// Parses the configuration from a look-up of variables and secrets; an empty string counts as unset.
    ///
    /// # Errors
    /// All problems, in the order of the README's table.
    #[expect(clippy::too_many_lines, reason = "a row for each variable, as in the README's table")]
    pub fn parse(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigProblem>> {
        let mut reader = Reader { var, problems: Vec::new() };

        let public_url = reader.required("PUBLIC_URL", Origin::parse, WANTED_ORIGIN, "https://app.example.com");
        let pool = reader.required(
            "COGNITO_USER_POOL_ID",
            urls::issuer_of_pool,
            "a user pool id: its region, an underscore, letters and digits",
            "us-east-1_AbCdEf123",
        );
        let client_id = reader.required(
            "COGNITO_CLIENT_ID",
            |text| word(text, 1, 128),
            "an app client id of letters and digits",
            "1example23456789abcdefghij",
        );
        let domain = reader.required("COGNITO_DOMAIN", Origin::parse, WANTED_ORIGIN, "https://auth.example.com");
        let issuer = reader.optional(
            "COGNITO_ISSUER",
            urls::issuer,
            "an https URL without a trailing slash, query or fragment (http for localhost only)",
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123",
        );
        let client_secret = reader.optional(
            "COGNITO_CLIENT_SECRET",
            |text| word(text, 24, 64),
            "the app client's secret, 24 to 64 letters and digits; leave it out for a public client",
            "npx wrangler secret put COGNITO_CLIENT_SECRET",
        );
        let redirect_uri = reader.optional(
            "REDIRECT_URI",
            urls::page,
            "a URL on PUBLIC_URL's origin without query or fragment: /auth/callback or a public page outside /auth/",
            "https://app.example.com/auth/callback",
        );
        let logout_uri = reader.optional(
            "LOGOUT_URI",
            urls::absolute,
            "an https URL registered as sign-out URL, without fragment (http for localhost only)",
            "https://app.example.com/",
        );
        let scopes = reader.optional(
            "SCOPES",
            scopes,
            "scopes separated by single spaces, `openid` among them, never `offline_access`",
            "openid email profile",
        );
        let sealing_keys = reader.required(
            "SESSION_KEYS",
            KeyRing::parse,
            "name:base64 of 32 random bytes, newest first, separated by commas",
            "v1:$(openssl rand -base64 32)",
        );
        let ttl_secs = reader.optional(
            "SESSION_TTL_SECS",
            |text| seconds(text, 60, 2_592_000),
            "whole seconds from 60 to 2592000",
            "432000",
        );
        let idle_secs = reader.optional(
            "SESSION_IDLE_SECS",
            |text| seconds(text, 60, 2_592_000),
            "whole seconds from 60 to 2592000, at least twice the access token's life",
            "7200",
        );
        let outage_grace_secs =
            reader.optional("OUTAGE_GRACE_SECS", |text| seconds(text, 0, 3600), "whole seconds from 0 to 3600", "600");
        let guard_secs = reader.optional("GUARD_SECS", |text| seconds(text, 1, 30), "whole seconds from 1 to 30", "10");
        let browser_tokens = reader.optional("BROWSER_TOKENS", browser_tokens, "`access` or `none`", "access");
        let api_url = reader.optional("API_URL", urls::absolute, WANTED_HTTP_URL, "https://api.example.com");
        let ws_url = reader.optional("WS_URL", urls::web_socket, "a wss URL (ws for localhost only)", "wss://ws.example.com");
        let origin_url = reader.optional("ORIGIN_URL", Origin::parse, WANTED_ORIGIN, "https://d111111abcdef8.cloudfront.net");
        let origin_secret = reader.optional(
            "ORIGIN_SECRET",
            header_secret,
            "16 to 256 visible ASCII characters without spaces; leave it out if the origin checks none",
            "npx wrangler secret put ORIGIN_SECRET",
        );
        let allowed_origins = reader.optional(
            "ALLOWED_ORIGINS",
            Origin::parse_list,
            "exact origins separated by commas",
            "https://admin.example.com,https://www.example.com",
        );
        let rules = reader.rules().unwrap_or_default();
        let redirect_uri = match (&public_url, redirect_uri) {
            (Some(public), Some(page)) => {
                if is_redirect_page(public, &page, &rules) {
                    Some(page)
                } else {
                    reader.problem(
                        "REDIRECT_URI",
                        "a page on PUBLIC_URL's origin: /auth/callback, or a page outside the gateway's own routes that RULES make public",
                        "https://app.example.com/signed-in.html",
                    );
                    None
                }
            }
            (Some(public), None) => Url::parse(&format!("{public}{CALLBACK_PATH}")).ok(),
            (None, _) => None,
        };

        // Every `None` below has already been recorded as a problem.
        match (public_url, pool, client_id, domain, sealing_keys, redirect_uri) {
            (Some(public_url), Some(pool_issuer), Some(client_id), Some(domain), Some(sealing_keys), Some(redirect_uri))
                if reader.problems.is_empty() =>
            {
                let logout_uri = logout_uri.unwrap_or_else(|| format!("{public_url}/"));
                Ok(Self {
                    cognito: Cognito {
                        issuer: issuer.unwrap_or(pool_issuer),
                        client_id,
                        client_secret: client_secret.map(Secret),
                        domain,
                        scopes: scopes.unwrap_or_else(|| DEFAULT_SCOPES.to_owned()),
                        redirect_uri,
                        logout_origin: urls::origin_of(&logout_uri),
                        logout_uri,
                    },
                    public_url,
                    sealing_keys,
                    session: SessionLife {
                        ttl_secs: ttl_secs.unwrap_or(DEFAULT_SESSION_TTL_SECS),
                        idle_secs,
                        outage_grace_secs: outage_grace_secs.unwrap_or(DEFAULT_OUTAGE_GRACE_SECS),
                    },
                    guard_secs: guard_secs.unwrap_or(DEFAULT_GUARD_SECS),
                    browser_tokens: browser_tokens.unwrap_or(BrowserTokens::Access),
                    api_url,
                    ws_url,
                    site: origin_url.map_or(Site::Assets, Site::Origin),
                    origin_secret: origin_secret.map(Secret),
                    allowed_origins: allowed_origins.unwrap_or_default(),
                    rules,
                })
            }
            _ => Err(reader.problems),
        }
    }

    /// The key-set URL: fixed by configuration, never by a token.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.cognito.issuer)
    }

    /// The page of the app that is the redirect URI, when it is not the gateway's own callback.
    #[must_use]
    pub fn redirect_page_path(&self) -> Option<&str> {
        let path = self.cognito.redirect_uri.path();
        (path != CALLBACK_PATH).then_some(path)
    }
}

/// Reads variables one by one and collects what is wrong.
struct Reader<F> {
    var: F,
    problems: Vec<ConfigProblem>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn problem(&mut self, name: &'static str, wanted: impl Into<Cow<'static, str>>, example: &'static str) {
        self.problems.push(ConfigProblem { name, wanted: wanted.into(), example });
    }

    /// A wrong rule is named by its number and member.
    fn rules(&mut self) -> Option<Rules> {
        let text = (self.var)(RULES_VARIABLE).filter(|text| !text.is_empty())?;
        let example = r#"[{"path":"/assets/*","allow":"public"},{"path":"/*","allow":"signed-in"}]"#;
        Rules::parse(&text).map_err(|problem| self.problem(RULES_VARIABLE, problem.to_string(), example)).ok()
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        wanted: &'static str,
        example: &'static str,
    ) -> Option<T> {
        let text = (self.var)(name).filter(|text| !text.is_empty())?;
        let value = parse(&text);
        if value.is_none() {
            self.problem(name, wanted, example);
        }
        value
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        wanted: &'static str,
        example: &'static str,
    ) -> Option<T> {
        if (self.var)(name).is_none_or(|text| text.is_empty()) {
            self.problem(name, wanted, example);
            return None;
        }
        self.optional(name, parse, wanted, example)
    }
}

/// The redirect URI is the gateway's callback, or a public page that is not one of the gateway's own routes.
fn is_redirect_page(public_url: &Origin, page: &Url, rules: &Rules) -> bool {
    if page.origin().ascii_serialization() != public_url.as_str() {
        return false;
    }
    let path = page.path();
    if path == CALLBACK_PATH {
        return true;
    }
    // Compared with decoded paths later.
    let plain = !path.contains('%');
    plain && !is_own_path(path) && matches!(rules.access(path), Access::Public)
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

const WANTED_ORIGIN: &str = "an https origin: scheme and host, no path (http for localhost, 127.0.0.1 and [::1] only)";
const WANTED_HTTP_URL: &str = "an https URL without fragment (http for localhost only)";
const DEFAULT_SCOPES: &str = "openid email profile";
/// Five days, as the design that this replaces.
const DEFAULT_SESSION_TTL_SECS: u64 = 432_000;
/// Long enough for a passing fault of Cognito, short enough that a disabled user is soon out.
const DEFAULT_OUTAGE_GRACE_SECS: u64 = 600;
/// A sign-out is seen everywhere within this time, and a busy session costs six questions a minute and isolate.
const DEFAULT_GUARD_SECS: u64 = 10;

#[cfg(test)]
mod tests;
