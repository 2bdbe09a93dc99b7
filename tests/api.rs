//! APIs behind the gate (`ROUTES`): who may use them, what they are sent, and what becomes of their answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::rc::Rc;

use edgegate::ports::{ForwardedBody, OriginRequest, UpstreamError, UpstreamRequest};
use support::browser::Reply;
use support::site::SiteAnswer;
use support::{Browser, Counts, PUBLIC_URL, Trouble, World, config};

const ROUTES: (&str, &str) = (
    "ROUTES",
    r#"[{"path":"/api/*","to":"https://api.example.net/prod"},{"path":"/ids/*","to":"https://ids.example.net","token":"id"},
        {"path":"/open/*","to":"https://open.example.net","token":"none"},
        {"path":"/in-query/*","to":"https://q.example.net","tokenIn":"query:auth"}]"#,
);
const RULES: (&str, &str) =
    ("RULES", r#"[{"path":"/open/*","allow":"public"},{"path":"/api/admin/*","allow":{"groups":["admin"]}}]"#);
const OWN: [(&str, &str); 2] = [("origin", PUBLIC_URL), ("sec-fetch-site", "same-origin")];

fn browser(more: &[(&str, &str)]) -> Browser {
    Browser::with(&World::new(), config(&[&[ROUTES, RULES], more].concat()))
}

fn signed_in() -> Browser {
    let browser = browser(&[]);
    assert_eq!(browser.sign_in("/").status, 303);
    browser.world.site.asked.take();
    browser.world.pass(60); // a refresh from now on gives other tokens
    browser
}

fn asked(browser: &Browser) -> Vec<OriginRequest> {
    let origin = |request| match request {
        UpstreamRequest::Origin(request) => request,
        UpstreamRequest::Assets { .. } => panic!("the site"),
    };
    browser.world.site.asked.take().into_iter().map(origin).collect()
}

fn set<'a>(request: &'a OriginRequest, name: &str) -> Option<&'a str> {
    request.headers.set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
}

fn ask(browser: &Browser, method: &'static str, path: &str, headers: &[(&'static str, &str)]) -> Reply {
    browser.ask(method, &format!("{PUBLIC_URL}{path}"), headers)
}

#[test]
fn a_request_is_sent_on_with_the_sessions_token_and_without_what_is_ours() {
    let browser = signed_in();
    browser.cookies.borrow_mut().insert("theme".to_owned(), "dark".to_owned());
    let headers = [("authorization", "Bearer forged"), ("x-auth-subject", "root"), ("accept", "*/*")];
    let reply = ask(&browser, "GET", "/api/items/7?a=%7E", &headers);
    assert_eq!((reply.status, reply.site), (200, true));
    let requests = asked(&browser);
    let [request] = &requests[..] else { panic!("one request") };
    assert_eq!(request.url, "https://api.example.net/prod/items/7?a=%7E");
    let token = browser.stored().expect("a session").access_token;
    assert_eq!(set(request, "authorization"), Some(&*format!("Bearer {token}")));
    for name in ["cookie", "x-origin-verify"] {
        assert_eq!(set(request, name), None, "{name}");
    }
    for name in ["cookie", "authorization", "x-auth-subject", "x-forwarded-for", "host"] {
        assert!(!(request.passes)(name), "{name}");
    }
    assert!((request.passes)("accept") && set(request, "content-type").is_none());
    assert!(request.body == ForwardedBody::Empty && !request.may_be_cached && request.timeout_ms == 30_000);
}

#[test]
fn the_origins_secret_stays_the_origins() {
    let world = World::new();
    let site = [("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net"), ("ORIGIN_SECRET", "known-to-the-origin-alone")];
    let browser = Browser::with(&world, config(&[&[ROUTES, RULES], &site[..]].concat()));
    assert_eq!(browser.sign_in("/").status, 303);
    world.site.asked.take();
    assert!(ask(&browser, "GET", "/api/x", &[]).site);
    assert_eq!(set(&asked(&browser)[0], "x-origin-verify"), None);
}

#[test]
fn signed_out_every_caller_gets_401_and_the_api_is_not_asked() {
    let browser = browser(&[]);
    for headers in [
        &[][..],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", "text/html")],
        &[("authorization", "Bearer x")],
    ] {
        for path in ["/api/items", "/api", "/ids/x", "/in-query/x?auth=stolen"] {
            let reply = ask(&browser, "GET", path, headers);
            assert_eq!((reply.status, reply.code().as_str()), (401, "session_required"), "{path} {headers:?}");
        }
    }
    let reply = browser.send_body("POST", "/api/items", &OWN, "{}");
    assert_eq!((reply.status, reply.code().as_str()), (401, "session_required"));
    assert!(asked(&browser).is_empty());
}

#[test]
fn the_rule_of_the_path_decides() {
    let browser = signed_in();
    let reply = ask(&browser, "GET", "/api/admin/users", &[]);
    assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"));
    assert!(asked(&browser).is_empty());
    let anybody = self::browser(&[]);
    assert!(ask(&anybody, "GET", "/open/news", &[]).site);
    let requests = asked(&anybody);
    assert_eq!((requests[0].url.as_str(), set(&requests[0], "authorization")), ("https://open.example.net/news", None));
    for path in ["/api%2fadmin/users", "/api/..%2fadmin", "/api//admin/users", "/api/admin;x/users", "/api/%2561dmin/users"] {
        assert_eq!(ask(&browser, "GET", path, &[]).status, 400, "{path}");
    }
    // Another spelling of the same path has the same rule.
    assert_eq!(ask(&browser, "GET", "/%61pi/%61dmin/users", &[]).status, 403);
    assert!(asked(&browser).is_empty());
}

#[test]
fn what_changes_something_must_be_the_pages_own() {
    let browser = signed_in();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for headers in [
            &[][..],
            &[("origin", "https://evil.example")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", PUBLIC_URL), ("sec-fetch-site", "cross-site")],
        ] {
            for path in ["/api/items", "/open/news"] {
                let reply = browser.send_body(method, path, headers, "{}");
                assert_eq!((reply.status, reply.code().as_str()), (403, "csrf_rejected"), "{method} {path} {headers:?}");
            }
        }
        assert!(browser.send_body(method, "/api/items", &OWN, "{}").site, "{method}");
    }
    assert_eq!(asked(&browser).len(), 4);
    for method in ["TRACE", "CONNECT", "PROPFIND"] {
        assert_eq!(ask(&browser, method, "/api/items", &OWN).status, 405, "{method}");
    }
}

#[test]
fn a_short_body_is_read_and_a_long_or_unannounced_one_streams() {
    let browser = signed_in();
    for (length, body) in [
        (Some("2"), ForwardedBody::Whole(Rc::from(*b"{}"))),
        (Some("65536"), ForwardedBody::Whole(Rc::from(*b"{}"))),
        (Some("65537"), ForwardedBody::Streamed),
        (Some("-1"), ForwardedBody::Streamed),
        (None, ForwardedBody::Streamed),
    ] {
        let length_header = length.map(|length| ("content-length", length));
        let headers: Vec<_> = OWN.into_iter().chain([("content-type", "application/json")]).chain(length_header).collect();
        assert!(browser.send_body("POST", "/api/items", &headers, "{}").site);
        let requests = asked(&browser);
        assert!(requests[0].body == body, "{length:?}");
        assert_eq!(set(&requests[0], "content-type"), Some("application/json"));
    }
    assert!(browser.send_body("DELETE", "/api/items/7", &OWN, "").site);
    assert!(asked(&browser)[0].body == ForwardedBody::Empty);
}

#[test]
fn a_refused_token_brings_one_refresh_and_the_request_again() {
    let browser = signed_in();
    let refuse = |times: usize| browser.world.site.first.replace(vec![SiteAnswer::of(401, &[]); times].into());
    refuse(1);
    let before = browser.stored().expect("a session").access_token;
    let reply = browser.send_body("POST", "/api/items", &[&OWN[..], &[("content-length", "2")]].concat(), "{}");
    assert_eq!(reply.status, 200);
    let requests = asked(&browser);
    let after = browser.stored().expect("a session").access_token;
    assert_ne!(before, after);
    let sent: Vec<_> = requests.iter().map(|request| set(request, "authorization").unwrap_or_default()).collect();
    assert_eq!(sent, [format!("Bearer {before}"), format!("Bearer {after}")]);
    assert!(requests.iter().all(|request| request.body == ForwardedBody::Whole(Rc::from(*b"{}"))));
    assert_eq!(browser.world.site.discarded.get(), 1);

    refuse(2);
    assert_eq!(ask(&browser, "GET", "/api/items", &[]).status, 401, "not again within thirty seconds");
    assert_eq!(asked(&browser).len(), 1);
    browser.world.site.first.take();

    browser.world.pass(31);
    refuse(2);
    assert_eq!(ask(&browser, "GET", "/api/items", &[]).status, 401, "the API's own answer, after one repetition");
    assert_eq!(asked(&browser).len(), 2);
}

#[test]
fn a_body_that_has_streamed_away_is_not_sent_again_but_the_next_request_has_a_new_token() {
    let browser = signed_in();
    browser.world.site.first.replace(vec![SiteAnswer::of(401, &[])].into());
    let before = browser.stored().expect("a session").access_token;
    assert_eq!(browser.send_body("POST", "/api/items", &OWN, "long").status, 401);
    assert_eq!(asked(&browser).len(), 1);
    let after = browser.stored().expect("a session").access_token;
    assert_ne!(before, after);
    assert!(ask(&browser, "GET", "/api/items", &[]).site);
    assert_eq!(set(&asked(&browser)[0], "authorization"), Some(&*format!("Bearer {after}")));
}

#[test]
fn without_a_token_a_refusal_is_the_apis_own() {
    let browser = signed_in();
    browser.world.site.first.replace(vec![SiteAnswer::of(401, &[])].into());
    assert_eq!(ask(&browser, "GET", "/open/news", &[]).status, 401);
    assert_eq!(asked(&browser).len(), 1);
}

#[test]
fn an_expired_token_is_refreshed_before_it_is_sent_and_an_outage_is_no_page_that_stays_open() {
    let browser = signed_in();
    let before = browser.stored().expect("a session").access_token;
    browser.world.pass(3601);
    assert!(ask(&browser, "GET", "/api/items", &[]).site);
    let after = browser.stored().expect("a session").access_token;
    assert_ne!(before, after);
    assert_eq!(set(&asked(&browser)[0], "authorization"), Some(&*format!("Bearer {after}")));
    browser.world.pass(3601);
    browser.world.cognito.will(Trouble::Status(503));
    browser.world.cognito.will(Trouble::Status(503));
    let reply = ask(&browser, "GET", "/api/items", &[]);
    assert_eq!((reply.status, reply.code().as_str()), (503, "idp_unavailable"));
    assert!(asked(&browser).is_empty());
}

#[test]
fn the_id_token_is_kept_only_where_a_route_asks_for_it_and_an_older_session_gets_it_by_a_refresh() {
    let world = World::new();
    let without = Browser::with(&world, config(&[]));
    assert_eq!(without.sign_in("/").status, 303);
    assert_eq!(without.stored().expect("a session").id_token, None);
    world.pass(60);
    let browser = without.deployed(config(&[ROUTES, RULES]));
    assert!(ask(&browser, "GET", "/ids/x", &[]).site);
    let record = browser.stored().expect("a session");
    let token = record.id_token.expect("the ID token");
    assert_ne!(token, record.access_token);
    assert_eq!(set(&asked(&browser)[0], "authorization"), Some(&*format!("Bearer {token}")));
    let before = Counts::of(&world);
    assert!(ask(&browser, "GET", "/ids/x", &[]).site);
    assert_eq!(Counts::of(&world).since(before), Counts::default(), "warm");
}

#[test]
fn a_token_in_the_query_takes_the_place_of_the_clients() {
    let browser = signed_in();
    assert!(ask(&browser, "GET", "/in-query/x?auth=stolen&a=1&%61uth=again", &[]).site);
    let token = browser.stored().expect("a session").access_token;
    let requests = asked(&browser);
    assert_eq!(requests[0].url, format!("https://q.example.net/x?a=1&auth={token}"));
    assert_eq!(set(&requests[0], "authorization"), None);
}

#[test]
fn an_answer_passes_but_for_cors_our_cookies_and_what_caches_may_keep() {
    let browser = signed_in();
    let answer = SiteAnswer {
        set_cookies: vec!["__Host-session=forged; Path=/".to_owned(), "a=b".to_owned()],
        ..SiteAnswer::of(
            201,
            &[
                ("cache-control", "public, max-age=60"),
                ("access-control-allow-origin", "*"),
                ("access-control-max-age", "600"),
                ("location", "/prod/items/8?x#y"),
                ("vary", "Accept"),
            ],
        )
    };
    browser.world.site.next.replace(answer);
    let reply = ask(&browser, "GET", "/api/items", &[("origin", PUBLIC_URL)]);
    assert_eq!(reply.status, 201);
    for (name, value) in [
        ("cache-control", "private, max-age=60"),
        ("vary", "Accept, Cookie, Origin"),
        ("location", "https://app.example.com/api/items/8?x#y"),
        ("access-control-allow-origin", PUBLIC_URL),
        ("access-control-allow-credentials", "true"),
        ("set-cookie", "a=b"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    for name in ["access-control-allow-origin", "access-control-max-age", "set-cookie"] {
        assert!(reply.removed.iter().any(|removed| removed == name), "{name}");
    }
    let stranger = ask(&browser, "GET", "/api/items", &[("origin", "https://evil.example")]);
    assert_eq!(stranger.header("access-control-allow-origin"), None);
}

#[test]
fn a_location_that_names_the_api_comes_back_under_the_route_and_others_pass() {
    let browser = signed_in();
    for (location, seen) in [
        ("https://api.example.net/prod/items/8", Some("https://app.example.com/api/items/8")),
        ("https://API.example.net:443/prod", Some("https://app.example.com/api")),
        ("9", Some("https://app.example.com/api/items/9")),
        ("//api.example.net/prod/x", Some("https://app.example.com/api/x")),
        ("https://api.example.net/staging/x", None),
        ("https://api.example.net/production", None),
        ("https://api.example.net:8443/prod/x", None),
        ("http://api.example.net/prod/x", None),
        ("https://elsewhere.example/prod/x", None),
    ] {
        let headers: &[(&'static str, &'static str)] = &[("location", location)];
        browser.world.site.next.replace(SiteAnswer::of(302, headers));
        let reply = ask(&browser, "GET", "/api/items/8", &[]);
        assert_eq!(reply.header("location"), seen, "{location}");
    }
}

#[test]
fn a_location_that_repeats_the_token_of_the_query_comes_back_without_it() {
    let browser = signed_in();
    browser.world.site.next.replace(SiteAnswer::of(301, &[("location", "/x/?a=1&auth=the-token#b")]));
    let reply = ask(&browser, "GET", "/in-query/x?a=1", &[]);
    assert_eq!(reply.header("location"), Some("https://app.example.com/in-query/x/?a=1#b"));
}

#[test]
fn a_preflight_is_the_gateways_to_answer() {
    let browser = browser(&[("ALLOWED_ORIGINS", "https://admin.example.com")]);
    let preflight = |origin| {
        let headers = [("origin", origin), ("access-control-request-method", "PUT"), ("access-control-request-headers", "x-a")];
        ask(&browser, "OPTIONS", "/api/items", &headers)
    };
    let allowed = preflight("https://admin.example.com");
    assert_eq!((allowed.status, allowed.site), (204, false));
    for (name, value) in [
        ("access-control-allow-origin", "https://admin.example.com"),
        ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        ("access-control-allow-headers", "x-a"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(allowed.header(name), Some(value), "{name}");
    }
    assert_eq!(preflight("https://evil.example").header("access-control-allow-origin"), None);
    assert!(asked(&browser).is_empty());
}

#[test]
fn an_api_that_does_not_answer_is_told_of_in_json() {
    let browser = signed_in();
    for (error, status, code) in
        [(UpstreamError::TimedOut, 504, "origin_timeout"), (UpstreamError::Unreachable, 502, "origin_unavailable")]
    {
        browser.world.site.failure.replace(Some(error));
        let navigation = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", "text/html")];
        let reply = ask(&browser, "GET", "/api/items", &navigation);
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
    }
}

#[test]
fn errors_of_the_api_pass_and_are_no_miss_of_the_site() {
    let world = World::new();
    let browser = Browser::with(&world, config(&[ROUTES, RULES, ("SPA_FALLBACK", "/index.html")]));
    assert_eq!(browser.sign_in("/").status, 303);
    for status in [400, 403, 404, 429, 500, 503] {
        world.site.next.replace(SiteAnswer::of(status, &[("content-length", "0")]));
        let reply = browser.open("/api/items");
        assert_eq!((reply.status, reply.site), (status, true));
    }
    assert!(!world.logged("origin_refused"));
}

#[test]
fn a_warm_request_costs_no_operation() {
    let browser = signed_in();
    assert!(ask(&browser, "GET", "/api/items", &[]).site);
    let before = Counts::of(&browser.world);
    assert!(ask(&browser, "GET", "/api/items", &[]).site);
    assert!(browser.send_body("POST", "/api/items", &OWN, "{}").site);
    assert_eq!(Counts::of(&browser.world).since(before), Counts::default());
}
