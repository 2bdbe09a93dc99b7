//! Strict mode: a guard that every location asks, over a KV that shows no location what another one writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::rc::Rc;

use futures_executor::block_on;
use futures_util::future::join_all;
use support::cognito::Rotation;
use support::guard::FakeGuard;
use support::{Browser, Trouble, World};

/// Longer than an isolate takes the guard's word.
const GUARD_SECS: u64 = 10;
/// Longer than an isolate remembers a record.
const FORGET_SECS: u64 = 31;

/// The same signed-in browser before two locations: each knows of the sign-in, and of nothing that the other one does after.
struct Places {
    here: Browser,
    there: Browser,
}

const FOR_EVER_SECS: u64 = 10_000_000;

fn places_over(world: &Rc<World>) -> Places {
    world.cognito.rotation.set(Rotation::Grace(0));
    world.view.lag(FOR_EVER_SECS, FOR_EVER_SECS);
    let here = Browser::new(world);
    assert_eq!(here.sign_in("/app/").status, 303);
    let there = here.elsewhere(&world.location());
    there.world.view.lag(FOR_EVER_SECS, 0);
    assert_eq!(there.get("/user-info").status, 200, "read there once");
    there.world.view.lag(FOR_EVER_SECS, FOR_EVER_SECS);
    let there = there.elsewhere(&there.world);
    Places { here, there }
}

fn places() -> Places {
    places_over(&World::guarded())
}

impl Places {
    fn guard(&self) -> &FakeGuard {
        self.here.world.guard.as_ref().expect("strict mode")
    }

    fn pass(&self, secs: u64) {
        self.here.world.pass(secs);
    }

    /// A thief's copy of the cookie, before an isolate of the other location that remembers nothing.
    fn thief(&self) -> Browser {
        self.there.elsewhere(&self.there.world)
    }

    /// The browser, come over to the other location.
    fn moved(&self) -> Browser {
        self.here.elsewhere(&self.there.world)
    }

    fn refreshes(&self) -> usize {
        self.here.world.cognito.token_requests() - 1
    }
}

#[test]
fn without_the_guard_the_other_location_serves_a_session_that_was_signed_out() {
    let places = places_over(&World::new());
    let cookies = places.there.cookies.borrow().clone();
    assert!(places.there.open("/app/").site);
    assert_eq!(places.here.post("/auth/logout", "").status, 200);
    let there = places.there.elsewhere(&places.there.world);
    there.cookies.replace(cookies);
    places.pass(60);
    assert!(there.open("/app/").site, "for as long as its KV lags");
}

#[test]
fn a_session_that_was_signed_out_is_refused_at_once_where_the_guard_is_asked() {
    let places = places();
    let cookies = places.there.cookies.borrow().clone();
    assert_eq!(places.here.post("/auth/logout", "").status, 200);
    places.there.cookies.replace(cookies);
    assert_eq!(places.there.get("/user-info").code(), "session_expired");
    assert_eq!(places.there.open("/app/").status, 302);
}

#[test]
fn and_within_guard_secs_elsewhere() {
    let places = places();
    let cookies = places.there.cookies.borrow().clone();
    assert!(places.there.open("/app/").site);
    assert_eq!(places.here.post("/auth/logout", "").status, 200);
    places.there.cookies.replace(cookies);
    places.pass(GUARD_SECS - 1);
    assert!(places.there.open("/app/").site, "what the guard said holds so long");
    places.pass(1);
    assert_eq!(places.there.get("/user-info").code(), "session_expired");
    assert_eq!(places.there.post("/auth/refresh", "").code(), "session_expired");
}

#[test]
fn the_guard_is_asked_once_in_guard_secs_however_many_requests_there_are() {
    let places = places();
    let asked = || places.guard().asked.borrow().len();
    let before = asked();
    let replies = block_on(join_all((0..50).map(|_| places.there.open_async("/app/"))));
    assert!(replies.iter().all(|reply| reply.site));
    assert_eq!(asked(), before + 1);
    places.pass(GUARD_SECS);
    assert!(places.there.open("/app/").site);
    assert!(places.there.open("/app/").site);
    assert_eq!(asked(), before + 2);
}

#[test]
fn a_hundred_requests_at_two_locations_send_one_refresh_and_all_are_served() {
    let places = places();
    places.pass(3601);
    let requests = (0..100).map(|index| {
        let browser = if index % 2 == 0 { &places.here } else { &places.there };
        browser.post_async("/auth/refresh", "")
    });
    let replies = block_on(join_all(requests));
    let token = |index: usize| replies[index].json()["access_token"].clone();
    for (index, reply) in replies.iter().enumerate() {
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(token(index), token(0), "all have the same token");
    }
    assert_eq!(places.refreshes(), 1);
}

#[test]
fn a_location_with_an_older_copy_takes_the_guards_record() {
    let places = places();
    for round in 1..=3 {
        places.pass(3601);
        assert_eq!(places.here.post("/auth/refresh", "").status, 200);
        let reply = places.thief().post("/auth/refresh", "");
        assert_eq!((reply.status, reply.json()["expires_in"].as_u64()), (200, Some(3600)), "round {round}");
        assert_eq!(places.refreshes(), round);
    }
}

#[test]
fn a_new_session_is_known_where_kv_does_not_show_it_yet() {
    for (world, status) in [(World::guarded(), 200), (World::new(), 401)] {
        let places = places_over(&world);
        assert_eq!(places.here.sign_in("/").status, 303);
        assert_eq!(places.moved().get("/user-info").status, status);
    }
}

#[test]
fn signing_out_everywhere_reaches_a_session_that_only_the_guard_shows() {
    let places = places();
    assert_eq!(places.here.sign_in("/").status, 303);
    let key = places.here.world.kv.keys().into_iter().find(|key| key.starts_with("session/")).unwrap();
    let mark = (places.here.world.now().to_string(), places.here.world.now() + 500_000);
    let mark_key = format!("ended/{}", key.split('/').nth(1).unwrap());
    places.there.world.kv.entries.borrow_mut().remove(&key);
    let third = || places.here.elsewhere(&places.here.world.location());
    assert_eq!(third().get("/user-info").status, 200);
    places.here.world.kv.entries.borrow_mut().insert(mark_key, mark);
    assert_eq!(third().get("/user-info").code(), "session_expired");
}

#[test]
fn a_guard_that_cannot_be_reached_is_503_and_never_kv_alone() {
    let places = places();
    places.guard().down.set(true);
    for reply in [places.there.get("/user-info"), places.there.get("/auth/status"), places.there.post("/auth/refresh", "")] {
        assert_eq!((reply.status, reply.code()), (503, "store_unavailable".to_owned()));
        assert!(reply.header("retry-after").is_some() && reply.header("set-cookie").is_none());
    }
    assert_eq!(places.there.open("/app/").status, 503, "no outage grace for it");
    assert!(places.here.open("/app/").site, "what the guard said here holds for its time");
    places.pass(GUARD_SECS);
    assert_eq!(places.here.open("/app/").status, 503);
    assert!(places.here.open("/").site, "a public page needs no guard");
    places.guard().down.set(false);
    places.pass(3);
    assert!(places.here.open("/app/").site && places.there.open("/app/").site, "and nothing is lost");
}

#[test]
fn without_the_guard_nobody_signs_in_and_nothing_is_left_behind() {
    let places = places();
    places.guard().down.set(true);
    let browser = Browser::new(&places.here.world);
    let before = places.here.world.kv.keys();
    let reply = browser.sign_in("/app/");
    assert_eq!(reply.status, 503);
    assert!(!browser.cookies.borrow().contains_key("__Host-session"));
    assert_eq!(places.here.world.kv.keys(), before);
}

#[test]
fn a_logout_that_the_guard_did_not_hear_of_is_never_a_success() {
    let places = places();
    places.guard().down.set(true);
    let reply = places.here.post("/auth/logout", "");
    assert_eq!((reply.status, reply.code()), (503, "store_unavailable".to_owned()));
    assert!(reply.json()["logoutUrl"].as_str().unwrap().starts_with("https://auth.example.com/logout?"));
    assert!(!places.here.cookies.borrow().contains_key("__Host-session"));
    places.here.world.finish_background();
    assert_eq!(places.here.world.cognito.revocations.get(), 1, "revocation was tried");
}

#[test]
fn a_logout_during_a_refresh_elsewhere_wins() {
    let places = places();
    places.pass(3601);
    let cookies = places.here.cookies.borrow().clone();
    let refresh = places.here.post_async("/auth/refresh", "");
    let logout = places.there.post_async("/auth/logout", "");
    let (refreshed, logged_out) = block_on(futures_util::future::join(refresh, logout));
    assert_eq!(logged_out.status, 200);
    assert!(matches!(refreshed.status, 200 | 401), "{}", refreshed.body);
    let later = places.here.elsewhere(&places.here.world);
    later.cookies.replace(cookies);
    assert_eq!(later.get("/user-info").code(), "session_expired");
    let rows = places.guard().rows.borrow();
    assert!(rows.values().all(|row| row.ended && row.sealed.is_empty()), "{rows:?}");
}

#[test]
fn the_newest_refresh_token_is_revoked_although_another_location_has_it() {
    let places = places();
    places.pass(3601);
    assert_eq!(places.here.post("/auth/refresh", "").status, 200);
    assert_eq!(places.there.post("/auth/logout", "").status, 200);
    places.there.world.finish_background();
    let revoked = places.here.world.cognito.revoked.borrow();
    let spent = places.here.world.cognito.token_forms.borrow().last().unwrap().clone();
    assert!(revoked.len() == 1 && !spent.ends_with(&format!("refresh_token={}", revoked[0])), "{revoked:?}, spent: {spent}");
}

#[test]
fn a_refused_token_leads_to_the_login_only_if_the_guard_has_no_newer_one() {
    let places = places();
    places.pass(3601);
    places.here.world.cognito.will(Trouble::Error("invalid_grant"));
    assert_eq!(places.here.post("/auth/refresh", "").code(), "refresh_rejected");
    places.here.world.finish_background();
    assert_eq!(places.guard().rows.borrow().values().next().unwrap().lease_holder, "", "the lease was given back");
    // The other location has not been refused.
    assert_eq!(places.there.post("/auth/refresh", "").status, 200);
    places.pass(GUARD_SECS);
    assert_eq!(places.here.post("/auth/refresh", "").status, 200, "and here its tokens are taken");
}

#[test]
fn a_lease_whose_holder_has_died_ends_by_itself() {
    let places = places();
    places.pass(3601);
    let mut leader = Box::pin(places.here.post_async("/auth/refresh", ""));
    let waker = std::task::Waker::noop();
    while places.guard().rows.borrow().values().all(|row| row.lease_holder.is_empty()) {
        assert!(leader.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    drop(leader);
    let before = places.there.world.now();
    assert_eq!(places.there.post("/auth/refresh", "").status, 200);
    let waited = places.there.world.now() - before;
    assert!((11..=13).contains(&waited), "waited {waited} s");
}

#[test]
fn a_session_from_before_strict_mode_is_taken_over_and_then_guarded() {
    let places = places();
    places.guard().rows.borrow_mut().clear();
    assert!(places.there.open("/app/").site);
    assert_eq!(places.guard().rows.borrow().len(), 1);
    let cookies = places.there.cookies.borrow().clone();
    assert_eq!(places.there.post("/auth/logout", "").status, 200);
    places.here.cookies.replace(cookies);
    places.pass(FORGET_SECS);
    assert_eq!(places.here.get("/user-info").code(), "session_expired");
}

#[test]
fn a_made_up_cookie_never_reaches_the_guard() {
    let places = places();
    let before = places.guard().asked.borrow().len();
    let browser = Browser::new(&places.here.world);
    browser.cookies.borrow_mut().insert("__Host-session".to_owned(), "A".repeat(64));
    assert_eq!(browser.get("/user-info").code(), "session_expired");
    assert_eq!(browser.post("/auth/logout", "").status, 200);
    assert_eq!(places.guard().asked.borrow().len(), before);
}

#[test]
fn a_renewal_that_the_guard_did_not_hear_of_is_not_lost() {
    let places = places();
    places.pass(3601);
    let mut refresh = Box::pin(places.here.post_async("/auth/refresh", ""));
    let waker = std::task::Waker::noop();
    while places.refreshes() == 0 {
        assert!(refresh.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    places.guard().down.set(true);
    let reply = block_on(refresh);
    assert_eq!((reply.status, reply.code()), (503, "store_unavailable".to_owned()));
    places.guard().down.set(false);
    places.pass(FORGET_SECS);
    assert_eq!(places.here.post("/auth/refresh", "").status, 200, "KV had it, and the guard takes it over");
    assert_eq!(places.there.post("/auth/refresh", "").status, 200);
    assert_eq!(places.refreshes(), 1);
}
