//! What a plan for the site's origin holds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use edgegate::gate::{ANSWER_HEADERS, Gate, Keeping, Memory, Outcome, own_request_headers};
use edgegate::ports::{BodyError, IncomingRequest};
use futures_executor::block_on;
use support::world::Ports;
use support::{PUBLIC_URL, World, config};

const SECRET: &str = "known-to-the-origin-alone";

/// Anybody's GET of the public page.
struct Request(String);

impl IncomingRequest for Request {
    fn method(&self) -> &'static str {
        "GET"
    }

    fn url(&self) -> &str {
        &self.0
    }

    fn header(&self, _: &str) -> Option<String> {
        None
    }

    async fn body(&self, _: usize) -> Result<Vec<u8>, BodyError> {
        Ok(Vec::new())
    }
}

#[test]
fn the_origin_alone_is_told_its_secret_and_a_plan_does_not_print_it() {
    let shown = |changes: &[(&str, &str)]| {
        let headers = own_request_headers(&config(changes), None, None);
        headers.into_iter().find(|(name, _)| *name == "x-origin-verify").map(|(_, value)| value)
    };
    let with_secret = [("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net"), ("ORIGIN_SECRET", SECRET)];
    assert_eq!(shown(&with_secret), Some(SECRET.to_owned()));
    assert_eq!(shown(&[("ORIGIN_SECRET", SECRET)]), None);
    assert_eq!(shown(&[("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net")]), None);

    let gate = Gate::new(config(&with_secret), Ports(World::new()), Rc::new(Memory::default()));
    match block_on(gate.handle(&Request(format!("{PUBLIC_URL}/")))) {
        Outcome::Forward(plan) => assert!(!format!("{plan:?}").contains(SECRET)),
        Outcome::Respond(answer) => panic!("{}", answer.status),
    }
}

#[test]
fn an_origin_that_refuses_everything_is_told_of_and_assets_are_not() {
    let origin = ("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net");
    for (changes, told) in [(&[][..], None), (&[origin], Some("not set")), (&[origin, ("ORIGIN_SECRET", SECRET)], Some("set"))] {
        let world = World::new();
        let memory = Rc::new(Memory::default());
        // Each request has a gate of its own; the isolate's memory is one.
        let answer = |status| Gate::new(config(changes), Ports(world.clone()), memory.clone()).note_site_status(status);
        (0..5).for_each(|_| answer(403));
        answer(200);
        (0..5).for_each(|_| answer(403));
        assert!(!world.logged("origin_refused"));
        (0..20).for_each(|_| answer(403));
        let lines: Vec<_> = world.logs.borrow().iter().filter(|line| line.contains("origin_refused")).cloned().collect();
        assert_eq!(lines.len(), usize::from(told.is_some()), "{lines:?}");
        if let (Some(told), Some(line)) = (told, lines.first()) {
            assert_eq!(*line, format!(r#"Warn origin_refused [("status", "403"), ("ORIGIN_SECRET", "{told}")]"#));
        }
    }
}

#[test]
fn an_answer_that_needs_no_change_passes_untouched() {
    for changes in [&[][..], &[("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net"), ("ORIGIN_SECRET", SECRET)]] {
        let config = config(changes);
        let sent = |name: &str| ["content-type", "access-control-allow-origin"].contains(&name).then(|| "*".to_owned());
        assert!(Keeping::Public.edit_answer(&config, sent, &["theme=dark".to_owned()]).is_empty());
        let edits = Keeping::Public.edit_answer(&config, |name| (name == "x-origin-verify").then(|| SECRET.to_owned()), &[]);
        assert_eq!((edits.remove, edits.set, edits.set_cookies), (vec!["x-origin-verify"], vec![], None));
    }
}

#[test]
fn every_header_that_an_edit_depends_on_is_one_that_the_shell_looks_at() {
    for site in [&[][..], &[("ORIGIN_URL", "https://d111111abcdef8.cloudfront.net")]] {
        let config = config(site);
        for keeping in [Keeping::Private, Keeping::PrivateReadable, Keeping::Public, Keeping::RedirectPage] {
            assert_eq!(Keeping::named(keeping.name()), Some(keeping));
            for present in [false, true] {
                let asked = RefCell::new(Vec::new());
                let header = |name: &str| {
                    asked.borrow_mut().push(name.to_owned());
                    present.then(|| "x".to_owned())
                };
                let edits = keeping.edit_answer(&config, header, &[]);
                assert_eq!(edits.is_empty(), keeping == Keeping::Public && !present);
                for name in asked.take() {
                    assert!(ANSWER_HEADERS.contains(&name.as_str()), "{name}");
                }
            }
        }
    }
    assert_eq!(Keeping::named(""), None);
}
