//! Strict mode where events meet oddly: marks in KV, lost answers, two versions of the gateway at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::rc::Rc;

use futures_executor::block_on;
use support::browser::Reply;
use support::cognito::Rotation;
use support::{Browser, Steps, Trouble, World, config};

const KEY_1: &str = "v1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const KEY_2: &str = "v2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

fn signed_in(world: &Rc<World>) -> Browser {
    let browser = Browser::new(world);
    assert_eq!(browser.sign_in("/app/").status, 303);
    browser
}

fn tag(browser: &Browser) -> String {
    browser.session_id().unwrap().names().user_tag()
}

fn mark_user(browser: &Browser) {
    let now = browser.world.now();
    let mark = (now.to_string(), now + 500_000);
    browser.world.kv.entries.borrow_mut().insert(format!("ended/{}", tag(browser)), mark);
}

/// How long a browser that asks every five seconds goes on being served.
fn served_for(browser: &Browser) -> u64 {
    for secs in (0..=3000).step_by(5) {
        if !browser.open("/app/").site {
            return secs;
        }
        browser.world.finish_background();
        browser.world.pass(5);
    }
    u64::MAX
}

#[test]
fn a_sign_out_everywhere_ends_a_session_that_is_used_all_the_time() {
    for world in [World::new(), World::guarded()] {
        let browser = signed_in(&world);
        world.pass(5);
        mark_user(&browser);
        let secs = served_for(&browser);
        assert!(secs <= 35, "guarded {}: served for {secs} s", world.guard.is_some());
    }
}

#[test]
fn a_logout_by_a_gateway_without_the_guard_ends_a_session_that_is_used_all_the_time() {
    let world = World::guarded();
    let browser = signed_in(&world);
    let names = browser.session_id().unwrap().names();
    world.kv.entries.borrow_mut().insert(names.marker_key(), ("1".to_owned(), world.now() + 500_000));
    world.kv.entries.borrow_mut().remove(&names.record_key());
    let secs = served_for(&browser);
    assert!(secs <= 35, "served for {secs} s");
}

#[test]
fn a_session_that_a_users_mark_ended_is_refused_the_second_time_as_well() {
    let world = World::guarded();
    let browser = signed_in(&world);
    // This location does not see the record yet, but the mark.
    let there = browser.elsewhere(&world.location());
    world.kv.entries.borrow_mut().remove(&browser.session_id().unwrap().names().record_key());
    mark_user(&browser);
    assert_eq!(there.get("/user-info").code(), "session_expired");
    assert_eq!(there.get("/user-info").status, 401, "the second request, in the same isolate");
}

/// A mark in KV is looked at within thirty seconds, also where the guard has handed out a newer record in between.
#[test]
fn a_record_from_the_guard_is_not_remembered_for_longer_than_what_it_replaces() {
    let world = World::guarded();
    let here = signed_in(&world);
    let there = here.elsewhere(&world.location());
    world.pass(3600 - 20);
    assert_eq!(there.get("/user-info").status, 200, "read there, 20 s before its token ends");
    assert_eq!(here.post("/auth/refresh", r#"{"force":true}"#).status, 200);
    mark_user(&here);
    world.pass(5);
    assert_eq!(there.post("/auth/refresh", r#"{"force":true}"#).status, 200, "the guard has a newer one");
    world.pass(26);
    assert_eq!(there.get("/user-info").code(), "session_expired", "31 s after KV was read");
}

#[test]
fn a_session_that_was_refused_gets_no_grace_of_the_outage_before() {
    for world in [World::new(), World::guarded()] {
        let browser = signed_in(&world);
        world.pass(3601);
        world.cognito.will(Trouble::Status(503));
        assert!(browser.open("/app/").site, "an outage");
        world.pass(14);
        world.cognito.will(Trouble::Error("invalid_grant"));
        assert!(browser.open("/app/").site, "asked again beside the answer");
        world.finish_background();
        let reply = browser.open("/app/");
        assert!(!reply.site, "guarded {}: Cognito has said no", world.guard.is_some());
    }
}

#[test]
fn a_renewal_that_another_request_told_the_guard_of_first_is_in_kv_as_well() {
    let world = World::guarded();
    world.cognito.rotation.set(Rotation::Grace(0));
    let browser = signed_in(&world);
    world.pass(3601);
    let guard = world.guard.as_ref().unwrap();
    let mut refresh = Steps::of(browser.post_async("/auth/refresh", ""));
    while world.cognito.token_requests() < 2 {
        assert!(refresh.step().is_none());
    }
    // The first question fails at once; until it is asked again another request of this isolate comes by.
    guard.down.set(true);
    refresh.step();
    guard.down.set(false);
    assert_eq!(block_on(browser.tab().post_async("/auth/refresh", "")).status, 200);
    assert_eq!(refresh.finish().status, 200);
    world.finish_background();
    let stored = browser.stored().unwrap();
    assert!(world.cognito.is_good(&stored.refresh_token.unwrap(), world.now()), "KV has version {}", stored.version);
}

/// A browser before two locations in strict mode, its access token run out, rotation without grace.
fn at_two_locations_without_grace() -> (Rc<World>, Browser, Browser) {
    let world = World::guarded();
    world.cognito.rotation.set(Rotation::Grace(0));
    let here = signed_in(&world);
    let there = here.elsewhere(&world.location());
    world.pass(3601);
    (world, here, there)
}

/// A refresh, up to the moment when Cognito has had so many token requests and has not been heard yet.
fn refresh_until_asked(browser: &Browser, requests: usize) -> Steps<'_, Reply> {
    let mut refresh = Steps::of(browser.post_async("/auth/refresh", ""));
    while browser.world.cognito.token_requests() < requests {
        assert!(refresh.step().is_none());
    }
    refresh
}

#[test]
fn a_refresh_that_takes_longer_than_the_guards_lease_sends_nobody_to_the_login() {
    let (world, here, there) = at_two_locations_without_grace();
    let mut refresh = refresh_until_asked(&here, 2);
    // Cognito answered after 5 s, its key set took 4 s.
    world.pass(9);
    let mut other = refresh_until_asked(&there, 3);
    let refreshed = refresh.finish();
    assert_eq!(refreshed.status, 200);
    let reply = other.finish();
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// The guard's answer and Cognito's both take nearly as long as they may: neither this isolate nor another location sends the
/// refresh token a second time meanwhile.
#[test]
fn a_refresh_token_is_sent_once_however_long_the_guard_and_cognito_take() {
    for elsewhere in [false, true] {
        let (world, here, there) = at_two_locations_without_grace();
        let guard = world.guard.as_ref().unwrap();
        guard.slow_ms.set(3900);
        world.cognito.slow_ms.set(5500);
        let second = if elsewhere { there } else { here.tab() };
        let late = async {
            world.time.sleep(8200).await;
            second.post_async("/auth/refresh", "").await
        };
        let (reply, late) = block_on(futures_util::future::join(here.post_async("/auth/refresh", ""), late));
        assert_eq!((reply.status, late.status), (200, 200), "elsewhere {elsewhere}: {} {}", reply.body, late.body);
        assert_eq!(world.cognito.token_requests(), 2, "elsewhere {elsewhere}: a login and one refresh");
    }
}

#[test]
fn the_same_where_the_leader_saves_a_moment_after_the_refusal() {
    let (world, here, there) = at_two_locations_without_grace();
    let mut refresh = refresh_until_asked(&here, 2);
    world.pass(9);
    let mut other = refresh_until_asked(&there, 3);
    // It has been refused, has read KV again, and the guard has told it that its generation is the newest.
    let looks = || world.guard.as_ref().unwrap().asked.borrow().iter().filter(|asked| asked.contains("look")).count();
    let before = looks();
    let mut reply = None;
    while looks() == before {
        reply = other.step();
    }
    assert_eq!(refresh.finish().status, 200);
    let reply = reply.unwrap_or_else(|| other.finish());
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[test]
fn a_logout_that_failed_is_no_success_the_second_time_either() {
    let world = World::guarded();
    let browser = signed_in(&world);
    // The answer to the first never arrives: the browser keeps its cookie.
    let tab = browser.tab();
    let cookies = browser.cookies.borrow().clone();
    world.guard.as_ref().unwrap().down.set(true);
    assert_eq!(browser.post("/auth/logout", "").status, 503);
    tab.cookies.replace(cookies);
    let reply = tab.post("/auth/logout", "");
    assert_eq!(reply.status, 503, "the guard has still not heard of it: {}", reply.body);
    world.guard.as_ref().unwrap().down.set(false);
    assert!(world.guard.as_ref().unwrap().rows.borrow().values().all(|row| !row.ended));
}

/// Two versions of the Worker at once: the newer one writes what the older one cannot open (a key, a format).
#[test]
fn a_record_of_the_guards_that_does_not_open_ends_no_session() {
    let world = World::guarded();
    let here = Browser::with(&world, config(&[("SESSION_KEYS", KEY_1)]));
    assert_eq!(here.sign_in("/app/").status, 303);
    let both = format!("{KEY_2},{KEY_1}");
    let newer = here.deployed(config(&[("SESSION_KEYS", &both)]));
    world.pass(3601);
    let mut refresh = Steps::of(here.post_async("/auth/refresh", ""));
    while world.cognito.token_requests() < 2 {
        assert!(refresh.step().is_none());
    }
    world.pass(9);
    assert_eq!(newer.post("/auth/refresh", "").status, 200);
    let cookies = here.cookies.borrow().clone();
    refresh.finish();
    world.finish_background();
    newer.cookies.replace(cookies);
    assert_eq!(world.cognito.revocations.get(), 0, "nobody signed out");
    assert!(newer.restarted().stored().is_some(), "no record is deleted but by a logout");
    world.pass(3601);
    assert_eq!(newer.restarted().post("/auth/refresh", "").status, 200);
}

#[test]
fn a_record_that_does_not_open_costs_no_question_a_request() {
    let world = World::guarded();
    let here = Browser::with(&world, config(&[("SESSION_KEYS", KEY_1)]));
    assert_eq!(here.sign_in("/app/").status, 303);
    let both = format!("{KEY_2},{KEY_1}");
    let newer = here.deployed(config(&[("SESSION_KEYS", &both)]));
    world.pass(3601);
    assert_eq!(newer.post("/auth/refresh", "").status, 200);
    let asked = || world.guard.as_ref().unwrap().asked.borrow().len();
    let before = asked();
    let replies = block_on(futures_util::future::join_all((0..20).map(|_| here.get_async())));
    assert!(replies.iter().all(|status| *status == 401 || *status == 503), "{replies:?}");
    assert!(asked() - before <= 2, "{} questions", asked() - before);
}

trait Get {
    async fn get_async(&self) -> u16;
}
impl Get for Browser {
    async fn get_async(&self) -> u16 {
        self.post_async("/auth/refresh", "").await.status
    }
}
