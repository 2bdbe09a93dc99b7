//! What a request is before anybody asks who sends it: its origin, its method, whether a script or a frame waits for the answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use support::browser::Reply;
use support::{Browser, PUBLIC_URL, World, config};

/// What Chromium sends with a page load.
const PAGE: [(&str, &str); 3] = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
/// What it sends with `fetch()` of a page of ours.
const SCRIPT: [(&str, &str); 3] = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("sec-fetch-site", "same-origin")];
/// The public host without TLS.
const PLAIN: &str = "http://app.example.com";

fn signed_in() -> Browser {
    let browser = Browser::new(&World::new());
    assert_eq!(browser.sign_in("/app/").status, 303);
    browser
}

fn status_and_location(reply: &Reply) -> (u16, Option<&str>) {
    (reply.status, reply.header("location"))
}

#[test]
fn over_plain_http_everything_is_sent_to_the_public_url_before_it_is_looked_at() {
    let browser = signed_in();
    browser.world.forget_logs();
    let paths = [
        "/",
        "/app/?view=reports",
        "/healthz",
        "/readyz",
        "/config",
        "/user-info",
        "/auth/status",
        "/auth/login?return_to=%2Fapp%2F",
        "/auth/callback?code=c&state=s",
        "/auth/logout",
        "/auth/nothing",
        "/a%2fb",
        "//evil.example/",
        "/\u{e9}?\u{e9}",
    ];
    for (path, headers) in paths.into_iter().flat_map(|path| [(path, &PAGE), (path, &SCRIPT)]) {
        for method in ["GET", "HEAD"] {
            let headers = [headers, &[("authorization", "Bearer x")][..]].concat();
            let reply = browser.ask(method, &format!("{PLAIN}{path}"), &headers);
            let path = path.replace('\u{e9}', "%C3%A9");
            assert_eq!(status_and_location(&reply), (308, Some(format!("{PUBLIC_URL}{path}").as_str())), "{method} {path}");
            assert!(reply.body.is_empty() && reply.header("set-cookie").is_none(), "{method} {path}");
            assert_eq!(reply.header("strict-transport-security"), None, "RFC 6797 §7.2: not over plain http");
        }
    }
    for (method, path) in
        [("POST", "/auth/logout"), ("POST", "/auth/token"), ("PUT", "/app/"), ("OPTIONS", "/config"), ("DELETE", "/")]
    {
        let headers = [&SCRIPT[..], &[("origin", PUBLIC_URL)]].concat();
        let reply = browser.ask(method, &format!("{PLAIN}{path}"), &headers);
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"), "{method} {path}");
        assert!(reply.header("set-cookie").is_none(), "{method} {path}");
    }
    assert!(browser.world.logged("plain_http"));
    assert!(browser.is_served(), "the session has gone on");
    assert_eq!(browser.world.kv.entries.borrow().len(), 1);
}

#[test]
fn the_host_that_plain_http_names_is_never_where_the_browser_is_sent() {
    let browser = Browser::new(&World::new());
    for host in
        ["evil.example", "app.example.com:8080", "app.example.com.evil.example", "app.example.com:443", "[::1]:80", "localhost"]
    {
        let reply = browser.ask("GET", &format!("http://{host}/app/?a=b"), &PAGE);
        let location = format!("{PUBLIC_URL}/app/?a=b");
        assert_eq!(status_and_location(&reply), (308, Some(location.as_str())), "{host}");
    }
    for (url, status) in [(format!("{PLAIN}/{}", "x".repeat(9000)), 414), ("http://user@app.example.com/".to_owned(), 400)] {
        assert_eq!(status_and_location(&browser.ask("GET", &url, &PAGE)), (status, None), "{}", url.len());
    }
}

#[test]
fn on_plain_http_for_development_nothing_is_sent_to_https() {
    let local = Browser::with(&World::new(), config(&[("PUBLIC_URL", "http://localhost:8787")]));
    assert!(local.ask("GET", "http://localhost:8787/", &PAGE).site);
    assert_eq!(local.ask("POST", "http://localhost:8787/auth/refresh", &[("sec-fetch-site", "same-origin")]).status, 401);
    let reply = local.ask("GET", "http://localhost:8787/app/", &PAGE);
    assert_eq!(status_and_location(&reply), (302, Some("/auth/login?return_to=%2Fapp%2F")));
}

#[test]
fn a_page_load_under_another_origin_goes_to_the_public_url_and_nothing_else_does() {
    let browser = signed_in();
    for origin in ["https://www.example.com", "https://app.example.com:8443", "https://app.example.com.evil.example"] {
        // `/` is public, `/app/` is not; the host's own cookies do not matter.
        for path in ["/", "/app/?view=reports", "/admin/", "/auth/login?return_to=%2Fapp%2F"] {
            let reply = browser.ask("GET", &format!("{origin}{path}"), &PAGE);
            let location = format!("{PUBLIC_URL}{path}");
            assert_eq!(status_and_location(&reply), (302, Some(location.as_str())), "{origin}{path}");
        }
        // A client that says nothing of itself begins no login that cannot come back.
        let reply = browser.ask("GET", &format!("{origin}/auth/login"), &[]);
        assert_eq!(status_and_location(&reply), (302, Some(format!("{PUBLIC_URL}/auth/login").as_str())), "{origin}");
        assert!(browser.ask("GET", &format!("{origin}/"), &SCRIPT).site, "a script's request of a public path");
        assert_eq!(browser.ask("GET", &format!("{origin}/healthz"), &[]).status, 200, "a monitor");
        assert_eq!(browser.ask("GET", &format!("{origin}/config"), &SCRIPT).status, 200);
        let nobody = Browser::new(&World::new());
        assert_eq!(nobody.ask("GET", &format!("{origin}/app/"), &SCRIPT).code(), "session_required");
        assert_eq!(nobody.ask("POST", &format!("{origin}/"), &PAGE).status, 405);
    }
}
