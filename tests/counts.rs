//! What each route costs: operations of KV, requests to Cognito, questions to the guard, counted exactly. Cold is an isolate that
//! knows nothing of the session; warm is one that has just read it. `scale.rs` adds them up to a day; docs/scale.md says what that
//! comes to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::rc::Rc;

use futures_executor::block_on;
use futures_util::future::join_all;
use support::browser::Reply;
use support::{Browser, Counts, World, config};

const NOTHING: Counts = Counts {
    kv_reads: 0,
    keys_read: 0,
    kv_writes: 0,
    kv_deletes: 0,
    token_requests: 0,
    key_fetches: 0,
    revocations: 0,
    questions: 0,
    signature_checks: 0,
};
/// The record and both marks of a sign-out in one operation.
const COLD: Counts = Counts { kv_reads: 1, keys_read: 3, ..NOTHING };
/// A renewal: the tokens and their two signatures, the record, and a look back at the marks.
const RENEWAL: Counts = Counts { token_requests: 1, signature_checks: 2, kv_writes: 1, kv_reads: 1, keys_read: 2, ..NOTHING };
/// The same a while after the key set was fetched.
const RENEWAL_AND_KEYS: Counts = Counts { key_fetches: 1, ..RENEWAL };
/// An end: the record's refresh token is read, the mark written, the record deleted, the token revoked.
const SIGN_OUT: Counts = Counts { kv_reads: 1, keys_read: 3, kv_writes: 1, kv_deletes: 1, revocations: 1, ..NOTHING };

/// Within the margin of a token of an hour.
const NEAR_THE_END_SECS: u64 = 3600 - 200;
/// Longer than an isolate remembers a record.
const FORGET_SECS: u64 = 30;
/// Longer than a key set is fresh.
const KEYS_SECS: u64 = 300;

/// What one request costs, with what it leaves for after the answer.
fn cost(browser: &Browser, request: impl FnOnce(&Browser) -> Reply) -> (u16, Counts) {
    let before = Counts::of(&browser.world);
    let reply = request(browser);
    browser.world.finish_background();
    (reply.status, Counts::of(&browser.world).since(before))
}

fn signed_in(world: &Rc<World>) -> Browser {
    let browser = Browser::new(world);
    assert_eq!(browser.sign_in("/app/").status, 303);
    browser.world.finish_background();
    browser
}

/// Signed in, some time ago.
fn signed_in_before(world: &Rc<World>, secs: u64) -> Browser {
    let browser = signed_in(world);
    world.pass(secs);
    browser
}

fn open(path: &'static str) -> impl FnOnce(&Browser) -> Reply {
    move |browser| browser.open(path)
}

fn get(path: &'static str) -> impl FnOnce(&Browser) -> Reply {
    move |browser| browser.get(path)
}

fn post<'a>(path: &'static str, body: &'a str) -> impl FnOnce(&Browser) -> Reply + 'a {
    move |browser| browser.post(path, body)
}

#[test]
fn who_is_not_signed_in_costs_nothing() {
    for world in [World::new(), World::guarded()] {
        for (path, status) in [
            ("/", 200),
            ("/app/", 302),
            ("/config", 200),
            ("/healthz", 200),
            ("/auth/status", 200),
            ("/auth/login?return_to=/app/", 302),
            ("/auth/nothing", 404),
        ] {
            assert_eq!(cost(&Browser::new(&world), open(path)), (status, NOTHING), "{path}");
        }
        for (path, status) in [("/app/data.json", 401), ("/user-info", 401)] {
            assert_eq!(cost(&Browser::new(&world), get(path)), (status, NOTHING), "{path}");
        }
        for (path, status) in [("/auth/refresh", 401), ("/auth/logout", 200)] {
            assert_eq!(cost(&Browser::new(&world), post(path, "")), (status, NOTHING), "{path}");
        }
    }
}

#[test]
fn what_asks_for_no_session_costs_nothing_with_a_session_either() {
    for path in ["/", "/config", "/healthz", "/auth/login?return_to=/app/"] {
        let browser = signed_in(&World::new()).restarted();
        assert_eq!(cost(&browser, open(path)).1, NOTHING, "{path}");
    }
}

#[test]
fn a_cookie_that_is_none_of_ours_costs_nothing() {
    for cookie in ["", "x", "AAAA", "%00"] {
        let browser = Browser::new(&World::new());
        browser.cookies.borrow_mut().insert("__Host-session".to_owned(), cookie.to_owned());
        assert_eq!(cost(&browser, get("/user-info")), (401, NOTHING), "{cookie:?}");
    }
}

#[test]
fn a_made_up_cookie_of_the_right_form_costs_one_read_and_no_question() {
    for world in [World::new(), World::guarded()] {
        let browser = Browser::new(&world);
        browser.cookies.borrow_mut().insert("__Host-session".to_owned(), "A".repeat(64));
        assert_eq!(cost(&browser, get("/user-info")), (401, COLD));
        assert_eq!(cost(&browser, post("/auth/logout", "")), (200, COLD), "no write");
    }
}

#[test]
fn a_signed_in_request_costs_one_read_cold_and_nothing_warm() {
    for path in ["/app/", "/app/data.json", "/user-info", "/auth/status"] {
        let browser = signed_in(&World::new()).restarted();
        assert_eq!(cost(&browser, get(path)), (200, COLD), "{path} cold");
        assert_eq!(cost(&browser, get(path)), (200, NOTHING), "{path} warm");
        browser.world.pass(FORGET_SECS - 1);
        assert_eq!(cost(&browser, get(path)), (200, NOTHING), "{path} to the last second");
        browser.world.pass(1);
        assert_eq!(cost(&browser, get(path)), (200, COLD), "{path} cold again");
    }
    let browser = signed_in(&World::new()).restarted();
    assert_eq!(cost(&browser, post("/auth/refresh", "")), (200, COLD), "a fresh token");
    assert_eq!(cost(&browser, post("/auth/refresh", "")), (200, NOTHING), "a fresh token");
}

#[test]
fn a_session_that_has_ended_costs_one_read_each_time_where_it_is_not_known() {
    let world = World::new();
    let browser = signed_in(&world);
    let copy = browser.restarted();
    assert_eq!(cost(&browser, post("/auth/logout", "")).0, 200);
    assert_eq!(cost(&copy, get("/user-info")), (401, COLD));
    assert_eq!(cost(&copy, get("/user-info")), (401, COLD), "its end is not remembered: only whoever ends it remembers that");
}

#[test]
fn requests_that_come_to_a_cold_isolate_at_once_read_once_each() {
    let browser = signed_in(&World::new()).restarted();
    let before = Counts::of(&browser.world);
    let replies = block_on(join_all((0..5).map(|_| browser.fetch_async("/app/data.json"))));
    assert!(replies.iter().all(|reply| reply.site));
    let counts = Counts::of(&browser.world).since(before);
    assert!(counts.kv_reads <= 5 && counts.keys_read == 3 * counts.kv_reads, "at most one each: {counts:?}");
    assert_eq!(cost(&browser, get("/app/data.json")), (200, NOTHING));
}

#[test]
fn a_sign_in_costs_one_token_request_and_one_write() {
    let world = World::new();
    let sign_in = |browser: &Browser| browser.sign_in("/app/");
    let first = Counts { token_requests: 1, signature_checks: 2, kv_writes: 1, key_fetches: 1, ..NOTHING };
    assert_eq!(cost(&Browser::new(&world), sign_in), (303, first));
    let at_once = Counts { key_fetches: 0, ..first };
    assert_eq!(cost(&Browser::new(&world), sign_in), (303, at_once), "another isolate: the location has the keys");
    world.pass(KEYS_SECS - 1);
    assert_eq!(cost(&Browser::new(&world), sign_in), (303, at_once), "to the last second");
    world.pass(1);
    assert_eq!(cost(&Browser::new(&world), sign_in), (303, first), "five minutes later");
    assert_eq!(cost(&Browser::new(&world.location()), sign_in), (303, first), "another location");
}

#[test]
fn a_page_that_is_the_redirect_uri_costs_the_same() {
    let world = World::new();
    let rules = r#"[{"path":"/signed-in.html","allow":"public"},{"path":"/*","allow":"signed-in"}]"#;
    let changes = [("REDIRECT_URI", "https://app.example.com/signed-in.html"), ("RULES", rules)];
    let browser = Browser::with(&world, config(&changes));
    let callback = browser.begin("/app/");
    let state = callback.split("state=").nth(1).expect("a state").to_owned();
    assert_eq!(cost(&browser, open("/signed-in.html?code=c-1&state=x")), (200, NOTHING), "the page itself");
    let body = format!(r#"{{"code":"c-1","state":"{state}"}}"#);
    let expected = Counts { token_requests: 1, signature_checks: 2, kv_writes: 1, key_fetches: 1, ..NOTHING };
    assert_eq!(cost(&browser, post("/auth/token", &body)), (200, expected));
}

#[test]
fn a_sign_in_over_an_older_session_ends_that_too() {
    let browser = signed_in(&World::new());
    let end = Counts { kv_writes: 1, kv_deletes: 1, revocations: 1, ..COLD };
    let expected = Counts { token_requests: 1, signature_checks: 2, kv_writes: 1 + end.kv_writes, ..end };
    assert_eq!(cost(&browser, |browser| browser.sign_in("/app/")), (303, expected));
}

#[test]
fn a_callback_that_comes_again_costs_one_read_at_most() {
    let browser = signed_in(&World::new());
    let callback = "/auth/callback?code=c-1&state=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    assert_eq!(cost(&browser, open(callback)), (303, NOTHING), "warm");
    assert_eq!(cost(&browser.restarted(), open(callback)), (303, COLD), "cold");
}

#[test]
fn a_renewal_costs_one_token_request_one_write_and_one_read() {
    type Ask = (&'static str, fn(&Browser) -> Reply);
    let asks: [Ask; 4] = [
        ("a page", |browser| browser.open("/app/")),
        ("/user-info", |browser| browser.get("/user-info")),
        ("/auth/status", |browser| browser.get("/auth/status")),
        ("/auth/refresh", |browser| browser.post("/auth/refresh", "")),
    ];
    for (name, ask) in asks {
        for (when, secs) in [("near its end", NEAR_THE_END_SECS), ("past its end", 3601)] {
            let browser = signed_in_before(&World::new(), secs);
            let cold = Counts { kv_reads: 2, keys_read: 5, ..RENEWAL_AND_KEYS };
            assert_eq!(cost(&browser, ask), (200, cold), "{name} {when}, cold");
            assert_eq!(cost(&browser, ask), (200, NOTHING), "{name} {when}, then");
            browser.world.pass(FORGET_SECS - 1);
            assert_eq!(cost(&browser, ask), (200, NOTHING), "{name} {when}, for half a minute");
        }
        let world = World::new();
        world.cognito.access_life_secs.set(40);
        let browser = signed_in_before(&world, 25);
        assert_eq!(cost(&browser, ask), (200, RENEWAL), "{name}, warm, with keys at hand");
    }
}

#[test]
fn a_forced_refresh_costs_a_renewal_and_is_honoured_once_in_half_a_minute() {
    let browser = signed_in_before(&World::new(), 20);
    let force = || post("/auth/refresh", r#"{"force":true}"#);
    assert_eq!(cost(&browser, force()), (200, RENEWAL));
    assert_eq!(cost(&browser, force()), (200, NOTHING));
}

#[test]
fn many_requests_at_once_past_the_end_cost_one_renewal() {
    let browser = signed_in_before(&World::new(), 3601);
    let before = Counts::of(&browser.world);
    let replies = block_on(join_all((0..50).map(|_| browser.fetch_async("/user-info"))));
    assert!(replies.iter().all(|reply| reply.status == 200));
    browser.world.finish_background();
    let counts = Counts::of(&browser.world).since(before);
    assert_eq!((counts.token_requests, counts.kv_writes, counts.key_fetches), (1, 1, 1), "{counts:?}");
    assert!(counts.kv_reads <= 51, "a cold read each, and the look back: {counts:?}");
}

#[test]
fn a_sign_out_costs_one_write_one_delete_and_one_read() {
    for (name, isolate) in [("warm", Browser::tab as fn(&Browser) -> Browser), ("cold", Browser::restarted)] {
        let browser = isolate(&signed_in(&World::new()));
        assert_eq!(cost(&browser, post("/auth/logout", "")), (200, SIGN_OUT), "{name}");
        assert_eq!(cost(&browser, post("/auth/logout", "")), (200, NOTHING), "{name}: without the cookie");
    }
}

/// An API client with the tokens of somebody who has signed in, in another isolate.
fn api_client(world: &Rc<World>) -> (Browser, String) {
    let browser = signed_in(world);
    let token = browser.stored().expect("a session").access_token;
    browser.cookies.borrow_mut().clear();
    (browser.restarted(), token)
}

const CHECK: Counts = Counts { signature_checks: 1, ..NOTHING };

#[test]
fn a_bearer_token_costs_one_signature_check_in_its_life() {
    let (client, token) = api_client(&World::new());
    let bearer = |client: &Browser| client.bearer("/user-info", &token);
    assert_eq!(cost(&client, bearer), (200, CHECK), "the location has the keys");
    for _ in 0..3 {
        assert_eq!(cost(&client, bearer), (200, NOTHING));
    }
    client.world.pass(KEYS_SECS);
    assert_eq!(cost(&client, bearer), (200, Counts { key_fetches: 1, ..NOTHING }), "the key must be in the current set");
    assert_eq!(cost(&client, bearer), (200, NOTHING));
    assert_eq!(cost(&client.restarted(), bearer), (200, CHECK), "another isolate");
}

#[test]
fn a_bearer_token_that_was_seen_is_refused_at_its_end() {
    let (client, token) = api_client(&World::new());
    let bearer = |client: &Browser| client.bearer("/user-info", &token);
    client.world.pass(3599);
    assert_eq!(cost(&client, bearer).0, 200, "in its last second");
    client.world.pass(1);
    assert_eq!(cost(&client, bearer), (401, CHECK));
    assert!(client.world.logged("token_expired"));
}

#[test]
fn a_bearer_token_that_was_seen_is_refused_when_its_key_is_gone_or_another() {
    for (how, replaced) in [("gone", false), ("another under the same id", true)] {
        let (client, token) = api_client(&World::new());
        let bearer = |client: &Browser| client.bearer("/user-info", &token);
        assert_eq!(cost(&client, bearer).0, 200, "{how}");
        if replaced {
            client.world.cognito.keys_replaced.set(true);
        } else {
            *client.world.cognito.published_keys.borrow_mut() = vec!["key-2="];
        }
        client.world.pass(KEYS_SECS);
        assert_eq!(
            cost(&client, bearer),
            (200, Counts { key_fetches: 1, ..NOTHING }),
            "{how}: the set is fetched beside the answer"
        );
        assert_eq!(client.bearer("/user-info", &token).status, 401, "{how}");
        assert!(client.world.logged(if replaced { "token_signature" } else { "token_key_unknown" }), "{how}");
    }
}

#[test]
fn a_bearer_token_is_remembered_by_all_its_characters() {
    let (client, token) = api_client(&World::new());
    assert_eq!(cost(&client, |client| client.bearer("/user-info", &token)), (200, CHECK));
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    assert_eq!(cost(&client, |client| client.bearer("/user-info", &forged)), (401, CHECK), "another signature");
    assert_eq!(cost(&client, |client| client.bearer("/user-info", &forged)), (401, CHECK), "what was refused is not remembered");
    assert_eq!(cost(&client, |client| client.bearer("/user-info", &token)), (200, NOTHING));
}

#[test]
fn a_bearer_token_that_was_seen_holds_through_an_outage_of_the_keys_as_a_new_one_does() {
    let (client, token) = api_client(&World::new());
    let bearer = |client: &Browser| client.bearer("/user-info", &token).status;
    assert_eq!(bearer(&client), 200);
    client.world.cognito.keys_down.set(true);
    client.world.pass(KEYS_SECS);
    assert_eq!((bearer(&client), bearer(&client.restarted())), (200, 200));
}

/// KV's own cache answers a read for 30 s, whatever has become of the store.
#[test]
fn a_store_that_has_just_gone_is_not_ready() {
    let browser = Browser::new(&World::new());
    browser.world.view.lag(30, 0);
    assert_eq!(browser.get("/readyz").status, 200);
    browser.world.kv.fail_reads.set(true);
    browser.world.pass(9);
    assert_eq!(browser.get("/readyz").status, 200, "remembered");
    browser.world.pass(1);
    assert_eq!(browser.get("/readyz").code(), "store_unavailable");
}

#[test]
fn readiness_costs_one_read_in_ten_seconds() {
    let browser = Browser::new(&World::new());
    let first = Counts { kv_reads: 1, keys_read: 1, key_fetches: 1, ..NOTHING };
    assert_eq!(cost(&browser, get("/readyz")), (200, first));
    browser.world.pass(9);
    assert_eq!(cost(&browser, get("/readyz")), (200, NOTHING));
    browser.world.pass(1);
    assert_eq!(cost(&browser, get("/readyz")), (200, Counts { key_fetches: 0, ..first }));
}

#[test]
fn strict_mode_asks_the_guard_as_well() {
    let sign_in = |browser: &Browser| browser.sign_in("/app/");
    let asked = |questions: u32, counts: Counts| Counts { questions, ..counts };
    let first = Counts { token_requests: 1, signature_checks: 2, kv_writes: 1, key_fetches: 1, ..NOTHING };
    let browser = Browser::new(&World::guarded());
    assert_eq!(cost(&browser, sign_in), (303, asked(1, first)), "saved");
    assert_eq!(cost(&browser, get("/user-info")), (200, NOTHING), "its own word counts for a while");
    browser.world.pass(9);
    assert_eq!(cost(&browser, get("/user-info")), (200, NOTHING), "to the last second");
    browser.world.pass(1);
    assert_eq!(cost(&browser, get("/user-info")), (200, asked(1, NOTHING)), "looked at again");
    let cold = browser.restarted();
    assert_eq!(cost(&cold, get("/user-info")), (200, asked(1, COLD)), "cold");

    let near = signed_in_before(&World::guarded(), NEAR_THE_END_SECS);
    let renewal = Counts { kv_reads: 2, keys_read: 5, ..RENEWAL_AND_KEYS };
    assert_eq!(cost(&near, open("/app/")), (200, asked(3, renewal)), "looked, leased, saved");
    assert_eq!(cost(&near, open("/app/")), (200, NOTHING));
    assert_eq!(cost(&near, post("/auth/logout", "")), (200, asked(2, SIGN_OUT)), "looked, ended");
}

#[test]
fn a_burst_in_strict_mode_asks_once() {
    let browser = signed_in(&World::guarded()).restarted();
    let before = Counts::of(&browser.world);
    let replies = block_on(join_all((0..5).map(|_| browser.fetch_async("/app/data.json"))));
    assert!(replies.iter().all(|reply| reply.site));
    assert_eq!(Counts::of(&browser.world).since(before).questions, 1);
}
