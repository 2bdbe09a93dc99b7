//! What to ask the site for, and what to change in its answer. Bodies never come here: the shell streams them.

use crate::config::{Config, Site};
use crate::ports::{IncomingRequest, Level, log_line};
use crate::web::cookie::CookieStyle;
use crate::web::headers::{
    LEAVE_TO_READ, ORIGIN_VERIFY, SHARED_CACHE_HEADERS, private_cache_control, public_location, varying_by, varying_by_cookie,
};
use crate::web::origin::readable_by;

use super::route::Route;
use super::visit::{Trace, Visit};

/// How an answer of the site may be kept, and who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// By the browser alone; only our own pages and those of allowed origins may read it.
    Private,
    /// The same, asked for by a script of such a page: what the origin says of CORS stays.
    PrivateReadable,
    /// As the origin says.
    Public,
    /// Not at all, and its address goes nowhere: it has held a code.
    RedirectPage,
}

/// One request to the site.
#[derive(Clone, Debug)]
pub struct ForwardPlan {
    /// Path and query as the browser wrote them, from the first `/`.
    pub path_and_query: String,
    /// How the answer may be kept.
    pub keeping: Keeping,
    /// What the log says of the request.
    pub trace: Trace,
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
        let readable = readable_by(config, visit.request.header("origin").as_deref()).is_some();
        let keeping = if readable { Keeping::PrivateReadable } else { Keeping::Private };
        Self::new(config, visit, visit.path_and_query(), keeping)
    }

    /// Code and state stay here: the page is asked for without its query.
    pub(super) fn redirect_page<R: IncomingRequest>(config: &Config, visit: &Visit<'_, R>) -> Self {
        Self::new(config, visit, visit.raw_path(), Keeping::RedirectPage)
    }

    fn new<R: IncomingRequest>(config: &Config, visit: &Visit<'_, R>, path_and_query: &str, keeping: Keeping) -> Self {
        let path_and_query = match config.site {
            Site::Origin(_) => path_and_query.to_owned(),
            Site::Assets => with_index(path_and_query),
        };
        Self { path_and_query, keeping, trace: visit.trace() }
    }

    /// The log's line but for the status, the duration and the closing brace: those the shell adds when the site has answered.
    #[must_use]
    pub fn begun_log_line(&self) -> String {
        let fields = [("route", Route::Site.name()), ("request_id", &self.trace.request_id), ("session", &self.trace.session)];
        let mut line = log_line(Level::Info, "request", &fields);
        line.pop();
        line
    }
}

/// Request headers for the origin that we set: where the client came from, what the origin knows us by, and the client's cookies
/// without ours.
#[must_use]
pub fn own_request_headers(config: &Config, cookie: Option<&str>, client: Option<&str>) -> Vec<(&'static str, String)> {
    let public_url = &config.public_url;
    let scheme = if public_url.is_https() { "https" } else { "http" };
    let mut headers = vec![("x-forwarded-host", public_url.host().to_owned()), ("x-forwarded-proto", scheme.to_owned())];
    if let Some(client) = client {
        headers.push(("x-forwarded-for", client.to_owned()));
    }
    // Nobody else can ask the assets.
    if let (Some(secret), Site::Origin(_)) = (&config.origin_secret, &config.site) {
        headers.push((ORIGIN_VERIFY, secret.expose().to_owned()));
    }
    if let Some(cookie) = cookie.and_then(|cookie| CookieStyle::of(public_url).without_ours(cookie)) {
        headers.push(("cookie", cookie));
    }
    headers
}

/// The headers of an answer that [`Keeping::edit_answer`] looks at, apart from `Set-Cookie`.
pub const ANSWER_HEADERS: [&str; 10] = {
    let [read, credentials] = LEAVE_TO_READ;
    let [cdn, cloudflare, surrogate, expires] = SHARED_CACHE_HEADERS;
    ["cache-control", "vary", "location", ORIGIN_VERIFY, read, credentials, cdn, cloudflare, surrogate, expires]
};

impl Keeping {
    /// Its name, by which it crosses to the shell and comes back.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PrivateReadable => "private, readable",
            Self::Public => "public",
            Self::RedirectPage => "redirect page",
        }
    }

    /// The keeping of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Private, Self::PrivateReadable, Self::Public, Self::RedirectPage].into_iter().find(|it| it.name() == name)
    }

    /// What to change in an answer. It depends on nothing else, so that it may be remembered.
    #[must_use]
    pub fn edit_answer(self, config: &Config, header: impl Fn(&str) -> Option<String>, set_cookies: &[String]) -> HeaderEdits {
        let mut edits = HeaderEdits::default();
        match self {
            Self::Public => {}
            Self::Private => keep_private(&mut edits, false, &header),
            Self::PrivateReadable => keep_private(&mut edits, true, &header),
            Self::RedirectPage => {
                edits.set.push(("cache-control", "no-store".to_owned()));
                edits.set.push(("referrer-policy", "no-referrer".to_owned()));
                edits.remove.extend(SHARED_CACHE_HEADERS.into_iter().filter(|name| header(name).is_some()));
            }
        }
        if header(ORIGIN_VERIFY).is_some() {
            edits.remove.push(ORIGIN_VERIFY);
        }
        if let Site::Origin(origin) = &config.site
            && let Some(location) = header("location").and_then(|location| public_location(&location, origin, &config.public_url))
        {
            edits.set.push(("location", location));
        }
        // A line without a name (`=__Host-session=x`) would come back as one that has it.
        let named = |line: &str| line.trim_start_matches(['=', ' ', '\t']).split('=').next().unwrap_or_default().to_owned();
        let theirs = |line: &&String| !CookieStyle::of(&config.public_url).reserves(&named(line));
        if !set_cookies.iter().all(|line| theirs(&line)) {
            edits.set_cookies = Some(set_cookies.iter().filter(theirs).cloned().collect());
        }
        edits
    }
}

/// For the browser alone, and there for scripts of our own origin and the allowed ones: an origin that lets every sibling
/// host read would give them what the user's Lax cookie opened.
fn keep_private(edits: &mut HeaderEdits, readable: bool, header: &impl Fn(&str) -> Option<String>) {
    let there = |name: &&str| header(name).is_some();
    let sent = header("cache-control");
    let private = private_cache_control(sent.as_deref());
    let kept = private.as_deref().or(sent.as_deref()).unwrap_or_default();
    let vary = header("vary");
    let mut varying = varying_by_cookie(kept, vary.as_deref());
    if !readable && LEAVE_TO_READ.iter().any(there) {
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

/// The assets know files only: a folder's page is its `index.html`, under the rule of the folder's own path.
fn with_index(path_and_query: &str) -> String {
    let (path, query) = path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
    let index = if path.ends_with('/') { "index.html" } else { "" };
    query.map_or_else(|| format!("{path}{index}"), |query| format!("{path}{index}?{query}"))
}
