//! What a request is before anybody asks who sends it: its origin, its method, whether a script or a frame waits for the answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use edgegate::ports::KvError;
use support::browser::Reply;
use support::{Browser, Fault, PUBLIC_URL, World, config};

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
    assert!(browser.world.logged(r#"("status", "308")"#) && browser.world.logged(r#"("reason", "plain_http")"#));
    browser.world.forget_logs();
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
            assert!(browser.world.logged(r#"("reason", "other_origin")"#), "{origin}{path}: a loop shows its cause");
            browser.world.forget_logs();
        }
        // A client that says nothing of itself begins no login that cannot come back.
        let reply = browser.ask("GET", &format!("{origin}/auth/login"), &[]);
        assert_eq!(status_and_location(&reply), (302, Some(format!("{PUBLIC_URL}/auth/login").as_str())), "{origin}");
        assert!(browser.world.logged(r#"("reason", "other_origin")"#), "{origin}");
        browser.world.forget_logs();
        assert!(browser.ask("GET", &format!("{origin}/"), &SCRIPT).site, "a script's request of a public path");
        assert_eq!(browser.ask("GET", &format!("{origin}/healthz"), &[]).status, 200, "a monitor");
        assert_eq!(browser.ask("GET", &format!("{origin}/config"), &SCRIPT).status, 200);
        assert!(!browser.world.logged("other_origin"), "{origin}: only what is sent elsewhere");
        let nobody = Browser::new(&World::new());
        assert_eq!(nobody.ask("GET", &format!("{origin}/app/"), &SCRIPT).code(), "session_required");
        assert_eq!(nobody.ask("POST", &format!("{origin}/"), &PAGE).status, 405);
    }
}

const SIBLING: &str = "https://admin.example.com";
const STRANGER: &str = "https://evil.example";

fn with_sibling() -> Browser {
    Browser::with(&World::new(), config(&[("ALLOWED_ORIGINS", SIBLING)]))
}

/// What Chromium asks before a request that needs leave.
fn preflight(browser: &Browser, path: &str, origin: &str, headers: &str) -> Reply {
    let mut asked = vec![("origin", origin), ("access-control-request-method", "GET"), ("sec-fetch-mode", "cors")];
    if !headers.is_empty() {
        asked.push(("access-control-request-headers", headers));
    }
    browser.ask("OPTIONS", &format!("{PUBLIC_URL}{path}"), &asked)
}

fn varies_by(reply: &Reply, name: &str) -> bool {
    let lines = reply.headers.iter().filter(|(header, _)| header == "vary");
    lines.flat_map(|(_, value)| value.split(", ")).any(|item| item == name)
}

fn cors_headers(reply: &Reply) -> Vec<&str> {
    reply.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("access-control-")).collect()
}

const JSON_ROUTES: [(&str, &str); 6] = [
    ("/config", "GET, HEAD, OPTIONS"),
    ("/user-info", "GET, HEAD, OPTIONS"),
    ("/auth/status", "GET, HEAD, OPTIONS"),
    ("/auth/token", "POST, OPTIONS"),
    ("/auth/refresh", "POST, OPTIONS"),
    ("/auth/logout", "POST, OPTIONS"),
];

#[test]
fn an_allowed_origins_preflight_gets_leave_for_the_headers_that_it_asks_for() {
    let browser = with_sibling();
    let site = ["/", "/app/", "/admin/x.json"].map(|path| (path, "GET, HEAD"));
    for (path, methods) in JSON_ROUTES.into_iter().chain(site) {
        for headers in [
            "",
            "content-type",
            "authorization,content-type,sentry-trace,baggage,traceparent,tracestate,x-requested-with",
            "x-a, x-b ,X-C",
            "!#$%&'*+-.^_`|~09az",
        ] {
            let reply = preflight(&browser, path, SIBLING, headers);
            assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{path}");
            assert_eq!(reply.header("access-control-allow-origin"), Some(SIBLING), "{path}");
            assert_eq!(reply.header("access-control-allow-credentials"), Some("true"), "{path}");
            assert_eq!(reply.header("access-control-allow-methods"), Some(methods), "{path}");
            assert_eq!(reply.header("access-control-allow-headers"), Some(headers).filter(|it| !it.is_empty()), "{path}");
            assert!(varies_by(&reply, "Origin") && varies_by(&reply, "Access-Control-Request-Headers"), "{path}");
            assert!(reply.header("set-cookie").is_none());
        }
    }
}

#[test]
fn what_is_no_list_of_header_names_is_given_no_leave_and_is_never_echoed() {
    let browser = with_sibling();
    let long = vec!["x"; 600].join(",");
    for headers in ["x y", "x;q=1", "a,,b", ",", "a,", "x\u{e9}", "x\"", "x:1", "x\u{1}", "<script>", &long] {
        for path in ["/user-info", "/app/"] {
            let reply = preflight(&browser, path, SIBLING, headers);
            assert_eq!((reply.status, reply.header("access-control-allow-headers")), (204, None), "{headers}");
        }
    }
}

#[test]
fn a_preflight_of_anybody_else_gets_no_leave_from_the_gateway() {
    let browser = with_sibling();
    for origin in [STRANGER, "null", "https://ADMIN.example.com", "http://admin.example.com"] {
        for (path, _) in JSON_ROUTES {
            let reply = preflight(&browser, path, origin, "x-requested-with");
            assert_eq!(cors_headers(&reply), [""; 0], "{path} for {origin}");
            assert!(varies_by(&reply, "Origin"), "{path}");
        }
        assert_eq!(cors_headers(&preflight(&browser, "/app/", origin, "")), [""; 0], "{origin}");
        assert_eq!(preflight(&browser, "/app/", origin, "").code(), "session_required", "a gated path");
        assert!(preflight(&browser, "/", origin, "").site, "a public path: the site says");
    }
    // An OPTIONS that is no preflight asks what every request of its path asks for.
    let options = |path: &str| browser.ask("OPTIONS", &format!("{PUBLIC_URL}{path}"), &[("origin", SIBLING)]);
    assert!(options("/").site);
    assert_eq!(options("/app/").code(), "session_required");
    let signed_in = signed_in();
    let reply = signed_in.ask("OPTIONS", &format!("{PUBLIC_URL}/app/"), &SCRIPT);
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
    let reply = signed_in.ask("PUT", &format!("{PUBLIC_URL}/"), &SCRIPT);
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "a public path");
}

#[test]
fn scripts_of_an_allowed_origin_can_read_when_to_come_again_and_where_to_go() {
    let browser = with_sibling();
    for path in ["/user-info", "/auth/status", "/config", "/app/"] {
        for (origin, exposed) in [(SIBLING, Some("Retry-After, Location")), (STRANGER, None)] {
            let headers = [&SCRIPT[..], &[("origin", origin)]].concat();
            let reply = browser.ask("GET", &format!("{PUBLIC_URL}{path}"), &headers);
            assert_eq!(reply.header("access-control-expose-headers"), exposed, "{path} for {origin}");
        }
    }
}

#[test]
fn a_scripts_sign_out_is_answered_at_once_and_the_cache_is_cleared_where_it_is_asked_for() {
    let form = [
        ("origin", PUBLIC_URL),
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
    ];
    let script = [&SCRIPT[..], &[("origin", PUBLIC_URL)]].concat();
    for (query, headers, status, cleared) in [
        ("", &script[..], 200, None),
        ("?clear=storage", &script, 200, None),
        ("", &form, 303, Some("\"cache\"")),
        ("?clear=cache", &form, 303, Some("\"cache\"")),
    ] {
        for lost in [false, true] {
            let browser = signed_in();
            browser.world.kv.will(if lost { 2 } else { 0 }, "write ended/", Fault::Refused(KvError::Unavailable));
            let reply = browser.ask("POST", &format!("{PUBLIC_URL}/auth/logout{query}"), headers);
            assert_eq!(reply.status, if lost { 503 } else { status }, "{query}");
            assert_eq!(reply.header("clear-site-data"), cleared, "{query}, lost {lost}");
            assert!(browser.session_id().is_none(), "{query}");
        }
    }
}

#[test]
fn a_script_that_asks_for_the_clearing_of_the_cache_ends_no_session_of_another_tab() {
    let script = [&SCRIPT[..], &[("origin", PUBLIC_URL)]].concat();
    let beacon = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "empty"), ("origin", PUBLIC_URL)];
    let address = format!("{PUBLIC_URL}/auth/logout?clear=cache");
    for headers in [&script[..], &beacon] {
        // The sign-out has been answered, and another tab has signed in before the clearing arrives.
        let browser = signed_in();
        assert_eq!(browser.ask("POST", &format!("{PUBLIC_URL}/auth/logout"), &script).status, 200);
        assert_eq!(browser.sign_in("/app/").status, 303);
        browser.world.finish_background();
        let (stored, operations) = (browser.world.kv.entries.borrow().clone(), browser.world.kv.reads.get());
        let reply = browser.restarted().ask("POST", &address, headers);
        assert_eq!((reply.status, reply.header("clear-site-data")), (200, Some("\"cache\"")));
        assert_eq!(reply.body, r#"{"success":true}"#);
        assert_eq!(reply.header("set-cookie"), None, "however late it is, the new session's cookie stays");
        assert_eq!(browser.world.kv.reads.get(), operations, "no session is looked up");
        browser.world.finish_background();
        assert_eq!(*browser.world.kv.entries.borrow(), stored);
        assert!(browser.restarted().is_served());
    }
    let reply = signed_in().ask("POST", &address, &[("origin", STRANGER)]);
    assert_eq!((reply.status, reply.header("clear-site-data")), (403, None), "another site clears nothing");
}

/// What Chromium sends when a frame of a page loads another one.
fn framed(dest: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest), ("sec-fetch-site", "same-origin")]
}

#[test]
fn a_gated_page_in_a_frame_is_a_page_of_ours_that_signs_in_in_the_whole_window() {
    let nobody = Browser::new(&World::new());
    for dest in ["iframe", "frame", "embed", "object"] {
        let reply = nobody.ask("GET", &format!("{PUBLIC_URL}/app/?view=<b>&x=1"), &framed(dest));
        assert_eq!((reply.status, reply.header("location")), (401, None), "{dest}");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{dest}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{dest}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("; frame-ancestors 'self';") && policy.starts_with("default-src 'none';"), "{policy}");
        assert!(reply.body.contains("You are not signed in") && reply.body.contains("session_required"), "{}", reply.body);
        let link = "<a class=\"main\" target=\"_top\" href=\"/auth/login?return_to=%2Fapp%2F%3Fview%3D%253Cb%253E%26x%3D1\">";
        assert!(reply.body.contains(link), "{}", reply.body);
        assert_eq!(
            reply.body.matches("<a ").count(),
            reply.body.matches(" target=\"_top\"").count(),
            "no link stays in the frame"
        );
    }
    let korean = [framed("iframe"), vec![("accept-language", "ko")]].concat();
    assert!(nobody.ask("GET", &format!("{PUBLIC_URL}/app/"), &korean).body.contains("로그인되어 있지 않습니다"));
}

#[test]
fn in_a_frame_other_errors_of_the_site_are_pages_as_well_and_nothing_else_may_be_framed() {
    let browser = signed_in();
    let reply = browser.ask("GET", &format!("{PUBLIC_URL}/admin/"), &framed("iframe"));
    assert_eq!((reply.status, reply.header("referrer-policy")), (403, Some("same-origin")));
    assert!(reply.header("content-security-policy").unwrap().contains("frame-ancestors 'self'"));
    assert!(reply.body.contains("<form method=\"post\" action=\"/auth/logout\" target=\"_top\">"), "{}", reply.body);
    assert!(browser.ask("GET", &format!("{PUBLIC_URL}/app/"), &framed("iframe")).site);

    let nobody = Browser::new(&World::new());
    let prefetched = [framed("iframe"), vec![("sec-purpose", "prefetch")]].concat();
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    for (path, headers) in
        [("/app/", &prefetched[..]), ("/app/x.png", &image), ("/app/", &SCRIPT), ("/user-info", &framed("iframe"))]
    {
        let reply = nobody.ask("GET", &format!("{PUBLIC_URL}{path}"), headers);
        assert_eq!(reply.code(), "session_required", "{path} {headers:?}");
        assert!(reply.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path} {headers:?}");
    }
    let reply = browser.ask("GET", &format!("{PUBLIC_URL}/admin/"), &PAGE);
    assert!(reply.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "the whole window");
    assert!(!reply.body.contains("target="), "{}", reply.body);
}

const LOGOUT: &str = "https://app.example.com/auth/logout";
const SIGN_OUT_FORM: &str = "<form method=\"post\" action=\"/auth/logout\">";

#[test]
fn the_page_of_the_sign_out_ends_nothing_and_its_button_does() {
    let browser = signed_in();
    let (stored, cookies) = (browser.world.kv.entries.borrow().clone(), browser.cookies.borrow().clone());
    for (method, from) in [("GET", "none"), ("HEAD", "none"), ("GET", "cross-site")] {
        let reply = browser.ask(method, LOGOUT, &[&PAGE[..], &[("sec-fetch-site", from)]].concat());
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html; charset=utf-8")), "{method} {from}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("referrer-policy"), Some("same-origin"), "the form must carry its origin");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("; form-action 'self' https://auth.example.com https://app.example.com;"), "{policy}");
        assert!(policy.contains("; frame-ancestors 'none';"), "{policy}");
        assert!(reply.body.contains(SIGN_OUT_FORM) && !reply.body.contains("error-code"), "{}", reply.body);
        for header in ["set-cookie", "clear-site-data", "location"] {
            assert_eq!(reply.header(header), None, "{method} {from}");
        }
    }
    browser.world.finish_background();
    assert_eq!(*browser.world.kv.entries.borrow(), stored);
    assert_eq!(*browser.cookies.borrow(), cookies);
    assert!(browser.restarted().is_served());

    let form = [
        ("origin", PUBLIC_URL),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
    ];
    assert_eq!(browser.ask("POST", LOGOUT, &form).status, 303);
    assert!(!browser.is_served());
}

#[test]
fn who_is_signed_out_is_told_so_and_led_to_the_start_page() {
    let ended = signed_in();
    let marker = ended.session_id().unwrap().names().marker_key();
    ended.world.kv.entries.borrow_mut().insert(marker, ("1".to_owned(), ended.world.now() + 500_000));
    let made_up = Browser::new(&World::new());
    made_up.cookies.borrow_mut().insert("__Host-session".to_owned(), "A".repeat(64));
    for browser in [Browser::new(&World::new()), ended.restarted(), made_up] {
        let reply = browser.ask("GET", LOGOUT, &PAGE);
        assert_eq!((reply.status, reply.header("set-cookie")), (200, None));
        assert!(reply.body.contains("<h1>You are not signed in</h1>") && !reply.body.contains("<form"), "{}", reply.body);
        assert!(reply.body.contains("<a href=\"/\">To the start page</a>"), "{}", reply.body);
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        let korean = browser.ask("GET", LOGOUT, &[&PAGE[..], &[("accept-language", "ko")]].concat());
        assert!(korean.body.contains("<html lang=\"ko\">") && korean.body.contains("종료할 세션이 없습니다"), "{}", korean.body);
    }
}

#[test]
fn a_get_of_the_sign_out_is_a_page_for_people_alone() {
    let browser = signed_in();
    let prefetch = [&PAGE[..], &[("sec-purpose", "prefetch")]].concat();
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    for headers in [&SCRIPT[..], &framed("iframe"), &prefetch, &image, &[]] {
        for method in ["GET", "HEAD"] {
            let reply = browser.ask(method, LOGOUT, headers);
            assert_eq!((reply.status, reply.code().as_str()), (405, "method_not_allowed"), "{method} {headers:?}");
            assert_eq!(reply.header("allow"), Some("POST, OPTIONS"), "{method} {headers:?}");
            assert_eq!(reply.header("set-cookie"), None);
        }
    }
    let reply = browser.ask("DELETE", LOGOUT, &PAGE);
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, POST, OPTIONS")));
    assert!(browser.restarted().is_served());
}

#[test]
fn the_page_of_the_sign_out_is_not_guessed_at_where_the_session_cannot_be_known() {
    let browser = signed_in();
    let cold = browser.restarted();
    cold.world.kv.will(9, "read session/", Fault::Refused(KvError::Unavailable));
    let reply = cold.ask("GET", LOGOUT, &PAGE);
    assert_eq!((reply.status, reply.header("set-cookie")), (503, None));
    assert!(reply.header("retry-after").is_some());
    assert!(reply.body.contains("<code id=\"error-code\">store_unavailable</code>"), "{}", reply.body);
    assert!(reply.body.contains("<a class=\"main\" href=\"/auth/logout\">Try again</a>"), "{}", reply.body);

    // The session's cookie is at the public origin.
    let reply = browser.ask("GET", "https://www.example.com/auth/logout", &PAGE);
    assert_eq!(status_and_location(&reply), (302, Some(LOGOUT)));
}
