//! Signing in: what the browser sees and what stays behind when a login goes wrong, on fakes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::task::Poll;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use edgegate::ports::KvError;
use futures_executor::block_on;
use futures_util::future::join;
use serde_json::json;
use sha2::{Digest, Sha256};
use support::{Browser, Fault, Steps, Trouble, World, config};

#[test]
fn a_login_ends_at_its_deep_link_with_one_session() {
    let browser = Browser::new(&World::new());
    let reply = browser.open("/app/?view=reports");
    assert_eq!((reply.status, reply.location()), (302, "/auth/login?return_to=%2Fapp%2F%3Fview%3Dreports"));
    let reply = browser.sign_in("/app/?view=reports");
    assert_eq!((reply.status, reply.location()), (303, "/app/?view=reports"));
    let names: Vec<String> = browser.cookies.borrow().keys().cloned().collect();
    assert!(names.len() == 3 && names[0].starts_with("__Host-login-") && names[1..] == ["__Host-session", "__Host-sign-ins"]);
    assert!(browser.open("/app/?view=reports").site);
    let form = browser.world.cognito.token_forms.borrow().first().unwrap().clone();
    assert!(form.contains("redirect_uri=https%3A%2F%2Fapp.example.com%2Fauth%2Fcallback") && form.contains("code_verifier="));
    assert!(!form.contains("client_id="), "a confidential client names itself in Basic only");
}

const DEEP_LINK: &str = "/app/?view=reports#/a/b?c=d&e=%2F&access_token=f";

fn keeping_fragments() -> Browser {
    Browser::with(&World::new(), config(&[("KEEP_FRAGMENT", "true")]))
}

#[test]
fn with_keep_fragment_a_page_goes_to_the_login_and_can_add_the_fragment() {
    let browser = keeping_fragments();
    let reply = browser.open_with("/app/?view=reports", &[("accept-language", "ko")]);
    assert_eq!((reply.status, reply.header("location"), reply.site), (200, None, false));
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(reply.body.contains("<html lang=\"ko\">"), "{}", reply.body);
    let login = "/auth/login?return_to=%2Fapp%2F%3Fview%3Dreports";
    let (before, after) = reply.body.split_once(&format!("<script data-login=\"{login}\">")).expect(&reply.body);
    let (script, after) = after.split_once("</script>").unwrap();
    assert!(!before.contains("<script") && !after.contains("<script"), "{}", reply.body);
    assert!(!script.contains("reports"), "a constant: nothing from outside is script");
    let hash = STANDARD.encode(Sha256::digest(script));
    let policy = format!("default-src 'none'; script-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'");
    assert_eq!(reply.header("content-security-policy"), Some(policy.as_str()));
    for without_script in
        [format!("<noscript><meta http-equiv=\"refresh\" content=\"0;url={login}\"></noscript>"), format!("<a href=\"{login}\">")]
    {
        assert!(after.contains(&without_script), "{}", reply.body);
    }
    assert!(browser.cookies.borrow().is_empty(), "the login begins at its own address");
}

#[test]
fn with_keep_fragment_everything_but_a_page_load_that_needs_a_login_is_as_without() {
    let page = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let script = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    let prefetch = [&page[..], &[("sec-purpose", "prefetch")]].concat();
    let (keeping, plain) = (keeping_fragments(), Browser::new(&World::new()));
    for (method, url, headers, status) in [
        ("HEAD", "https://app.example.com/app/", &page[..], 302),
        ("GET", "https://www.example.com/app/", &page, 302),
        ("GET", "https://app.example.com/app/", &script, 401),
        ("GET", "https://app.example.com/app/", &frame, 401),
        ("GET", "https://app.example.com/app/", &prefetch, 401),
        ("POST", "https://app.example.com/app/", &page, 401),
        ("GET", "https://app.example.com/", &page, 200),
    ] {
        let [kept, reply] = [&keeping, &plain].map(|browser| browser.ask(method, url, headers));
        assert_eq!((kept.status, kept.header("location")), (status, reply.header("location")), "{method} {url} {headers:?}");
        assert_eq!((reply.status, reply.site), (status, kept.site), "{method} {url} {headers:?}");
    }
    assert_eq!(keeping.sign_in("/app/").status, 303);
    assert!(keeping.open("/app/").site);
}

#[test]
fn a_fragment_goes_through_the_login_to_the_browser_and_to_nobody_else() {
    let by_callback = keeping_fragments();
    let reply = by_callback.sign_in(DEEP_LINK);
    assert_eq!((reply.status, reply.location()), (303, DEEP_LINK));

    let by_page = Browser::with(
        &World::new(),
        config(&[
            ("KEEP_FRAGMENT", "true"),
            ("REDIRECT_URI", "https://app.example.com/signed-in.html"),
            ("RULES", r#"[{"path":"/signed-in.html","allow":"public"}]"#),
        ]),
    );
    let callback = by_page.begin(DEEP_LINK);
    let (_, state) = callback.split_once("&state=").unwrap();
    let reply = by_page.post("/auth/token", &json!({"code": "c-1", "state": state}).to_string());
    assert_eq!((reply.status, reply.location()), (200, DEEP_LINK));

    for browser in [by_callback, by_page] {
        let to_cognito = browser.open("/auth/login?return_to=%2Fapp%2F%23%2Fa%2Fb%3Faccess_token%3Df").location().to_owned();
        let forms = browser.world.cognito.token_forms.borrow().join("\n");
        assert!(to_cognito.starts_with("https://auth.example.com/") && forms.contains("code_verifier="));
        for told in [to_cognito, forms, browser.world.logs.borrow().join("\n")] {
            assert!(!told.contains("a/b") && !told.contains("%2Fb") && !told.contains("access_token"), "{told}");
        }
    }
}

#[test]
fn a_session_that_is_remembered_opens_to_the_whole_of_its_cookie_alone() {
    for world in [World::new(), World::guarded()] {
        let browser = Browser::new(&world);
        browser.sign_in("/app/");
        assert!(browser.open("/app/").site, "and is remembered");
        let name = "__Host-session".to_owned();
        let cookie = browser.cookies.borrow()[&name].clone();
        // The user's tag is its first third, the secret what follows.
        for at in [0, 10, 20, 22, 40, 63] {
            let changed = if cookie[at..].starts_with('A') { "B" } else { "A" };
            let other = [&cookie[..at], changed, &cookie[at + 1..]].concat();
            browser.cookies.borrow_mut().insert(name.clone(), other);
            assert_eq!(browser.get("/user-info").status, 401, "character {at}");
        }
        browser.cookies.borrow_mut().insert(name, cookie);
        assert!(browser.open("/app/").site);
    }
}

#[test]
fn whatever_goes_wrong_leaves_no_session_behind() {
    let claims = |claims| Trouble::Claims(claims);
    for (trouble, status, code) in [
        (Trouble::Error("invalid_grant"), 400, "code_rejected"),
        (Trouble::Error("invalid_client"), 500, "idp_misconfigured"),
        (Trouble::Error("unheard_of"), 502, "idp_invalid_response"),
        (Trouble::Status(429), 503, "idp_throttled"),
        (Trouble::Status(503), 503, "idp_unavailable"),
        (Trouble::Status(307), 502, "idp_invalid_response"),
        (Trouble::Timeout, 504, "idp_timeout"),
        (claims(json!({"nonce": "another"})), 502, "token_rejected"),
        (claims(json!({"aud": "another", "client_id": "another"})), 502, "token_rejected"),
        (claims(json!({"iss": "https://evil.example"})), 502, "token_rejected"),
        (claims(json!({"exp": 1_760_000_000_u64})), 502, "token_rejected"),
        (claims(json!({"token_use": "access"})), 502, "token_rejected"),
        (claims(json!({"at_hash": "wrong"})), 502, "token_rejected"),
    ] {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        browser.world.cognito.will(trouble.clone());
        let reply = browser.get(&callback);
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{trouble:?}");
        assert!(browser.cookies.borrow().is_empty(), "{trouble:?}: {:?}", browser.cookies.borrow());
        assert!(browser.world.kv.keys().is_empty(), "{trouble:?}");
    }
}

#[test]
fn a_store_that_does_not_take_the_session_means_no_session() {
    let browser = Browser::new(&World::new());
    let callback = browser.begin("/app/");
    browser.world.kv.fail_writes.borrow_mut().push(KvError::Unavailable);
    let reply = browser.get(&callback);
    assert_eq!((reply.status, reply.code().as_str()), (503, "store_unavailable"));
    assert!(browser.cookies.borrow().is_empty() && browser.world.kv.keys().is_empty());
}

#[test]
fn a_login_that_kv_does_not_take_leaves_nothing_half_made() {
    for fault in [
        Fault::Refused(KvError::Unavailable),
        Fault::Refused(KvError::TooManyWrites),
        Fault::DoneButToldSo(KvError::Unavailable),
        Fault::TimedOut(8000, false),
        Fault::TimedOut(8000, true),
    ] {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        browser.world.kv.will(1, "write session/", fault);
        let reply = browser.get(&callback);
        assert_eq!((reply.status, reply.code().as_str()), (503, "store_unavailable"), "{fault:?}");
        assert!(browser.cookies.borrow().is_empty(), "{fault:?}");
        browser.world.finish_background();
        assert!(browser.world.kv.keys().is_empty(), "{fault:?}: {:?}", browser.world.kv.keys());
        assert_eq!(browser.world.cognito.good_tokens(browser.world.now()), 0, "{fault:?}: its refresh token is revoked");
        assert_eq!(browser.sign_in("/app/").status, 303, "{fault:?}: and the next one is a login like any other");
    }
}

#[test]
fn a_login_that_fails_takes_nothing_from_the_browsers_older_session() {
    let browser = Browser::new(&World::new());
    assert_eq!(browser.sign_in("/app/").status, 303);
    let before = browser.stored().unwrap();
    let callback = browser.begin("/app/");
    browser.world.kv.will(1, "write session/", Fault::Refused(KvError::Unavailable));
    assert_eq!(browser.get(&callback).code(), "store_unavailable");
    browser.world.finish_background();
    assert!(browser.stored().unwrap() == before && browser.restarted().open("/app/").site);
}

#[test]
fn a_login_over_an_older_session_ends_it_beside_the_answer_and_revokes_its_refresh_token() {
    for world in [World::new(), World::guarded()] {
        let browser = Browser::new(&world);
        browser.sign_in("/app/");
        let old = browser.tab();
        let (id, older) = (old.session_id().unwrap(), old.stored().unwrap());
        let writes = world.kv.writes.get();
        let reply = browser.sign_in("/app/");
        assert_eq!(
            (reply.status, world.kv.writes.get()),
            (303, writes + 1),
            "the new session's record and no more is waited for"
        );
        assert_eq!(old.get("/user-info").code(), "session_expired", "yet here it has ended at once");
        world.finish_background();
        assert!(world.kv.keys().contains(&id.names().marker_key()) && !world.kv.keys().contains(&id.names().record_key()));
        assert_eq!(*world.cognito.revoked.borrow(), [older.refresh_token.unwrap()]);
        assert_eq!(old.restarted().get("/user-info").code(), "session_expired");
        assert!(browser.restarted().open("/app/").site);
    }
}

#[test]
fn an_older_session_whose_end_hangs_or_fails_holds_up_no_login() {
    for fault in [Fault::TimedOut(8000, false), Fault::Refused(KvError::Unavailable), Fault::Refused(KvError::TooManyWrites)] {
        let browser = Browser::new(&World::new());
        browser.sign_in("/app/");
        let callback = browser.begin("/app/");
        let (before, writes) = (browser.world.time.now_ms(), browser.world.kv.writes.get());
        browser.world.kv.will(1, "write ended/", fault);
        assert_eq!(browser.open(&callback).status, 303);
        assert_eq!((browser.world.time.now_ms(), browser.world.kv.writes.get()), (before, writes + 1), "{fault:?}");
        browser.world.finish_background();
        assert_eq!(browser.world.cognito.good_tokens(browser.world.now()), 1, "{fault:?}: the older refresh token is revoked");
        assert!(browser.restarted().open("/app/").site, "{fault:?}");
    }
}

#[test]
fn a_session_cookie_that_somebody_made_up_costs_a_login_no_write() {
    let browser = Browser::new(&World::new());
    let made_up = "A".repeat(64);
    browser.cookies.borrow_mut().insert("__Host-session".to_owned(), made_up);
    assert_eq!(browser.sign_in("/app/").status, 303);
    browser.world.finish_background();
    assert_eq!((browser.world.kv.writes.get(), browser.world.cognito.revocations.get()), (1, 0));
}

#[test]
fn a_flow_sends_one_code_however_often_its_cookie_comes_back() {
    let browser = Browser::new(&World::new());
    let callback = browser.begin("/app/");
    let flow_cookies = browser.cookies.borrow().clone();
    browser.world.cognito.will(Trouble::Error("invalid_grant"));
    for guess in ["c-2", "c-3", "c-4"] {
        *browser.cookies.borrow_mut() = flow_cookies.clone();
        let reply = browser.get(&callback.replace("code=c-1", &format!("code={guess}")));
        assert_eq!(reply.code(), if guess == "c-2" { "code_rejected" } else { "login_expired" });
    }
    assert_eq!(browser.world.cognito.token_forms.borrow().len(), 1);
    assert_eq!(browser.sign_in("/app/").status, 303, "and another flow has its own");
}

#[test]
fn a_flow_dies_after_an_hour() {
    for (waited, status) in [(3599, 303), (3600, 400)] {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        browser.world.pass(waited);
        assert_eq!(browser.get(&callback).status, status, "after {waited} s");
    }
}

#[test]
fn a_sixth_login_makes_room_and_the_newest_five_all_work() {
    let browser = Browser::new(&World::new());
    let flows = |browser: &Browser| browser.cookies.borrow().keys().filter(|name| name.starts_with("__Host-login-")).count();
    for number in 0..6 {
        browser.begin(&format!("/tab-{number}"));
        assert!(flows(&browser) <= 5);
    }
    assert_eq!(flows(&browser), 5);
}

#[test]
fn a_late_or_repeated_callback_of_a_signed_in_browser_is_no_error() {
    let browser = Browser::new(&World::new());
    let callback = browser.begin("/app/");
    assert_eq!(browser.open(&callback).status, 303);
    for isolate in [browser.tab(), browser.restarted()] {
        let again = isolate.open(&callback);
        assert_eq!((again.status, again.location()), (303, "/app/"), "what is left of its flow says where to");
        assert!(again.header("set-cookie").is_none());
    }
    browser.world.pass(30);
    let again = browser.open(&callback);
    assert_eq!((again.status, again.location()), (303, "/"), "its flow is gone");
    let late = browser.begin("/reports/");
    let made_since = browser.begin("/elsewhere/");
    assert_eq!(browser.open(&made_since).status, 303);
    browser.world.cognito.will(Trouble::Error("invalid_grant"));
    let reply = browser.open(&late);
    assert_eq!((reply.status, reply.location()), (303, "/reports/"), "its code is spent");
    assert_eq!(browser.world.cognito.token_requests(), 3);
    assert_eq!(browser.open(&late).location(), "/reports/");
    assert_eq!(browser.world.cognito.token_requests(), 3, "and is not sent again");
    assert!(browser.open("/app/").site, "and the session is as it was");
}

#[test]
fn a_session_of_before_a_login_is_never_that_logins_result() {
    for (waited, taken) in [(0, true), (1, false), (600, false)] {
        let browser = Browser::new(&World::new());
        browser.sign_in("/app/");
        let before = browser.stored().unwrap();
        browser.world.pass(waited);
        // Another user signs in; the code of that login has been sent by another isolate.
        let callback = browser.begin("/reports/");
        let page = browser.tab();
        let refused = Trouble::Error("invalid_grant");
        browser.world.cognito.will(refused.clone());
        let reply = browser.open(&callback);
        let begun_anew = "/auth/login?return_to=%2Freports%2F&retry=1";
        assert_eq!(reply.location(), if taken { "/reports/" } else { begun_anew }, "{waited} s");
        assert!(browser.stored().unwrap() == before, "{waited} s: it goes on");

        // The same where a page sends the code.
        let page = page.restarted();
        page.world.cognito.will(refused);
        let body = format!(r#"{{"code":"c-1","state":"{}"}}"#, callback.rsplit_once('=').unwrap().1);
        let reply = page.post("/auth/token", &body);
        assert_eq!(reply.status, if taken { 200 } else { 400 }, "{waited} s");
        assert!(taken || reply.code() == "code_rejected" && reply.json().get("access_token").is_none(), "{waited} s");
    }
}

/// Two requests of one browser that were sent with the same cookies: the second one after the first has gone some steps.
fn twice<T>(steps: usize, first: impl Future<Output = T>, second: impl Future<Output = T>) -> (T, T) {
    let mut first = Steps::of(first);
    if let Some(done) = first.steps(steps) {
        return (done, block_on(second));
    }
    // A step wakes nobody: it is polled again at once.
    let rest = std::future::poll_fn(move |context| {
        context.waker().wake_by_ref();
        first.step().map_or(Poll::Pending, Poll::Ready)
    });
    block_on(join(rest, second))
}

#[test]
fn one_login_with_two_callbacks_makes_one_session_and_both_arrive_with_it() {
    for world in [World::new, World::guarded] {
        for steps in 0..12 {
            let browser = Browser::new(&world());
            let callback = browser.begin("/app/?view=1");
            let (one, other) = (browser.tab(), browser.tab());
            let (first, second) = twice(steps, one.open_async(&callback), other.open_async(&callback));
            for (reply, tab) in [(&first, &one), (&second, &other)] {
                assert_eq!((reply.status, reply.location()), (303, "/app/?view=1"), "{steps} steps");
                assert!(tab.open("/app/").site, "{steps} steps: whichever answer the browser takes");
            }
            assert!(one.session_id().is_some() && one.session_id() == other.session_id(), "{steps} steps");
            assert_eq!(browser.world.cognito.token_requests(), 1, "{steps} steps");
            browser.world.finish_background();
            assert_eq!(browser.world.kv.keys().len(), 1, "{steps} steps: {:?}", browser.world.kv.keys());
            assert_eq!(one.cookies.borrow()["__Host-sign-ins"], other.cookies.borrow()["__Host-sign-ins"]);
        }
    }
}

#[test]
fn a_code_that_a_page_posts_twice_gives_both_the_token_and_the_cookie() {
    for steps in 0..12 {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        let body = format!(r#"{{"code":"c-1","state":"{}"}}"#, callback.rsplit_once('=').unwrap().1);
        let (one, other) = (browser.tab(), browser.tab());
        let (first, second) = twice(steps, one.post_async("/auth/token", &body), other.post_async("/auth/token", &body));
        assert_eq!((first.status, second.status), (200, 200), "{steps} steps");
        assert_eq!(first.json()["access_token"], second.json()["access_token"], "{steps} steps");
        assert_eq!((first.location(), second.location()), ("/app/", "/app/"));
        assert!(one.session_id().is_some() && one.session_id() == other.session_id(), "{steps} steps");
        assert_eq!(browser.world.cognito.token_requests(), 1);
    }
}

#[test]
fn a_second_callback_hears_of_the_firsts_failure_and_sends_no_code_of_its_own() {
    for (trouble, code) in [
        (Trouble::Status(503), "idp_unavailable"),
        (Trouble::Error("invalid_client"), "idp_misconfigured"),
        (Trouble::Error("invalid_grant"), "code_rejected"),
    ] {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        browser.world.cognito.will(trouble);
        let (one, other) = (browser.tab(), browser.tab());
        let (first, second) = twice(1, one.fetch_async(&callback), other.fetch_async(&callback));
        assert_eq!((first.code().as_str(), second.code().as_str()), (code, code));
        assert_eq!(browser.world.cognito.token_requests(), 1);
    }
}

#[test]
fn a_callback_that_died_blocks_the_second_one_for_a_while_only() {
    for steps in 1..4 {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        let (died, other) = (browser.tab(), browser.tab());
        let mut first = Steps::of(died.open_async(&callback));
        assert!(first.steps(steps).is_none(), "{steps} steps are not all");
        drop(first);
        let asked = browser.world.cognito.token_requests();
        let before = browser.world.now();
        let reply = other.open(&callback);
        assert_eq!((reply.status, reply.location()), (302, "/auth/login?return_to=%2Fapp%2F&retry=1"), "{steps} steps");
        assert!(browser.world.now() - before <= 32, "{steps} steps");
        assert_eq!(browser.world.cognito.token_requests(), asked, "{steps} steps: no second exchange");
        assert_eq!(other.sign_in("/app/").location(), "/app/", "{steps} steps");
    }
}

#[test]
fn a_callback_that_goes_on_for_as_long_as_its_steps_may_is_waited_for() {
    let browser = Browser::new(&World::new());
    let callback = browser.begin("/app/");
    let (one, other) = (browser.tab(), browser.tab());
    let mut first = Steps::of(one.open_async(&callback));
    assert!(first.steps(1).is_none());
    // Token request, key set, guard and KV, each at the last moment.
    browser.world.pass(31);
    let mut second = Steps::of(other.open_async(&callback));
    assert!(second.steps(1).is_none(), "it waits");
    let (first, second) = (first.finish(), second.finish());
    for (reply, tab) in [(&first, &one), (&second, &other)] {
        assert_eq!((reply.status, reply.location()), (303, "/app/"));
        assert!(tab.open("/app/").site);
    }
    assert!(one.session_id() == other.session_id() && browser.world.cognito.token_requests() == 1);
}

#[test]
fn who_comes_again_with_the_flow_gets_no_session_that_has_ended_and_none_for_another_code() {
    let browser = Browser::new(&World::new());
    let callback = browser.begin("/app/");
    let (copy, other_code) = (browser.tab(), browser.tab());
    assert_eq!(browser.open(&callback).status, 303);
    let reply = other_code.open(&callback.replace("c-1", "c-2"));
    assert_eq!(reply.location(), "/auth/login?return_to=%2Fapp%2F&retry=1");
    assert!(other_code.session_id().is_none());
    assert_eq!(browser.post("/auth/logout", "").status, 200);
    let reply = copy.open(&callback);
    assert_eq!(reply.location(), "/auth/login?return_to=%2Fapp%2F&retry=1");
    assert!(copy.session_id().is_none());

    // A session that another tab has made meanwhile stays.
    let callback = browser.begin("/app/");
    let copy = browser.tab();
    browser.open(&callback);
    let newer = browser.begin("/app/");
    browser.open(&newer);
    let session = browser.cookies.borrow()["__Host-session"].clone();
    copy.cookies.borrow_mut().insert("__Host-session".to_owned(), session.clone());
    assert_eq!(copy.open(&callback).location(), "/app/");
    assert_eq!(copy.cookies.borrow()["__Host-session"], session);

    // Half a minute later it is a spent flow like any other.
    let callback = browser.begin("/app/");
    let copy = browser.tab();
    browser.open(&callback);
    browser.world.pass(30);
    copy.cookies.borrow_mut().remove("__Host-session");
    assert_eq!(copy.get(&callback).code(), "login_expired");
}

#[test]
fn the_loser_of_two_isolates_arrives_by_a_login_of_our_own_or_by_the_winners_session() {
    for place in [|browser: &Browser| browser.restarted(), |browser: &Browser| browser.elsewhere(&browser.world.location())] {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        let other = place(&browser);
        assert_eq!(browser.open(&callback).status, 303);
        // One code, one exchange.
        browser.world.cognito.will(Trouble::Error("invalid_grant"));
        let reply = other.open(&callback);
        assert_eq!((reply.status, reply.location()), (302, "/auth/login?return_to=%2Fapp%2F&retry=1"));
        let nonce = other.begin("/app/");
        assert_eq!(other.open(&nonce).location(), "/app/", "Cognito's own cookie makes that silent");
        assert!(other.open("/app/").site);

        // The winner's answer came first.
        let callback = browser.begin("/app/?2");
        let other = place(&browser);
        assert_eq!(browser.open(&callback).status, 303);
        let session = browser.cookies.borrow()["__Host-session"].clone();
        other.cookies.borrow_mut().insert("__Host-session".to_owned(), session);
        browser.world.cognito.will(Trouble::Error("invalid_grant"));
        assert_eq!(other.open(&callback).location(), "/app/?2");
    }
}

/// Follows the login that the gateway begins by itself up to the callback that Cognito would send the browser to.
fn begun_by_itself(browser: &Browser, reply: &support::browser::Reply) -> String {
    let login = reply.location();
    assert!(reply.status == 302 && login.starts_with("/auth/login?return_to=") && login.ends_with("&retry=1"), "{login}");
    browser.begin_at(login)
}

/// Callbacks that no flow is there for, or that say nothing, and the reason in the log.
const UNFINISHED: [(&str, &str); 7] = [
    ("/auth/callback?code=c-1", "callback_without_state"),
    ("/auth/callback?code=c-1&state=", "callback_without_state"),
    ("/auth/callback", "callback_without_code"),
    ("/auth/callback?state=s", "callback_without_code"),
    ("/auth/callback?code=c-1&code=c-2&state=s", "callback_query"),
    ("/auth/callback?error=access_denied&error=x", "callback_query"),
    ("/auth/callback?code=c-1&state=s", "flow_missing"),
];

#[test]
fn a_callback_that_cannot_be_finished_begins_a_login_once_and_then_says_why_with_a_button() {
    for (callback, reason) in UNFINISHED {
        let browser = Browser::new(&World::new());
        let reply = browser.open(callback);
        assert_eq!(reply.location(), "/auth/login?return_to=%2F&retry=1", "{callback}");
        assert!(browser.world.logged(&format!(r#"("reason", "{reason}")"#)), "{callback}");
        let next = begun_by_itself(&browser, &reply);
        assert_eq!(browser.world.cognito.token_requests(), 0, "{callback}: its code is not used");
        assert_eq!(browser.open(&next).location(), "/", "{callback}: and mostly that is the end of it");

        let browser = Browser::new(&World::new());
        browser.open(callback);
        browser.world.pass(59);
        let page = browser.open(callback);
        assert_eq!(page.status, 400, "{callback}");
        assert!(page.body.contains("href=\"/auth/login\">Sign in</a>"), "{callback}: {}", page.body);
        browser.world.pass(1);
        assert_eq!(browser.open(callback).status, 302, "{callback}: a minute later");

        let script = browser.get(callback);
        assert!(script.status == 400 && script.header("location").is_none(), "{callback}: a script is told");
        let browser = Browser::new(&World::new());
        browser.sign_in("/app/");
        let session = browser.session_id().map(|id| id.names().record_key());
        let home = browser.open(callback);
        assert_eq!((home.status, home.location()), (303, "/"), "{callback}: who is signed in is at home");
        assert_eq!(browser.session_id().map(|id| id.names().record_key()), session, "{callback}: with the same session");
    }
}

#[test]
fn a_callback_with_a_parameter_twice_takes_who_is_signed_in_to_the_page_of_its_login() {
    let browser = Browser::new(&World::new());
    let callback = browser.begin("/app/?view=1");
    assert_eq!(browser.open(&callback).status, 303);
    let reply = browser.open(&format!("{callback}&code=c-2"));
    assert_eq!((reply.status, reply.location()), (303, "/app/?view=1"));

    // A login under way is still no affair of the session of before it.
    browser.world.pass(1);
    let callback = browser.begin("/reports/");
    let reply = browser.open(&format!("{callback}&code=c-2"));
    assert_eq!((reply.status, reply.location()), (302, "/auth/login?return_to=%2Freports%2F&retry=1"));
}

#[test]
fn a_callback_that_says_too_little_keeps_the_deep_link_of_the_login_that_was_begun_last() {
    for callback in ["/auth/callback", "/auth/callback?state=s", "/auth/callback?code=c-1", "/auth/callback?code=c-1&state="] {
        let browser = Browser::new(&World::new());
        browser.begin("/app/?view=kept");
        let reply = browser.open(callback);
        assert_eq!(reply.location(), "/auth/login?return_to=%2Fapp%2F%3Fview%3Dkept&retry=1", "{callback}");
        let page = browser.open(callback);
        assert!(page.body.contains("href=\"/auth/login?return_to=%2Fapp%2F%3Fview%3Dkept\""), "{callback}: {}", page.body);
    }
}

#[test]
fn a_browser_that_keeps_no_cookie_is_sent_to_the_login_once_and_then_told() {
    for (language, told) in [("en", "does not send back the cookies"), ("ko", "쿠키를 보내지 않습니다")] {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        browser.cookies.borrow_mut().clear();
        let reply = browser.open(&callback);
        let next = begun_by_itself(&browser, &reply);
        browser.cookies.borrow_mut().clear();
        let page = browser.open_with(&next, &[("accept-language", language)]);
        assert_eq!(page.status, 400, "no other round");
        assert!(page.body.contains(told), "{}", page.body);
        assert!(!browser.cookies.borrow().contains_key("__Host-sign-in-retry"), "nor is one counted");
    }
}

/// A code, how to come to it, and what its page says in English and in Korean.
type Told = (&'static str, fn(&Browser) -> String, &'static str, &'static str);

#[test]
fn the_page_of_a_login_that_cannot_be_finished_says_what_is_true_of_it() {
    let cases: [Told; 5] = [
        ("login_expired", |_| "/auth/callback?code=c&state=s".to_owned(), "knows nothing of this sign-in", "정보가 없습니다"),
        (
            "login_expired",
            |browser| {
                let callback = browser.begin("/app/");
                browser.world.pass(3600);
                callback
            },
            "took more than an hour",
            "한 시간 이상",
        ),
        (
            "login_expired",
            |browser| {
                let callback = browser.begin("/app/");
                browser.open(&callback);
                browser.cookies.borrow_mut().remove("__Host-session");
                callback
            },
            "has been used already",
            "이미 사용된",
        ),
        (
            "state_mismatch",
            |browser| {
                browser.begin("/app/");
                "/auth/callback?code=c&state=s".to_owned()
            },
            "not one of the last that this browser has begun",
            "최근에 시작된 로그인이 아닙니다",
        ),
        ("invalid_request", |_| "/auth/callback?code=c".to_owned(), "answer was incomplete", "완전하지 않습니다"),
    ];
    for (code, arrange, english, korean) in cases {
        for (language, told) in [("en", english), ("ko", korean)] {
            let browser = Browser::new(&World::new());
            let callback = arrange(&browser);
            let counted = format!("1.{}", browser.world.now());
            browser.cookies.borrow_mut().insert("__Host-sign-in-retry".to_owned(), counted);
            let page = browser.open_with(&callback, &[("accept-language", language)]);
            assert!(page.status == 400 && page.body.contains(&format!("<code id=\"error-code\">{code}</code>")), "{}", page.body);
            assert!(page.body.contains(told), "{told}: {}", page.body);
            assert!(page.body.contains("href=\"/auth/login"), "{}", page.body);
        }
    }
}

#[test]
fn a_deep_link_outlives_its_flow() {
    // A night at the form, and a tab whose flow has made room for others.
    let overnight: fn(&Browser) -> String = |browser| {
        let callback = browser.begin("/app/?view=kept");
        browser.world.pass(12 * 3600);
        browser.cookies.borrow_mut().retain(|name, _| !name.starts_with("__Host-login-"));
        callback
    };
    let sixth_tab: fn(&Browser) -> String = |browser| {
        let callback = browser.begin("/app/?view=kept");
        browser.begin("/another-tab");
        browser.cookies.borrow_mut().remove(&flow_cookie_of(&callback));
        callback
    };
    for arrange in [overnight, sixth_tab] {
        let browser = Browser::new(&World::new());
        let callback = arrange(&browser);
        let reply = browser.open(&callback);
        assert_eq!(reply.location(), "/auth/login?return_to=%2Fapp%2F%3Fview%3Dkept&retry=1");
        let next = begun_by_itself(&browser, &reply);
        assert_eq!(browser.open(&next).location(), "/app/?view=kept");
        let kept = flow_cookie_of(&next).replace("login", "return");
        assert!(!browser.cookies.borrow().contains_key(&kept), "and is forgotten then");
    }
    // An error of Cognito's that says nothing of the login.
    let browser = Browser::new(&World::new());
    browser.begin("/app/?view=kept");
    let page = browser.open("/auth/callback?error=server_error");
    assert!(page.body.contains("href=\"/auth/login?return_to=%2Fapp%2F%3Fview%3Dkept\""), "{}", page.body);
}

/// The name of the cookie of the flow that a callback belongs to.
fn flow_cookie_of(callback: &str) -> String {
    let state = callback.rsplit_once('=').unwrap().1;
    format!("__Host-login-{}", edgegate::oidc::login_state::state_tag(state))
}

#[test]
fn a_return_path_in_its_cookie_is_checked_as_any_other() {
    for (value, location) in [
        ("L2FwcC8_eA", "/auth/login?return_to=%2Fapp%2F%3Fx&retry=1"), // "/app/?x"
        ("Ly9ldmlsLmV4YW1wbGU", "/auth/login?return_to=%2F&retry=1"),  // "//evil.example"
        ("L2F1dGgvbG9nb3V0", "/auth/login?return_to=%2F&retry=1"),     // "/auth/logout"
        ("L2FwcC8_e", "/auth/login?return_to=%2F&retry=1"),
        ("/app/", "/auth/login?return_to=%2F&retry=1"),
        ("", "/auth/login?return_to=%2F&retry=1"),
    ] {
        let browser = Browser::new(&World::new());
        let callback = browser.begin("/app/");
        let flow = flow_cookie_of(&callback);
        let name = flow.replace("login", "return");
        assert!(browser.cookies.borrow_mut().insert(name, value.to_owned()).is_some());
        browser.cookies.borrow_mut().remove(&flow);
        assert_eq!(browser.open(&callback).location(), location, "{value}");
    }
}

#[test]
fn return_paths_are_ten_at_most_and_six_kilobytes() {
    let kept = |browser: &Browser| -> Vec<usize> {
        let cookies = browser.cookies.borrow();
        cookies
            .iter()
            .filter(|(name, _)| name.starts_with("__Host-return-"))
            .map(|(name, value)| name.len() + value.len())
            .collect()
    };
    let browser = Browser::new(&World::new());
    for number in 0..12 {
        browser.begin(&format!("/app/?tab={number}"));
    }
    assert_eq!(kept(&browser).len(), 10);
    let browser = Browser::new(&World::new());
    for number in 0..5 {
        browser.begin(&format!("/{}", number.to_string().repeat(2047)));
    }
    let kept = kept(&browser);
    assert!(kept.len() == 2 && kept.iter().sum::<usize>() <= 6 * 1024, "{kept:?}");
    assert!(browser.cookies.borrow().iter().all(|(name, value)| name.len() + value.len() < 4096), "none too long for a cookie");
    browser.cookies.borrow_mut().clear();
    browser.begin("/");
    assert_eq!(browser.cookies.borrow().len(), 1, "the start page needs no memory");
}

#[test]
fn logins_that_many_tabs_began_at_once_stop_the_browser_for_one_load_only() {
    for tabs in [16, 40] {
        // Restored tabs: every login leaves before an answer to any has brought a cookie.
        let browser = Browser::new(&World::new());
        browser.cookies.borrow_mut().insert("theme".to_owned(), "dark".to_owned());
        let before = browser.cookies.borrow().clone();
        for number in 0..tabs {
            let tab = browser.tab();
            *tab.cookies.borrow_mut() = before.clone();
            tab.begin(&format!("/app/?tab={number}&{}", "x".repeat(2000)));
            browser.cookies.borrow_mut().extend(tab.cookies.take());
        }
        let waiting = browser.tab();
        let page = browser.open("/app/");
        assert!(page.status == 431 && page.body.contains("headers_too_large"), "{tabs} tabs: {}", page.status);
        assert_eq!(*browser.cookies.borrow(), before, "{tabs} tabs: the logins' cookies go, and no others");
        assert_eq!(browser.open("/app/").status, 302, "{tabs} tabs");
        assert_eq!(browser.sign_in("/app/").location(), "/app/", "{tabs} tabs");
        assert_eq!(waiting.open("/auth/login").status, 431);
        assert_eq!(waiting.open("/auth/login").status, 302, "{tabs} tabs: the login too");
    }
}

#[test]
fn a_cookie_header_that_the_site_made_too_long_costs_the_session_nothing() {
    let browser = Browser::new(&World::new());
    browser.sign_in("/app/");
    let session = browser.session_id().map(|id| id.names().record_key());
    browser.cookies.borrow_mut().insert("theirs".to_owned(), "x".repeat(33_000));
    assert_eq!(browser.get("/user-info").status, 431);
    assert_eq!(browser.session_id().map(|id| id.names().record_key()), session);
    browser.cookies.borrow_mut().remove("theirs");
    assert!(browser.open("/app/").site);
}

#[test]
fn a_deep_link_is_kept_up_to_two_kilobytes_and_a_longer_one_loses_its_query() {
    for (path, kept) in [
        (format!("/app/?q={}", "x".repeat(2048 - 8)), format!("/app/?q={}", "x".repeat(2048 - 8))),
        (format!("/app/?q={}", "x".repeat(2048 - 7)), "/app/".to_owned()),
        ("/app/?file=a\\b".to_owned(), "/app/?file=a%5Cb".to_owned()),
        (format!("/app/?q={}", "%25".repeat(680)), format!("/app/?q={}", "%25".repeat(680))),
    ] {
        let browser = Browser::new(&World::new());
        let login = browser.open(&path).location().to_owned();
        let (_, return_to) = url::form_urlencoded::parse(login.split_once('?').unwrap().1.as_bytes()).next().unwrap();
        assert_eq!(return_to, kept);
        assert_eq!(browser.sign_in(&path).location(), kept);
        assert!(!browser.world.logged("return_path_refused"), "{kept:.20}");
    }
}

#[test]
fn a_return_path_that_is_refused_leaves_a_reason_in_the_log() {
    for path in ["//evil.example", "/auth/login", "app", "/%2e%2e//a", &format!("/{}", "a".repeat(2048))] {
        let browser = Browser::new(&World::new());
        assert_eq!(browser.sign_in(path).location(), "/", "{path:.20}");
        assert!(browser.world.logged(r#"("route", "login"), ("status", "302")"#), "{path:.20}");
        assert!(browser.world.logged(r#"("reason", "return_path_refused")"#), "{path:.20}");
    }
    let browser = Browser::new(&World::new());
    assert_eq!(browser.open(&format!("/{}?a=b", "a".repeat(2048))).location(), "/auth/login?return_to=%2F");
    assert!(browser.world.logged(r#"("reason", "return_path_refused")"#));
    let browser = Browser::new(&World::new());
    assert_eq!(browser.open("/auth/login").status, 302);
    assert!(!browser.world.logged("return_path_refused"), "none is the default and no reason");
}

#[test]
fn only_access_denied_is_told_as_refused_or_cancelled() {
    let (refused, failed) = ("refused or cancelled", "did not work. Please try again");
    for (error, told, not_told) in [
        ("access_denied", refused, failed),
        ("invalid_request", failed, refused),
        ("unheard_of", failed, refused),
        ("", failed, refused),
    ] {
        for korean in [false, true] {
            let browser = Browser::new(&World::new());
            let callback = browser.begin("/app/").replace("code=c-1", &format!("error={error}&error_description=cancelled"));
            let language = [("accept-language", if korean { "ko" } else { "en" })];
            let page = browser.open_with(&callback, &language);
            assert_eq!(page.status, 403);
            assert!(page.body.contains("<code id=\"error-code\">login_denied</code>"), "{}", page.body);
            let (told, not_told) = match (korean, error) {
                (false, _) => (told, not_told),
                (true, "access_denied") => ("거부되었거나 취소", "다시 시도해 주세요"),
                (true, _) => ("다시 시도해 주세요", "거부되었거나 취소"),
            };
            assert!(page.body.contains(told) && !page.body.contains(not_told), "{error}: {}", page.body);
            assert!(page.body.contains("href=\"/auth/login?return_to=%2Fapp%2F\""), "{error}: {}", page.body);
        }
        let browser = Browser::new(&World::new());
        let message = browser.get(&format!("/auth/callback?state=s&error={error}")).json()["message"].to_string();
        assert!(message.contains(told), "{error}: {message}");
    }
}

#[test]
fn what_cognito_says_of_an_error_is_a_hint_in_the_log_and_nowhere_else() {
    let browser = Browser::new(&World::new());
    let said = "PreSignUp failed\nwith error: <alice@example.com> is not \u{7f}invited";
    let said: String = url::form_urlencoded::byte_serialize(said.as_bytes()).collect();
    let callback = browser.begin("/app/").replace("code=c-1", &format!("error=invalid_request&error_description={said}"));
    let page = browser.open(&callback);
    assert!(!page.body.contains("PreSignUp"), "{}", page.body);
    assert!(browser.world.logged(r#"("hint", "PreSignUp failed with error: [e-mail] is not invited")"#));
    assert!(!browser.world.logged("alice"));
    browser.world.forget_logs();
    assert_eq!(browser.get("/auth/callback?error=invalid_request").status, 403);
    assert!(!browser.world.logged("hint"));
}

/// What browsers, and proxies before them, say of a request that is made ahead of the user.
const AHEAD: [(&str, &str); 9] = [
    ("sec-purpose", "prefetch"),
    ("sec-purpose", "prefetch;prerender"),
    ("sec-purpose", "prefetch;anonymous-client-ip"),
    ("sec-purpose", "Prefetch; Prerender"),
    ("sec-purpose", "prerender"),
    ("purpose", "prefetch"),
    ("purpose", "preview"),
    ("x-purpose", "Preview"),
    ("x-moz", "prefetch"),
];

#[test]
fn a_request_ahead_of_the_user_begins_and_spends_nothing_and_leaves_nothing_to_keep() {
    let browser = Browser::new(&World::new());
    let callback = browser.begin("/app/");
    let before = browser.cookies.borrow().clone();
    let state = callback.rsplit_once('=').unwrap().1;
    let token = format!(r#"{{"code":"c-1","state":"{state}"}}"#);
    for ahead in AHEAD {
        for path in ["/auth/login?return_to=%2Fapp%2F", callback.as_str()] {
            let reply = browser.open_with(path, &[ahead]);
            assert_eq!((reply.status, reply.header("cache-control")), (503, Some("no-store")), "{ahead:?} {path}");
            assert!(reply.body.is_empty() && reply.header("location").is_none(), "{ahead:?} {path}");
        }
        assert_eq!(browser.post_with("/auth/token", &token, &[ahead]).status, 503, "{ahead:?}");
        assert_eq!(browser.open_with("/app/", &[ahead]).status, 401, "{ahead:?}: no login for it either");
        assert!(*browser.cookies.borrow() == before && browser.world.cognito.token_requests() == 0, "{ahead:?}");
    }
    assert_eq!(browser.open(&callback).location(), "/app/");
    let before = browser.stored();
    for ahead in AHEAD {
        assert_eq!(browser.post_with("/auth/logout", "", &[ahead]).status, 503, "{ahead:?}");
        assert!(browser.stored() == before && browser.is_served(), "{ahead:?}: nor a sign-out");
    }
    for named in [("sec-purpose", "navigation"), ("purpose", "prefetched"), ("x-purpose", "")] {
        assert_eq!(browser.open_with("/auth/login", &[named]).status, 302, "{named:?}");
    }
}

#[test]
fn a_service_worker_that_forwards_a_page_load_is_a_page_load() {
    let forwarded = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty"), ("accept", "text/html,*/*;q=0.8")];
    let browser = Browser::new(&World::new());
    let reply = browser.script_with("/app/", &forwarded);
    assert_eq!((reply.status, reply.location()), (302, "/auth/login?return_to=%2Fapp%2F"));
    assert_eq!(browser.script_with("/auth/login", &forwarded).status, 302);
    for changed in [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "iframe"), ("accept", "application/json")] {
        let mut headers = forwarded;
        headers.iter_mut().filter(|(name, _)| *name == changed.0).for_each(|header| *header = changed);
        assert_eq!(browser.script_with("/app/", &headers).status, 401, "{changed:?}");
        assert_eq!(browser.script_with("/auth/login", &headers).status, 400, "{changed:?}");
    }
}

/// A store that loses each session as soon as it is made: the browser would go round for ever, silently.
fn lose_the_session(browser: &Browser) -> Browser {
    browser.world.kv.entries.borrow_mut().clear();
    browser.world.pass(10);
    browser.elsewhere(&browser.world)
}

#[test]
fn sign_ins_that_open_nothing_stop_after_three_rounds_with_the_cause() {
    let mut browser = Browser::new(&World::new());
    assert_eq!(browser.sign_in("/app/").status, 303);
    for round in 1..=3 {
        browser = lose_the_session(&browser);
        assert_eq!(browser.open("/app/").location(), "/auth/login?return_to=%2Fapp%2F", "round {round}");
        assert_eq!(browser.sign_in("/app/").status, 303, "round {round}");
    }
    browser = lose_the_session(&browser);
    let stopped = browser.open("/app/?view=1");
    assert_eq!(stopped.status, 401);
    assert!(stopped.body.contains("<code id=\"error-code\">session_expired</code>"), "{}", stopped.body);
    assert!(stopped.body.contains("several times in a row, but your session cannot be found"), "{}", stopped.body);
    assert!(stopped.body.contains("href=\"/auth/login?return_to=%2Fapp%2F%3Fview%3D1\""), "{}", stopped.body);
    assert!(browser.world.logged("login_loop"));

    browser.world.pass(60);
    assert_eq!(browser.open("/app/").status, 302, "a minute later it is a sign-in like any other");
}

#[test]
fn the_page_that_stops_a_circle_tells_the_causes_apart() {
    let mut browser = Browser::new(&World::new());
    browser.sign_in("/app/");
    for _ in 1..=3 {
        browser = lose_the_session(&browser);
        browser.sign_in("/app/");
    }
    let refused = browser.elsewhere(&browser.world);
    refused.world.cognito.access_life_secs.set(10);
    refused.sign_in("/app/");
    refused.world.pass(20);
    refused.world.cognito.will(support::Trouble::Error("invalid_grant"));
    let page = refused.open("/app/");
    assert!(page.body.contains("refresh_rejected") && page.body.contains("refuses to renew"), "{}", page.body);

    browser.cookies.borrow_mut().remove("__Host-session");
    let page = browser.open("/app/");
    assert!(page.body.contains("session_required") && page.body.contains("block or remove the cookies"), "{}", page.body);
    browser.world.pass(61);
    assert_eq!(browser.open("/app/").status, 302);
}

#[test]
fn a_browser_that_never_sends_the_session_back_is_stopped_as_well() {
    let browser = Browser::new(&World::new());
    for round in 0..=3 {
        assert_eq!(browser.open("/app/").status, 302, "round {round}");
        assert_eq!(browser.sign_in("/app/").status, 303, "round {round}");
        browser.cookies.borrow_mut().remove("__Host-session");
    }
    let stopped = browser.open("/app/");
    assert_eq!(stopped.status, 401);
    assert!(stopped.body.contains("session_required"), "{}", stopped.body);
}

#[test]
fn a_script_that_signs_out_and_in_again_and_again_is_stopped_as_well() {
    let browser = Browser::new(&World::new());
    for round in 0..=6 {
        assert_eq!(browser.sign_in("/").status, 303, "round {round}");
        assert_eq!(browser.post("/auth/logout", "").status, 200, "round {round}");
    }
    assert_eq!(browser.open("/auth/login?return_to=%2F").status, 429);
    assert_eq!(browser.click("/auth/login?return_to=%2F").status, 302);
}

#[test]
fn a_script_that_goes_to_the_login_again_and_again_is_stopped_there_and_a_click_is_not() {
    let browser = Browser::new(&World::new());
    for round in 0..=6 {
        assert_eq!(browser.sign_in("/").status, 303, "round {round}");
    }
    let by_script = browser.open("/auth/login?return_to=%2F");
    assert_eq!(by_script.status, 429);
    assert!(by_script.body.contains("rate_limited") && by_script.header("retry-after").is_some());
    assert!(by_script.body.contains("keeps asking for another sign-in"), "{}", by_script.body);
    assert!(browser.world.logged("login_loop"));
    assert_eq!(browser.click("/auth/login?return_to=%2F").status, 302);
}

#[test]
fn signing_in_again_and_again_by_hand_is_no_loop() {
    let browser = Browser::new(&World::new());
    for _ in 0..6 {
        assert_eq!(browser.sign_in("/app/").status, 303);
        assert!(browser.open("/app/").site);
        browser.world.pass(61);
    }
    assert!(!browser.world.logged("login_loop"));
}
