//! What the site is asked, and what becomes of its answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use edgegate::auth::Gateway;
use edgegate::gate::{ANSWER_HEADERS, CachePolicy, Outcome, handle, own_request_headers};
use edgegate::ports::{BodyError, HeaderEdits, IncomingRequest, OriginRequest, UpstreamAnswer, UpstreamError, UpstreamRequest};
use futures_executor::block_on;
use support::site::SiteAnswer;
use support::world::Ports;
use support::{Browser, PUBLIC_URL, World, config};

const SECRET: &str = "known-to-the-origin-alone";
const ORIGIN: &str = "https://d111111abcdef8.cloudfront.net";
const WITH_SECRET: [(&str, &str); 2] = [("ORIGIN_URL", ORIGIN), ("ORIGIN_SECRET", SECRET)];

/// Anybody's request, with these headers.
struct Request {
    method: &'static str,
    url: String,
    headers: &'static [(&'static str, &'static str)],
}

impl IncomingRequest for Request {
    fn method(&self) -> &str {
        self.method
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn has_body(&self) -> bool {
        false
    }

    async fn body(&self, _: usize) -> Result<Vec<u8>, BodyError> {
        Ok(Vec::new())
    }
}

fn request(path: &str, headers: &'static [(&'static str, &'static str)]) -> Request {
    Request { method: "GET", url: format!("{PUBLIC_URL}{path}"), headers }
}

/// What the site of such a gateway is asked, when anybody asks for a public page.
fn asked(changes: &[(&str, &str)], request: &Request) -> UpstreamRequest {
    let world = World::new();
    let gate = Gateway::new(config(changes), Ports(world.clone()), Rc::default());
    assert!(matches!(block_on(handle(&gate, request)), Outcome::Forward(..)));
    world.site.asked.take().pop().expect("the site is asked")
}

fn asked_of_origin(changes: &[(&str, &str)], request: &Request) -> OriginRequest {
    let UpstreamRequest::Origin(asked) = asked(changes, request) else { panic!("the assets") };
    asked
}

fn set<'a>(edits: &'a HeaderEdits, name: &str) -> Option<&'a str> {
    edits.set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
}

#[test]
fn the_origin_alone_is_told_its_secret() {
    let shown = |changes: &[(&str, &str)]| {
        let headers = own_request_headers(&config(changes), &request("/", &[]));
        set(&headers, "x-origin-verify").map(str::to_owned)
    };
    assert_eq!(shown(&WITH_SECRET), Some(SECRET.to_owned()));
    assert_eq!(shown(&[("ORIGIN_SECRET", SECRET)]), None);
    assert_eq!(shown(&[("ORIGIN_URL", ORIGIN)]), None);
}

#[test]
fn an_outcome_does_not_print_the_origins_secret() {
    let gate = Gateway::new(config(&WITH_SECRET), Ports(World::new()), Rc::default());
    let outcome = block_on(handle(&gate, &request("/", &[])));
    assert!(!format!("{outcome:?}").contains(SECRET));
}

#[test]
fn the_origin_is_asked_in_the_clients_words_but_for_what_is_ours() {
    let headers =
        &[("connection", "close, x-hop"), ("cf-connecting-ip", "198.51.100.7"), ("cookie", "theme=dark; __Host-session=x")];
    let asked = asked_of_origin(&WITH_SECRET, &request("/?a=1", headers));
    assert_eq!(asked.url, format!("{ORIGIN}/?a=1"));
    assert!(asked.may_be_cached, "a public page");
    assert_eq!(asked.timeout_ms, 10_000);
    assert!((asked.passes)("range") && !(asked.passes)("authorization") && !(asked.passes)("cookie"));
    assert_eq!(asked.headers.remove, ["close", "x-hop"]);
    for (name, value) in [
        ("x-forwarded-host", "app.example.com"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "198.51.100.7"),
        ("x-origin-verify", SECRET),
        ("cookie", "theme=dark"),
    ] {
        assert_eq!(set(&asked.headers, name), Some(value), "{name}");
    }
}

#[test]
fn an_origin_that_refuses_everything_is_told_of_and_assets_are_not() {
    let origin = ("ORIGIN_URL", ORIGIN);
    for (changes, told) in [(&[][..], None), (&[origin], Some("not set")), (&WITH_SECRET, Some("set"))] {
        let world = World::new();
        let browser = Browser::with(&world, config(changes));
        let answer = |status| {
            world.site.next.borrow_mut().status = status;
            assert_eq!(browser.open("/").status, status);
        };
        (0..5).for_each(|_| answer(403));
        answer(200);
        (0..5).for_each(|_| answer(403));
        assert!(!world.logged("origin_refused"));
        (0..20).for_each(|_| answer(403));
        let lines: Vec<_> = world.logs.borrow().iter().filter(|line| line.contains("origin_refused")).cloned().collect();
        assert_eq!(lines.len(), usize::from(told.is_some()), "{lines:?}");
        if let (Some(told), Some(line)) = (told, lines.first()) {
            assert_eq!(*line, format!(r#"Warn origin_refused [("status", "403"), ("ORIGIN_SECRET", "{told}")]"#));
        }
    }
}

#[test]
fn a_redirect_page_is_asked_for_without_its_query_and_kept_by_nobody() {
    let rules = r#"[{"path":"/signed-in.html","allow":"public"}]"#;
    let changes = [("ORIGIN_URL", ORIGIN), ("REDIRECT_URI", "https://app.example.com/signed-in.html"), ("RULES", rules)];
    let asked = asked_of_origin(&changes, &request("/signed-in.html?code=c&state=s", &[]));
    assert_eq!((asked.url, asked.may_be_cached), (format!("{ORIGIN}/signed-in.html"), false));
}

#[test]
fn the_assets_see_the_request_as_it_is_but_for_a_folders_page() {
    for (path, wanted) in
        [("/", Some("https://app.example.com/index.html")), ("/?a", Some("https://app.example.com/index.html?a"))]
    {
        let UpstreamRequest::Assets { url, .. } = asked(&[], &request(path, &[])) else { panic!("the origin") };
        assert_eq!(url.as_deref(), wanted, "{path}");
    }
    let rules = [("RULES", r#"[{"path":"/*","allow":"public"}]"#)];
    let UpstreamRequest::Assets { url, .. } = asked(&rules, &request("/a.css?v=1", &[])) else { panic!("the origin") };
    assert_eq!(url, None);
}

#[test]
fn an_answer_of_the_site_is_logged_once_with_its_status() {
    let world = World::new();
    let browser = Browser::new(&world);
    *world.site.next.borrow_mut() = SiteAnswer::of(404, &[("content-type", "text/html")]);
    let reply = browser.open("/");
    assert_eq!((reply.status, reply.site), (404, true));
    let logs = world.logs.borrow();
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert!(logs[0].contains(r#"("route", "site"), ("status", "404")"#), "{logs:?}");
}

#[test]
fn a_site_that_does_not_answer_is_a_failure_of_its_own() {
    for (error, status, code) in
        [(UpstreamError::TimedOut, 504, "origin_timeout"), (UpstreamError::Unreachable, 502, "origin_unavailable")]
    {
        let world = World::new();
        let browser = Browser::new(&world);
        *world.site.failure.borrow_mut() = Some(error);
        let reply = browser.get("/");
        assert_eq!((reply.status, reply.code().as_str(), reply.site), (status, code, false));
        assert!(world.logs.borrow().len() == 1 && world.logged(code), "{:?}", world.logs.borrow());
        let page = browser.open("/");
        assert!(page.status == status && page.body.contains(code), "{}", page.body);
    }
}

#[test]
fn what_may_not_be_read_is_not_asked_for() {
    let world = World::new();
    let browser = Browser::new(&world);
    assert_eq!((browser.get("/app/").status, browser.open("/app/").status, browser.post("/", "").status), (401, 302, 405));
    assert!(world.site.asked.borrow().is_empty());
    browser.sign_in("/");
    assert!(browser.open("/app/").site);
    assert_eq!(browser.open("/admin/").status, 403);
    assert_eq!(world.site.asked.borrow().len(), 1);
}

#[test]
fn an_answer_that_needs_no_change_passes_untouched() {
    for changes in [&[][..], &WITH_SECRET] {
        let config = config(changes);
        let sent = vec![("content-type", "*"), ("access-control-allow-origin", "*")];
        let answer = SiteAnswer { headers: sent.clone(), set_cookies: vec!["theme=dark".to_owned()], ..SiteAnswer::default() };
        assert!(CachePolicy::Public.edit_answer(&config, &answer).is_empty());
        let answer = SiteAnswer { headers: vec![("x-origin-verify", SECRET)], ..answer };
        let removed = HeaderEdits { remove: vec!["x-origin-verify".into()], ..HeaderEdits::default() };
        assert_eq!(CachePolicy::Public.edit_answer(&config, &answer), removed);
    }
}

#[test]
fn the_site_cannot_set_our_cookies() {
    let lines = ["theme=dark", "__Host-session=x; Path=/", "=__Host-session=x", "a=b; Secure"].map(str::to_owned).to_vec();
    let answer = SiteAnswer { set_cookies: lines, ..SiteAnswer::default() };
    for policy in [CachePolicy::Private, CachePolicy::PrivateCors, CachePolicy::Public, CachePolicy::NoStore] {
        let edits = policy.edit_answer(&config(&[]), &answer);
        assert!(edits.remove.contains(&"set-cookie".into()), "{policy:?}");
        assert_eq!(edits.add, [("set-cookie", "theme=dark".to_owned()), ("set-cookie", "a=b; Secure".to_owned())], "{policy:?}");
    }
}

/// An answer that notes which headers are looked at.
struct Noting {
    present: bool,
    asked: RefCell<Vec<String>>,
}

impl UpstreamAnswer for Noting {
    fn status(&self) -> u16 {
        200
    }

    fn header(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().push(name.to_owned());
        self.present.then(|| "x".to_owned())
    }

    fn set_cookies(&self) -> &[String] {
        &[]
    }

    fn discard(self) {}
}

#[test]
fn every_header_that_an_edit_depends_on_is_read_at_once() {
    for site in [&[][..], &[("ORIGIN_URL", ORIGIN)]] {
        let config = config(site);
        for policy in [CachePolicy::Private, CachePolicy::PrivateCors, CachePolicy::Public, CachePolicy::NoStore] {
            for present in [false, true] {
                let answer = Noting { present, asked: RefCell::default() };
                let edits = policy.edit_answer(&config, &answer);
                assert_eq!(edits.is_empty(), policy == CachePolicy::Public && !present);
                for name in answer.asked.take() {
                    assert!(ANSWER_HEADERS.contains(&name.as_str()), "{name}");
                }
            }
        }
    }
}
