//! The request for the site, and the changes to its answer. The platform streams bodies; they never come here.

use crate::config::{Config, Site};
use crate::ports::{ForwardedBody, HeaderEdits, IncomingRequest, OriginRequest, UpstreamAnswer, UpstreamRequest};
use crate::session::record::Record;
use crate::web::cookie::CookieStyle;
use crate::web::headers::{
    LEAVE_TO_READ, ORIGIN_VERIFY, SHARED_CACHE_HEADERS, connection_options, header_value, passes_to_origin,
    private_cache_control, public_location, varying_by, varying_by_cookie,
};
use crate::web::same_origin::readable_by;

use crate::gate::request::RequestContext;

use super::{Entry, is_unsafe};

/// Which caches may keep an answer of the site, and which origins may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// No cache, and no `Referer`: the address has held a code.
    NoStore,
    /// The browser's cache alone; only pages of our own origin read it.
    Private,
    /// The same, for a script of an allowed origin: the site's CORS headers stay.
    PrivateCors,
    /// As the site says.
    Public,
}

impl CachePolicy {
    /// The policy of an answer that a session opens.
    pub(super) fn gated<R: IncomingRequest>(config: &Config, request: &RequestContext<'_, R>) -> Self {
        let readable = readable_by(config, request.incoming.header("origin").as_deref()).is_some();
        if readable { Self::PrivateCors } else { Self::Private }
    }

    /// The policy of a page that is served in place of another: the stricter of the two.
    pub(super) fn stricter(self, other: Self) -> Self {
        if self == Self::Public { other } else { self }
    }

    /// The changes to an answer.
    #[must_use]
    pub fn edit_answer(self, config: &Config, answer: &impl UpstreamAnswer) -> HeaderEdits {
        let mut edits = HeaderEdits::default();
        match self {
            Self::Public => {}
            Self::Private => keep_private(&mut edits, false, answer),
            Self::PrivateCors => keep_private(&mut edits, true, answer),
            Self::NoStore => {
                edits.set.push(("cache-control", "no-store".to_owned()));
                edits.set.push(("referrer-policy", "no-referrer".to_owned()));
                edits.remove_each(SHARED_CACHE_HEADERS.into_iter().filter(|name| answer.header(name).is_some()));
            }
        }
        if answer.header(ORIGIN_VERIFY).is_some() {
            edits.remove_each([ORIGIN_VERIFY]);
        }
        if let Site::Origin(origin) = &config.site
            && let Some(location) = answer.header("location")
            && let Some(location) = public_location(&location, origin, &config.public_url)
        {
            edits.set.push(("location", location));
        }
        keep_our_cookies(&mut edits, config, answer.set_cookies());
        edits
    }
}

/// The headers of an answer that [`CachePolicy::edit_answer`] reads, apart from `Set-Cookie`.
pub const ANSWER_HEADERS: [&str; 10] = {
    let [read, credentials] = LEAVE_TO_READ;
    let [cdn, cloudflare, surrogate, expires] = SHARED_CACHE_HEADERS;
    ["cache-control", "vary", "location", ORIGIN_VERIFY, read, credentials, cdn, cloudflare, surrogate, expires]
};

/// For the browser alone, and there for scripts of our own origin and the allowed ones: CORS headers of the site that let every
/// sibling host read would give away pages that the user's Lax cookie has opened.
pub(in crate::gate) fn keep_private(edits: &mut HeaderEdits, readable: bool, answer: &impl UpstreamAnswer) {
    let there = |name: &&str| answer.header(name).is_some();
    let sent = answer.header("cache-control");
    let private = private_cache_control(sent.as_deref());
    let kept = private.as_deref().or(sent.as_deref()).unwrap_or_default();
    let vary = answer.header("vary");
    let mut varying = varying_by_cookie(kept, vary.as_deref());
    if !readable && LEAVE_TO_READ.iter().any(there) {
        edits.remove_each(LEAVE_TO_READ.into_iter().filter(there));
        varying = varying_by("Origin", varying.as_deref().or(vary.as_deref())).or(varying);
    }
    if let Some(varying) = varying {
        edits.set.push(("vary", varying));
    }
    if let Some(private) = private {
        edits.set.push(("cache-control", private));
    }
    edits.remove_each(SHARED_CACHE_HEADERS.into_iter().filter(there));
}

/// The site's cookies without those that have our names.
pub(in crate::gate) fn keep_our_cookies(edits: &mut HeaderEdits, config: &Config, lines: &[String]) {
    let style = CookieStyle::of(&config.public_url);
    // A line without a name (`=__Host-session=x`) would come back as one that has it.
    let named = |line: &str| line.trim_start_matches(['=', ' ', '\t']).split('=').next().unwrap_or_default().to_owned();
    let theirs = |line: &&String| !style.reserves(&named(line));
    if lines.iter().all(|line| theirs(&line)) {
        return;
    }
    edits.remove_each([SET_COOKIE]);
    edits.add.extend(lines.iter().filter(theirs).map(|line| (SET_COOKIE, line.clone())));
}

/// The request for the site. Code and state stay here: the query of a page that no cache may keep is not sent on.
pub(super) fn request_for_site<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    entry: &Entry,
) -> UpstreamRequest {
    let query = if entry.policy == CachePolicy::NoStore { "" } else { request.query_with_mark() };
    request_for(config, request, (request.raw_path(), query), entry, &[])
}

/// The request for another page in place of the path's own: the whole page, whatever part of the path the client asked for.
pub(super) fn request_for_page<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    path: &str,
    entry: &Entry,
) -> UpstreamRequest {
    request_for(config, request, (path, ""), entry, &["range", "if-range"])
}

fn request_for<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    (path, query): (&str, &str),
    entry: &Entry,
    without: &'static [&'static str],
) -> UpstreamRequest {
    match &config.site {
        Site::Assets => {
            // The assets know files only: a folder's page is its `index.html`, under the rule of the folder's own path.
            let index = if path.ends_with('/') { "index.html" } else { "" };
            let wanted = [config.public_url.as_str(), path, index, query].concat();
            UpstreamRequest::Assets { url: Some(wanted).filter(|wanted| wanted != request.incoming.url()), without }
        }
        Site::Origin(origin) => {
            let mut headers = own_request_headers(config, request.incoming);
            headers.remove_each(without.iter().copied());
            headers.set.extend(entry.identity().into_iter().flat_map(identity_headers));
            let sends_body = is_unsafe(request.method);
            headers.set.extend(content_type(request).filter(|_| sends_body));
            UpstreamRequest::Origin(OriginRequest {
                url: [origin.as_str(), path, query].concat(),
                passes: passes_to_origin,
                headers,
                body: if sends_body { ForwardedBody::Streamed } else { ForwardedBody::Empty },
                may_be_cached: entry.policy == CachePolicy::Public && !sends_body,
                timeout_ms: if sends_body { UPLOAD_TIMEOUT_MS } else { ORIGIN_TIMEOUT_MS },
            })
        }
    }
}

/// The client's `Content-Type`, for a request with a body.
pub(in crate::gate) fn content_type<R: IncomingRequest>(request: &RequestContext<'_, R>) -> Option<(&'static str, String)> {
    request.incoming.header(CONTENT_TYPE).map(|content_type| (CONTENT_TYPE, content_type))
}

/// Who the user is, for the origin: only an e-mail address that Cognito has verified, and only a user's groups, if there are any.
/// A client's own headers of these names never pass (see `web::headers`).
pub(in crate::gate) fn identity_headers(record: &Record) -> Vec<(&'static str, String)> {
    let mut headers = vec![("x-auth-subject", header_value(&record.subject))];
    let profile = &record.profile;
    if let Some(email) = profile.email.as_deref().filter(|_| profile.email_verified == Some(true)) {
        headers.push(("x-auth-email", header_value(email)));
    }
    let groups: Vec<String> = profile.groups.iter().map(|group| header_value(group)).collect();
    if !groups.is_empty() {
        headers.push(("x-auth-groups", groups.join(",")));
    }
    headers
}

/// Changes to the client's headers for the origin: the client's address and host, the origin's secret, and the client's cookies
/// without ours.
#[must_use]
pub fn own_request_headers(config: &Config, request: &impl IncomingRequest) -> HeaderEdits {
    let mut edits = forwarded_headers(config, request);
    // The assets need none: only this Worker can ask them.
    if let (Some(secret), Site::Origin(_)) = (&config.origin_secret, &config.site) {
        edits.set.push((ORIGIN_VERIFY, secret.expose().to_owned()));
    }
    if let Some(cookie) = request.header("cookie").and_then(|cookie| CookieStyle::of(&config.public_url).without_ours(&cookie)) {
        edits.set.push(("cookie", cookie));
    }
    edits
}

/// The client's address and host, for any server behind the gate.
pub(in crate::gate) fn forwarded_headers(config: &Config, request: &impl IncomingRequest) -> HeaderEdits {
    let public_url = &config.public_url;
    let scheme = if public_url.is_https() { "https" } else { "http" };
    let mut edits = HeaderEdits::default();
    if let Some(connection) = request.header("connection") {
        edits.remove.extend(connection_options(&connection).map(Into::into));
    }
    edits.set.extend([("x-forwarded-host", public_url.host().to_owned()), ("x-forwarded-proto", scheme.to_owned())]);
    if let Some(client) = request.header("cf-connecting-ip") {
        edits.set.push(("x-forwarded-for", client));
    }
    edits
}

const SET_COOKIE: &str = "set-cookie";
const CONTENT_TYPE: &str = "content-type";
/// A static site begins to answer at once. A long download may take its time.
const ORIGIN_TIMEOUT_MS: u32 = 10_000;
/// The time for a body to arrive at the origin, and for the answer to begin.
const UPLOAD_TIMEOUT_MS: u32 = 30_000;
