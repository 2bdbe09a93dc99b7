//! Clocks that differ, between a gateway and Cognito and between two gateways, and Cognito's keys that change under a session.
//! A wrong clock may keep people out; a right one later has lost nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::json;
use support::{Browser, Rotation, START, Trouble, World};

fn signed_in(rotation: Rotation) -> Browser {
    let browser = Browser::new(&World::new());
    browser.world.cognito.rotation.set(rotation);
    assert_eq!(browser.sign_in("/app/").status, 303);
    browser
}

/// The same browser before a gateway elsewhere whose clock is wrong.
fn skewed(browser: &Browser, skew_secs: i64) -> Browser {
    let world = browser.world.location();
    world.skew_secs.set(skew_secs);
    browser.elsewhere(&world)
}

/// What a gateway that is ahead has renewed opens elsewhere once the time has come: ten minutes in the worst case here.
#[track_caller]
fn assert_nothing_is_lost(browser: &Browser) {
    let right = skewed(browser, 0);
    for passed in [600, 3600] {
        browser.world.pass(passed);
        assert!(right.open("/app/").site, "by a right clock, {passed} s later");
        assert_eq!(right.post("/auth/refresh", "").status, 200, "by a right clock, {passed} s later");
    }
}

#[test]
fn a_login_bears_a_clock_that_is_a_minute_behind_or_less_than_a_tokens_life_ahead() {
    for (skew_secs, status, expires_in) in [
        (-600, 502, None),
        (-61, 502, None),
        (-60, 303, Some(3660)),
        (-30, 303, Some(3630)),
        (0, 303, Some(3600)),
        (30, 303, Some(3570)),
        (60, 303, Some(3540)),
        (600, 303, Some(3000)),
        (3599, 303, Some(1)),
        (3600, 502, None),
    ] {
        let browser = skewed(&Browser::new(&World::new()), skew_secs);
        let callback = browser.begin("/app/");
        let reply = browser.get(&callback);
        assert_eq!(reply.status, status, "{skew_secs} s");
        if let Some(expires_in) = expires_in {
            // Near its end it is renewed, and ends where the old one did.
            assert_eq!(browser.post("/auth/refresh", "").json()["expires_in"], expires_in, "{skew_secs} s");
            assert!(browser.open("/app/").site, "{skew_secs} s");
        } else {
            assert_eq!(reply.code(), "token_rejected", "{skew_secs} s");
            assert!(browser.world.logged("Error request"), "{skew_secs} s: an operator must know");
            browser.world.skew_secs.set(0);
            browser.world.pass(31);
            assert_eq!(browser.sign_in("/app/").status, 303, "{skew_secs} s: and by the right clock it is one like any other");
        }
    }
}

#[test]
fn a_gateway_whose_clock_is_wrong_shuts_out_or_serves_and_takes_nothing_away() {
    for rotation in [Rotation::Off, Rotation::Grace(0)] {
        // How long after the last renewal, the clock there, and what it answers a page, and a script that asks who it is.
        for (since, skew_secs, page, script) in [
            (10, -600, 500, "internal"),
            (10, -71, 500, "internal"),
            (10, -70, 200, ""),
            (10, -30, 200, ""),
            (10, 30, 200, ""),
            (10, 600, 200, ""),
            (700, -600, 200, ""),
            (700, 600, 200, ""),
            // The token has run out: renewed, and the new one lives, or is not believed.
            (3600, -60, 200, ""),
            (3600, -600, 200, ""),
            (3600, 600, 200, ""),
            (3600, 3600, 502, "token_rejected"),
            (4300, -600, 502, "token_rejected"),
            (4300, -60, 200, ""),
        ] {
            let case = format!("{rotation:?}, {since} s after the login, {skew_secs} s");
            let browser = signed_in(rotation);
            browser.world.pass(since);
            let there = skewed(&browser, skew_secs);
            let reply = there.open("/app/");
            assert_eq!(reply.status, page, "{case}");
            let reply = there.get("/user-info");
            assert_eq!(reply.status, page, "{case}");
            if !script.is_empty() {
                assert_eq!(reply.code(), script, "{case}");
                assert!(reply.header("set-cookie").is_none(), "{case}");
                assert!(there.world.logged("Error"), "{case}: an operator must know");
            }
            there.world.finish_background();
            assert_nothing_is_lost(&browser);
        }
    }
}

#[test]
fn a_session_of_a_gateway_that_is_ahead_opens_elsewhere_too() {
    for ahead_secs in [30, 60, 61, 600, 3000] {
        let ahead = skewed(&Browser::new(&World::new()), ahead_secs);
        assert_eq!(ahead.sign_in("/app/").status, 303);
        let right = skewed(&ahead, 0);
        assert_eq!(right.get("/user-info").status, 200, "{ahead_secs} s");
        assert_nothing_is_lost(&ahead);
    }
}

#[test]
fn two_gateways_whose_clocks_differ_renew_one_session_in_turn() {
    for rotation in [Rotation::Off, Rotation::Grace(0)] {
        for skew_secs in [-60, -30, 30, 60] {
            let right = signed_in(rotation);
            let other = skewed(&right, skew_secs);
            for round in 0..6 {
                right.world.pass(3600 + 60);
                let gateway = if round % 2 == 0 { &other } else { &right };
                assert_eq!(gateway.post("/auth/refresh", "").status, 200, "{rotation:?}, {skew_secs} s, round {round}");
            }
            assert_nothing_is_lost(&right);
        }
    }
}

#[test]
fn a_token_may_come_from_a_minute_ahead_and_from_no_further() {
    for (ahead_secs, taken) in [(0, true), (60, true), (61, false), (86_400, false)] {
        let later = json!({"iat": START + 3600 + ahead_secs, "exp": START + 7200 + ahead_secs});
        for rotation in [Rotation::Off, Rotation::Grace(0)] {
            let browser = signed_in(rotation);
            browser.world.pass(3600);
            browser.world.cognito.will(Trouble::Claims(later.clone()));
            let reply = browser.post("/auth/refresh", "");
            assert_eq!(reply.status, if taken { 200 } else { 502 }, "{rotation:?}, {ahead_secs} s ahead");
            assert!(taken || reply.code() == "token_rejected", "{rotation:?}, {ahead_secs} s ahead");
            browser.world.pass(14);
            assert_eq!(browser.post("/auth/refresh", "").status, 200, "{rotation:?}: the session goes on");
            assert_nothing_is_lost(&browser);
        }
    }
    // While the stored token lives, nobody notices.
    let browser = signed_in(Rotation::Grace(0));
    browser.world.pass(3590);
    browser.world.cognito.will(Trouble::Claims(json!({"iat": START + 3651})));
    assert_eq!(browser.post("/auth/refresh", "").json()["expires_in"], 10);
    assert_nothing_is_lost(&browser);
}

#[test]
fn cognitos_new_key_is_fetched_once_when_a_renewal_brings_it() {
    let browser = signed_in(Rotation::Off);
    browser.world.cognito.published_keys.borrow_mut().push("key-2=");
    browser.world.cognito.signing_key.set("key-2=");
    browser.world.pass(100);
    let fetches = browser.world.cognito.key_fetches.get();
    assert_eq!(browser.post("/auth/refresh", r#"{"force":true}"#).status, 200);
    assert_eq!(browser.world.cognito.key_fetches.get(), fetches + 1);
    // And when the old one goes, nothing that was made under it is asked for again.
    browser.world.cognito.published_keys.borrow_mut().remove(0);
    assert_nothing_is_lost(&browser);
}

#[test]
fn the_old_key_may_go_under_a_session_that_was_made_with_it() {
    let browser = signed_in(Rotation::Grace(0));
    *browser.world.cognito.published_keys.borrow_mut() = vec!["key-2="];
    browser.world.cognito.signing_key.set("key-2=");
    for passed in [0, 301, 3000] {
        browser.world.pass(passed);
        assert!(browser.restarted().open("/app/").site, "{passed}");
    }
    assert_nothing_is_lost(&browser);
}

#[test]
fn a_key_that_is_not_published_yet_makes_a_renewal_wait_and_ends_nothing() {
    for rotation in [Rotation::Off, Rotation::Grace(0)] {
        let browser = signed_in(rotation);
        browser.world.cognito.signing_key.set("key-2=");
        browser.world.pass(3590);
        assert_eq!(browser.post("/auth/refresh", "").status, 200, "{rotation:?}: the stored token lives");
        browser.world.pass(14);
        let reply = browser.post("/auth/refresh", "");
        assert_eq!((reply.status, reply.code().as_str()), (502, "token_rejected"), "{rotation:?}");
        assert_eq!(browser.open("/app/").status, 502, "{rotation:?}: no grace for tokens that are not believed");
        browser.world.cognito.published_keys.borrow_mut().push("key-2=");
        // No look at the key set for half a minute after one that did not have it.
        browser.world.pass(30);
        assert_eq!(browser.post("/auth/refresh", "").status, 200, "{rotation:?}");
        assert_nothing_is_lost(&browser);
    }
}

#[test]
fn a_renewal_by_a_key_that_was_taken_out_is_refused_once_the_set_is_looked_at_again() {
    let browser = signed_in(Rotation::Off);
    *browser.world.cognito.published_keys.borrow_mut() = vec!["key-2="];
    for (passed, expected) in [(250, true), (50, true), (30, false)] {
        browser.world.pass(passed);
        browser.world.cognito.will(Trouble::KeyId("key-1="));
        let isolate = browser.tab();
        let reply = isolate.post("/auth/refresh", r#"{"force":true}"#);
        assert_eq!(reply.status, 200, "the stored token lives");
        let renewed = browser.stored().unwrap().access_issued_at == browser.world.now();
        assert_eq!(renewed, expected, "{passed} s later");
        // The set is fetched beside the first renewal that finds it stale.
        browser.world.finish_background();
    }
    browser.world.cognito.signing_key.set("key-2=");
    assert_nothing_is_lost(&browser);
}
