//! What becomes of a page that the site does not have: the shell of a single-page app (`SPA_FALLBACK`), the page of a folder, or
//! the gateway's own 404 page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::rc::Rc;

use edgegate::ports::UpstreamRequest;
use support::browser::Reply;
use support::site::SiteAnswer;
use support::{Browser, PUBLIC_URL, World, config};

const ORIGIN: (&str, &str) = ("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net");
const SHELL: (&str, &str) = ("SPA_FALLBACK", "/index.html");
const PAGE: [(&str, &str); 3] = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
/// Everything needs a session but what is below `/open`; the shell is everybody's.
const PUBLIC_SHELL: (&str, &str) = (
    "RULES",
    r#"[{"path":"/index.html","allow":"public"},{"path":"/open/*","allow":"public"},{"path":"/admin/*","allow":{"groups":["admin"]}}]"#,
);
/// The shell needs a session, or the group that nobody here is in.
const GATED_SHELL: (&str, &str) = ("RULES", r#"[{"path":"/open/*","allow":"public"}]"#);
const GROUPS_SHELL: (&str, &str) =
    ("RULES", r#"[{"path":"/open/*","allow":"public"},{"path":"/index.html","allow":{"groups":["admin"]}}]"#);

/// A site that has the shell and nothing else, and says so with this status.
fn world(miss: u16) -> Rc<World> {
    let world = World::new();
    world.site.next.replace(SiteAnswer::of(miss, &[("content-type", "application/xml")]));
    world.site.pages.borrow_mut().insert("/index.html", SiteAnswer::of(200, &[("cache-control", "public, max-age=60")]));
    world
}

fn browser(miss: u16, changes: &[(&str, &str)]) -> Browser {
    Browser::with(&world(miss), config(changes))
}

fn signed_in(miss: u16, changes: &[(&str, &str)]) -> Browser {
    let browser = browser(miss, changes);
    assert_eq!(browser.sign_in("/").status, 303);
    browser.world.site.asked.take();
    browser
}

fn ask(browser: &Browser, method: &'static str, path: &str, headers: &[(&'static str, &str)]) -> Reply {
    browser.ask(method, &format!("{PUBLIC_URL}{path}"), headers)
}

#[test]
fn a_page_that_the_site_does_not_have_is_the_apps_shell() {
    for (miss, site) in [(404, &[SHELL][..]), (404, &[SHELL, ORIGIN]), (403, &[SHELL, ORIGIN])] {
        let browser = signed_in(miss, &[site, &[PUBLIC_SHELL]].concat());
        for method in ["GET", "HEAD"] {
            let reply = ask(&browser, method, "/dashboard/settings/?tab=1", &[&PAGE[..], &[("range", "bytes=0-9")]].concat());
            assert_eq!((reply.status, reply.site), (200, true), "{method} {miss}");
            assert_eq!(reply.header("cache-control"), Some("private, max-age=60"), "the path needs a session");
        }
        assert_eq!(browser.world.site.discarded.get(), 2, "the bodies of the misses");
    }
}

#[test]
fn the_shell_is_asked_for_as_a_whole_once_and_without_the_clients_query() {
    let browser = signed_in(404, &[SHELL, ORIGIN, PUBLIC_SHELL]);
    let headers = [&PAGE[..], &[("range", "bytes=0-9"), ("if-none-match", "\"v1\"")]].concat();
    assert_eq!(ask(&browser, "GET", "/dashboard?tab=1", &headers).status, 200);
    let asked = browser.world.site.asked.take();
    let [UpstreamRequest::Origin(missed), UpstreamRequest::Origin(shell)] = &asked[..] else { panic!("two requests") };
    assert!(missed.url.ends_with("/dashboard?tab=1") && missed.headers.remove.is_empty());
    assert!(shell.url.ends_with(".net/index.html"), "{}", shell.url);
    assert_eq!(shell.headers.remove, ["range", "if-range"]);
    assert!((shell.passes)("if-none-match") && !shell.may_be_cached);
}

#[test]
fn what_is_no_page_keeps_its_404() {
    let browser = signed_in(404, &[SHELL, ORIGIN, PUBLIC_SHELL]);
    for headers in [
        &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")][..],
        &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", "*/*")],
        &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")],
        &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "font")],
        &[("accept", "*/*")],
    ] {
        let reply = ask(&browser, "GET", "/missing", headers);
        assert_eq!((reply.status, reply.site), (404, true), "{headers:?}");
        assert_eq!(browser.world.site.asked_paths(), ["/missing"], "{headers:?}");
    }
}

#[test]
fn a_client_without_fetch_metadata_gets_the_shell_if_it_accepts_html() {
    let browser = signed_in(404, &[SHELL, ORIGIN, PUBLIC_SHELL]);
    for method in ["GET", "HEAD"] {
        assert_eq!(ask(&browser, method, "/dashboard", &[("accept", "text/html")]).status, 200, "{method}");
    }
    assert_eq!(ask(&browser, "POST", "/dashboard", &[("accept", "text/html")]).status, 405);
}

#[test]
fn other_answers_of_the_site_are_no_miss() {
    for status in [200, 301, 304, 401, 410, 500, 503] {
        let browser = signed_in(status, &[SHELL, ORIGIN, PUBLIC_SHELL]);
        assert_eq!(browser.open("/dashboard").status, status);
        assert_eq!(browser.world.site.asked_paths(), ["/dashboard"], "{status}");
    }
    let assets = signed_in(403, &[SHELL, PUBLIC_SHELL]);
    assert_eq!(assets.open("/dashboard").status, 403, "assets do not say so");
    let without = signed_in(403, &[ORIGIN, PUBLIC_SHELL]);
    assert_eq!(without.open("/dashboard").status, 403);
}

#[test]
fn both_rules_decide_the_paths_and_the_shells() {
    // Signed out.
    let login = "/auth/login?return_to=%2Fopen%2Fnews%3Fpage%3D2";
    for (rules, path, status, location) in [
        (PUBLIC_SHELL, "/open/news?page=2", 200, None),
        (GATED_SHELL, "/open/news?page=2", 302, Some(login)),
        (GROUPS_SHELL, "/open/news?page=2", 302, Some(login)),
        (PUBLIC_SHELL, "/closed", 302, Some("/auth/login?return_to=%2Fclosed")),
    ] {
        let browser = browser(403, &[SHELL, ORIGIN, rules]);
        let reply = browser.open(path);
        assert_eq!((reply.status, reply.header("location")), (status, location), "{rules:?} {path}");
        assert!(!browser.world.site.asked_paths().contains(&"/index.html".to_owned()) || status == 200, "{rules:?} {path}");
    }
    // Signed in, in no group.
    for (rules, path, status) in [
        (GATED_SHELL, "/open/news", 200),
        (GATED_SHELL, "/closed", 200),
        (GROUPS_SHELL, "/open/news", 403),
        (GROUPS_SHELL, "/closed", 403),
        (PUBLIC_SHELL, "/admin/users", 403),
    ] {
        let reply = signed_in(404, &[SHELL, ORIGIN, rules]).open(path);
        assert_eq!((reply.status, reply.site), (status, status == 200), "{rules:?} {path}");
    }
}

#[test]
fn the_shell_may_be_stored_by_others_only_where_both_rules_are_public() {
    for (rules, path, kept) in [
        (PUBLIC_SHELL, "/open/news", None),
        (PUBLIC_SHELL, "/closed", Some("private, max-age=60")),
        (GATED_SHELL, "/open/news", Some("private, max-age=60")),
    ] {
        let browser = signed_in(404, &[SHELL, ORIGIN, rules]);
        assert_eq!(browser.open(path).header("cache-control"), kept, "{rules:?} {path}");
        let asked = browser.world.site.asked.take();
        let [_, UpstreamRequest::Origin(shell)] = &asked[..] else { panic!("two requests") };
        assert_eq!(shell.may_be_cached, kept.is_none(), "{rules:?} {path}");
    }
}

#[test]
fn a_shell_that_is_missing_is_named_in_the_log() {
    for (site, miss) in [(&[SHELL][..], 404), (&[SHELL, ORIGIN], 404), (&[SHELL, ORIGIN], 403)] {
        let browser = signed_in(miss, &[site, &[PUBLIC_SHELL]].concat());
        browser.world.site.pages.borrow_mut().clear();
        for path in ["/dashboard", "/index.html"] {
            let reply = browser.open(path);
            assert_eq!((reply.status, reply.site), (502, false), "{path}");
            assert!(reply.body.contains("origin_unavailable"), "{path}");
        }
        assert!(browser.world.logged(r#"("reason", "fallback_missing")"#));
    }
}

#[test]
fn the_apps_return_page_may_be_a_route_of_the_app() {
    let page = ("REDIRECT_URI", "https://app.example.com/open/signed-in");
    let browser = browser(403, &[SHELL, ORIGIN, PUBLIC_SHELL, page]);
    let reply = browser.open("/open/signed-in?code=c&state=s");
    assert_eq!((reply.status, reply.site), (200, true));
    assert_eq!((reply.header("cache-control"), reply.header("referrer-policy")), (Some("no-store"), Some("no-referrer")));
    for asked in browser.world.site.asked.take() {
        let UpstreamRequest::Origin(asked) = asked else { panic!("the origin") };
        assert!(!asked.url.contains("code"), "{}", asked.url);
    }
}

#[test]
fn without_a_shell_a_miss_is_the_sites_own_answer_or_the_gateways_page_where_that_is_empty() {
    for site in [&[][..], &[ORIGIN]] {
        let browser = signed_in(404, site);
        let own = browser.open("/missing/");
        assert_eq!((own.status, own.site), (404, true));
        for empty in [&[][..], &[("content-type", "text/html"), ("content-length", "0")]] {
            browser.world.site.next.replace(SiteAnswer::of(404, empty));
            let page = browser.open("/missing/");
            assert_eq!((page.status, page.site), (404, false));
            assert!(page.body.contains("not_found"), "{}", page.body);
            assert_eq!(page.header("cache-control"), Some("no-store"));
        }
        assert!(browser.script_with("/missing/", &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]).site);
        assert!(ask(&browser, "HEAD", "/missing/", &PAGE).site, "whether there was a page is not known");
    }
}

#[test]
fn a_folder_of_the_embedded_site_is_found_without_its_slash() {
    for shell in [&[][..], &[SHELL]] {
        let browser = signed_in(404, &[shell, &[PUBLIC_SHELL]].concat());
        browser.world.site.pages.borrow_mut().insert("/app/index.html", SiteAnswer::of(200, &[]));
        let reply = browser.open("/app?view=reports");
        assert_eq!((reply.status, reply.header("location")), (302, Some("/app/?view=reports")));
        assert_eq!(browser.world.site.discarded.get(), 2);
        let script = browser.script_with("/app", &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]);
        assert_eq!((script.status, script.site), (404, true));
    }
    let fronted = signed_in(404, &[ORIGIN]);
    fronted.world.site.pages.borrow_mut().insert("/app/", SiteAnswer::of(200, &[]));
    assert_eq!(fronted.open("/app").status, 404, "an origin has rules of its own for that");
}
