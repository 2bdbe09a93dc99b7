//! What a plan for the site's origin holds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::rc::Rc;

use edgegate::gate::{ForwardPlan, Gate, Memory, Outcome, Upstream};
use edgegate::ports::{BodyError, IncomingRequest};
use futures_executor::block_on;
use support::world::Ports;
use support::{PUBLIC_URL, World, config};

const SECRET: &str = "known-to-the-origin-alone";

/// Anybody's GET of the public page.
struct Request;

impl IncomingRequest for Request {
    fn method(&self) -> String {
        "GET".to_owned()
    }

    fn url(&self) -> String {
        format!("{PUBLIC_URL}/")
    }

    fn header(&self, _: &str) -> Option<String> {
        None
    }

    async fn body(&self, _: usize) -> Result<Vec<u8>, BodyError> {
        Ok(Vec::new())
    }
}

fn plan(changes: &[(&str, &str)]) -> ForwardPlan {
    let gate = Gate::new(config(changes), Ports(World::new()), Rc::new(Memory::default()));
    match block_on(gate.handle(&Request)) {
        Outcome::Forward(plan) => *plan,
        Outcome::Respond(answer) => panic!("{}", answer.status),
    }
}

#[test]
fn the_origins_secret_is_in_a_plan_for_the_origin_only_and_is_not_printed() {
    let shown = |plan: &ForwardPlan| plan.own_request_headers(None).into_iter().find(|(name, _)| *name == "x-origin-verify");

    let origin = plan(&[("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net"), ("ORIGIN_SECRET", SECRET)]);
    assert_eq!(shown(&origin), Some(("x-origin-verify", SECRET.to_owned())));
    assert!(!format!("{origin:?}").contains(SECRET));

    let assets = plan(&[("ORIGIN_SECRET", SECRET)]);
    assert_eq!((&assets.upstream, shown(&assets)), (&Upstream::Assets, None));

    let without = plan(&[("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net")]);
    assert_eq!(shown(&without), None);
}

#[test]
fn an_answer_that_needs_no_change_passes_untouched() {
    for changes in [&[][..], &[("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net"), ("ORIGIN_SECRET", SECRET)]] {
        let plan = plan(changes);
        let sent = |name: &str| ["content-type", "access-control-allow-origin"].contains(&name).then(|| "*".to_owned());
        assert!(plan.edit_answer(sent, &["theme=dark".to_owned()]).is_empty());
        let edits = plan.edit_answer(|name| (name == "x-origin-verify").then(|| SECRET.to_owned()), &[]);
        assert_eq!((edits.remove, edits.set, edits.set_cookies), (vec!["x-origin-verify"], vec![], None));
    }
}
