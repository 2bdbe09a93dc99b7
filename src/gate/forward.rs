//! What to ask the site's origin, and what to change in its answer. Bodies never come here: the shell streams them.

use crate::config::{Config, Origin, Secret, Site};
use crate::ports::IncomingRequest;
use crate::web::cookie::CookieStyle;
use crate::web::headers::{
    LEAVE_TO_READ, ORIGIN_VERIFY, SHARED_CACHE_HEADERS, passes_to_origin, private_cache_control, public_location, varying_by,
    varying_by_cookie,
};
use crate::web::origin::readable_by;

use super::visit::{Trace, Visit};

/// Where the site comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// The Worker's own assets.
    Assets,
    /// A fixed origin; never one that a request names.
    Origin(Origin),
}

/// How the answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    /// As the origin says.
    Public,
    /// By the browser alone.
    Private,
    /// Not at all, and its address goes nowhere: it has held a code.
    RedirectPage,
}

/// One request to the site's origin.
#[derive(Clone, Debug)]
pub struct ForwardPlan {
    /// Where to.
    pub upstream: Upstream,
    /// Path and query as the browser wrote them, from the first `/`.
    pub path_and_query: String,
    pub(super) trace: Trace,
    keeping: Keeping,
    /// Whether a script of the page that asks may read a gated answer.
    readable: bool,
    public_url: Origin,
    cookie_style: CookieStyle,
    client: String,
    /// None for the assets: nobody else can ask them.
    origin_secret: Option<Secret>,
}

/// Changes to an answer's headers; empty means that it passes untouched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Headers to remove.
    pub remove: Vec<&'static str>,
    /// Headers to set, in place of what is there.
    pub set: Vec<(&'static str, String)>,
    /// The `Set-Cookie` lines that stay, if any has to go.
    pub set_cookies: Option<Vec<String>>,
}

impl HeaderEdits {
    /// Whether the answer passes untouched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.set_cookies.is_none()
    }
}

impl ForwardPlan {
    pub(super) fn public<R: IncomingRequest>(config: &Config, visit: &Visit<'_, R>) -> Self {
        Self::new(config, visit, visit.path_and_query(), Keeping::Public)
    }

    pub(super) fn gated<R: IncomingRequest>(config: &Config, visit: &Visit<'_, R>) -> Self {
        Self::new(config, visit, visit.path_and_query(), Keeping::Private)
    }

    /// Code and state stay here: the page is asked for without its query.
    pub(super) fn redirect_page<R: IncomingRequest>(config: &Config, visit: &Visit<'_, R>) -> Self {
        Self::new(config, visit, visit.url.path(), Keeping::RedirectPage)
    }

    fn new<R: IncomingRequest>(config: &Config, visit: &Visit<'_, R>, path_and_query: &str, keeping: Keeping) -> Self {
        let (upstream, path_and_query, origin_secret) = match &config.site {
            Site::Origin(origin) => (Upstream::Origin(origin.clone()), path_and_query.to_owned(), config.origin_secret.clone()),
            Site::Assets => (Upstream::Assets, with_index(path_and_query), None),
        };
        Self {
            upstream,
            path_and_query,
            trace: visit.trace(),
            keeping,
            readable: readable_by(config, visit.request.header("origin").as_deref()).is_some(),
            public_url: config.public_url.clone(),
            cookie_style: visit.cookie_style,
            client: visit.client(),
            origin_secret,
        }
    }

    /// The page's address as the browser sees it; the assets binding takes any host.
    #[must_use]
    pub fn public_address(&self) -> String {
        format!("{}{}", self.public_url, self.path_and_query)
    }

    /// Whether Cloudflare's own cache may keep the origin's answer. Only where everybody may read it.
    #[must_use]
    pub fn may_be_cached(&self) -> bool {
        self.keeping == Keeping::Public
    }

    /// Whether a request header of the client goes on to the origin.
    #[must_use]
    pub fn passes(&self, name: &str, connection: Option<&str>) -> bool {
        passes_to_origin(name, connection)
    }

    /// Request headers that we set: the client's cookies without ours, where it came from, and what the origin knows us by.
    #[must_use]
    pub fn own_request_headers(&self, cookie: Option<&str>) -> Vec<(&'static str, String)> {
        let scheme = if self.public_url.is_https() { "https" } else { "http" };
        let mut headers = vec![("x-forwarded-host", self.public_url.host().to_owned()), ("x-forwarded-proto", scheme.to_owned())];
        if !self.client.is_empty() {
            headers.push(("x-forwarded-for", self.client.clone()));
        }
        if let Some(secret) = &self.origin_secret {
            headers.push((ORIGIN_VERIFY, secret.expose().to_owned()));
        }
        if let Some(cookie) = cookie.and_then(|cookie| self.cookie_style.without_ours(cookie)) {
            headers.push(("cookie", cookie));
        }
        headers
    }

    /// What to change in the origin's answer.
    #[must_use]
    pub fn edit_answer(&self, header: impl Fn(&str) -> Option<String>, set_cookies: &[String]) -> HeaderEdits {
        let mut edits = HeaderEdits::default();
        match self.keeping {
            Keeping::Public => {}
            Keeping::Private => self.keep_private(&mut edits, &header),
            Keeping::RedirectPage => {
                edits.set.push(("cache-control", "no-store".to_owned()));
                edits.set.push(("referrer-policy", "no-referrer".to_owned()));
                edits.remove.extend(SHARED_CACHE_HEADERS.into_iter().filter(|name| header(name).is_some()));
            }
        }
        if header(ORIGIN_VERIFY).is_some() {
            edits.remove.push(ORIGIN_VERIFY);
        }
        if let Upstream::Origin(origin) = &self.upstream
            && let Some(location) = header("location").and_then(|location| public_location(&location, origin, &self.public_url))
        {
            edits.set.push(("location", location));
        }
        // A line without a name (`=__Host-session=x`) would come back as one that has it.
        let named = |line: &str| line.trim_start_matches(['=', ' ', '\t']).split('=').next().unwrap_or_default().to_owned();
        let theirs = |line: &&String| !self.cookie_style.reserves(&named(line));
        if !set_cookies.iter().all(|line| theirs(&line)) {
            edits.set_cookies = Some(set_cookies.iter().filter(theirs).cloned().collect());
        }
        edits
    }

    /// For the browser alone, and there for scripts of our own origin and the allowed ones: an origin that lets every sibling
    /// host read would give them what the user's Lax cookie opened.
    fn keep_private(&self, edits: &mut HeaderEdits, header: &impl Fn(&str) -> Option<String>) {
        let there = |name: &&str| header(name).is_some();
        let sent = header("cache-control");
        let private = private_cache_control(sent.as_deref());
        let kept = private.as_deref().or(sent.as_deref()).unwrap_or_default();
        let vary = header("vary");
        let mut varying = varying_by_cookie(kept, vary.as_deref());
        if !self.readable && LEAVE_TO_READ.iter().any(there) {
            edits.remove.extend(LEAVE_TO_READ.into_iter().filter(there));
            varying = varying_by("Origin", varying.as_deref().or(vary.as_deref())).or(varying);
        }
        if let Some(varying) = varying {
            edits.set.push(("vary", varying));
        }
        if let Some(private) = private {
            edits.set.push(("cache-control", private));
        }
        edits.remove.extend(SHARED_CACHE_HEADERS.into_iter().filter(there));
    }
}

/// The assets know files only: a folder's page is its `index.html`, under the rule of the folder's own path.
fn with_index(path_and_query: &str) -> String {
    let (path, query) = path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
    let index = if path.ends_with('/') { "index.html" } else { "" };
    query.map_or_else(|| format!("{path}{index}"), |query| format!("{path}{index}?{query}"))
}
