//! One request, read once: limits, normal path, time, and the kind of caller.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use url::{Position, Url};

use crate::auth::Gateway;
use crate::auth::error::ErrorCode;
use crate::auth::session::Found;
use crate::auth::sessions;
use crate::config::Config;
use crate::ports::{BodyError, IncomingRequest, Ports, UnixSecs};
use crate::session::id::SessionId;
use crate::web::cookie::{CookieStyle, Cookies};
use crate::web::fetch_metadata;
use crate::web::language::Language;
use crate::web::path::NormalPath;
use crate::web::return_path::ReturnPath;
use crate::web::same_origin;

use super::Failure;

/// A request, with the facts that every handler needs.
pub(super) struct RequestContext<'r, R> {
    /// The runtime's request, for headers and body.
    pub incoming: &'r R,
    /// Method in upper case.
    pub method: &'r str,
    /// The time, read once.
    pub now: UnixSecs,
    /// When it began, for the log.
    pub started_ms: u64,
    /// Names the request in answer and log.
    pub request_id: String,
    /// A few characters that name the session in the log; empty until one is found.
    pub session_name: RefCell<String>,
    /// Finer than the response, for the log alone: a static word, never a value. Mostly empty.
    pub log_reason: Cell<&'static str>,
    /// The number of the rule that matched, 0 if none did. `None`: no rule was asked. For the log.
    pub rule: Cell<Option<usize>>,
    /// What the rules made of the request, for the log: `allowed`, `sign_in`, `forbidden` or `reported`. Empty: nothing.
    pub outcome: Cell<&'static str>,
    /// Cognito's `error_description`, cleaned, for the log alone.
    pub log_hint: RefCell<String>,
    /// The names of the cookies.
    pub cookie_style: CookieStyle,
    /// The URL as a browser writes it. `None`: it cannot be read, and no handler sees the request.
    url: Option<Url>,
    /// The normal path, if there is one.
    path: Option<NormalPath>,
    cookie_header: String,
    problem: Option<Failure>,
}

impl<'r, R: IncomingRequest> RequestContext<'r, R> {
    /// Reads the request. A problem is kept for [`Self::check`], so that its response can still be a page in the right language.
    pub(super) fn new(incoming: &'r R, config: &Config, runtime: &impl Ports) -> Self {
        let started_ms = runtime.now_ms();
        let cookie_header = incoming.header("cookie").unwrap_or_default();
        let url = read_url(incoming.url());
        let path = url.as_ref().and_then(|url| NormalPath::parse(url.path()).ok());
        let cookie_style = CookieStyle::of(&config.public_url);
        let problem = if url.is_none() {
            Some(Failure::new(ErrorCode::InvalidRequest, "url_malformed"))
        } else {
            check_lengths(incoming, &cookie_header, cookie_style)
                .err()
                .or_else(|| path.is_none().then(|| Failure::new(ErrorCode::InvalidRequest, "path_ambiguous")))
        };
        Self {
            incoming,
            method: incoming.method(),
            now: started_ms / 1000,
            started_ms,
            request_id: runtime.random_name(),
            session_name: RefCell::default(),
            log_reason: Cell::default(),
            rule: Cell::default(),
            outcome: Cell::default(),
            log_hint: RefCell::default(),
            cookie_style,
            url,
            path,
            cookie_header,
            problem,
        }
    }

    /// # Errors
    /// The request is too long, its URL cannot be read, or its path could be read in two ways: no handler may see it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.problem.clone().map_or(Ok(()), Err)
    }

    /// Whether the URL can be read.
    pub(super) fn has_url(&self) -> bool {
        self.url.is_some()
    }

    /// The normal path, if there is one.
    pub(super) fn normal_path(&self) -> Option<&str> {
        self.path.as_ref().map(NormalPath::as_str)
    }

    /// The normal path; empty in a request that [`Self::check`] refuses.
    pub(super) fn path(&self) -> &str {
        self.normal_path().unwrap_or_default()
    }

    /// Scheme, host and port of the URL; empty without one.
    pub(super) fn origin(&self) -> &str {
        self.url.as_ref().map(|url| &url[..Position::BeforePath]).unwrap_or_default()
    }

    /// The path as it stands in the URL; empty without one.
    pub(super) fn raw_path(&self) -> &str {
        self.url.as_ref().map(Url::path).unwrap_or_default()
    }

    /// The path and query as they stand in the URL; empty without one.
    pub(super) fn path_and_query(&self) -> &str {
        self.url.as_ref().map(|url| &url[Position::BeforePath..Position::AfterQuery]).unwrap_or_default()
    }

    /// The query, without the question mark.
    pub(super) fn query(&self) -> &str {
        self.url.as_ref().and_then(Url::query).unwrap_or_default()
    }

    /// The query with its question mark; empty without one.
    pub(super) fn query_with_mark(&self) -> &str {
        self.url.as_ref().map(|url| &url[Position::AfterPath..Position::AfterQuery]).unwrap_or_default()
    }

    /// The browser's cookies.
    pub(super) fn cookies(&self) -> Cookies<'_> {
        Cookies::new(&self.cookie_header)
    }

    /// The session id of the browser's cookie.
    pub(super) fn session_id(&self) -> Option<SessionId> {
        self.cookies().one(self.cookie_style.session_name()).and_then(SessionId::parse)
    }

    /// The session of the browser's cookie. Its name goes to the log.
    ///
    /// # Errors
    /// KV or the guard could not answer: neither signed in nor signed out.
    pub(super) async fn find_session<P: Ports>(&self, gateway: &Gateway<P>) -> Result<Found, Failure> {
        let Some(id) = self.session_id() else { return Ok(Found::None) };
        self.session_name.replace(id.names().log_name());
        Ok(sessions::find(gateway, id, self.now).await?)
    }

    /// The body, within the limit of our own routes.
    ///
    /// # Errors
    /// It is longer, or broke off.
    pub(super) async fn body(&self) -> Result<Vec<u8>, Failure> {
        self.body_up_to(MAX_BODY_BYTES).await
    }

    /// The body, within a limit in bytes.
    ///
    /// # Errors
    /// It is longer, or broke off.
    pub(super) async fn body_up_to(&self, max_bytes: usize) -> Result<Vec<u8>, Failure> {
        self.incoming.body(max_bytes).await.map_err(|error| match error {
            BodyError::TooLarge => ErrorCode::PayloadTooLarge.into(),
            BodyError::Broken => Failure::new(ErrorCode::InvalidRequest, "body_broken"),
        })
    }

    /// Refuses the request where the optional rate limit says so.
    ///
    /// # Errors
    /// `rate_limited`.
    pub(super) async fn limit<P: Ports>(&self, gateway: &Gateway<P>, route: &str, caller: &str) -> Result<(), Failure> {
        // The key holds an address or a session's look-up hash. The platform hashes it, and it is not stored.
        let allowed = gateway.runtime.rate_limit(&format!("{route}:{caller}")).await;
        if allowed { Ok(()) } else { Err(ErrorCode::RateLimited.into()) }
    }

    /// The return path of a login from here.
    pub(super) fn return_path(&self) -> Option<ReturnPath> {
        ReturnPath::parse(self.path_and_query())
    }

    /// The return path of a login, or the default; a refused one leaves a reason in the log.
    pub(super) fn return_path_or_default(&self, value: &str) -> ReturnPath {
        ReturnPath::parse(value).unwrap_or_else(|| {
            self.log_reason.set("return_path_refused");
            ReturnPath::default()
        })
    }

    /// Whether the request came over https.
    pub(super) fn is_https(&self) -> bool {
        self.incoming.url().starts_with("https://")
    }

    /// The language of our pages.
    pub(super) fn language(&self) -> Language {
        Language::negotiate(self.incoming.header("accept-language").as_deref())
    }

    /// Whether a page is being loaded into the browser's window.
    pub(super) fn is_navigation(&self) -> bool {
        fetch_metadata::is_navigation(self.incoming)
    }

    /// Whether a page is asked for, by a browser's window or by a client that says no more than that it accepts HTML.
    pub(super) fn asks_for_page(&self) -> bool {
        fetch_metadata::asks_for_page(self.incoming)
    }

    /// Whether a page is being loaded into a frame of another one.
    pub(super) fn is_frame_navigation(&self) -> bool {
        fetch_metadata::is_frame_navigation(self.incoming)
    }

    /// Whether the browser loads the page ahead of the user.
    pub(super) fn is_speculative(&self) -> bool {
        fetch_metadata::is_speculative(self.incoming)
    }

    /// Whether a form of a page was sent (an HTML form navigates).
    pub(super) fn is_form_post(&self) -> bool {
        let form = self.incoming.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let navigates = self.incoming.header("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
        let wants_html = self.incoming.header("accept").is_some_and(|accept| accept.contains("text/html"));
        self.method == "POST" && form && navigates && wants_html
    }

    /// Refuses a request that does not come from the site's own pages or an allowed origin.
    ///
    /// # Errors
    /// `csrf_rejected`.
    pub(super) fn check_own_page(&self, config: &Config) -> Result<(), Failure> {
        let (sender, site) = (self.incoming.header("origin"), self.incoming.header("sec-fetch-site"));
        same_origin::check_own_page(config, sender.as_deref(), site.as_deref()).map_err(|_| ErrorCode::CsrfRejected.into())
    }

    /// The client's address, as Cloudflare saw it.
    pub(super) fn client(&self) -> String {
        self.incoming.header("cf-connecting-ip").unwrap_or_default()
    }

    /// The client's network, for rate limits: one client has all of an IPv6 /64.
    pub(super) fn client_network(&self) -> String {
        network(&self.client())
    }
}

/// Reads the request's URL. `None` for a URL that no browser sends: control characters, user info, another protocol.
fn read_url(text: &str) -> Option<Url> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let no_user = url.username().is_empty() && url.password().is_none();
    (no_user && matches!(url.scheme(), "http" | "https")).then_some(url)
}

fn check_lengths(request: &impl IncomingRequest, cookie_header: &str, style: CookieStyle) -> Result<(), Failure> {
    if request.url().len() > MAX_URL_BYTES {
        return Err(ErrorCode::UriTooLong.into());
    }
    if cookie_header.len() > MAX_COOKIE_BYTES {
        return Err(Failure { set_cookies: clear_logins(cookie_header, style), ..ErrorCode::HeadersTooLarge.into() });
    }
    let authorization_bytes = request.header("authorization").map_or(0, |value| value.len());
    if authorization_bytes > MAX_AUTHORIZATION_BYTES {
        return Err(ErrorCode::HeadersTooLarge.into());
    }
    Ok(())
}

/// The lines that clear every login state and return path. Logins that many tabs begin at once do not see each other's cookies,
/// so that none makes room. Together their cookies may be too long; once they are cleared, the next load works.
fn clear_logins(cookie_header: &str, style: CookieStyle) -> Vec<String> {
    let of_a_login = |name: &&str| name.starts_with(style.login_prefix()) || name.starts_with(style.return_prefix());
    let names = Cookies::new(cookie_header).pairs().map(|(name, _)| name).filter(of_a_login);
    names.take(MAX_CLEARED).map(|name| style.clear(name)).collect()
}

/// The first four of an IPv6 address's eight groups; an IPv4 address, or any other text, as it is.
fn network(address: &str) -> String {
    match address.parse().map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => address.to_owned(),
    }
}

/// `{"code","state"}` and `{"force":true}` are short.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// CloudFront's own limit.
pub(super) const MAX_URL_BYTES: usize = 8192;
/// Five login states with the longest return paths have 16 kB, and return paths another 6; the site's own cookies come on top.
const MAX_COOKIE_BYTES: usize = 32 * 1024;
/// More than a browser keeps for one host: an answer stays within what its headers may have.
const MAX_CLEARED: usize = 200;
/// A bearer token of the largest size that is verified, and the scheme.
const MAX_AUTHORIZATION_BYTES: usize = crate::jose::jws::MAX_TOKEN_BYTES + 16;

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn an_ipv6_client_is_its_network() {
        for (address, expected) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"),
            ("2001:db8:1:2::", "2001:db8:1:2"),
            ("2001:db8:1:2::5:6", "2001:db8:1:2"),
            ("2001:db8::1", "2001:db8:0:0"),
            ("2001:db8::2:3:4:5:6", "2001:db8:0:2"),
            ("::1", "0:0:0:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("198.51.100.7", "198.51.100.7"),
            ("", ""),
        ] {
            assert_eq!(network(address), expected, "{address}");
        }
    }
}
