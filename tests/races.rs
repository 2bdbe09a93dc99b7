//! Refreshes that meet: two isolates, two locations whose KV lags, answers and writes that get lost, requests that are cut off.
//! With rotation off, and with rotation whose used tokens stay good for 0 s or 10 s.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use edgegate::ports::{HttpError, KvError};
use futures_executor::block_on;
use futures_util::future::{join, join_all};
use support::browser::Reply;
use support::world::{interleavings, run_interleaved};
use support::{Browser, Fault, Rotation, Steps, Trouble, World};

/// A browser before two locations; both have just read the session, and go on reading that for a minute.
fn at_two_locations(rotation: Rotation) -> (Browser, Browser) {
    let here = Browser::new(&World::new());
    here.world.cognito.rotation.set(rotation);
    assert_eq!(here.sign_in("/app/").status, 303);
    (here.restarted(), here.elsewhere(&here.world.location()))
}

/// Both read the session `before_end` seconds before its token ends, and do not see what the other writes for a minute.
fn both_read_it(here: &Browser, there: &Browser, before_end: u64) {
    here.world.pass(3600 - before_end);
    for browser in [here, there] {
        browser.world.view.lag(60, 0);
        assert!(browser.open("/app/").site);
        browser.world.take_background();
    }
}

fn requests(browser: &Browser, count: usize) -> impl Future<Output = Vec<Reply>> {
    join_all((0..count).map(|_| browser.post_async("/auth/refresh", "")))
}

/// What holds whatever has happened, as long as nobody signed out: there is a record, and no loser has put a spent refresh
/// token over a good one.
#[track_caller]
fn assert_nothing_is_lost(browser: &Browser) {
    let record = browser.stored().expect("no record is deleted but by a logout");
    assert!(browser.world.cognito.is_good(&record.refresh_token.unwrap(), browser.world.now()), "version {}", record.version);
}

#[test]
fn a_hundred_requests_here_and_there_before_the_token_ends_all_get_a_living_token() {
    for rotation in Rotation::ALL {
        let (here, there) = at_two_locations(rotation);
        both_read_it(&here, &there, 10);
        let (replies, others) = block_on(join(requests(&here, 100), requests(&there, 100)));
        assert!(replies.iter().chain(&others).all(|reply| reply.status == 200), "{rotation:?}");
        assert_eq!(here.world.cognito.token_requests(), 3, "{rotation:?}: a login, and one for each location");
        assert_nothing_is_lost(&here);
    }
}

#[test]
fn a_hundred_requests_here_and_there_after_its_end_lose_no_session() {
    for rotation in Rotation::ALL {
        let (here, there) = at_two_locations(rotation);
        both_read_it(&here, &there, 1);
        here.world.pass(1);
        let (replies, others) = block_on(join(requests(&here, 100), requests(&there, 100)));
        assert!(replies.iter().all(|reply| reply.status == 200), "{rotation:?}: who came first");
        // KV cannot tell the other location yet, and its refresh token is spent: the one case that leads through a login.
        let sent_to_login = rotation == Rotation::Grace(0);
        let expected = if sent_to_login { 401 } else { 200 };
        assert!(others.iter().all(|reply| reply.status == expected), "{rotation:?}");
        assert_eq!(here.world.cognito.token_requests(), 3, "{rotation:?}: a login, and one for each location");
        assert_nothing_is_lost(&here);
        here.world.pass(60);
        assert_eq!(there.post("/auth/refresh", "").status, 200, "{rotation:?}: with the same cookie, once KV tells");
        assert_eq!(here.restarted().post("/auth/refresh", "").status, 200, "{rotation:?}");
    }
}

/// A small generator: the same browsing in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn who_keeps_browsing_at_two_locations_is_never_sent_to_login() {
    for rotation in Rotation::ALL {
        for (cache_secs, behind_secs, sees_own_writes) in [(60, 0, true), (0, 60, true), (30, 30, true), (30, 30, false)] {
            let case = format!("{rotation:?}, cache {cache_secs} s, behind {behind_secs} s, own writes {sees_own_writes}");
            let (mut here, mut there) = at_two_locations(rotation);
            here.world.pass(120);
            for browser in [&here, &there] {
                browser.world.view.lag(cache_secs, behind_secs);
                browser.world.view.sees_own_writes.set(sees_own_writes);
            }
            let mut chance = Chance(cache_secs + behind_secs);
            for _ in 0..250 {
                // A page and its scripts, now here, now there, with work left over from before.
                here.world.pass(1 + chance.below(80));
                let browser = if chance.below(2) == 0 { &here } else { &there };
                let reply = match chance.below(8) {
                    0..4 => browser.open("/app/"),
                    4..6 => browser.post("/auth/refresh", ""),
                    6 => browser.post("/auth/refresh", r#"{"force":true}"#),
                    _ => browser.get("/user-info"),
                };
                assert_eq!(reply.status, 200, "{case}: {}", reply.body);
                if chance.below(3) == 0 {
                    here.world.finish_background();
                    there.world.finish_background();
                }
                // Isolates come and go.
                if chance.below(10) == 0 {
                    here = here.restarted();
                    there = there.restarted();
                }
            }
            assert_nothing_is_lost(&here);
        }
    }
}

#[test]
fn a_lost_answer_keeps_the_session_where_cognito_keeps_the_token() {
    let lost = [Trouble::Lost(HttpError::Timeout), Trouble::Lost(HttpError::Unreachable), Trouble::Truncated];
    for (rotation, survives) in [(Rotation::Off, true), (Rotation::Grace(10), true), (Rotation::Grace(0), false)] {
        for trouble in &lost {
            for living_secs in [100, 0] {
                let case = format!("{rotation:?}, {trouble:?}, {living_secs} s left");
                let (browser, _) = at_two_locations(rotation);
                browser.world.pass(3600 - living_secs);
                browser.world.cognito.will(trouble.clone());
                let reply = browser.post("/auth/refresh", "");
                // A time-out is not waited for twice; what failed at once is asked for once more before the answer.
                let timed_out = matches!(trouble, Trouble::Lost(HttpError::Timeout));
                let expected = if living_secs > 0 || survives && !timed_out {
                    200
                } else if timed_out {
                    504
                } else {
                    401
                };
                assert_eq!(reply.status, expected, "{case}");
                if timed_out {
                    assert!(browser.open("/app/").site, "{case}: for pages there is the grace of an outage");
                    browser.world.pass(6);
                    browser.world.finish_background();
                }
                // Spent, and nobody has its successor: served while the stored token lives, then told.
                let reply = browser.post("/auth/refresh", "");
                assert_eq!(reply.status, if survives || living_secs > 0 { 200 } else { 401 }, "{case}: a moment later");
                assert_eq!(browser.world.cognito.token_requests(), 3, "{case}: the login, the lost one and one more");
                assert!(browser.stored().is_some(), "{case}");
                browser.world.pass(100);
                let reply = browser.post("/auth/refresh", "");
                assert_eq!(reply.status, if survives { 200 } else { 401 }, "{case}: and later");
            }
        }
    }
}

#[test]
fn a_lost_answer_is_not_asked_for_once_more_when_the_session_has_been_renewed_or_ended_meanwhile() {
    for (path, token_requests) in [("/auth/refresh", 3), ("/auth/logout", 2)] {
        let (browser, _) = at_two_locations(Rotation::Off);
        browser.world.pass(3600);
        browser.world.cognito.will(Trouble::Lost(HttpError::Timeout));
        assert_eq!(browser.post("/auth/refresh", "").status, 504, "{path}");
        browser.world.pass(15);
        assert_eq!(browser.post(path, "").status, 200, "{path}");
        browser.world.finish_background();
        assert_eq!(
            browser.world.cognito.token_requests(),
            token_requests,
            "{path}: the login, the lost one, and no other beside"
        );
    }
}

/// Cognito's grace is up to its operator: what must it be for a lost answer to lose nothing?
#[test]
fn a_grace_of_ten_seconds_outlasts_a_time_out_and_the_attempt_after_it() {
    let survives = |grace: u64| {
        let (browser, _) = at_two_locations(Rotation::Grace(grace));
        browser.world.pass(3600);
        browser.world.cognito.will(Trouble::Lost(HttpError::Timeout));
        assert_eq!(browser.post("/auth/refresh", "").status, 504);
        // The time-out itself.
        browser.world.pass(6);
        browser.world.finish_background();
        browser.post("/auth/refresh", "").status == 200
    };
    assert!(survives(10) && survives(7) && !survives(6));
}

#[test]
fn html_and_truncated_answers_and_refusals_of_others_are_trouble_that_passes() {
    for trouble in [
        Trouble::Html(200),
        Trouble::Html(403),
        Trouble::Html(502),
        Trouble::Html(400),
        Trouble::Truncated,
        Trouble::RetryAfter(429, "7"),
        Trouble::RetryAfter(503, "120"),
    ] {
        let (browser, _) = at_two_locations(Rotation::Off);
        let before = browser.stored().unwrap();
        browser.world.pass(3600);
        // What may have been carried out is asked for once more.
        let attempts = if matches!(trouble, Trouble::Html(200) | Trouble::Truncated) { 2 } else { 1 };
        for _ in 0..attempts {
            browser.world.cognito.will(trouble.clone());
        }
        let reply = browser.get("/user-info");
        assert!(reply.status >= 500, "{trouble:?}: {}", reply.status);
        assert_eq!(browser.world.cognito.token_requests(), 1 + attempts, "{trouble:?}");
        assert!(browser.open("/app/").site, "{trouble:?}");
        assert!(browser.stored().unwrap() == before, "{trouble:?}");
        browser.world.pass(14);
        assert_eq!(browser.get("/user-info").status, 200, "{trouble:?}");
    }
}

#[test]
fn cognitos_retry_after_is_kept_to_for_that_session() {
    let (browser, _) = at_two_locations(Rotation::Off);
    browser.world.pass(3600);
    browser.world.cognito.will(Trouble::RetryAfter(429, "60"));
    let reply = browser.get("/user-info");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("60")));
    browser.world.pass(59);
    assert_eq!((browser.get("/user-info").status, browser.world.cognito.token_requests()), (503, 2));
    browser.world.pass(5);
    assert_eq!((browser.get("/user-info").status, browser.world.cognito.token_requests()), (200, 3));
}

#[test]
fn a_refused_write_gives_way_to_a_newer_record() {
    for rotation in Rotation::ALL {
        let (here, there) = at_two_locations(rotation);
        assert!(there.open("/app/").site && here.open("/app/").site);
        here.world.pass(3600);
        // The other location's write is at the same second; by then it has gone on to the next version.
        let kv = &here.world.kv;
        kv.will(1, "write session/", Fault::Refused(KvError::TooManyWrites));
        let mut slow = Steps::of(here.post_async("/auth/refresh", ""));
        while kv.unused_faults() > 0 {
            assert!(slow.step().is_none());
        }
        let newer = newer_by_two(&there);
        kv.entries.borrow_mut().extend(newer);
        let newer = there.stored().unwrap();
        assert_eq!(slow.finish().status, 200);
        here.world.finish_background();
        assert!(here.stored().unwrap() == newer, "{rotation:?}: version {}", here.stored().unwrap().version);
    }
}

/// The browser's record as another location would have saved it two renewals later.
fn newer_by_two(browser: &Browser) -> Option<(String, (String, u64))> {
    let id = browser.session_id()?;
    let mut record = browser.stored()?;
    record.version += 2;
    record.access_expires_at += 3600;
    let sealed = record.seal(&browser.config.sealing_keys, &id, &support::world::Ports(browser.world.clone()))?;
    Some((id.names().record_key(), (sealed, record.expires_at)))
}

#[test]
fn a_rotated_token_is_stored_before_the_answer_whatever_one_write_meets() {
    for fault in [
        Fault::Refused(KvError::TooManyWrites),
        Fault::Refused(KvError::Unavailable),
        Fault::DoneButToldSo(KvError::Unavailable),
        Fault::TimedOut(8000, false),
        Fault::TimedOut(8000, true),
        Fault::Slow(3000),
    ] {
        for rotation in [Rotation::Grace(0), Rotation::Grace(10)] {
            let (browser, _) = at_two_locations(rotation);
            browser.world.pass(3600);
            browser.world.kv.will(1, "write session/", fault);
            assert_eq!(browser.post("/auth/refresh", "").status, 200, "{fault:?}");
            assert_nothing_is_lost(&browser);
            assert_eq!(browser.stored().unwrap().version, 2, "{fault:?}: and nothing is left for later");
            browser.world.pass(3600);
            assert_eq!(browser.restarted().post("/auth/refresh", "").status, 200, "{fault:?}");
        }
    }
}

#[test]
fn a_write_that_hangs_and_is_repeated_does_not_undo_what_came_after_it() {
    for fault in [Fault::TimedOut(8000, false), Fault::TimedOut(8000, true), Fault::Refused(KvError::TooManyWrites)] {
        let (browser, _) = at_two_locations(Rotation::Grace(0));
        browser.world.pass(3600);
        browser.world.kv.will(1, "write session/", fault);
        let mut first = Steps::of(browser.post_async("/auth/refresh", ""));
        let reads = |browser: &Browser| browser.world.kv.reads.get();
        while browser.world.kv.unused_faults() > 0 {
            assert!(first.step().is_none());
        }
        // It has looked whether somebody else has saved a newer one, and waits for the second of the key to pass.
        let before = reads(&browser);
        while reads(&browser) == before {
            assert!(first.step().is_none());
        }
        // Meanwhile its lease has run out (with a refusal, that takes a slow KV), and another request renews.
        let until = browser.world.time.now_ms() + 8000;
        browser.world.time.set_ms(if matches!(fault, Fault::Refused(_)) { until } else { browser.world.time.now_ms() });
        assert_eq!(browser.post("/auth/refresh", r#"{"force":true}"#).status, 200, "{fault:?}");
        assert_eq!(browser.stored().unwrap().version, 3, "{fault:?}");
        assert_eq!(first.finish().status, 200, "{fault:?}");
        assert_nothing_is_lost(&browser);
        assert_eq!(browser.stored().unwrap().version, 3, "{fault:?}");
    }
}

/// A refresh by an isolate, and another one there `after_ms` later.
fn refresh_twice(browser: &Browser, after_ms: u32) -> (Reply, Reply) {
    let late = async {
        browser.world.time.sleep(after_ms).await;
        browser.post_async("/auth/refresh", "").await
    };
    block_on(futures_util::future::join(browser.post_async("/auth/refresh", ""), late))
}

/// A browser before an isolate that read the session so long before its token ended a second ago.
fn after_its_token_ended(read_before_secs: u64) -> Browser {
    let (browser, _) = at_two_locations(Rotation::Grace(0));
    browser.world.pass(3600 - read_before_secs);
    assert_eq!(browser.get("/user-info").status, 200);
    browser.world.take_background();
    browser.world.pass(read_before_secs + 1);
    browser
}

/// The new refresh token is in no store yet: the isolate's memory has it until the second write is through.
#[test]
fn a_write_that_hangs_lets_nobody_of_its_isolate_send_the_spent_token() {
    for after_ms in [7900, 8100, 9000] {
        let browser = after_its_token_ended(24);
        browser.world.kv.will(1, "write session/", Fault::TimedOut(8000, false));
        let (first, second) = refresh_twice(&browser, after_ms);
        assert_eq!((first.status, second.status), (200, 200), "{after_ms} ms: {} {}", first.body, second.body);
        assert_eq!(browser.world.cognito.token_requests(), 2, "{after_ms} ms: a login and one refresh");
        assert_eq!(browser.world.kv.unused_faults(), 0);
        assert_nothing_is_lost(&browser);
    }
}

#[test]
fn a_refused_token_is_not_sent_again_while_a_slow_kv_is_read_once_more() {
    let browser = after_its_token_ended(2);
    browser.world.cognito.will(Trouble::Error("invalid_grant"));
    browser.world.kv.will(2, "read session/", Fault::Slow(7900));
    let (first, second) = refresh_twice(&browser, 8500);
    assert_eq!((first.code(), second.code()), ("refresh_rejected".to_owned(), "refresh_rejected".to_owned()));
    assert_eq!(browser.world.cognito.token_requests(), 2, "a login and one refresh");
    assert_eq!(browser.world.kv.unused_faults(), 0);
}

/// A crash of the isolate after each step of a refresh. Only a token that Cognito has given and KV has not taken can be lost.
#[test]
fn a_crash_between_any_two_steps_of_a_refresh_loses_only_what_nobody_had_stored() {
    for (rotation, lost_at_most) in [(Rotation::Off, 0), (Rotation::Grace(60), 0), (Rotation::Grace(0), 2)] {
        let mut lost = 0;
        let mut crashes = 0;
        loop {
            let (browser, _) = at_two_locations(rotation);
            browser.world.pass(3600);
            let mut refresh = Steps::of(browser.post_async("/auth/refresh", ""));
            let finished = refresh.steps(crashes + 1).is_some();
            drop(refresh);
            browser.world.take_background();
            let answered = browser.world.cognito.token_requests() == 2;
            let stored = browser.stored().expect("a record").version == 2;
            let reply = browser.restarted().post("/auth/refresh", "");
            let spent = answered && !stored && rotation == Rotation::Grace(0);
            assert_eq!(reply.status, if spent { 401 } else { 200 }, "{rotation:?}, a crash after {} steps", crashes + 1);
            lost += usize::from(spent);
            if finished {
                break;
            }
            crashes += 1;
        }
        println!("{rotation:?}: {crashes} crashes, {lost} lost a refresh token that Cognito does not take any more");
        assert!(crashes >= 5, "{rotation:?}: {crashes}");
        assert_eq!(lost, lost_at_most, "{rotation:?}");
    }
}

/// The platform runs a refresh to its end when the client goes (`RUN_TO_COMPLETION`). Where it does not, the next one waits
/// for the lease (8 s), and no longer; or for that of a key fetch (10 s), if that is what was cut off.
#[test]
fn a_refresh_that_was_cut_off_holds_up_the_next_for_no_longer_than_its_lease() {
    for rotation in [Rotation::Off, Rotation::Grace(60)] {
        for steps in 1.. {
            let (browser, _) = at_two_locations(rotation);
            browser.world.pass(3600);
            let mut refresh = Steps::of(browser.post_async("/auth/refresh", ""));
            let finished = refresh.steps(steps).is_some();
            drop(refresh);
            let before = browser.world.now();
            assert_eq!(browser.post("/auth/refresh", "").status, 200, "{rotation:?}, cut off after {steps} steps");
            let waited = browser.world.now() - before;
            assert!(waited <= if steps == 3 { 10 } else { 8 }, "{rotation:?}, cut off after {steps} steps: {waited} s");
            if finished {
                assert!(steps >= 5, "{steps}");
                break;
            }
        }
    }
}

#[test]
fn a_refused_token_is_remembered_for_ten_minutes_and_a_newer_one_is_tried_at_once() {
    let (here, there) = at_two_locations(Rotation::Grace(0));
    here.world.pass(3600);
    there.world.view.lag(60, 0);
    here.world.cognito.will(Trouble::Error("invalid_grant"));
    assert_eq!(there.post("/auth/refresh", "").code(), "refresh_rejected");
    for waited in [1, 29, 300, 269] {
        here.world.pass(waited);
        assert_eq!(there.post("/auth/refresh", "").code(), "refresh_rejected", "{waited}");
    }
    assert_eq!(here.world.cognito.token_requests(), 2, "a login, and the refusal 599 s ago");
    assert_eq!(here.post("/auth/refresh", "").status, 200, "another isolate may ask for itself");
    here.world.pass(60);
    assert_eq!(there.post("/auth/refresh", "").status, 200, "and there, its token is found");
    assert_eq!(here.world.cognito.token_requests(), 3);
}

/// Two refreshes of one session by two isolates of one location that sees its own writes, in every order of their steps.
#[test]
fn two_isolates_of_one_location_that_refresh_in_any_order_both_go_on() {
    for rotation in [Rotation::Grace(0), Rotation::Grace(10)] {
        let mut sent_to_login = 0;
        let orders = interleavings(5, 5);
        let count = orders.len();
        for order in orders {
            let (browser, _) = at_two_locations(rotation);
            let second = browser.restarted();
            browser.world.pass(3600);
            let [one, two] = [&browser, &second].map(|isolate| Steps::of(isolate.post_async("/auth/refresh", "")));
            let (one, two) = run_interleaved(&order, one, two);
            browser.world.finish_background();
            sent_to_login += usize::from(one.status != 200 || two.status != 200);
            assert_nothing_is_lost(&browser);
            assert_eq!(browser.restarted().post("/auth/refresh", "").status, 200, "{rotation:?} {order:?}");
        }
        assert_eq!(sent_to_login, 0, "{rotation:?}: of {count}");
    }
}
