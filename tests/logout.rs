//! Signing out: at every point, during a refresh, before a KV that lags and fails. After KV's lag and 30 s a session that was
//! signed out opens nothing anywhere, and it never comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use edgegate::ports::{HttpError, KvError};
use support::world::{interleavings, run_interleaved};
use support::{Browser, Fault, Rotation, Steps, World};

/// What an isolate remembers of a session it may go on with for so long.
const MEMORY_SECS: u64 = 30;

/// A browser before two locations that have both read its session; the other one goes on reading that for `lag_secs`.
fn signed_in(rotation: Rotation, lag_secs: u64) -> (Browser, Browser) {
    let here = Browser::new(&World::new());
    here.world.cognito.rotation.set(rotation);
    assert_eq!(here.sign_in("/app/").status, 303);
    let there = here.elsewhere(&here.world.location());
    there.world.view.lag(lag_secs, 0);
    (here, there)
}

fn has_mark(browser: &Browser) -> bool {
    browser.world.kv.keys().iter().any(|key| key.starts_with("ended/"))
}

fn has_record(browser: &Browser) -> bool {
    browser.world.kv.keys().iter().any(|key| key.starts_with("session/"))
}

/// Past the bound, and for a good while longer, nobody opens anything with this cookie: neither who remembers it nor who has
/// to ask KV, and no refresh brings it back.
#[track_caller]
fn assert_dead_after(browsers: &[&Browser], lag_secs: u64, case: &str) {
    let world = &browsers.first().unwrap().world;
    let mut passed = 0;
    for at in [lag_secs + MEMORY_SECS, 400, 8000] {
        world.pass(at - passed);
        passed = at;
        for browser in browsers {
            for browser in [browser.tab(), browser.restarted()] {
                assert!(!browser.is_served(), "{case}: served {at} s later");
                assert_eq!(browser.post("/auth/refresh", r#"{"force":true}"#).status, 401, "{case}: {at} s later");
                browser.world.finish_background();
            }
        }
    }
}

/// An operator writes a mark as `wrangler kv key put --path` does, with whatever the file ends with.
#[test]
fn a_mark_that_was_written_by_hand_signs_out_with_its_line_break() {
    let by_user = |browser: &Browser| format!("ended/{}", browser.session_id().unwrap().names().user_tag());
    let by_session = |browser: &Browser| browser.session_id().unwrap().names().marker_key();
    for (key_of, value) in [
        (&by_session as &dyn Fn(&Browser) -> String, "1\n"),
        (&by_session, "1\r\n"),
        (&by_session, "\n"),
        (&by_session, ""),
        (&by_user, "NOW"),
        (&by_user, "NOW\n"),
        (&by_user, " NOW\r\n"),
        (&by_user, "NOW\n\n"),
        (&by_user, "yesterday\n"),
        (&by_user, "\n"),
        (&by_user, ""),
    ] {
        let (here, there) = signed_in(Rotation::Off, 0);
        here.world.pass(5);
        let now = here.world.now();
        let mark = (value.replace("NOW", &now.to_string()), now + 500_000);
        here.world.kv.entries.borrow_mut().insert(key_of(&here), mark);
        assert_eq!(there.get("/user-info").code(), "session_expired", "{value:?}");
    }
    let (here, there) = signed_in(Rotation::Off, 0);
    let before = format!("{}\n", here.world.now() - 1);
    here.world.kv.entries.borrow_mut().insert(by_user(&here), (before, here.world.now() + 500_000));
    assert_eq!(there.get("/user-info").status, 200, "one of before the sign-in ends nothing, with its line break either");
}

#[test]
fn a_crash_between_any_two_steps_of_a_logout_leaves_a_session_wholly_alive_or_dead() {
    for (rotation, lag_secs) in [(Rotation::Off, 0), (Rotation::Grace(0), 0), (Rotation::Grace(0), 60), (Rotation::Off, 60)] {
        let (mut alive, mut dead) = (0, 0);
        for steps in 1.. {
            let case = format!("{rotation:?}, lag {lag_secs}, a crash after {steps} steps");
            let (here, there) = signed_in(rotation, lag_secs);
            assert!(here.is_served() && there.is_served());
            let before = here.stored().unwrap();
            let (here, tab) = (here.restarted(), here.tab());
            let mut logout = Steps::of(here.post_async("/auth/logout", ""));
            let finished = logout.steps(steps).is_some();
            drop(logout);
            // The isolate is gone, with all that it knew and had left for later.
            here.world.take_background();
            if has_mark(&here) {
                dead += 1;
                assert_dead_after(&[&tab.restarted(), &there], lag_secs, &case);
            } else {
                alive += 1;
                assert!(tab.stored().unwrap() == before && here.world.cognito.revocations.get() == 0, "{case}");
                here.world.pass(3600);
                assert!(tab.restarted().is_served() && there.restarted().is_served(), "{case}");
            }
            if finished {
                break;
            }
        }
        println!("{rotation:?}, lag {lag_secs} s: {alive} crashes left the session alive, {dead} ended it");
        assert!(alive >= 2 && dead >= 2, "{alive} alive, {dead} dead");
    }
}

/// Where a refresh is under way while the user signs out here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    SameIsolate,
    OtherIsolate,
    OtherLocation { lag_secs: u64 },
}

impl Place {
    const ALL: [Self; 4] =
        [Self::SameIsolate, Self::OtherIsolate, Self::OtherLocation { lag_secs: 0 }, Self::OtherLocation { lag_secs: 60 }];

    /// Who signs out, and who refreshes: its access token has just run out.
    fn browsers(self, rotation: Rotation) -> (Browser, Browser) {
        let lag_secs = self.lag_secs();
        let (here, there) = signed_in(rotation, lag_secs);
        here.world.pass(3590);
        assert!(there.open("/app/").site, "so that the other location's KV goes on telling that");
        there.world.take_background();
        here.world.pass(10);
        match self {
            Self::SameIsolate => (here.tab(), here),
            Self::OtherIsolate => (here.restarted(), here),
            Self::OtherLocation { .. } => (here, there),
        }
    }

    fn lag_secs(self) -> u64 {
        if let Self::OtherLocation { lag_secs } = self { lag_secs } else { 0 }
    }
}

#[test]
fn a_refresh_under_way_anywhere_never_brings_a_session_back() {
    for place in Place::ALL {
        let farthest = place.lag_secs() > 0;
        for rotation in [Rotation::Grace(0), Rotation::Off].into_iter().take(1 + usize::from(farthest)) {
            let mut left = 0;
            for order in interleavings(4, 5) {
                let case = format!("{place:?}, {rotation:?}, {order:?}");
                let (leaver, refresher) = place.browsers(rotation);
                let tab = leaver.tab();
                let logout = Steps::of(leaver.post_async("/auth/logout", ""));
                let refresh = Steps::of(refresher.post_async("/auth/refresh", ""));
                let (logout, refresh) = run_interleaved(&order, logout, refresh);
                assert_eq!(logout.status, 200, "{case}");
                assert!(matches!(refresh.status, 200 | 401), "{case}: {}", refresh.status);
                leaver.world.finish_background();
                refresher.world.finish_background();
                left += usize::from(has_record(&leaver));
                assert!(!leaver.restarted().is_served(), "{case}: here at once");
                assert_dead_after(&[&tab, &refresher], place.lag_secs(), &case);
            }
            // Where KV does not show the mark yet, a refresh may save: what it saves stays under the mark until both expire.
            assert!(left == 0 || farthest, "{place:?}, {rotation:?}: {left} records are left");
        }
    }
}

/// In one isolate both would crash.
#[test]
fn a_logout_that_crashes_during_a_refresh_ends_the_session_or_leaves_it_alive() {
    for place in Place::ALL.into_iter().filter(|place| *place != Place::SameIsolate) {
        for (logout_steps, refresh_steps) in (1..=4).flat_map(|logout| (0..=5).map(move |refresh| (logout, refresh))) {
            let case = format!("{place:?}, a crash after {logout_steps} steps, {refresh_steps} of the refresh before");
            let (leaver, refresher) = place.browsers(Rotation::Grace(0));
            let mut refresh = Steps::of(refresher.post_async("/auth/refresh", ""));
            let answer = refresh.steps(refresh_steps);
            let (tab, other) = (leaver.restarted(), leaver.restarted());
            let mut logout = Steps::of(leaver.post_async("/auth/logout", ""));
            logout.steps(logout_steps);
            drop(logout);
            leaver.world.take_background();
            let marked = has_mark(&tab);
            answer.unwrap_or_else(|| refresh.finish());
            drop(refresh);
            refresher.world.finish_background();
            if marked {
                assert_dead_after(&[&tab, &refresher], place.lag_secs(), &case);
            } else {
                tab.world.pass(60);
                assert!(tab.is_served(), "{case}");
                tab.world.pass(3600);
                assert!(other.is_served(), "{case}");
            }
        }
    }
}

#[test]
fn a_session_that_this_location_does_not_see_yet_is_ended_all_the_same() {
    for (cache_secs, behind_secs) in [(0, 60), (30, 30), (60, 60)] {
        let (here, there) = signed_in(Rotation::Off, 0);
        for browser in [&here, &there] {
            browser.world.view.lag(cache_secs, behind_secs);
        }
        assert!(here.is_served());
        assert_eq!(there.get("/user-info").code(), "session_expired", "KV has not told yet");
        let tab = there.tab();
        assert_eq!(there.post("/auth/logout", "").status, 200);
        assert!(has_mark(&here) && !has_record(&here));
        assert_dead_after(&[&here, &tab], cache_secs + behind_secs, &format!("cache {cache_secs} s, behind {behind_secs} s"));
    }
}

#[test]
fn a_new_login_ends_the_older_session_everywhere_also_where_kv_lags() {
    for (cache_secs, behind_secs) in [(0, 0), (60, 0), (0, 60)] {
        let (here, there) = signed_in(Rotation::Off, 0);
        here.world.pass(100);
        for browser in [&here, &there] {
            browser.world.view.lag(cache_secs, behind_secs);
            assert!(browser.is_served());
        }
        let old = [here.tab(), there.tab()];
        assert_eq!(there.sign_in("/app/").status, 303);
        there.world.finish_background();
        assert!(there.is_served());
        here.world.pass(cache_secs + behind_secs);
        assert!(there.elsewhere(&here.world).is_served(), "the new session, once KV tells");
        assert_dead_after(&[&old[0], &old[1]], cache_secs + behind_secs, &format!("cache {cache_secs}, behind {behind_secs}"));
    }
}

#[test]
fn signing_out_everywhere_holds_against_a_refresh_at_any_step() {
    for place in Place::ALL {
        for steps in 0..=6 {
            let case = format!("{place:?}, {steps} steps");
            let (other, refresher) = place.browsers(Rotation::Grace(0));
            let mut refresh = Steps::of(refresher.post_async("/auth/refresh", ""));
            let done = refresh.steps(steps);
            let id = other.session_id().unwrap();
            let mark = (other.world.now().to_string(), other.world.now() + 500_000);
            other.world.kv.entries.borrow_mut().insert(id.names().user_marker_key(), mark);
            other.world.pass(1);
            let later = Browser::new(&other.world);
            assert_eq!(later.sign_in("/app/").status, 303);
            done.unwrap_or_else(|| refresh.finish());
            drop(refresh);
            refresher.world.finish_background();
            assert!(later.restarted().is_served(), "{case}: a session of later is not meant");
            assert_dead_after(&[&other, &refresher], place.lag_secs(), &case);
            assert!(later.restarted().is_served(), "{case}");
        }
    }
}

#[test]
fn a_mark_that_kv_refuses_once_is_written_once_more() {
    for fault in
        [Fault::Refused(KvError::Unavailable), Fault::Refused(KvError::TooManyWrites), Fault::DoneButToldSo(KvError::Unavailable)]
    {
        let (here, there) = signed_in(Rotation::Off, 0);
        let tab = here.tab();
        here.world.kv.will(1, "write ended/", fault);
        let before = here.world.time.now_ms();
        assert_eq!(here.post("/auth/logout", "").status, 200, "{fault:?}");
        assert!((1100..=1355).contains(&(here.world.time.now_ms() - before)), "after KV's second");
        assert_dead_after(&[&tab, &there], 0, &format!("{fault:?}"));
    }
}

#[test]
fn a_mark_that_kv_does_not_take_is_never_a_success() {
    for (times, fault, longest_ms) in [
        (2, Fault::Refused(KvError::Unavailable), 1355),
        (2, Fault::Refused(KvError::TooManyWrites), 1355),
        (1, Fault::TimedOut(8000, false), 8000),
    ] {
        for deleted in [true, false] {
            let case = format!("{fault:?}, deleted {deleted}");
            let (here, there) = signed_in(Rotation::Off, 0);
            let tab = here.tab();
            here.world.kv.will(times, "write ended/", fault);
            here.world.kv.will(usize::from(!deleted), "delete session/", Fault::Refused(KvError::Unavailable));
            let before = here.world.time.now_ms();
            let reply = here.post("/auth/logout", "");
            assert_eq!((reply.status, reply.code().as_str()), (503, "store_unavailable"), "{case}");
            assert!(reply.json()["logoutUrl"].as_str().unwrap().contains("/logout?"), "{case}");
            assert!(!here.cookies.borrow().contains_key("__Host-session"), "{case}: the cookie goes");
            assert!(here.world.time.now_ms() - before <= longest_ms, "{case}: a time-out is waited for once");
            assert_eq!(here.world.kv.unused_faults(), 0, "{case}");
            here.world.finish_background();
            assert_eq!(here.world.cognito.good_tokens(here.world.now()), 0, "{case}: revoked all the same");
            assert!(!tab.is_served(), "{case}: this isolate knows");
            assert_eq!(there.is_served(), !deleted, "{case}: it was no success");
            here.world.pass(3600);
            assert!(!there.restarted().is_served(), "{case}: nothing is renewed any more");
        }
    }
}

#[test]
fn a_revocation_is_tried_once_more_and_never_fails_the_logout() {
    for (trouble, revocations, revoked) in [
        (vec![Ok(503)], 2, true),
        (vec![Ok(429)], 2, true),
        (vec![Err(HttpError::Unreachable)], 2, true),
        (vec![Err(HttpError::Timeout)], 2, true),
        (vec![Ok(503), Ok(503)], 2, false),
        (vec![Ok(400)], 1, false),
    ] {
        let (here, _) = signed_in(Rotation::Off, 0);
        here.world.cognito.revocation_trouble.borrow_mut().extend(trouble.clone());
        assert_eq!(here.post("/auth/logout", "").status, 200, "{trouble:?}");
        assert_eq!(here.world.cognito.revocations.get(), 0, "{trouble:?}: nobody waits for it");
        here.world.finish_background();
        assert_eq!(here.world.cognito.revocations.get(), revocations, "{trouble:?}");
        assert_eq!(here.world.cognito.good_tokens(here.world.now()) == 0, revoked, "{trouble:?}");
        assert_eq!(here.world.logged("refresh_token_not_revoked"), !revoked, "{trouble:?}");
    }
}

/// The last second after a logout at which the other location still serves. Other isolates there ask KV every second, from
/// `read_before` seconds before the logout on; ours is asked for the first time so many seconds after it, then every second.
fn last_served(lag: (u64, u64), read_before: u64, first_asked: u64, ask: &dyn Fn(&Browser) -> bool) -> Option<u64> {
    let (here, there) = signed_in(Rotation::Off, 0);
    here.world.pass(200);
    there.world.view.lag(lag.0, lag.1);
    assert!(there.restarted().is_served());
    for _ in 0..read_before {
        here.world.pass(1);
        assert!(there.restarted().open("/app/").site);
    }
    assert!(first_asked > 0 || ask(&there));
    assert_eq!(here.post("/auth/logout", "").status, 200);
    let mut last = None;
    for second in 0..lag.0 + lag.1 + 3 * MEMORY_SECS {
        if second < first_asked {
            there.restarted().open("/app/");
        } else if ask(&there) {
            last = Some(second);
        }
        here.world.pass(1);
    }
    last
}

/// The worst of all: asked from the beginning, or for the first time when KV is about to tell.
fn worst(lag: (u64, u64), ask: &dyn Fn(&Browser) -> bool) -> Option<u64> {
    let lag_secs = lag.0 + lag.1;
    let first_asked = [0, lag_secs.saturating_sub(2), lag_secs.saturating_sub(1)];
    let cases = [0, 1].into_iter().flat_map(|before| first_asked.map(|asked| (before, asked)));
    cases.filter_map(|(before, asked)| last_served(lag, before, asked, ask)).max()
}

#[test]
fn the_bound_of_a_logout_is_kvs_lag_and_thirty_seconds() {
    let by_pages = |browser: &Browser| browser.get("/user-info").status == 200;
    let by_refreshes = |browser: &Browser| browser.post("/auth/refresh", r#"{"force":true}"#).status == 200;
    let by_new_isolates = |browser: &Browser| browser.restarted().get("/user-info").status == 200;
    for lag in [(0, 0), (30, 0), (60, 0), (0, 60), (30, 30)] {
        let lag_secs = lag.0 + lag.1;
        let [pages, refreshes, new] = [worst(lag, &by_pages), worst(lag, &by_refreshes), worst(lag, &by_new_isolates)]
            .map(|last| last.map_or(0, |at| at + 1));
        println!(
            "KV lags by {lag_secs:>2} s (cache of a read {:>2} s, on the way {:>2} s): served for {pages} s, with refreshes for \
             {refreshes} s, by new isolates for {new} s",
            lag.0, lag.1,
        );
        for served in [pages, refreshes] {
            // It is met as well: what is remembered comes on top of what KV still tells.
            assert!((lag_secs + MEMORY_SECS - 2..=lag_secs + MEMORY_SECS).contains(&served), "{lag:?}: {served}");
        }
        assert!(new <= lag_secs && new + 1 >= lag_secs, "{lag:?}: {new}");
    }
}

/// A renewal is remembered anew only once the marks were looked at.
#[test]
fn a_kv_that_cannot_tell_of_the_mark_stretches_the_bound_by_no_more_than_a_step_of_a_save() {
    for first_refresh in 0..MEMORY_SECS {
        let (here, there) = signed_in(Rotation::Off, 0);
        here.world.pass(200);
        assert!(there.is_served());
        assert_eq!(here.post("/auth/logout", "").status, 200);
        here.world.kv.will(1000, "read ended/", Fault::Refused(KvError::Unavailable));
        let started = here.world.now();
        here.world.pass(first_refresh);
        for _ in 0..100 {
            let after = here.world.now() - started;
            let reply = there.post("/auth/refresh", r#"{"force":true}"#);
            there.world.finish_background();
            assert!(reply.status != 200 || after < MEMORY_SECS + 10, "refreshed after {first_refresh} s, served after {after} s");
            here.world.pass(1);
        }
    }
}
