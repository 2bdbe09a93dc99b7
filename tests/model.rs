//! The policy of renewals and sign-outs, explored: every order of events within each scenario's bounds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "model/mod.rs"]
mod model;

use std::time::Instant;

use model::{Ask, Broken, Model, Promise, Rotation, Scenario};
use stateright::{Checker, Model as _};

const BASE: Scenario = Scenario {
    name: "",
    requests: &[],
    rotation: Rotation::Off,
    strict: false,
    access_left_secs: 0,
    faults: 1,
    crashes: 1,
    cancels: 0,
    passes: 0,
    pass_ms: &[],
    broken: None,
};

fn explore(scenario: Scenario) {
    let name = scenario.name;
    let begun = Instant::now();
    let checker = Model::new(scenario).checker().spawn_bfs().join();
    let model = checker.model();
    println!(
        "{name}: {} states, {} transitions, depth {}, {} isolate steps, {} lost, {:?}",
        checker.unique_state_count(), checker.state_count(), checker.max_depth(), model.isolate_steps(),
        model.lost.load(std::sync::atomic::Ordering::Relaxed), begun.elapsed()
    );
    assert!(checker.is_done());
    for (property, path) in checker.discoveries() {
        println!("{property}\n{:#?}", path.into_actions());
    }
}

const FORCE: Ask = Ask::Refresh { force: true };
const CONFIGS: [(Rotation, bool); 6] = [
    (Rotation::Off, false),
    (Rotation::GraceMs(0), false),
    (Rotation::GraceMs(10_000), false),
    (Rotation::Off, true),
    (Rotation::GraceMs(0), true),
    (Rotation::GraceMs(10_000), true),
];

fn all(scenario: Scenario) {
    let only = std::env::var("ONLY").ok().map(|n| n.parse::<usize>().unwrap());
    for (index, (rotation, strict)) in CONFIGS.into_iter().enumerate() {
        if only.is_some_and(|only| only != index) { continue; }
        println!("{rotation:?} {strict}");
        explore(Scenario { rotation, strict, ..scenario.clone() });
    }
}

#[test]
fn a() {
    all(Scenario { name: "a", requests: &[(0, Ask::Page), (1, Ask::Page)], passes: 1, pass_ms: &[2000, 6000, 8000], ..BASE });
}

#[test]
fn b() {
    all(Scenario { name: "b", requests: &[(0, Ask::Page), (1, Ask::Page), (1, Ask::Logout)], faults: 1, crashes: 1, ..BASE });
}

#[test]
fn c() {
    all(Scenario { name: "c", requests: &[(0, Ask::Logout), (1, Ask::Page), (1, Ask::Page)], access_left_secs: 3000, faults: 1, crashes: 0, passes: 3, pass_ms: &[31_000, 59_000], ..BASE });
}

#[test]
fn c2() {
    all(Scenario { name: "c2", requests: &[(0, Ask::Logout), (1, Ask::Page), (1, Ask::Page)], access_left_secs: 80, faults: 1, crashes: 0, passes: 3, pass_ms: &[31_000, 59_000], ..BASE });
}

#[test]
fn d() {
    for (faults, cancels, passes) in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2), (1, 0, 1), (1, 1, 1), (1, 0, 2)] {
        println!("f{faults} c{cancels} p{passes}");
        explore(Scenario { name: "d", requests: &[(0, Ask::Page), (0, FORCE)], faults, crashes: 0, cancels, passes, pass_ms: &[2000, 8000, 31_000], rotation: Rotation::GraceMs(0), ..BASE });
    }
}
