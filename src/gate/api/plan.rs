//! The request for an API, and the changes to its answer.

use url::{Position, Url};

use crate::auth::route_token;
use crate::config::{ApiRoute, Config, TokenPlace};
use crate::gate::cors::EXPOSED_HEADERS;
use crate::gate::request::RequestContext;
use crate::gate::site::Entry;
use crate::gate::site::plan::{CachePolicy, content_type, forwarded_headers, identity_headers, keep_our_cookies, keep_private};
use crate::ports::{ForwardedBody, HeaderEdits, IncomingRequest, OriginRequest, UpstreamAnswer, UpstreamRequest};
use crate::web::headers::{CORS_HEADERS, passes_to_origin, varying_by};
use crate::web::query;
use crate::web::same_origin::readable_by;

/// The request for the API. Neither cookies nor the client's own `Authorization` are sent on.
pub(super) fn request_for_api<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    route: &ApiRoute,
    entry: &Entry,
    body: ForwardedBody,
) -> UpstreamRequest {
    let token = entry.session.as_ref().and_then(|session| route_token::of(session, route.token));
    let mut headers = forwarded_headers(config, request.incoming);
    headers.set.extend(entry.identity().into_iter().flat_map(identity_headers));
    headers.set.extend(content_type(request).filter(|_| body != ForwardedBody::Empty));
    let mut query = request.query().to_owned();
    match &route.token_in {
        TokenPlace::Header => headers.set.extend(token.map(|token| ("authorization", format!("Bearer {token}")))),
        TokenPlace::Query(name) => {
            query = query::without(&query, name);
            if let Some(token) = token {
                let separator = if query.is_empty() { "" } else { "&" };
                query = [&query, separator, name, "=", &query::encode(token)].concat();
            }
        }
    }
    UpstreamRequest::Origin(OriginRequest {
        url: upstream_url(route, request.raw_path(), &query),
        passes: passes_to_origin,
        headers,
        body,
        may_be_cached: false,
        timeout_ms: API_TIMEOUT_MS,
    })
}

/// The URL of a path of the route: the upstream's path, and what follows the route's own.
fn upstream_url(route: &ApiRoute, raw_path: &str, query: &str) -> String {
    let base = &route.to[..Position::AfterPath];
    // Segments of a normal path and of its spelling in the URL are as many: an encoded `/` is refused.
    let depth = route.path().matches('/').count();
    let rest = raw_path.match_indices('/').nth(depth).and_then(|(start, _)| raw_path.get(start..)).unwrap_or_default();
    let base = if rest.is_empty() { base } else { base.trim_end_matches('/') };
    let mark = if query.is_empty() { "" } else { "?" };
    [base, rest, mark, query].concat()
}

/// The changes to an answer of the API: CORS is the gateway's, our cookies are ours, and a `Location` that names the API comes back
/// under the route.
pub(super) fn edit_answer<R: IncomingRequest>(
    config: &Config,
    request: &RequestContext<'_, R>,
    route: &ApiRoute,
    policy: CachePolicy,
    answer: &impl UpstreamAnswer,
) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    if policy != CachePolicy::Public {
        keep_private(&mut edits, true, answer);
    }
    edits.remove_each(CORS_HEADERS.into_iter().filter(|name| answer.header(name).is_some()));
    vary_by_origin(&mut edits, answer);
    if let Some(origin) = readable_by(config, request.incoming.header("origin").as_deref()) {
        edits.set.extend([
            ("access-control-allow-origin", origin.to_owned()),
            ("access-control-allow-credentials", "true".to_owned()),
            ("access-control-expose-headers", EXPOSED_HEADERS.to_owned()),
        ]);
    }
    let asked = upstream_url(route, request.raw_path(), request.query());
    if let Some(location) = answer.header("location").and_then(|location| public_location(config, route, &asked, &location)) {
        edits.set.push(("location", location));
    }
    keep_our_cookies(&mut edits, config, answer.set_cookies());
    edits
}

fn vary_by_origin(edits: &mut HeaderEdits, answer: &impl UpstreamAnswer) {
    match edits.set.iter_mut().find(|(name, _)| *name == "vary") {
        Some((_, value)) => *value = varying_by("Origin", Some(value)).unwrap_or_else(|| value.clone()),
        None => edits.set.extend(varying_by("Origin", answer.header("vary").as_deref()).map(|vary| ("vary", vary))),
    }
}

/// A `Location` below the route's place at the API, as the browser may follow it. `None`: it stays as it is. `asked` is the URL
/// that it may be relative to.
fn public_location(config: &Config, route: &ApiRoute, asked: &str, location: &str) -> Option<String> {
    let url = Url::parse(asked).ok()?.join(location).ok()?;
    if url[..Position::BeforePath] != route.to[..Position::BeforePath] {
        return None;
    }
    let rest = url.path().strip_prefix(route.to.path().trim_end_matches('/'))?;
    let below = rest.is_empty() || rest.starts_with('/');
    // The API may repeat the query that it was asked with: the token in it is not for the browser.
    let query = match &route.token_in {
        TokenPlace::Header => url.query().unwrap_or_default().to_owned(),
        TokenPlace::Query(name) => query::without(url.query().unwrap_or_default(), name),
    };
    let mark = if query.is_empty() { "" } else { "?" };
    below.then(|| [config.public_url.as_str(), route.path(), rest, mark, &query, &url[Position::AfterQuery..]].concat())
}

/// Until the answer begins; after that it may take its time.
const API_TIMEOUT_MS: u32 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::rules::Rules;
    use crate::config::ApiRoutes;

    fn url_of(path: &str, to: &str, raw_path: &str, query: &str) -> String {
        let json = format!(r#"[{{"path":"{path}","to":"{to}","token":"none"}}]"#);
        let routes = ApiRoutes::parse(&json, &Rules::default()).expect("routes");
        upstream_url(routes.find(path.trim_end_matches("/*")).expect("the route"), raw_path, query)
    }

    #[test]
    fn what_follows_the_routes_path_follows_the_upstreams() {
        for (path, to, raw_path, query, url) in [
            ("/api/*", "https://a.example/prod", "/api", "", "https://a.example/prod"),
            ("/api/*", "https://a.example/prod", "/api/", "", "https://a.example/prod/"),
            ("/api/*", "https://a.example/prod/", "/api/x/%20y", "q=%7E", "https://a.example/prod/x/%20y?q=%7E"),
            ("/api/*", "https://a.example", "/api", "", "https://a.example/"),
            ("/api/*", "https://a.example", "/%61pi/x", "", "https://a.example/x"),
            ("/a/b/*", "http://localhost:1/v1", "/a/b/c", "d", "http://localhost:1/v1/c?d"),
            ("/graphql", "https://a.example/prod/graphql", "/graphql", "q", "https://a.example/prod/graphql?q"),
        ] {
            assert_eq!(url_of(path, to, raw_path, query), url, "{path} {to} {raw_path}");
        }
    }
}
