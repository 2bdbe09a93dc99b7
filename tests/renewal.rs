//! Renewing a session: promise by promise, on fakes and a clock of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use edgegate::ports::KvError;
use futures_executor::block_on;
use serde_json::json;
use support::{Browser, Fault, Rotation, Trouble, World, config};

fn signed_in() -> Browser {
    let browser = Browser::new(&World::new());
    assert_eq!(browser.sign_in("/app/").status, 303);
    browser
}

fn record(browser: &Browser) -> String {
    let entries = browser.world.kv.entries.borrow();
    entries.iter().find(|(key, _)| key.starts_with("session/")).map(|(_, (value, _))| value.clone()).unwrap()
}

#[test]
fn a_fresh_token_is_given_out_without_asking_anybody() {
    let browser = signed_in();
    let (writes, asked) = (browser.world.kv.writes.get(), browser.world.cognito.token_requests());
    let reply = browser.post("/auth/refresh", "");
    assert_eq!((reply.status, reply.json()["expires_in"].as_u64()), (200, Some(3600)));
    assert!(browser.open("/app/").site);
    assert_eq!((browser.world.kv.writes.get(), browser.world.cognito.token_requests()), (writes, asked));
}

#[test]
fn near_the_end_a_page_is_answered_at_once_and_renewed_beside() {
    let browser = signed_in();
    browser.world.pass(3590);
    assert!(browser.open("/app/").site);
    assert_eq!(browser.world.cognito.token_requests(), 1, "nothing but the login before the answer");
    browser.world.finish_background();
    assert_eq!(browser.world.cognito.token_requests(), 2);
    browser.world.pass(3000);
    assert!(browser.open("/app/").site);
    assert_eq!(browser.world.cognito.token_requests(), 2, "the new token lives");
}

#[test]
fn after_the_end_the_request_waits_and_brings_new_claims() {
    let browser = signed_in();
    assert_eq!(browser.open("/admin/").status, 403);
    *browser.world.cognito.groups.borrow_mut() = vec!["admin"];
    browser.world.pass(3601);
    assert!(browser.open("/admin/").site);
    assert_eq!(browser.world.cognito.token_requests(), 2);
}

#[test]
fn a_rotated_refresh_token_is_in_the_store_before_the_answer() {
    let browser = signed_in();
    browser.world.cognito.rotation.set(Rotation::Grace(0));
    for _ in 0..3 {
        browser.world.pass(3601);
        let elsewhere = browser.elsewhere(&browser.world);
        assert_eq!(elsewhere.post("/auth/refresh", "").status, 200, "an isolate that knows only the store");
    }
    assert_eq!(browser.world.cognito.token_requests(), 4);
}

#[test]
fn a_forced_refresh_is_honoured_once_in_thirty_seconds() {
    let browser = signed_in();
    for _ in 0..3 {
        assert_eq!(browser.post("/auth/refresh", r#"{"force":true}"#).status, 200);
    }
    assert_eq!(browser.world.cognito.token_requests(), 2);
    browser.world.pass(30);
    assert_eq!(browser.post("/auth/refresh", r#"{"force":true}"#).status, 200);
    assert_eq!(browser.world.cognito.token_requests(), 3);
}

#[test]
fn a_refusal_keeps_the_record_serves_what_lives_and_is_not_asked_again() {
    let browser = signed_in();
    let before = record(&browser);
    browser.world.cognito.will(Trouble::Error("invalid_grant"));
    browser.world.pass(3590);
    assert_eq!(browser.post("/auth/refresh", "").status, 200, "the stored token still lives");
    browser.world.pass(20);
    let reply = browser.post("/auth/refresh", "");
    assert_eq!((reply.status, reply.code()), (401, "refresh_rejected".to_owned()));
    assert!(browser.open("/app/?a=1").location().starts_with("/auth/login?return_to=%2Fapp%2F%3Fa%3D1"));
    assert_eq!(browser.world.cognito.token_requests(), 2, "login and one refusal");
    assert_eq!(record(&browser), before, "a refusal neither deletes nor overwrites");
    browser.world.pass(600);
    assert_eq!(browser.post("/auth/refresh", "").status, 200, "asked again, and now Cognito says yes");
}

#[test]
fn the_loser_of_a_race_between_two_locations_takes_the_winners_tokens() {
    let here = signed_in();
    here.world.cognito.rotation.set(Rotation::Grace(0));
    let there_world = World::beside(here.world.kv.clone(), here.world.cognito.clone());
    let there = here.elsewhere(&there_world);
    assert!(there.open("/app/").site);
    here.world.pass(3590);
    there.world.pass(3590);
    // Both hold the old record in memory; one renews, the other meets a spent refresh token.
    assert!(there.open("/app/").site);
    assert_eq!(here.post("/auth/refresh", "").status, 200);
    there.world.finish_background();
    there.world.pass(20);
    let reply = there.post("/auth/refresh", "");
    assert_eq!((reply.status, reply.json()["expires_in"].as_u64()), (200, Some(3580)));
}

#[test]
fn the_loser_asks_with_the_winners_refresh_token_when_that_access_token_has_run_out_too() {
    let here = signed_in();
    here.world.cognito.rotation.set(Rotation::Grace(0));
    let there = here.elsewhere(&World::beside(here.world.kv.clone(), here.world.cognito.clone()));
    here.world.cognito.access_life_secs.set(10);
    here.world.pass(3580);
    there.world.pass(3580);
    assert!(there.open("/app/").site, "remembers the old record, renews beside the answer");
    assert_eq!(here.post("/auth/refresh", "").status, 200);
    there.world.pass(20);
    there.world.finish_background();
    assert_eq!(there.post("/auth/refresh", "").status, 200);
}

#[test]
fn passing_trouble_keeps_the_session_pages_for_the_grace_and_tokens_while_they_live() {
    for trouble in [Trouble::Status(429), Trouble::Status(500), Trouble::Status(403), Trouble::Status(302), Trouble::Timeout] {
        let browser = signed_in();
        browser.world.pass(3590);
        browser.world.cognito.will(trouble.clone());
        assert_eq!(browser.post("/auth/refresh", "").status, 200, "{trouble:?}: the token lives");
        browser.world.pass(10);
        for _ in 0..3 {
            browser.world.cognito.will(trouble.clone());
        }
        assert!(browser.open("/app/").site, "{trouble:?}: pages stay open");
        assert!(browser.post("/auth/refresh", "").status >= 500, "{trouble:?}: tokens do not");
        assert!(browser.open("/admin/").status >= 500, "{trouble:?}: nor pages for groups");
        assert!(browser.get("/user-info").status >= 500, "{trouble:?}: nor claims");
        browser.world.pass(599);
        browser.world.cognito.trouble.borrow_mut().clear();
        browser.world.cognito.will(trouble.clone());
        assert!(browser.open("/app/").site, "{trouble:?}: to the last second of the grace");
        browser.world.pass(1);
        assert!(browser.open("/app/").status >= 500, "{trouble:?}: and no longer");
        browser.world.pass(14);
        browser.world.cognito.trouble.borrow_mut().clear();
        assert!(browser.open("/app/").site, "{trouble:?}: Cognito is back, the session never left");
    }
}

#[test]
fn an_outage_is_asked_about_every_ten_seconds_not_at_every_request() {
    let browser = signed_in();
    browser.world.pass(3600);
    for _ in 0..9 {
        browser.world.cognito.will(Trouble::Timeout);
    }
    for _ in 0..5 {
        assert!(browser.open("/app/").site);
    }
    assert_eq!(browser.world.cognito.token_requests(), 2);
    browser.world.pass(9);
    assert!(browser.open("/app/").site);
    assert_eq!(browser.world.cognito.token_requests(), 2);
    browser.world.pass(5);
    assert!(browser.open("/app/").site);
    assert_eq!(browser.world.cognito.token_requests(), 2, "the page does not wait for the next attempt");
    browser.world.finish_background();
    assert_eq!(browser.world.cognito.token_requests(), 3, "which is made beside it");
    browser.world.pass(61);
    assert!(browser.open("/app/").site);
    assert_eq!(browser.world.cognito.token_requests(), 4, "after a minute without an attempt one is waited for");
}

#[test]
fn a_refusal_after_an_outage_ends_its_grace() {
    let browser = signed_in();
    browser.world.pass(3600);
    browser.world.cognito.will(Trouble::Timeout);
    browser.world.cognito.will(Trouble::Error("invalid_grant"));
    assert!(browser.open("/app/").site);
    browser.world.pass(14);
    assert!(browser.open("/app/").site, "nobody knows better yet");
    browser.world.finish_background();
    assert_eq!(browser.open("/app/").location(), "/auth/login?return_to=%2Fapp%2F");
}

#[test]
fn retry_after_is_what_is_left_until_the_next_attempt() {
    let browser = signed_in();
    browser.world.pass(3601);
    browser.world.cognito.will(Trouble::Status(503));
    let wait = |reply: support::browser::Reply| -> u64 { reply.header("retry-after").expect("a 503").parse().expect("seconds") };
    let first = wait(browser.get("/user-info"));
    assert!((10..=13).contains(&first), "{first}");
    browser.world.pass(4);
    assert_eq!(wait(browser.get("/user-info")), first - 4);
    browser.world.pass(first - 5);
    assert_eq!(wait(browser.get("/user-info")), 1);
    browser.world.pass(1);
    assert_eq!(browser.get("/user-info").status, 200, "and then it is made");
}

#[test]
fn a_refused_client_is_an_alarm_and_never_a_logout() {
    let browser = signed_in();
    browser.world.pass(4300);
    browser.world.cognito.will(Trouble::Error("invalid_client"));
    let reply = browser.get("/user-info");
    assert_eq!((reply.status, reply.code()), (500, "idp_misconfigured".to_owned()));
    assert!(browser.world.logged("Error refresh_failed"));
    browser.world.pass(14);
    assert_eq!(browser.get("/user-info").status, 200);
}

#[test]
fn a_hundred_requests_in_one_isolate_ask_once() {
    let browser = signed_in();
    browser.world.cognito.rotation.set(Rotation::Grace(0));
    browser.world.pass(3601);
    let replies = block_on(futures_util::future::join_all((0..100).map(|_| browser.post_async("/auth/refresh", ""))));
    assert!(replies.iter().all(|reply| reply.status == 200));
    let first = replies.first().unwrap().json();
    assert!(replies.iter().all(|reply| reply.json()["access_token"] == first["access_token"]));
    assert_eq!(browser.world.cognito.token_requests(), 2);
}

#[test]
fn a_leader_that_was_cancelled_blocks_nobody_for_longer_than_its_lease() {
    let browser = signed_in();
    browser.world.pass(3601);
    let mut leader = Box::pin(browser.post_async("/auth/refresh", ""));
    let waker = std::task::Waker::noop();
    for _ in 0..3 {
        assert!(leader.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    drop(leader);
    let before = browser.world.now();
    assert_eq!(browser.post("/auth/refresh", "").status, 200);
    assert!(browser.world.now() - before <= 10, "waited {} s", browser.world.now() - before);
}

#[test]
fn an_isolate_drops_the_tokens_of_a_session_when_it_forgets_it() {
    let browser = signed_in();
    let token = browser.stored().unwrap().access_token;
    assert_eq!(browser.bearer("/user-info", &token).status, 200);
    assert_eq!(browser.remembered(), 2, "the session's record, and the token of an API client");
    let stranger = browser.tab();
    stranger.cookies.borrow_mut().clear();
    for (passed, left) in [(29, 2), (1, 1), (3569, 1), (1, 0)] {
        browser.world.pass(passed);
        assert_eq!(stranger.get("/config").status, 200, "whatever is asked for");
        assert_eq!(browser.remembered(), left, "{passed} s later");
    }
}

#[test]
fn new_tokens_of_somebody_else_are_not_taken() {
    for changed in [
        json!({"sub": "user-2"}),
        json!({"iss": "https://evil.example"}),
        json!({"aud": "other", "client_id": "other"}),
        json!({"iat": 1_000_000}),
        json!({"nonce": "another"}),
    ] {
        let browser = signed_in();
        let before = record(&browser);
        browser.world.pass(3601);
        browser.world.cognito.will(Trouble::Claims(changed.clone()));
        let reply = browser.post("/auth/refresh", "");
        assert_eq!((reply.status, reply.code()), (502, "token_rejected".to_owned()), "{changed}");
        assert_eq!(record(&browser), before, "{changed}");
    }
}

#[test]
fn a_renewed_id_token_with_another_auth_time_is_taken_and_logged() {
    let browser = signed_in();
    browser.world.pass(3601);
    browser.world.cognito.will(Trouble::Claims(json!({"auth_time": 7})));
    assert_eq!(browser.post("/auth/refresh", "").status, 200);
    assert!(browser.world.logged("Warn refresh_auth_time_differs"));
    assert_eq!(browser.stored().unwrap().auth_time, Some(7));

    browser.world.forget_logs();
    browser.world.pass(3601);
    browser.world.cognito.will(Trouble::Claims(json!({"auth_time": null})));
    assert_eq!(browser.post("/auth/refresh", "").status, 200);
    assert!(!browser.world.logged("refresh_auth_time_differs"), "none is no other one");
    assert_eq!(browser.stored().unwrap().auth_time, Some(7));
}

#[test]
fn a_new_refresh_token_is_kept_even_when_the_keys_to_judge_the_rest_are_away() {
    let browser = signed_in();
    browser.world.cognito.rotation.set(Rotation::Grace(0));
    // Longer than keys stay usable without Cognito.
    browser.world.pass(25 * 3600);
    browser.world.cognito.keys_down.set(true);
    assert_eq!(browser.post("/auth/refresh", "").code(), "idp_unavailable");
    browser.world.cognito.keys_down.set(false);
    browser.world.pass(14);
    let elsewhere = browser.elsewhere(&browser.world);
    assert_eq!(elsewhere.post("/auth/refresh", "").status, 200, "the rotated token was not lost");
}

#[test]
fn a_request_that_waited_for_such_a_refresh_gets_no_dead_token() {
    let browser = signed_in();
    browser.world.cognito.rotation.set(Rotation::Grace(0));
    browser.world.pass(25 * 3600);
    browser.world.cognito.keys_down.set(true);
    let requests = (0..5).map(|_| browser.post_async("/auth/refresh", ""));
    let replies = block_on(futures_util::future::join_all(requests));
    assert!(
        replies.iter().all(|reply| reply.status == 503),
        "{:?}",
        replies.iter().map(|reply| reply.status).collect::<Vec<_>>()
    );
    assert_eq!(browser.world.cognito.token_requests(), 2);
}

#[test]
fn a_rotated_key_that_could_not_be_fetched_loses_no_session() {
    let browser = signed_in();
    browser.world.cognito.rotation.set(Rotation::Grace(0));
    browser.world.pass(3601);
    // The keys in memory are known and stale, the new token's is not among them.
    browser.world.cognito.will(Trouble::KeyId("key-2="));
    browser.world.cognito.keys_down.set(true);
    assert_eq!(browser.post("/auth/refresh", "").code(), "idp_unavailable");
    browser.world.cognito.keys_down.set(false);
    browser.world.pass(14);
    assert_eq!(browser.post("/auth/refresh", "").status, 200);
}

#[test]
fn the_grace_is_for_outages_only() {
    for (trouble, status) in [
        (Trouble::Error("invalid_client"), 500),
        (Trouble::Claims(json!({"sub": "user-2"})), 502),
        (Trouble::Claims(json!({"iss": "https://evil.example"})), 502),
    ] {
        let browser = signed_in();
        browser.world.pass(3601);
        browser.world.cognito.will(trouble.clone());
        assert_eq!(browser.open("/app/").status, status, "{trouble:?}");
    }
    let refused = signed_in();
    assert!(refused.open("/app/").site);
    refused.world.pass(3590);
    assert!(refused.open("/app/").site, "the record is in memory again");
    refused.world.pass(10);
    refused.world.cognito.will(Trouble::Error("invalid_grant"));
    refused.world.kv.fail_reads.set(true);
    assert_eq!(refused.open("/app/").status, 503, "refused, and nobody can say whether by right");
}

#[test]
fn a_write_that_kv_refuses_is_repeated_after_its_second() {
    for rotation in [false, true] {
        let browser = signed_in();
        browser.world.cognito.rotation.set(if rotation { Rotation::Grace(0) } else { Rotation::Off });
        browser.world.pass(3601);
        browser.world.kv.fail_writes.borrow_mut().push(KvError::TooManyWrites);
        let before = browser.world.time.now_ms();
        assert_eq!(browser.post("/auth/refresh", "").status, 200);
        let waited = browser.world.time.now_ms() - before;
        assert_eq!(waited >= 1100, rotation, "only a rotated token makes the answer wait");
        browser.world.finish_background();
        let elsewhere = browser.elsewhere(&browser.world);
        let asked = browser.world.cognito.token_requests();
        assert!(elsewhere.open("/app/").site);
        assert_eq!(browser.world.cognito.token_requests(), asked, "the new record is in the store");
    }
}

#[test]
fn a_logout_during_a_refresh_wins() {
    let browser = signed_in();
    browser.world.pass(3601);
    let other = browser.elsewhere(&browser.world);
    let refresh = browser.post_async("/auth/refresh", "");
    let logout = other.post_async("/auth/logout", "");
    let (refreshed, logged_out) = block_on(futures_util::future::join(refresh, logout));
    assert_eq!(logged_out.status, 200);
    assert!(matches!(refreshed.status, 200 | 401));
    let third = browser.elsewhere(&browser.world);
    *third.cookies.borrow_mut() = browser.cookies.borrow().clone();
    assert_eq!(third.get("/user-info").code(), "session_expired");
    assert!(browser.world.kv.keys().iter().all(|key| key.starts_with("ended/")), "{:?}", browser.world.kv.keys());
}

#[test]
fn a_session_that_a_refused_refresh_found_ended_is_served_no_more_from_memory() {
    let here = signed_in();
    let there = here.elsewhere(&World::beside(here.world.kv.clone(), here.world.cognito.clone()));
    assert_eq!(there.get("/user-info").status, 200);
    assert_eq!(here.post("/auth/logout", "").status, 200);
    assert_eq!(there.get("/user-info").status, 200, "remembered");
    here.world.cognito.will(Trouble::Error("invalid_grant"));
    assert_eq!(there.post("/auth/refresh", r#"{"force":true}"#).code(), "session_expired");
    assert_eq!(there.get("/user-info").code(), "session_expired");
}

#[test]
fn signing_out_everywhere_ends_sessions_created_up_to_then() {
    let browser = signed_in();
    let key = browser.world.kv.keys().into_iter().find(|key| key.starts_with("session/")).unwrap();
    let tag = key.split('/').nth(1).unwrap().to_owned();
    let mark = |value: String| {
        let entry = (value, browser.world.now() + 500_000);
        browser.world.kv.entries.borrow_mut().insert(format!("ended/{tag}"), entry);
    };
    mark((browser.world.now() - 1).to_string());
    assert!(browser.elsewhere(&browser.world).open("/app/").site);
    mark(browser.world.now().to_string());
    assert_eq!(browser.elsewhere(&browser.world).open("/app/").status, 302);
    mark("not a time".to_owned());
    assert_eq!(browser.elsewhere(&browser.world).open("/app/").status, 302, "a mark that cannot be read ends");
}

#[test]
fn a_store_that_cannot_be_read_is_neither_signed_in_nor_signed_out() {
    let browser = signed_in();
    let elsewhere = browser.elsewhere(&browser.world);
    browser.world.kv.fail_reads.set(true);
    for reply in [elsewhere.get("/user-info"), elsewhere.get("/auth/status"), elsewhere.post("/auth/refresh", "")] {
        assert_eq!((reply.status, reply.code()), (503, "store_unavailable".to_owned()));
        assert!(reply.header("retry-after").is_some() && reply.header("set-cookie").is_none());
    }
    assert_eq!(elsewhere.open("/app/").status, 503);
    browser.world.kv.fail_reads.set(false);
    assert!(elsewhere.open("/app/").site);
}

#[test]
fn a_read_that_failed_at_once_is_tried_once_more_and_one_that_timed_out_is_not() {
    let unavailable = Fault::Refused(KvError::Unavailable);
    for (faults, fault, status, reads, longest_ms) in
        [(1, unavailable, 200, 2, 150), (2, unavailable, 503, 2, 150), (1, Fault::TimedOut(8000, false), 503, 1, 8000)]
    {
        let browser = signed_in().restarted();
        browser.world.kv.will(faults, "read session/", fault);
        let (before, started) = (browser.world.kv.reads.get(), browser.world.time.now_ms());
        assert_eq!(browser.open("/app/").status, status, "{faults} × {fault:?}");
        let took_ms = browser.world.time.now_ms() - started;
        assert!(took_ms >= 50 && took_ms <= longest_ms, "{faults} × {fault:?}: {took_ms} ms");
        assert_eq!(browser.world.kv.reads.get() - before, reads, "{faults} × {fault:?}");
        assert_eq!(browser.world.kv.unused_faults(), 0);
        assert!(browser.open("/app/").site, "and the session is as it was");
    }
}

#[test]
fn a_clock_that_runs_behind_opens_nothing() {
    let browser = signed_in();
    let right = browser.world.time.now_ms();
    browser.world.time.set_ms(0);
    assert_eq!((browser.get("/user-info").status, browser.get("/user-info").code()), (500, "internal".to_owned()));
    assert_eq!(browser.open("/app/").status, 500);
    browser.world.time.set_ms(right);
    assert_eq!(browser.get("/user-info").status, 200, "and loses nothing");
}

#[test]
fn absolute_and_idle_ends_come_from_the_record() {
    let browser = Browser::with(&World::new(), config(&[("SESSION_TTL_SECS", "7200"), ("SESSION_IDLE_SECS", "5000")]));
    browser.sign_in("/app/");
    browser.world.pass(4999);
    assert_eq!(browser.post("/auth/refresh", "").status, 200, "renewed within the idle limit");
    browser.world.pass(2200);
    assert_eq!(browser.post("/auth/refresh", "").status, 200);
    browser.world.pass(1);
    assert_eq!(browser.get("/user-info").code(), "session_expired");
}

#[test]
fn an_idle_end_in_memory_is_looked_up_before_it_is_believed() {
    let here = Browser::with(&World::new(), config(&[("SESSION_IDLE_SECS", "4000")]));
    here.sign_in("/app/");
    let there = here.elsewhere(&World::beside(here.world.kv.clone(), here.world.cognito.clone()));
    let pass = |secs| [&here, &there].map(|browser| browser.world.pass(secs));
    pass(3990);
    there.world.cognito.will(Trouble::Status(500));
    assert!(there.open("/app/").site, "within the outage grace, and remembered");
    assert_eq!(here.post("/auth/refresh", "").status, 200, "renewed elsewhere");
    pass(15);
    assert_eq!(there.get("/user-info").status, 200);
    pass(4000);
    assert_eq!(there.get("/user-info").code(), "session_expired");
}

#[test]
fn a_new_login_ends_the_browsers_older_session() {
    let browser = signed_in();
    let old = browser.elsewhere(&browser.world);
    browser.sign_in("/");
    browser.world.finish_background();
    assert_eq!(old.get("/user-info").code(), "session_expired");
    assert_eq!(browser.get("/user-info").status, 200);
    assert_eq!(browser.world.kv.keys().iter().filter(|key| key.starts_with("session/")).count(), 1);
}
