//! The key set: who waits for it, and what it means that it cannot be had.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::rc::Rc;

use support::{Browser, World};

/// Longer than a key set is fresh.
const STALE_SECS: u64 = 300;

fn signed_in(world: &Rc<World>) -> Browser {
    let browser = Browser::new(world);
    assert_eq!(browser.sign_in("/app/").status, 303);
    world.finish_background();
    browser
}

/// An API client's token, which an isolate has verified before.
fn access_token(browser: &Browser) -> String {
    let token = browser.stored().unwrap().access_token;
    assert_eq!(browser.bearer("/user-info", &token).status, 200);
    token
}

#[test]
fn a_known_key_is_used_and_the_stale_set_fetched_beside_the_answer() {
    let browser = signed_in(&World::new());
    let token = access_token(&browser);
    browser.world.pass(STALE_SECS);
    let cognito = &browser.world.cognito;
    let fetches = cognito.key_fetches.get();
    assert_eq!(browser.post("/auth/refresh", r#"{"force":true}"#).status, 200);
    for _ in 0..20 {
        assert_eq!(browser.bearer("/user-info", &token).status, 200);
    }
    assert_eq!(cognito.key_fetches.get(), fetches, "nobody waited");
    browser.world.finish_background();
    assert_eq!(cognito.key_fetches.get(), fetches + 1, "one of them fetched it");
    assert_eq!(browser.bearer("/user-info", &token).status, 200);
    browser.world.finish_background();
    assert_eq!(cognito.key_fetches.get(), fetches + 1, "it is fresh again");
}

#[test]
fn a_known_key_waits_for_nothing_in_an_outage() {
    let browser = signed_in(&World::new());
    let token = access_token(&browser);
    browser.world.cognito.keys_down.set(true);
    browser.world.pass(STALE_SECS);
    for _ in 0..10 {
        let before = browser.world.time.now_ms();
        assert_eq!(browser.bearer("/user-info", &token).status, 200);
        assert_eq!(browser.world.time.now_ms(), before);
        browser.world.finish_background();
        browser.world.pass(10);
    }
    assert!(browser.world.logged("Warn key_set_not_fetched"));
    assert!(browser.world.cognito.key_fetches.get() >= 10, "it is tried again");
}

#[test]
fn a_key_that_was_taken_out_opens_nothing_once_the_set_was_fetched_beside_an_answer() {
    let browser = signed_in(&World::new());
    let token = access_token(&browser);
    *browser.world.cognito.published_keys.borrow_mut() = vec!["key-2="];
    browser.world.pass(STALE_SECS);
    assert_eq!(browser.bearer("/user-info", &token).status, 200);
    browser.world.finish_background();
    assert_eq!(browser.bearer("/user-info", &token).code(), "token_invalid");
}

#[test]
fn a_set_that_nobody_asked_for_in_two_hours_is_waited_for() {
    let world = World::new();
    world.cognito.access_life_secs.set(24 * 3600);
    let browser = signed_in(&world);
    let token = access_token(&browser);
    *world.cognito.published_keys.borrow_mut() = vec!["key-2="];
    world.pass(2 * 3600);
    assert_eq!(browser.bearer("/user-info", &token).code(), "token_invalid");
}

#[test]
fn a_login_does_not_wait_for_the_locations_cache() {
    let world = World::new();
    world.keep_ms.set(1000);
    let before = world.time.now_ms();
    assert_eq!(Browser::new(&world).sign_in("/app/").status, 303);
    assert_eq!(world.time.now_ms(), before);
    assert!(!world.keeps_key_set());
    world.finish_background();
    assert!(world.keeps_key_set());
}

#[test]
fn a_status_that_will_not_pass_is_a_wrong_setting_and_everything_else_passes() {
    for (status, code) in [
        (400, "idp_misconfigured"),
        (401, "idp_misconfigured"),
        (404, "idp_misconfigured"),
        (410, "idp_misconfigured"),
        (403, "idp_unavailable"),
        (408, "idp_unavailable"),
        (429, "idp_throttled"),
        (500, "idp_unavailable"),
        (204, "idp_invalid_response"),
        (302, "idp_invalid_response"),
    ] {
        let world = World::new();
        world.cognito.keys_status.set(Some(status));
        let reply = Browser::new(&world).sign_in("/app/");
        let level = if code == "idp_misconfigured" { "Error" } else { "Warn" };
        let line = format!("(\"code\", \"{code}\")");
        let logged = world.logs.borrow().iter().any(|it| it.starts_with(&format!("{level} request")) && it.contains(&line));
        assert!(logged, "{status}: {} {:?}", reply.status, world.logs.borrow());
    }
}

#[test]
fn a_wrong_user_pool_is_not_asked_for_at_every_request_and_all_are_told_the_same() {
    let world = World::new();
    world.cognito.keys_status.set(Some(404));
    let browser = Browser::new(&world);
    for _ in 0..5 {
        assert_eq!(browser.sign_in("/app/").status, 500);
        assert!(world.logged(r#"("code", "idp_misconfigured"), ("reason", "jwks_refused")"#));
        world.forget_logs();
    }
    assert_eq!(world.cognito.key_fetches.get(), 1);
    assert_eq!(browser.get("/readyz").code(), "idp_misconfigured");
    world.pass(10);
    world.cognito.keys_status.set(None);
    assert_eq!(browser.sign_in("/app/").status, 303, "it was set right");
}

#[test]
fn known_keys_go_on_while_the_key_sets_address_is_refused() {
    let browser = signed_in(&World::new());
    let token = access_token(&browser);
    browser.world.cognito.keys_status.set(Some(404));
    browser.world.pass(STALE_SECS);
    for _ in 0..3 {
        assert_eq!(browser.bearer("/user-info", &token).status, 200);
        browser.world.finish_background();
    }
    let lines = browser.world.logs.borrow().iter().filter(|line| line.starts_with("Error key_set_not_fetched")).count();
    assert_eq!(lines, 1, "somebody must act");
}
