//! Configuration: strings in, typed values out, every problem named at once.
//!
//! `platform/` hands in the look-up of variables. A problem never repeats a value, because some values are secrets.

mod api_routes;
mod key_ring;
mod urls;
mod variables;

use std::borrow::Cow;

use url::Url;

use crate::access::rules::{Access, Rules};

use variables::{self as row, Variable};

pub use api_routes::{ApiRoute, ApiRoutes, RouteToken, TokenPlace};
pub use key_ring::{KeyRing, RingKey};
pub use urls::Origin;
pub use variables::VARIABLES;

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
    /// A session that was not refreshed for so long has ended.
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
    /// Keys that seal sessions and login states.
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
    /// Proves the gateway to the origin; sent to it alone.
    pub origin_secret: Option<Secret>,
    /// Sibling origins that may call the JSON endpoints with credentials.
    pub allowed_origins: Vec<Origin>,
    /// Who may read which path.
    pub rules: Rules,
    /// The path of the app's shell: the page for paths that the site does not have (`SPA_FALLBACK`).
    pub spa_fallback: Option<String>,
    /// APIs and sockets behind the gate.
    pub api_routes: ApiRoutes,
    /// Whether the fragment of an address survives the login.
    pub keep_fragment: bool,
}

/// The path of the gateway's own callback.
pub const CALLBACK_PATH: &str = "/auth/callback";

/// Whether a path is the gateway's own, or below one: never the site's.
#[must_use]
pub fn is_own_path(path: &str) -> bool {
    const OWN: [&str; 5] = ["/auth", "/config", "/user-info", "/healthz", "/readyz"];
    OWN.iter().any(|route| path.strip_prefix(route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

impl Config {
    /// Parses the configuration from a look-up of variables and secrets; an empty string counts as unset.
    ///
    /// # Errors
    /// All problems, in the order of the README's table.
    pub fn parse(var: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigProblem>> {
        let mut reader = Reader { var, problems: Vec::new() };

        let public_url = reader.required(&row::PUBLIC_URL);
        let pool = reader.required(&row::COGNITO_USER_POOL_ID);
        let client_id = reader.required(&row::COGNITO_CLIENT_ID);
        let domain = reader.required(&row::COGNITO_DOMAIN);
        let issuer = reader.optional(&row::COGNITO_ISSUER);
        let client_secret = reader.optional(&row::COGNITO_CLIENT_SECRET);
        let redirect_uri = reader.optional(&row::REDIRECT_URI);
        let logout_uri = reader.optional(&row::LOGOUT_URI);
        let scopes = reader.optional(&row::SCOPES);
        let sealing_keys = reader.required(&row::SESSION_KEYS);
        let ttl_secs = reader.optional(&row::SESSION_TTL_SECS);
        let idle_secs = reader.optional(&row::SESSION_IDLE_SECS);
        let outage_grace_secs = reader.optional(&row::OUTAGE_GRACE_SECS);
        let guard_secs = reader.optional(&row::GUARD_SECS);
        let browser_tokens = reader.optional(&row::BROWSER_TOKENS);
        let api_url = reader.optional(&row::API_URL);
        let ws_url = reader.optional(&row::WS_URL);
        let origin_url = reader.optional(&row::ORIGIN_URL);
        let origin_secret = reader.optional(&row::ORIGIN_SECRET);
        let allowed_origins = reader.optional(&row::ALLOWED_ORIGINS);
        let rules = reader.rules().unwrap_or_default();
        let spa_fallback = reader.optional(&row::SPA_FALLBACK);
        let api_routes = reader.api_routes(&rules).unwrap_or_default();
        let keep_fragment = reader.optional(&row::KEEP_FRAGMENT);
        let redirect_uri = match (&public_url, redirect_uri) {
            (Some(public), Some(page)) => {
                if is_redirect_page(public, &page, &rules) {
                    Some(page)
                } else {
                    reader.problem(
                        row::REDIRECT_URI.name,
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
                    spa_fallback,
                    api_routes,
                    keep_fragment: keep_fragment.unwrap_or(false),
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

/// The issuer and the whole life of sessions, in seconds, from variables that may lack the rest.
///
/// # Errors
/// What is wrong with these variables.
pub fn issuer_and_session_life(var: impl Fn(&str) -> Option<String>) -> Result<(String, u64), Vec<ConfigProblem>> {
    let mut reader = Reader { var, problems: Vec::new() };
    let issuer = match reader.optional(&row::COGNITO_ISSUER) {
        Some(issuer) => Some(issuer),
        None => reader.required(&row::COGNITO_USER_POOL_ID),
    };
    let ttl_secs = reader.optional(&row::SESSION_TTL_SECS).unwrap_or(DEFAULT_SESSION_TTL_SECS);
    issuer.filter(|_| reader.problems.is_empty()).map(|issuer| (issuer, ttl_secs)).ok_or(reader.problems)
}

/// Reads variables one by one and collects the problems.
struct Reader<F> {
    var: F,
    problems: Vec<ConfigProblem>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn problem(&mut self, name: &'static str, wanted: impl Into<Cow<'static, str>>, example: &'static str) {
        self.problems.push(ConfigProblem { name, wanted: wanted.into(), example });
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.var)(name).filter(|text| !text.is_empty())
    }

    fn optional<T>(&mut self, variable: &Variable<T>) -> Option<T> {
        let value = (variable.parse)(&self.text(variable.name)?);
        if value.is_none() {
            self.problem(variable.name, variable.wanted, variable.example);
        }
        value
    }

    fn required<T>(&mut self, variable: &Variable<T>) -> Option<T> {
        if self.text(variable.name).is_none() {
            self.problem(variable.name, variable.wanted, variable.example);
            return None;
        }
        self.optional(variable)
    }

    /// A wrong rule is named by its number and member.
    fn rules(&mut self) -> Option<Rules> {
        let text = self.text(row::RULES.name)?;
        Rules::parse(&text).map_err(|problem| self.problem(row::RULES.name, problem.to_string(), row::RULES.example)).ok()
    }

    /// A wrong route is named by its number and member.
    fn api_routes(&mut self, rules: &Rules) -> Option<ApiRoutes> {
        let text = self.text(row::ROUTES.name)?;
        let problem = |reader: &mut Self, problem: String| reader.problem(row::ROUTES.name, problem, row::ROUTES.example);
        ApiRoutes::parse(&text, rules).map_err(|wrong| problem(self, wrong.to_string())).ok()
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

const DEFAULT_SCOPES: &str = "openid email profile";
/// Five days, as the design that this replaces.
const DEFAULT_SESSION_TTL_SECS: u64 = 432_000;
/// Long enough for a passing fault of Cognito, short enough that a disabled user is soon out.
const DEFAULT_OUTAGE_GRACE_SECS: u64 = 600;
/// A sign-out is seen everywhere within this time, and a busy session costs six questions a minute and isolate.
const DEFAULT_GUARD_SECS: u64 = 10;

#[cfg(test)]
mod tests;
