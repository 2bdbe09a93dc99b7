//! The policy of renewals and sign-outs under a model checker: every order of events within each scenario's bounds. What is
//! modelled and what comes of it is in docs/reliability.md; `cargo test --test model -- --nocapture` prints its figures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "model/mod.rs"]
mod model;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use model::{Ask, Broken, Model, Promise, Rotation, Scenario};
use stateright::{Checker, Model as _};

const HERE: usize = 0;
const THERE: usize = 1;
const FORCE: Ask = Ask::Refresh { force: true };
const OFF: Rotation = Rotation::Off;
const NO_GRACE: Rotation = Rotation::GraceMs(0);
const GRACE: Rotation = Rotation::GraceMs(10_000);
const PLAIN: bool = false;
const STRICT: bool = true;

/// KV's lag; a slow answer of Cognito's; and so long that what was remembered before it is forgotten, and what was remembered
/// after it is not.
const PAST_THE_BOUND: &[&[u32]] = &[&[60_000], &[6000], &[25_000, 29_000]];

/// How far a run goes.
#[derive(Clone, Copy)]
struct Bounds {
    faults: u8,
    crashes: u8,
    cancels: u8,
    passes: u8,
}

const fn bounds(faults: u8, crashes: u8, cancels: u8, passes: u8) -> Bounds {
    Bounds { faults, crashes, cancels, passes }
}

/// Rotation, strict mode, and how far it goes.
type Run = (Rotation, bool, Bounds);

/// One scenario in several configurations, each explored within its bounds to the end.
struct Plan {
    name: &'static str,
    requests: &'static [(usize, Ask)],
    in_turn: bool,
    access_left_secs: u64,
    pass_ms: &'static [&'static [u32]],
    runs: &'static [Run],
    /// Those of more than some 40,000 states.
    large_runs: &'static [Run],
}

impl Plan {
    /// Explores the runs; one fault more everywhere if `MODEL_DEEPER` is set. Nothing may be broken.
    fn holds(&self) {
        self.hold(self.runs);
    }

    fn holds_in_the_large(&self) {
        self.hold(self.large_runs);
    }

    fn hold(&self, runs: &[Run]) {
        assert!(!runs.is_empty(), "{}: nothing to explore", self.name);
        let deeper = u8::from(std::env::var_os("MODEL_DEEPER").is_some());
        for (rotation, strict, bounds) in runs {
            let bounds = Bounds { faults: bounds.faults + deeper, ..*bounds };
            let broken = explore(&self.scenario(*rotation, *strict, bounds), Search::DepthFirst);
            assert!(broken.is_empty(), "{}, {rotation:?}, strict: {strict}: {broken:?}", self.name);
        }
    }

    fn scenario(&self, rotation: Rotation, strict: bool, bounds: Bounds) -> Scenario {
        let Self { name, requests, in_turn, access_left_secs, pass_ms, .. } = *self;
        let Bounds { faults, crashes, cancels, passes } = bounds;
        Scenario {
            name,
            requests,
            in_turn,
            rotation,
            strict,
            access_left_secs,
            faults,
            crashes,
            cancels,
            passes,
            pass_ms,
            broken: None,
        }
    }
}

/// Goes through all states, and gives the promises that were broken.
fn explore(scenario: &Scenario, search: Search) -> BTreeSet<&'static str> {
    let checker = Model::new(scenario.clone()).checker();
    match search {
        Search::BreadthFirst => finish(scenario, checker.spawn_bfs()),
        Search::DepthFirst => finish(scenario, checker.spawn_dfs()),
    }
}

#[derive(Clone, Copy)]
enum Search {
    /// Shows a shortest way to what is broken.
    BreadthFirst,
    /// Is several times faster.
    DepthFirst,
}

#[expect(clippy::disallowed_methods, reason = "a checker's own time, on the machine that it runs on")]
fn finish(scenario: &Scenario, checker: impl Checker<Model>) -> BTreeSet<&'static str> {
    let begun = std::time::Instant::now();
    let checker = checker.join();
    assert!(checker.is_done(), "a run goes to its end");
    let model = checker.model();
    let Scenario { name, rotation, strict, faults, crashes, cancels, passes, broken, .. } = scenario;
    println!(
        "| {name} | {rotation:?} | {strict} | {faults} {crashes} {cancels} {passes} | {} | {} | {} | {} | {} | {:.1} s | {broken:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        model.lost.load(Ordering::Relaxed),
        model.overtaken.load(Ordering::Relaxed),
        begun.elapsed().as_secs_f64(),
    );
    let discoveries = checker.discoveries();
    for (promise, path) in &discoveries {
        println!("Broken: {promise}");
        for action in path.clone().into_actions() {
            println!("  {action:?}");
        }
    }
    discoveries.into_keys().collect()
}

const TWO_RENEW: Plan = Plan {
    name: "two renew",
    requests: &[(HERE, Ask::Page), (THERE, Ask::Page)],
    in_turn: false,
    access_left_secs: 0,
    pass_ms: &[&[2000, 6000, 8000]],
    runs: &[(OFF, PLAIN, bounds(1, 1, 0, 0)), (OFF, STRICT, bounds(1, 1, 0, 0))],
    large_runs: &[
        (NO_GRACE, PLAIN, bounds(1, 1, 0, 1)),
        (GRACE, PLAIN, bounds(1, 1, 0, 1)),
        (NO_GRACE, STRICT, bounds(1, 1, 0, 1)),
        (GRACE, STRICT, bounds(1, 1, 0, 1)),
    ],
};

#[test]
fn two_gateways_renew_the_same_session() {
    TWO_RENEW.holds();
}

#[test]
#[ignore = "large: npm test -- --all"]
fn two_gateways_renew_the_same_session_in_the_large() {
    TWO_RENEW.holds_in_the_large();
}

const RENEW_RENEW_AGAIN: Plan = Plan {
    name: "renew, renew again",
    requests: &[(HERE, Ask::Page), (THERE, Ask::Page), (THERE, FORCE)],
    in_turn: false,
    access_left_secs: 0,
    pass_ms: &[&[2000]],
    runs: &[(NO_GRACE, PLAIN, bounds(0, 1, 0, 0))],
    large_runs: &[
        (NO_GRACE, PLAIN, bounds(1, 0, 0, 0)),
        (GRACE, PLAIN, bounds(0, 1, 0, 0)),
        (NO_GRACE, STRICT, bounds(0, 1, 0, 0)),
    ],
};

#[test]
fn one_gateway_renews_and_the_other_goes_on_from_there() {
    RENEW_RENEW_AGAIN.holds();
}

#[test]
#[ignore = "large: npm test -- --all"]
fn one_gateway_renews_and_the_other_goes_on_from_there_in_the_large() {
    RENEW_RENEW_AGAIN.holds_in_the_large();
}

const RENEW_SIGN_OUT_HERE: Plan = Plan {
    name: "renew, sign out here",
    requests: &[(HERE, Ask::Page), (HERE, Ask::Logout)],
    in_turn: false,
    access_left_secs: 0,
    pass_ms: &[&[8000]],
    runs: &[(NO_GRACE, PLAIN, bounds(0, 1, 0, 0))],
    large_runs: &[(OFF, PLAIN, bounds(0, 0, 0, 0)), (NO_GRACE, PLAIN, bounds(1, 0, 0, 0))],
};

#[test]
fn a_renewal_meets_a_sign_out_at_the_same_gateway() {
    RENEW_SIGN_OUT_HERE.holds();
}

#[test]
#[ignore = "large: npm test -- --all"]
fn a_renewal_meets_a_sign_out_at_the_same_gateway_in_the_large() {
    RENEW_SIGN_OUT_HERE.holds_in_the_large();
}

const RENEW_SIGN_OUT_THERE: Plan = Plan {
    name: "renew, sign out there",
    requests: &[(HERE, Ask::Page), (THERE, Ask::Logout)],
    in_turn: false,
    access_left_secs: 0,
    pass_ms: &[&[8000]],
    runs: &[(NO_GRACE, PLAIN, bounds(1, 1, 0, 0)), (OFF, PLAIN, bounds(0, 1, 0, 0)), (GRACE, PLAIN, bounds(0, 1, 0, 0))],
    large_runs: &[(NO_GRACE, STRICT, bounds(0, 1, 0, 0))],
};

#[test]
fn a_renewal_meets_a_sign_out_at_the_other_gateway() {
    RENEW_SIGN_OUT_THERE.holds();
}

#[test]
#[ignore = "large: npm test -- --all"]
fn a_renewal_meets_a_sign_out_at_the_other_gateway_in_the_large() {
    RENEW_SIGN_OUT_THERE.holds_in_the_large();
}

const SIGN_OUT_THEN_PAGES: Plan = Plan {
    name: "sign out, then pages",
    requests: &[(HERE, Ask::Logout), (THERE, Ask::Page), (THERE, Ask::Page), (HERE, Ask::Page)],
    in_turn: false,
    access_left_secs: 3000,
    pass_ms: &[&[11_000, 31_000, 59_000]],
    runs: &[(OFF, PLAIN, bounds(0, 0, 0, 3))],
    large_runs: &[(OFF, STRICT, bounds(0, 0, 0, 3)), (OFF, PLAIN, bounds(1, 0, 0, 3))],
};

#[test]
fn after_a_sign_out_the_other_gateway_serves_what_it_remembers() {
    SIGN_OUT_THEN_PAGES.holds();
}

#[test]
#[ignore = "large: npm test -- --all"]
fn after_a_sign_out_the_other_gateway_serves_what_it_remembers_in_the_large() {
    SIGN_OUT_THEN_PAGES.holds_in_the_large();
}

const SIGN_OUT_THEN_A_RENEWAL: Plan = Plan {
    name: "sign out, then a renewal",
    requests: &[(HERE, Ask::Logout), (THERE, Ask::Page), (THERE, Ask::Page)],
    in_turn: true,
    access_left_secs: 50,
    pass_ms: PAST_THE_BOUND,
    runs: &[(NO_GRACE, PLAIN, bounds(0, 1, 0, 3))],
    large_runs: &[(GRACE, PLAIN, bounds(0, 1, 0, 3)), (NO_GRACE, PLAIN, bounds(1, 0, 0, 3))],
};

#[test]
fn after_a_sign_out_the_other_gateway_renews() {
    SIGN_OUT_THEN_A_RENEWAL.holds();
}

#[test]
#[ignore = "large: npm test -- --all"]
fn after_a_sign_out_the_other_gateway_renews_in_the_large() {
    SIGN_OUT_THEN_A_RENEWAL.holds_in_the_large();
}

const SIGN_OUT_THEN_A_RENEWAL_SLOW_: Plan = Plan {
    name: "sign out, then a renewal, slow KV",
    requests: &[(HERE, Ask::Logout), (THERE, Ask::Page), (THERE, Ask::Page)],
    in_turn: true,
    access_left_secs: 50,
    pass_ms: &[&[60_000], &[6000], &[8000], &[20_000]],
    runs: &[],
    large_runs: &[(NO_GRACE, PLAIN, bounds(1, 1, 0, 4))],
};

#[test]
#[ignore = "large: npm test -- --all"]
fn after_a_sign_out_a_renewal_whose_look_at_the_marks_fails_is_not_remembered_for_longer_in_the_large() {
    SIGN_OUT_THEN_A_RENEWAL_SLOW_.holds_in_the_large();
}

const TWO_AT_ONE_GATEWAY: Plan = Plan {
    name: "two at one gateway",
    requests: &[(HERE, Ask::Page), (HERE, FORCE)],
    in_turn: false,
    access_left_secs: 0,
    pass_ms: &[&[2000, 8000, 31_000]],
    runs: &[
        (OFF, PLAIN, bounds(0, 0, 1, 1)),
        (NO_GRACE, PLAIN, bounds(0, 0, 1, 1)),
        (GRACE, PLAIN, bounds(0, 0, 1, 1)),
        (NO_GRACE, STRICT, bounds(0, 0, 1, 0)),
    ],
    large_runs: &[(NO_GRACE, PLAIN, bounds(1, 0, 0, 1))],
};

#[test]
fn two_requests_share_a_gateway() {
    TWO_AT_ONE_GATEWAY.holds();
}

#[test]
#[ignore = "large: npm test -- --all"]
fn two_requests_share_a_gateway_in_the_large() {
    TWO_AT_ONE_GATEWAY.holds_in_the_large();
}

const RENEW_SIGN_IN_ANEW: Plan = Plan {
    name: "renew, sign in anew",
    requests: &[(HERE, Ask::Page), (THERE, Ask::Login)],
    in_turn: false,
    access_left_secs: 0,
    pass_ms: &[&[8000]],
    runs: &[(NO_GRACE, PLAIN, bounds(1, 1, 0, 0)), (OFF, PLAIN, bounds(0, 1, 0, 0)), (NO_GRACE, STRICT, bounds(0, 1, 0, 0))],
    large_runs: &[],
};

#[test]
fn a_new_sign_in_meets_a_renewal() {
    RENEW_SIGN_IN_ANEW.holds();
}

/// A spoilt policy of the first gateway breaks this promise, and no other one before it.
fn is_caught(broken: Broken, promise: Promise, scenario: &Scenario) {
    let search = if scenario.strict { Search::DepthFirst } else { Search::BreadthFirst };
    let found = explore(&Scenario { broken: Some(broken), ..scenario.clone() }, search);
    assert_eq!(found, BTreeSet::from([promise.sentence()]), "{broken:?}");
}

const SMALL: Scenario = Scenario {
    name: "broken",
    requests: &[(HERE, Ask::Page), (THERE, Ask::Page)],
    in_turn: false,
    rotation: NO_GRACE,
    strict: PLAIN,
    access_left_secs: 0,
    faults: 0,
    crashes: 0,
    cancels: 0,
    passes: 0,
    pass_ms: &[],
    broken: None,
};

#[test]
fn a_sign_out_without_a_mark_is_caught() {
    let requests = &[(HERE, Ask::Logout), (THERE, Ask::Page), (THERE, Ask::Page)];
    is_caught(Broken::NoMark, Promise::Served, &Scenario { requests, passes: 2, pass_ms: &[&[59_000]], ..SMALL });
}

#[test]
#[ignore = "large: npm test -- --all"]
fn a_save_that_does_not_look_back_is_caught() {
    let requests = &[(THERE, Ask::Logout), (HERE, Ask::Page), (HERE, Ask::Page)];
    let scenario = Scenario { requests, crashes: 1, passes: 3, pass_ms: PAST_THE_BOUND, ..SMALL };
    is_caught(Broken::NoLookBack, Promise::Served, &scenario);
}

#[test]
fn a_refusal_that_deletes_the_record_is_caught() {
    is_caught(Broken::RefusalDeletes, Promise::Kept, &SMALL);
}

#[test]
fn a_loser_that_does_not_read_again_is_caught() {
    is_caught(Broken::NoSecondRead, Promise::SentToLogin, &SMALL);
}

#[test]
fn a_refused_write_that_is_not_repeated_is_caught() {
    is_caught(Broken::NoSecondWrite, Promise::Lost, &Scenario { faults: 1, ..SMALL });
}

#[test]
fn an_isolate_that_never_forgets_is_caught() {
    let requests = &[(HERE, Ask::Page), (HERE, Ask::Page), (THERE, Ask::Logout)];
    let scenario = Scenario { requests, access_left_secs: 3000, passes: 2, pass_ms: &[&[59_000]], ..SMALL };
    is_caught(Broken::NeverForgets, Promise::Served, &scenario);
}

#[test]
fn a_gateway_that_ignores_the_guard_is_caught() {
    is_caught(Broken::IgnoresTheGuard, Promise::StrictlySentToLogin, &Scenario { strict: STRICT, ..SMALL });
}

#[test]
#[ignore = "large: npm test -- --all"]
fn a_guard_that_takes_anything_is_caught() {
    let requests = &[(HERE, Ask::Page), (THERE, Ask::Page), (THERE, FORCE)];
    let scenario = Scenario { requests, in_turn: true, strict: STRICT, rotation: GRACE, ..SMALL };
    is_caught(Broken::TalksTheGuardIntoAnything, Promise::StrictlyNewer, &scenario);
}
