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

#[test]
fn two() {
    for rotation in [Rotation::Off, Rotation::GraceMs(0), Rotation::GraceMs(10_000)] {
        explore(Scenario { name: "two gateways", requests: &[(0, Ask::Page), (1, Ask::Page)], rotation, ..BASE });
    }
}
